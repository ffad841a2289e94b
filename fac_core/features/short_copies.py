"""Texts shown as examples differ by more than a word in ten, also short ones, whose 3-grams one changed word spoils.

Long texts are alike as near duplicates are. Of up to `SHORT` words, one changed last word of ten leaves a Jaccard
similarity of 3-grams of 0.78; there the words themselves are compared, in their order. Nothing that is measured goes by
this: leaving samples out of a score goes by `samples.duplicates` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

from fac_core.samples.duplicates import THRESHOLD, words_of

SHORT = 30
"""Words up to which a changed word in the middle still spoils a fifth of the 3-grams."""


def differ_by_little(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two short texts share at least 0.8 of their words (Jaccard) in the same order."""
    if not words or not others or max(len(words), len(others)) > SHORT:
        return False
    if not _enough((Counter(words) & Counter(others)).total(), words, others):
        return False
    blocks = SequenceMatcher(None, words, others, autojunk=False).get_matching_blocks()
    return _enough(sum(block.size for block in blocks), words, others)


def _enough(shared: int, words: Sequence[str], others: Sequence[str]) -> bool:
    return shared >= THRESHOLD * (len(words) + len(others) - shared)


def short_words(text: str) -> list[str]:
    """The words of a text by which it is compared."""
    return words_of(text, SHORT + 1)
