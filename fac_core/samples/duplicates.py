"""Two texts are near duplicates when their sets of word 3-grams have a Jaccard similarity of at least 0.8, exactly.

Found without comparing all pairs: two sets that similar must share one of their rarest grams, so only those are
indexed (prefix filter, Chaudhuri et al. 2006; Bayardo et al. 2007). Text by text, one that resembles an earlier kept
text counts as a duplicate of it, any other is kept: what removing near duplicates in order would leave.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THRESHOLD = 0.8
_MAX_WORDS = 2000
"""Words compared of each text."""
_MAX_POSTINGS = 100
"""Kept texts remembered for each gram, the latest; only masses of texts alike by half reach it, and lose some."""
_SLACK = 1e-9
# scripts without spaces count each character as a word
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")


@dataclass(frozen=True)
class NearDuplicates:
    """What each text resembles."""

    earlier: NDArray[np.int64]
    """[n_texts] index of the earlier text it is a near duplicate of, or -1."""
    known: NDArray[np.int64]
    """[n_texts] index into the known texts, or -1."""


def near_duplicates(
    texts: Sequence[str], known: Sequence[str] = (), threshold: float = THRESHOLD, max_postings: int = _MAX_POSTINGS
) -> NearDuplicates:
    """Near duplicates among `texts`, and of `known` texts.

    50,000 texts of 100 words take seconds on one core.
    """
    import numpy as np

    n_known = len(known)
    grams, starts = _grams([*known, *texts])
    sizes = np.diff(starts)
    # how many of the rarest grams have to be looked at
    prefixes = sizes - np.ceil(threshold * sizes - _SLACK).astype(np.int64) + 1
    frequency = np.bincount(grams) if len(grams) else np.zeros(0, np.int64)
    found = np.full((2, len(texts)), -1, np.int64)
    among_known, among_kept = _Index(threshold, max_postings), _Index(threshold, max_postings)
    for i, (start, end, prefix) in enumerate(
        zip(starts[:-1].tolist(), starts[1:].tolist(), prefixes.tolist(), strict=True)
    ):
        rare = grams[start : start + prefix]
        alone = frequency[rare] == 1
        entry = _Entry(grams[start:end], [(p, g) for p, g in enumerate(rare.tolist()) if not alone[p]])
        if not entry.rare:
            continue
        if i < n_known:
            among_known.add(i, entry)
            continue
        found[0, i - n_known] = among_kept.nearest(entry)
        found[1, i - n_known] = among_known.nearest(entry)
        if found[0, i - n_known] < 0:
            among_kept.add(i - n_known, entry)
    return NearDuplicates(earlier=found[0], known=found[1])


class _Entry(NamedTuple):
    grams: NDArray[np.int64]
    rare: list[tuple[int, int]]
    """(position, gram) of its rarest grams that any other text has."""


class _Index:
    """Kept texts by their rarest grams."""

    def __init__(self, threshold: float, max_postings: int) -> None:
        self._threshold = threshold
        self._entries: dict[int, _Entry] = {}
        self._postings: dict[int, deque[tuple[int, int, int]]] = defaultdict(lambda: deque(maxlen=max_postings))

    def add(self, text: int, entry: _Entry) -> None:
        """Keep a text."""
        self._entries[text] = entry
        for position, gram in entry.rare:
            self._postings[gram].append((text, len(entry.grams), position))

    def nearest(self, entry: _Entry) -> int:
        """A kept text that resembles this one, or -1."""
        size, t = len(entry.grams), self._threshold
        own: set[int] | None = None
        seen: set[int] = set()
        for position, gram in entry.rare:
            for text, other_size, other_position in self._postings.get(gram, ()):
                # grams before the first shared one differ, so at most this many can be shared
                most = min(size - position, other_size - other_position)
                if text in seen or most < t * (size + other_size - most) - _SLACK:
                    continue
                seen.add(text)
                own = set(entry.grams.tolist()) if own is None else own
                shared = len(own.intersection(self._entries[text].grams.tolist()))
                if shared >= t * (size + other_size - shared) - _SLACK:
                    return text
        return -1


def words_of(text: str, most: int) -> list[str]:
    """The first words of a text, without capitals; what has none (a row of emoji) is compared as one word."""
    return _WORD.findall(text.casefold())[:most] or [text]


def _grams(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Word 3-grams of all texts as numbers that grow with how common a gram is: (grams, starts).

    Text i has the ascending, distinct ``grams[starts[i] : starts[i + 1]]``; a text of fewer words is one gram.
    """
    import numpy as np

    vocabulary: defaultdict[str, int] = defaultdict(lambda: len(vocabulary))
    numbers: list[int] = []
    counts = np.zeros(len(texts), np.int64)
    for i, text in enumerate(texts):
        words = words_of(text, _MAX_WORDS)
        words += [""] * (3 - len(words))
        numbers += map(vocabulary.__getitem__, words)
        counts[i] = len(words)
    number = np.array(numbers, np.uint64)
    del numbers
    ends = np.cumsum(counts)
    first = np.ones(len(number), bool)
    first[ends - 1] = first[ends - 2] = False  # no gram reaches into the next text
    position = np.flatnonzero(first)
    # odd constants mix three word numbers into 64 bits; a collision among millions of grams is negligible
    mixed = (
        number[position] * np.uint64(0x9E3779B97F4A7C15)
        ^ number[position + 1] * np.uint64(0xC2B2AE3D27D4EB4F)
        ^ number[position + 2] * np.uint64(0x165667B19E3779F9)
    )
    owner = np.searchsorted(ends, position, side="right")
    distinct, gram = np.unique(mixed, return_inverse=True)
    n = len(distinct)
    pairs = np.sort(owner * n + gram)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # a gram counts once in a text
    owner, gram = np.divmod(pairs, max(n, 1))
    by_rarity = np.empty(n, np.int64)
    by_rarity[np.argsort(np.bincount(gram, minlength=n), kind="stable")] = np.arange(n)
    pairs = np.sort(owner * n + by_rarity[gram])
    owner, gram = np.divmod(pairs, max(n, 1))
    return gram, np.searchsorted(owner, np.arange(len(texts) + 1))
