"""An explanation is scored on documents that none was made from, the same ones whatever the explanation says.

Which they are follows from the feature and the data alone. A document *fires* if the feature's highest activation in
it is above δ, as coverage counts it, or among the feature's ten highest: many features have few documents above δ, and
their strongest below it say more than no score. Up to 50 that fire are taken, evenly from strongest to weakest, and up
to 50 in which the feature is silent (0, not merely below δ), half of them at random and half *hard*: the features whose
decoder directions lie nearest fire there and this one does not.

A document is judged by one piece of it, around a peak: the feature's own where it fires, that of the neighbour that
makes it hard, or that of a random other feature that fires there; so neither length nor place tells the sides apart. A
document in which many features fire is as likely among the random ones as it is among those that fire for some feature:
drawn evenly, silent ones were emptier, and names of other features scored .51 instead of .50.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.features.encoder import Vectors
from fac_core.features.intervals import Z, wilson
from fac_core.features.keywords import SEPARATOR, UNCLEAR
from fac_core.features.windows import Ints, Windows

REVISION = 3
"""The way of scoring; raised when the same explanation and data would now get another score."""
MOST = 50
"""Documents of each kind."""
AT_LEAST = 10
"""Documents that count as firing, where the feature fires in as many at all."""
GROUP = 4
"""Documents that a feature fires in among which an intruder is looked for; found by chance one time in GROUP + 1."""
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Firing(NamedTuple):
    """Where features fire in the held-out documents, by feature, strongest first; arrays are [rows]."""

    document: Ints
    """Index of the document."""
    window: Ints
    """The piece around the peak."""
    fires: Mask
    """Whether it is above δ or one of the feature's AT_LEAST highest."""
    features: Ints
    """[features] that fire, ascending."""
    first: Ints
    """[features + 1] rows of features[i] are `first[i]:first[i + 1]`."""
    by_document: Ints
    """The rows that fire, by document."""
    first_in: Ints
    """[documents + 1] those of document i are `by_document[first_in[i]:first_in[i + 1]]`."""

    def rows_of(self, feature: int) -> slice:
        """The rows of one feature."""
        place = int(np.searchsorted(self.features, feature))
        if place == len(self.features) or self.features[place] != feature:
            return slice(0, 0)
        return slice(int(self.first[place]), int(self.first[place + 1]))


class Items(NamedTuple):
    """The documents an explanation of one feature is scored on; arrays are [items], those that fire first."""

    document: Ints
    window: Ints
    fires: Mask

    @property
    def n_firing(self) -> int:
        """How many fire."""
        return int(self.fires.sum())


class Result(NamedTuple):
    """A score and its 95 % interval."""

    n_firing: int
    n_silent: int
    right_firing: float
    right_silent: float
    value: float
    low: float
    high: float


def firing(feature: Ints, document: Ints, value: Floats, char: Ints, windows: Windows, delta: float) -> Firing:
    """Index rows that come by feature, strongest first; `char` is where the peak begins."""
    ids, first = np.unique(feature, return_index=True)
    ends = np.append(first, len(feature)).astype(np.int64)
    rank = np.arange(len(feature)) - np.repeat(first, np.diff(ends))
    fires = (value > delta) | (rank < AT_LEAST)
    rows = np.flatnonzero(fires)
    per_document = np.bincount(document[rows], minlength=len(windows.first) - 1)
    return Firing(
        document,
        windows.around(document, char),
        fires,
        ids,
        ends,
        rows[np.argsort(document[rows], kind="stable")],
        np.concatenate([[0], np.cumsum(per_document)]).astype(np.int64),
    )


def draw(feature: int, neighbours: Sequence[int], rows: Firing, windows: Windows) -> Items:
    """Documents for one feature; `neighbours` are other features, nearest first.

    Where they fire in too few others, more silent documents are random ones.
    """
    rng = np.random.default_rng(feature)
    own = rows.rows_of(feature)
    documents, peaks = rows.document[own], rows.window[own]
    n = int(rows.fires[own].sum())
    chosen = np.unique(np.linspace(0, n - 1, min(MOST, n)).round().astype(np.int64))
    silent = np.ones(len(windows.first) - 1, bool)
    silent[documents] = False
    hard_documents, hard_peaks = _hard(neighbours, rows, silent.copy())
    silent[hard_documents] = False
    random = _as_often_as_features_fire(np.flatnonzero(silent), MOST - len(hard_documents), rows, rng)
    return Items(
        np.concatenate([documents[chosen], hard_documents, random]),
        np.concatenate([peaks[chosen], hard_peaks, _any_peak(random, rows, windows, rng)]),
        np.arange(len(chosen) + len(hard_documents) + len(random)) < len(chosen),
    )


def _hard(neighbours: Sequence[int], rows: Firing, silent: Mask) -> tuple[Ints, Ints]:
    """Silent documents in which neighbours fire, the nearest one's strongest first, and the pieces at its peaks."""
    documents, peaks = [rows.document[:0]], [rows.window[:0]]
    left = MOST // 2
    for other in neighbours:
        if not left:
            break
        theirs = rows.rows_of(other)
        new = np.flatnonzero(silent[rows.document[theirs]])[:left] + theirs.start
        silent[rows.document[new]] = False
        documents.append(rows.document[new])
        peaks.append(rows.window[new])
        left -= len(new)
    return np.concatenate(documents), np.concatenate(peaks)


def _as_often_as_features_fire(documents: Ints, n: int, rows: Firing, rng: np.random.Generator) -> Ints:
    """Up to n of some documents, one after the other, each with a chance as the number of features that fire in it."""
    weight = rows.first_in[documents + 1] - rows.first_in[documents]
    with np.errstate(divide="ignore"):
        waiting = rng.exponential(size=len(documents)) / weight  # the first of several to arrive, by their rates
    return documents[np.argsort(waiting, kind="stable")[:n]]


def _any_peak(documents: Ints, rows: Firing, windows: Windows, rng: np.random.Generator) -> Ints:
    """A piece of each document around the peak of a random feature that fires there, any piece where none does."""
    low, high = rows.first_in[documents], rows.first_in[documents + 1]
    fired = high > low
    pieces: Ints = rng.integers(windows.first[documents], windows.first[documents + 1])
    pieces[fired] = rows.window[rows.by_document[rng.integers(low[fired], high[fired])]]
    return pieces


def parts_of(text: str) -> list[str]:
    """What an explanation says, apart: keywords are one or the other, a sentence is one thing."""
    parts = [part.strip() for part in text.removesuffix(UNCLEAR).split(SEPARATOR.strip())]
    return [part for part in parts if part] or [""]


def likenesses(parts: Vectors, pieces: Vectors) -> Floats:
    """How like each piece is to the part of an explanation it is most like: [pieces] of [parts, d] and [pieces, d]."""
    found: Floats = (pieces @ parts.T).max(axis=1).astype(np.float64)
    return found


def judged(likeness: Floats, fires: Mask) -> tuple[Result | None, Mask]:
    """AUROC of likeness for firing, and which documents are said to fire: as many as do, the most alike first.

    None where one side has no document.
    """
    n, n_silent = int(fires.sum()), int((~fires).sum())
    said = np.zeros(len(fires), bool)
    said[np.lexsort((np.arange(len(fires))[::-1], -likeness))[:n]] = True
    if not n or not n_silent:
        return None, said
    value = auroc(likeness[fires], likeness[~fires])
    right = float((said & fires).sum()), float((~said & ~fires).sum())
    return Result(n, n_silent, *right, value, *auroc_interval(value, n, n_silent)), said


def auroc(above: Floats, below: Floats) -> float:
    """Share of pairs in which the first is higher, equal ones counted half; both must have a value."""
    order = np.sort(below)
    wins = np.searchsorted(order, above, "left") + np.searchsorted(order, above, "right")
    return float(wins.mean()) / (2 * len(below))


def auroc_interval(value: float, n_above: int, n_below: int) -> tuple[float, float]:
    """95 % interval of an AUROC: Hanley and McNeil's variance, taken at the bound itself as in Wilson's interval.

    So one of few documents is wide even where their order is perfect (Newcombe 2006, method 5).
    """
    mean = (n_above + n_below) / 2 - 1

    def inside(bound: float) -> bool:
        spread = 1 + mean * (1 - bound) / (2 - bound) + mean * bound / (1 + bound)
        return (value - bound) ** 2 <= Z**2 * bound * (1 - bound) * spread / (n_above * n_below)

    bounds = []
    for outer in (0.0, 1.0):
        inner = value
        for _ in range(30):
            middle = (inner + outer) / 2
            inner, outer = (middle, outer) if inside(middle) else (inner, middle)
        bounds.append(inner)
    return bounds[0], bounds[1]


def intruder(items: Items, vectors: Vectors, feature: int) -> Result | None:
    """How often a silent document is farthest from the middle of GROUP that fire and itself: asks no explanation.

    Each document that fires leads one group. None where too few fire, or all do.
    """
    fires, silent = items.window[items.fires], items.window[~items.fires]
    if len(fires) < GROUP or not len(silent):
        return None
    rng = np.random.default_rng(feature)
    others = rng.random((len(fires), len(fires)))
    others[np.arange(len(fires)), np.arange(len(fires))] = -1.0
    group = np.argpartition(others, GROUP - 1, axis=1)[:, :GROUP]
    rows = vectors[np.column_stack([fires[group], rng.choice(silent, len(fires))])]
    to_middle = np.einsum("gid,gd->gi", rows, rows.mean(axis=1))
    right = int((to_middle[:, -1] < to_middle[:, :-1].min(axis=1)).sum())
    return Result(len(fires), 0, float(right), 0.0, right / len(fires), *wilson(right, len(fires)))
