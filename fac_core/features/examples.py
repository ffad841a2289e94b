"""Examples are shown at every strength down to silence: the strongest alone make every feature look clean.

One text is shown once, whatever the number of samples, spellings of its spaces and capitals, or sets that hold it, and
of nearly the same texts only the first; each says how many more it stands for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fac_core.features.kept import Kept
from fac_core.features.short_copies import differ_by_little, short_words
from fac_core.samples.duplicates import near_duplicates
from fac_core.store import feature_samples as samples
from fac_core.store import feature_weights as weights
from fac_core.store import features as store
from fac_core.store.feature_samples import EVERY_SAMPLE, ExampleRow, SampleFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fac_core.workspace import Workspace

TOP, MIDDLE, THRESHOLD, MISS, ZERO = "top", "middle", "threshold", "miss", "zero"
BANDS = (TOP, MIDDLE, THRESHOLD, MISS, ZERO)
"""Highest activations, around the median of the active, just above δ, the highest at or below δ, silent."""
MIN_FOR_BANDS = 3
_LOOK_AHEAD = 6
_NEIGHBOURS = 5
_ORDER = (TOP, THRESHOLD, MIDDLE, MISS, ZERO)
"""In which bands choose: with few active texts the first ones take them."""
_live: Kept[NDArray[np.bool_]] = Kept(4)

__all__ = ["BANDS", "EVERY_SAMPLE", "MIDDLE", "MISS", "THRESHOLD", "TOP", "ZERO", "Example", "SampleFilter", "examples"]


@dataclass(frozen=True)
class Example:
    """A sample and the token of a feature's maximum in it."""

    sample_id: int
    content_id: int
    text: str
    dataset: str
    role: str
    label: str | None
    row_number: int
    value: float
    """0 where the feature is silent."""
    char_start: int
    char_end: int
    meta: dict[str, Any]
    n_alike: int = 0
    """Further samples with this text or nearly this one, among those that were looked at."""
    beside: int | None = None
    """Of a silent text: the related feature that fires in it."""


@dataclass(frozen=True)
class Choices:
    """What examples can be narrowed to."""

    labels: list[str]
    columns: dict[str, list[str]]
    """Metadata columns with their values, the commonest first."""


def examples(
    ws: Workspace,
    space_id: str,
    feature_id: int,
    delta: float,
    n: int = 6,
    where: SampleFilter = EVERY_SAMPLE,
) -> dict[str, list[Example]]:
    """Up to `n` different texts in each band, of the samples that `where` lets through; no text is in two bands.

    A near miss is what comes closest to δ from below. Where nothing lies between 0 and δ, silent texts stand there in
    which a feature of like direction fires most.
    """
    ids, values = _active(ws, space_id, feature_id, where)
    above = values > delta
    orders = _orders(ids[above], values[above], n * _LOOK_AHEAD)
    below, weak = ids[~above], values[~above]
    orders[MISS] = ranked(below, weak, range(min(n * _LOOK_AHEAD, len(below))))
    beside: dict[int, int] = {}
    if not orders[MISS]:
        others = [other for other, _ in weights.neighbours(ws.database, space_id, feature_id)[:_NEIGHBOURS]]
        beside = samples.silent_beside(ws.database, space_id, feature_id, others, n * _LOOK_AHEAD, where)
        orders[MISS] = list(beside)
    orders[ZERO] = samples.silent_contents(ws.database, space_id, feature_id, n * _LOOK_AHEAD, where)
    wanted = sorted({content for order in orders.values() for content in order})
    found = samples.example_rows(ws.database, space_id, feature_id, wanted, where)
    groups: list[_Group] = []
    for band in _ORDER:
        _choose(band, [found[content] for content in orders[band] if content in found], groups, n)
    bands: dict[str, list[Example]] = {band: [] for band in BANDS}
    for group in groups:
        bands[group.band].append(as_example(group.row, group.n_samples, beside.get(group.row.content_id)))
    for listed in bands.values():  # silent ones stay in the order of their choice
        listed.sort(key=lambda example: (-example.value, example.content_id if example.value else 0))
    return bands


def choices(ws: Workspace, limit: int = 200) -> Choices:
    """Labels and metadata that samples have, `limit` values of each at most."""
    return Choices(samples.labels(ws.database, limit), samples.meta_values(ws.database, limit))


def ranked(ids: NDArray[np.int64], values: NDArray[np.float32], ranks: range) -> list[int]:
    """Ids at some ranks by value from the highest, equal ones by id, without sorting the others."""
    if not ranks:
        return []
    last = len(values) - 1
    ordered = np.partition(values, (last - ranks[-1], last - ranks[0]))
    low, high = ordered[last - ranks[-1]], ordered[last - ranks[0]]
    inside = np.flatnonzero((values >= low) & (values <= high))
    inside = inside[np.lexsort((ids[inside], -values[inside]))]
    before = int((values > high).sum())
    found: list[int] = ids[inside[ranks[0] - before : ranks[-1] + 1 - before]].tolist()
    return found


def _orders(ids: NDArray[np.int64], values: NDArray[np.float32], look: int) -> dict[str, list[int]]:
    """Contents above δ from which each band chooses, the likeliest first."""
    total, middle = len(ids), len(ids) // 2
    orders = {TOP: ranked(ids, values, range(min(look, total))), MIDDLE: [], THRESHOLD: []}
    if total >= MIN_FOR_BANDS:
        near = sorted(range(max(0, middle - look), min(total, middle + look)), key=lambda r: (abs(r - middle), r))
        near = near[:look]
        around = ranked(ids, values, range(min(near), max(near) + 1))
        orders[MIDDLE] = [around[rank - min(near)] for rank in near]
        orders[THRESHOLD] = ranked(ids, values, range(max(0, total - look), total))[::-1]
    return orders


def _active(
    ws: Workspace, space_id: str, feature_id: int, where: SampleFilter
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Contents of samples that activate a feature at all, and how much; in no order."""
    live = _live.get(ws, space_id, (where,), lambda: _contents(ws, where))
    table = store.firing_values(ws.database, space_id, feature_id, 0.0)
    ids, values = table.column("content_id").to_numpy(), table.column("value").to_numpy()
    mine = (ids < len(live)) & live[np.minimum(ids, len(live) - 1)]
    return ids[mine], values[mine]


def _contents(ws: Workspace, where: SampleFilter) -> NDArray[np.bool_]:
    """Which contents are those of samples, up to the highest one and not empty."""
    ids = samples.sample_contents(ws.database, where).column("content_id").to_numpy()
    live = np.zeros(int(ids.max(initial=0)) + 1, bool)
    live[ids] = True
    return live


# --- one text once ---


@dataclass
class _Group:
    """A text that is shown, and what it stands for."""

    band: str
    row: ExampleRow
    words: list[str]
    contents: set[int]
    n_samples: int

    def take(self, row: ExampleRow) -> None:
        """Let it stand for one more."""
        if row.content_id not in self.contents:
            self.contents.add(row.content_id)
            self.n_samples += row.n_samples


def as_example(row: ExampleRow, n_samples: int | None = None, beside: int | None = None) -> Example:
    """A row as it is shown, standing for `n_samples` (default: those of its own content)."""
    known = {name: value for name, value in row._asdict().items() if name != "n_samples"}
    n_alike = (row.n_samples if n_samples is None else n_samples) - 1
    return Example(**{**known, "meta": json.loads(row.meta)}, n_alike=n_alike, beside=beside)


def _choose(band: str, rows: Sequence[ExampleRow], groups: list[_Group], n: int) -> None:
    """Add up to `n` texts of a band to what is shown; those like a shown one count for it."""
    plain = {_plain(group.row.text): group for group in groups}
    before = list(groups)
    alike = near_duplicates([row.text for row in rows], [group.row.text for group in before])
    by_row: dict[int, _Group | None] = {}
    n_chosen = 0
    for place, row in enumerate(rows):
        known, earlier = int(alike.known[place]), int(alike.earlier[place])
        words = short_words(row.text)
        group = plain.get(_plain(row.text)) or (before[known] if known >= 0 else by_row.get(earlier))
        group = group or next((each for each in groups if differ_by_little(words, each.words)), None)
        if group is not None:
            group.take(row)
        elif earlier < 0 and n_chosen < n:
            group = _Group(band, row, words, {row.content_id}, row.n_samples)
            groups.append(group)
            plain[_plain(row.text)] = group
            n_chosen += 1
        by_row[place] = group


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
