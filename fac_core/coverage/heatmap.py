"""A cell compares like with like: of what the anchor's samples of a group activate, the share the set's samples of that
same group activate too.

Where the seed has too few samples in a group to have shown the family, the cell says so instead of saying missing.
Group names are data: they are matched as values, never put into a query.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fac_core.coverage.states import MISSING, UNDERSAMPLED
from fac_core.errors import InputError
from fac_core.features.counts import Array, Mask, step_of
from fac_core.features.facts import Facts, load_facts
from fac_core.features.states import DENSE_SHARE, MIN_EXPECTED
from fac_core.store import coverage as store
from fac_core.store.coverage import GroupedSample
from fac_core.store.features import names_of

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.workspace import Workspace

LABEL, DATASET = "label", "dataset"
MIN_GROUPS, MAX_GROUPS = 2, 40
SHARE, DIFFERENCE = "share", "difference"
_ANCHOR, _CURRENT = 0, 1
_IN_HAND = ("seed", "synthetic")


@dataclass(frozen=True)
class Heatmap:
    """Families against groups; matrices are [families, groups], families with the most gaps first."""

    group_by: str
    measure: str
    families: list[tuple[int, str]]
    """(family id, name of the member that fires on most anchor samples)"""
    groups: list[str]
    share: NDArray[np.float64]
    """`share`: 0..1; `difference`: firing rate in hand minus that of the anchor, −1..1; NaN where the anchor's
    samples of the group show nothing of the family."""
    n_missing: Array
    """Features the anchor's samples of the group activate and those in hand do not."""
    undersampled: Mask
    """Fewer than three firings of any such feature were to be expected in hand."""
    missing: dict[tuple[int, int], list[int]]
    """Missing features of each (family index, group index), most anchor samples first."""

    def cell(self, family: int, group: int) -> list[int]:
        """Missing features of the cell in row `family` and column `group`."""
        return self.missing.get((family, group), [])


def group_columns(ws: Workspace, space_id: str) -> list[str]:
    """What samples can be grouped by: label, dataset, and every meta field with 2 to 40 values, those in most use first.

    A field counts only if the anchor and the set in hand share a value of it.
    """
    samples = store.grouped_samples(ws.database, space_id, ["anchor", *_IN_HAND])
    values: dict[str, dict[int, set[str]]] = {}
    used: Counter[str] = Counter()
    for sample in samples:
        for column, value in _groups_of(sample).items():
            values.setdefault(column, {_ANCHOR: set(), _CURRENT: set()})[_side(sample)].add(value)
            used[column] += 1
    columns = [
        column
        for column, sides in values.items()
        if MIN_GROUPS <= len(sides[_ANCHOR] | sides[_CURRENT]) <= MAX_GROUPS and sides[_ANCHOR] & sides[_CURRENT]
    ]
    columns.sort(key=lambda column: (column == LABEL, -used[column], column))
    in_hand = {sample.dataset for sample in samples if _side(sample) == _CURRENT}
    return [*columns, DATASET] if in_hand else columns


def heatmap(
    ws: Workspace, space_id: str, delta: float, group_by: str, measure: str = SHARE, max_rows: int = 40
) -> Heatmap:
    """Coverage by family and group for the `max_rows` families with the most missing features in a group.

    Grouped by dataset, each dataset in hand is compared with the whole anchor.

    Raises:
        InputError: unknown space, column or measure, or δ is no step of the profiles.
    """
    if measure not in (SHARE, DIFFERENCE):
        raise InputError(f"A heatmap shows {SHARE!r} or {DIFFERENCE!r}, not {measure!r}.")
    step_of(delta)
    facts = load_facts(ws, space_id, delta)
    samples = store.grouped_samples(ws.database, space_id, ["anchor", *_IN_HAND])
    groups, members, sizes = _members(samples, group_by)
    if not groups:
        raise InputError(f"No sample can be grouped by {group_by!r}; choose another column.")
    fired = _fired(store.grouped_counts(ws.database, space_id, members, delta), facts, len(groups))
    return _draw(ws, space_id, facts, group_by, groups, sizes, fired, measure, max_rows)


def _draw(
    ws: Workspace,
    space_id: str,
    facts: Facts,
    group_by: str,
    groups: list[str],
    sizes: NDArray[np.float64],
    fired: NDArray[np.float64],
    measure: str,
    max_rows: int,
) -> Heatmap:
    """Turn firing counts [side, feature of F(P), group] into the picture; `sizes` is [side, group]."""
    ids = np.flatnonzero(facts.in_anchor)
    anchor, current = fired[_ANCHOR], fired[_CURRENT]
    rate = anchor / np.maximum(1, sizes[_ANCHOR])
    expected = rate * sizes[_CURRENT]
    shown = anchor > 0
    missing = shown & (current == 0)
    powered = expected >= MIN_EXPECTED - 1e-9
    usual = (facts.counts.anchor_rate[ids] <= DENSE_SHARE) & ~facts.template[ids]

    family_ids, row_of = np.unique(facts.family[ids], return_inverse=True)
    # a family's rank: gaps with power first, then any; dense and template features are shown but do not lead
    weight = ((missing & powered).sum(axis=1) * 1000.0 + missing.sum(axis=1)) * usual
    gap = facts.state[ids]
    weight += 1e6 * (gap == MISSING) + 1e5 * (gap == UNDERSAMPLED) * (facts.counts.expected_in_seed[ids] >= 1)
    weight += 1e-3 * facts.counts.anchor[ids]
    order = np.argsort(-np.bincount(row_of, weight), kind="stable")[:max_rows]
    place = np.full(len(family_ids), -1)
    place[order] = np.arange(len(order))
    keep = place[row_of] >= 0
    rows, n_rows = place[row_of[keep]], len(order)

    def per_family(values: NDArray[np.generic]) -> NDArray[np.float64]:
        total = np.zeros((n_rows, len(groups)))
        np.add.at(total, rows, values[keep].astype(float))
        return total

    n_shown = per_family(shown)
    with np.errstate(invalid="ignore", divide="ignore"):
        if measure == SHARE:
            share = per_family(shown & (current > 0)) / n_shown
        else:
            difference = np.where(shown, current / np.maximum(1, sizes[_CURRENT]) - rate, 0.0)
            share = np.where(n_shown > 0, per_family(difference) / n_shown, np.nan)
    best_expected = np.zeros((n_rows, len(groups)))
    np.maximum.at(best_expected, rows, expected[keep])
    cells: dict[tuple[int, int], list[int]] = {}
    kept = np.flatnonzero(keep)
    for feature, group in zip(*np.nonzero(missing[kept]), strict=True):
        cells.setdefault((int(rows[feature]), int(group)), []).append(int(ids[kept[feature]]))
    for features in cells.values():
        features.sort(key=lambda feature: (-int(facts.counts.anchor[feature]), feature))
    return Heatmap(
        group_by=group_by,
        measure=measure,
        families=_names(ws, space_id, facts, [int(family_ids[i]) for i in order]),
        groups=groups,
        share=share,
        n_missing=per_family(missing).astype(np.int64),
        undersampled=(n_shown > 0) & (best_expected < MIN_EXPECTED - 1e-9),
        missing=cells,
    )


def _names(ws: Workspace, space_id: str, facts: Facts, family_ids: list[int]) -> list[tuple[int, str]]:
    heads = {}
    for feature in np.flatnonzero(facts.in_anchor)[::-1].tolist():
        family = int(facts.family[feature])
        if family not in heads or facts.counts.anchor[feature] >= facts.counts.anchor[heads[family]]:
            heads[family] = feature
    names = names_of(ws.database, space_id, [heads[family] for family in family_ids])
    return [(family, names.get(heads[family], "")) for family in family_ids]


def _members(
    samples: list[GroupedSample], group_by: str
) -> tuple[list[str], pa.Table, NDArray[np.float64]]:
    """Group names, (content_id, side, grp, weight), and samples by [side, group]."""
    import pyarrow as pa

    value_of: Callable[[GroupedSample], str | None] = (
        (lambda sample: None if _side(sample) == _ANCHOR else sample.dataset)
        if group_by == DATASET
        else (lambda sample: _groups_of(sample).get(group_by))
    )
    found = [(sample, value_of(sample)) for sample in samples]
    in_use = Counter(value for _, value in found if value is not None)
    groups = sorted(in_use, key=lambda value: (-in_use[value], value))[:MAX_GROUPS]
    index = {value: place for place, value in enumerate(groups)}
    weights: Counter[tuple[int, int, int]] = Counter()
    sizes = np.zeros((2, len(groups)))
    for sample, value in found:
        side = _side(sample)
        everywhere = group_by == DATASET and side == _ANCHOR
        for place in range(len(groups)) if everywhere else [index[value]] if value in index else []:
            sizes[side, place] += 1
            weights[sample.content_id, side, place] += 1
    keys = list(weights)
    members = pa.table(
        {
            "content_id": np.array([key[0] for key in keys], np.int64),
            "side": np.array([key[1] for key in keys], np.int32),
            "grp": np.array([key[2] for key in keys], np.int32),
            "weight": np.array(list(weights.values()), np.int64),
        }
    )
    return groups, members, sizes


def _fired(table: pa.Table, facts: Facts, n_groups: int) -> NDArray[np.float64]:
    """Firing samples as [side, feature of F(P), group]."""
    ids = np.flatnonzero(facts.in_anchor)
    place = np.full(facts.d_sae, -1)
    place[ids] = np.arange(len(ids))
    where = place[table.column("feature_id").to_numpy()]
    inside = where >= 0
    fired = np.zeros((2, len(ids), n_groups))
    side, group, n = (table.column(name).to_numpy()[inside] for name in ("side", "grp", "n"))
    fired[side, where[inside], group] = n
    return fired


def _side(sample: GroupedSample) -> int:
    return _ANCHOR if sample.role == "anchor" else _CURRENT


def _groups_of(sample: GroupedSample) -> dict[str, str]:
    """Value of each column for one sample; values that are no short text are left out."""
    columns = {key: str(value) for key, value in json.loads(sample.meta).items() if isinstance(value, str | int | bool)}
    if sample.label is not None:
        columns[LABEL] = sample.label
    return {column: value for column, value in columns.items() if value and len(value) <= 80}
