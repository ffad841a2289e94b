"""A trial is the evidence for relevance, handled as one thing: tested whole, halved, or with the task's side shuffled.

Units are samples that have a label (*label*), or items that were read together with their contrast (*contrast*). What
is asked of one kind can be asked of the other, so the test, its check on held-out units and its control are one code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.features.association import Association, with_contrast, with_label
from fac_core.features.intervals import auroc, wilson

if TYPE_CHECKING:
    import pyarrow as pa

LABEL, CONTRAST = "label", "contrast"
EFFECTS = {LABEL: "AUROC", CONTRAST: "pair effect"}
"""What the effect of each kind of test is called; of pairs it is the matched-pairs rank-biserial correlation over all
pairs, moved from -1 … 1 to 0 … 1."""
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Separation(NamedTuple):
    """How far a score tells the task's side from the other: AUROC, or share of pairs in the right order."""

    value: float
    low: float
    high: float
    """Bounds of the 95 % interval."""


class LabelTrial(NamedTuple):
    """Samples with a label; rows (feature, unit, value > 0) are active features of samples."""

    feature: Ints
    unit: Ints
    value: Floats
    positive: Mask
    """[samples]"""

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.positive)

    def test(self) -> Association:
        """Which features go with the label."""
        return with_label(self.feature, self.unit, self.value, self.positive)

    def take(self, keep: Mask) -> LabelTrial:
        """Some of the samples, [samples]."""
        rows, place = keep[self.unit], np.cumsum(keep) - 1
        return LabelTrial(self.feature[rows], place[self.unit[rows]], self.value[rows], self.positive[keep])

    def shuffled(self, rng: np.random.Generator) -> LabelTrial:
        """The same samples with each other's labels."""
        return self._replace(positive=rng.permutation(self.positive))

    def tops(self, features: Ints) -> Floats:
        """Highest activation of some features, sorted by id; 0 where one never fires."""
        return _tops(features, self.feature, self.value)

    def separation(self, features: Ints, tops: Floats) -> Separation | None:
        """How well samples are told apart by the summed activation of some features, sorted by id, each relative to
        its `tops`; None if all samples are of one side."""
        if self.positive.all() or not self.positive.any():
            return None
        score = _summed(features, tops, self.feature, self.unit, self.value, self.n)
        return Separation(*auroc(score, self.positive))


class PairTrial(NamedTuple):
    """Items with their contrast; rows (feature, unit, value, contrast value) are those where either is above zero."""

    feature: Ints
    unit: Ints
    value: Floats
    contrast: Floats
    n: int
    """Number of pairs."""

    def test(self) -> Association:
        """Which features are stronger in the items than in their contrasts."""
        return with_contrast(self.feature, self.unit, self.value, self.contrast, self.n)

    def take(self, keep: Mask) -> PairTrial:
        """Some of the pairs, [pairs]."""
        rows, place = keep[self.unit], np.cumsum(keep) - 1
        return PairTrial(
            self.feature[rows], place[self.unit[rows]], self.value[rows], self.contrast[rows], int(keep.sum())
        )

    def shuffled(self, rng: np.random.Generator) -> PairTrial:
        """The same pairs, each the other way round by the toss of a coin."""
        turned = (rng.random(self.n) < 0.5)[self.unit]
        return self._replace(
            value=np.where(turned, self.contrast, self.value), contrast=np.where(turned, self.value, self.contrast)
        )

    def tops(self, features: Ints) -> Floats:
        """Highest activation of some features, sorted by id; 0 where one never fires."""
        return np.maximum(_tops(features, self.feature, self.value), _tops(features, self.feature, self.contrast))

    def separation(self, features: Ints, tops: Floats) -> Separation | None:
        """In how many pairs the summed activation of some features, sorted by id, each relative to its `tops`, is
        higher on the task's side, equal ones at ½; None without pairs."""
        if not self.n:
            return None
        own, other = (
            _summed(features, tops, self.feature, self.unit, value, self.n) for value in (self.value, self.contrast)
        )
        right = float((own > other).sum() + (own == other).sum() / 2)
        return Separation(right / self.n, *wilson(right, self.n))


Trial = LabelTrial | PairTrial


def trials(activation: pa.Table, items: pa.Table, method: str) -> Iterator[tuple[str, Trial, Ints]]:
    """The trials that the data allow, the task's own `method` first: (method, trial, row of `items` of each unit).

    `activation` has (feature_id, content_id, value), `items` (content_id, contrast_id, positive).
    """
    make = {LABEL: _labelled, CONTRAST: _paired}
    for name in sorted(make, key=lambda name: name != method):
        found = make[name](activation, items)
        if found is not None:
            yield name, *found


def _labelled(activation: pa.Table, items: pa.Table) -> tuple[Trial, Ints] | None:
    rows = np.flatnonzero(column(items, "positive", valid=True))
    positive = column(items.take(rows), "positive").astype(bool)
    if not positive.any() or positive.all():
        return None
    return LabelTrial(*rows_of(activation, column(items, "content_id")[rows]), positive), rows


def _paired(activation: pa.Table, items: pa.Table) -> tuple[Trial, Ints] | None:
    rows = np.flatnonzero(column(items, "contrast_id", valid=True))
    n = len(rows)
    if not n:
        return None
    paired = items.take(rows)
    sides = [rows_of(activation, column(paired, name)) for name in ("content_id", "contrast_id")]
    keys = [feature * n + pair for feature, pair, _ in sides]
    union = np.unique(np.concatenate(keys))
    values = []
    for key, (_, _, value) in zip(keys, sides, strict=True):
        dense = np.zeros(len(union))
        dense[np.searchsorted(union, key)] = value
        values.append(dense)
    return PairTrial(*np.divmod(union, n), values[0], values[1], n), rows


def rows_of(activation: pa.Table, contents: Ints) -> tuple[Ints, Ints, Floats]:
    """(feature, place in `contents`, value) of every activation; a content that occurs twice counts twice."""
    feature, content, value = (column(activation, name) for name in ("feature_id", "content_id", "value"))
    order = np.argsort(contents, kind="stable")
    ordered = contents[order]
    low, high = np.searchsorted(ordered, content, "left"), np.searchsorted(ordered, content, "right")
    times = high - low
    row = np.repeat(np.arange(len(content)), times)
    step = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
    return feature[row].astype(np.int64), order[low[row] + step], value[row].astype(np.float64)


def column(table: pa.Table, name: str, *, valid: bool = False) -> NDArray[Any]:
    """A column as an array; with `valid`, where it is not null."""
    found = table.column(name).is_valid() if valid else table.column(name)
    values: NDArray[Any] = found.to_numpy(zero_copy_only=False)
    return values


def _tops(features: Ints, feature: Ints, value: Floats) -> Floats:
    place, mine = _places(features, feature)
    tops = np.zeros(len(features))
    np.maximum.at(tops, place[mine], value[mine])
    return tops


def _summed(features: Ints, tops: Floats, feature: Ints, unit: Ints, value: Floats, n: int) -> Floats:
    place, mine = _places(features, feature)
    mine &= tops[place] > 0 if len(features) else False
    return np.bincount(unit[mine], value[mine] / tops[place[mine]], minlength=n).astype(np.float64)


def _places(features: Ints, feature: Ints) -> tuple[Ints, Mask]:
    """Where each row's feature stands in sorted `features`, and whether it is there at all."""
    if not len(features):
        return np.zeros(len(feature), np.int64), np.zeros(len(feature), bool)
    place = np.minimum(np.searchsorted(features, feature), len(features) - 1)
    return place, features[place] == feature
