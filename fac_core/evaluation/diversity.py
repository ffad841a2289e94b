"""Text diversity is counted from the words alone, so that it can disagree with FAC.

Distinct-n falls as a text collection grows. Two collections are therefore compared at the same number of words: each is
drawn from in a fixed random order of its texts until that number is reached, and the draws are averaged.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fac_core.errors import InputError

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Diversity:
    """Lexical diversity of a collection of texts."""

    n_texts: int
    n_words: int
    """Words and punctuation marks, case folded."""
    distinct_1: float
    """Different words over words, 0 to 1; 0 for no words."""
    distinct_2: float
    """Different bigrams over bigrams, 0 to 1; bigrams do not cross texts."""
    bigram_entropy: float
    """Shannon entropy of the bigrams, in bits."""


@dataclass(frozen=True)
class DiversityChange:
    """Diversity before and after, as it is and at an equal number of words."""

    before: Diversity
    after: Diversity
    added: Diversity
    """Of the added texts alone."""
    equal_words: int
    """Words of the smaller of the collections `before` and `after`."""
    before_equal: Diversity
    after_equal: Diversity


def words(text: str) -> list[str]:
    """Words and punctuation marks of a text, case folded."""
    return _WORD.findall(text.casefold())


def diversity(texts: Sequence[str]) -> Diversity:
    """Distinct-1, distinct-2 and bigram entropy of all the texts."""
    return _measure([words(text) for text in texts])


def diversity_at(texts: Sequence[str], n_words: int, draws: int = 10, seed: int = 0) -> Diversity:
    """The same on `n_words` words drawn text by text; the mean over `draws` random orders.

    Raises:
        InputError: the texts hold fewer words, or less than one word or draw is asked for.
    """
    split = [words(text) for text in texts]
    if n_words < 1 or draws < 1:
        raise InputError("Diversity is measured on at least one word and one draw.")
    if (held := sum(map(len, split))) < n_words:
        raise InputError(f"The texts hold {held:,} words, too few to draw {n_words:,}; choose fewer.")
    found = []
    for draw in range(draws):
        order = list(range(len(split)))
        random.Random(f"{seed}/{draw}").shuffle(order)
        found.append(_measure(_cut([split[i] for i in order], n_words)))
    return Diversity(
        round(sum(d.n_texts for d in found) / draws),
        n_words,
        sum(d.distinct_1 for d in found) / draws,
        sum(d.distinct_2 for d in found) / draws,
        sum(d.bigram_entropy for d in found) / draws,
    )


def compare(before: Sequence[str], added: Sequence[str], draws: int = 10, seed: int = 0) -> DiversityChange:
    """What adding texts does to diversity.

    Raises:
        InputError: there are no words before.
    """
    whole = [*before, *added]
    plain = diversity(before)
    if not plain.n_words:
        raise InputError("The seed set holds no words to compare with; import its texts first.")
    n_words = plain.n_words
    return DiversityChange(
        plain,
        diversity(whole),
        diversity(added),
        n_words,
        diversity_at(before, n_words, draws, seed),
        diversity_at(whole, n_words, draws, seed),
    )


def _cut(split: Sequence[list[str]], n_words: int) -> list[list[str]]:
    """The first texts that together hold `n_words` words, the last one cut."""
    kept: list[list[str]] = []
    left = n_words
    for found in split:
        if left <= 0:
            break
        kept.append(found[:left])
        left -= len(kept[-1])
    return kept


def _measure(split: Sequence[list[str]]) -> Diversity:
    one = Counter(word for text in split for word in text)
    two = Counter(pair for text in split for pair in pairwise(text))
    n_words, n_pairs = one.total(), two.total()
    entropy = -sum(n / n_pairs * math.log2(n / n_pairs) for n in two.values()) if n_pairs else 0.0
    return Diversity(
        len(split),
        n_words,
        len(one) / n_words if n_words else 0.0,
        len(two) / n_pairs if n_pairs else 0.0,
        max(0.0, entropy),
    )
