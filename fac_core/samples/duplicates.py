"""Two texts are near duplicates when their sets of word 3-grams have a Jaccard similarity of at least 0.8, exactly.

Found without comparing all pairs: two sets that similar must share one of their rarest grams, so only those are
indexed (prefix filter, Chaudhuri et al. 2006; Bayardo et al. 2007). Text by text, one that resembles an earlier kept
text counts as a duplicate of it, any other is kept: what removing near duplicates in order would leave.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THRESHOLD = 0.8
_MAX_WORDS = 2000
"""Words compared of each text."""
_MAX_CANDIDATES = 100
"""Kept texts a text is compared with; only masses of texts alike by half reach it, and then a few are overlooked."""
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
    texts: Sequence[str], known: Sequence[str] = (), threshold: float = THRESHOLD, max_candidates: int = _MAX_CANDIDATES
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
    index: dict[int, list[int]] = defaultdict(list)
    for i in range(n_known + len(texts)):
        prefix = grams[starts[i] : starts[i] + prefixes[i]]
        prefix = prefix[frequency[prefix] > 1].tolist()
        if i >= n_known and prefix:
            candidates = dict.fromkeys(j for gram in prefix for j in index.get(gram, ()))
            own = set(grams[starts[i] : starts[i + 1]].tolist())
            compared = 0
            for j in candidates:
                which = 0 if j >= n_known else 1
                small, large = sorted((sizes[i], sizes[j]))
                if found[which, i - n_known] >= 0 or small < threshold * large - _SLACK:
                    continue
                shared = len(own.intersection(grams[starts[j] : starts[j + 1]].tolist()))
                if shared >= threshold * (sizes[i] + sizes[j] - shared) - _SLACK:
                    found[which, i - n_known] = j - (0 if which else n_known)
                compared += 1
                if compared == max_candidates or (found[:, i - n_known] >= 0).all():
                    break
        if i < n_known or found[0, i - n_known] < 0:
            for gram in prefix:
                index[gram].append(i)
    return NearDuplicates(earlier=found[0], known=found[1])


def _grams(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Word 3-grams of all texts as numbers that grow with how common a gram is: (grams, starts).

    Text i has the ascending, distinct ``grams[starts[i] : starts[i + 1]]``; a text of fewer words is one gram.
    """
    import numpy as np

    vocabulary: dict[str, int] = {"": 0}
    numbers: list[int] = []
    counts = np.zeros(len(texts), np.int64)
    for i, text in enumerate(texts):
        # what has no words (a row of emoji) is compared as one word
        words = _WORD.findall(text.casefold())[:_MAX_WORDS] or [text]
        words += [""] * (3 - len(words))
        numbers += [vocabulary.setdefault(word, len(vocabulary)) for word in words]
        counts[i] = len(words)
    words = np.array(numbers, np.uint64)
    del numbers
    ends = np.cumsum(counts)
    first = np.ones(len(words), bool)
    first[ends - 1] = first[ends - 2] = False  # no gram reaches into the next text
    position = np.flatnonzero(first)
    # odd constants mix three word numbers into 64 bits; a collision among millions of grams is negligible
    mixed = (
        words[position] * np.uint64(0x9E3779B97F4A7C15)
        ^ words[position + 1] * np.uint64(0xC2B2AE3D27D4EB4F)
        ^ words[position + 2] * np.uint64(0x165667B19E3779F9)
    )
    owner = np.searchsorted(ends, position, side="right")
    distinct, gram = np.unique(mixed, return_inverse=True)
    n = len(distinct)
    pairs = np.unique(owner * n + gram)  # a gram counts once in a text
    owner, gram = pairs // max(n, 1), pairs % max(n, 1)
    by_rarity = np.empty(n, np.int64)
    by_rarity[np.argsort(np.bincount(gram, minlength=n), kind="stable")] = np.arange(n)
    pairs = np.sort(owner * n + by_rarity[gram])
    starts = np.searchsorted(pairs // max(n, 1), np.arange(len(texts) + 1))
    return pairs % max(n, 1), starts
