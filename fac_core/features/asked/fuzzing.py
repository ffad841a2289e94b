"""A wrong mark lies where the feature is silent: it never touches a token on which the feature is active.

Right ones are the tokens above 0.3 of the text's own maximum; wrong ones are as many, on firing texts too, so that only
the place of the marks tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.content import Content
from fac_core.features.asked.judging import Item
from fac_core.features.asked.spans import EXCERPT_WORDS, Range, excerpt, window

SHARE_OF_MAX = 0.3


class Tokens(NamedTuple):
    """A firing text, token by token."""

    content_id: int
    content: Content
    ranges: Sequence[Range]
    values: NDArray[np.float32]
    """[n tokens], the feature's activation."""


def items(texts: Sequence[Tokens], seed: int, feature_id: int) -> list[Item]:
    """One half of the texts rightly marked, the other wrongly; a text without a silent token is left out of the latter.

    Which half a text is in follows from the seed. A text on which the feature is not active when it is read here, as
    one at the verge may not be, is left out of both.
    """
    texts = [text for text in texts if _active(text)]
    order = np.random.default_rng([seed, feature_id]).permutation(len(texts)).tolist()
    right = order[: (len(texts) + 1) // 2]
    marked = {index: _active(texts[index]) for index in right}
    n_marks = max(1, round(sum(map(len, marked.values())) / max(1, len(marked))))
    for index in order[len(right) :]:
        wrong = wrong_marks(texts[index], n_marks, [seed, feature_id, index])
        if wrong:
            marked[index] = wrong
    return [_item(texts[index], ranks, fires=index in right) for index, ranks in sorted(marked.items())]


def wrong_marks(text: Tokens, n: int, seed: Sequence[int]) -> list[int]:
    """Up to `n` tokens, next to each other where they can be, that share no character with an active one."""
    active = [text.ranges[int(rank)] for rank in np.flatnonzero(text.values > 0)]
    free = [
        rank
        for rank, (start, end) in enumerate(text.ranges)
        if text.content.text[start:end].strip() and not any(start < high and low < end for low, high in active)
    ]
    if not free:
        return []
    runs = np.split(np.array(free), np.flatnonzero(np.diff(free) > 1) + 1)
    rng = np.random.default_rng(list(seed))
    long = [run for run in runs if len(run) >= n]
    run = long[int(rng.integers(len(long)))] if long else max(runs, key=len)
    first = int(rng.integers(max(1, len(run) - n + 1)))
    return [int(rank) for rank in run[first : first + n]]


def _active(text: Tokens) -> list[int]:
    return [int(rank) for rank in np.flatnonzero(text.values > SHARE_OF_MAX * text.values.max(initial=0.0))]


def _item(text: Tokens, ranks: Sequence[int], *, fires: bool) -> Item:
    """The text around its first mark, or its peak among them, with the marks that lie there."""
    plain = text.content.text
    centre = max(ranks, key=lambda rank: float(text.values[rank])) if fires else ranks[0]
    inside = window(plain, *text.ranges[centre], EXCERPT_WORDS)
    return Item(text.content_id, fires, excerpt(plain, inside, [text.ranges[rank] for rank in ranks]))
