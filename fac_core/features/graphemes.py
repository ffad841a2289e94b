"""What a person sees as one character is never cut: a letter with its combining marks, a picture with what modifies it
and what a joiner ties to it, a flag.

Tokens and the places of peaks are cut by a tokenizer that knows bytes only, so whoever draws them widens them here.
The rules are those of Unicode's extended grapheme clusters (UAX 29), prepended signs and Indic conjuncts aside.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain

_FLAG = "[\U0001f1e6-\U0001f1ff]"
_SYLLABLE = "[\u1100-\u115f\ua960-\ua97c]+[\u1160-\u11a7\ud7b0-\ud7c6]*[\u11a8-\u11ff\ud7cb-\ud7fb]*"
# zero-width non-joiner, shades of skin, tags of the flags of regions
_MODIFIERS = "\u200c\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"


@lru_cache(maxsize=1)
def combining() -> str:
    """All characters that combine with the one before, variation selectors included, for a regular expression's set."""
    places = chain(range(0x300, 0x20000), range(0xE0100, 0xE01F0))
    return "".join(re.escape(char) for char in map(chr, places) if unicodedata.category(char).startswith("M"))


@lru_cache(maxsize=1)
def visible() -> str:
    """Regular expression of one character as a person sees it, blanks apart."""
    return f"(?:{_FLAG}{{2}}|{_SYLLABLE}|[^\\s]){_tail()}"


def widen(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans [start, end) of a text, each made as much longer as it takes to cut no character; empty ones stay as they
    are.
    """
    if text.isascii():
        return list(spans)
    ends = [match.end() for match in _any().finditer(text)]
    starts = [0, *ends[:-1]]
    return [
        (starts[bisect_right(starts, start) - 1], ends[bisect_left(ends, end)])
        if 0 <= start < end <= len(text)
        else (start, end)
        for start, end in spans
    ]


def _tail() -> str:
    return f"(?:[{combining()}{_MODIFIERS}]|\u200d[^\\s]?)*"


@lru_cache(maxsize=1)
def _any() -> re.Pattern[str]:
    return re.compile(f"{visible()}|[^\\S\\r\\n]{_tail()}|.", re.DOTALL)
