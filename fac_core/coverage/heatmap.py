"""A cell compares like with like: of the features that the anchor's samples of a group activate, the share that samples
in hand of that same group activate too.

Rows are themes or decoder clusters, sets of features large enough for a share to mean something; without them they are
families. Where too little was to be expected of the set in hand, a cell says so instead of saying missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fac_core.coverage.grouped import load_grouped
from fac_core.coverage.grouping import ANCHOR, IN_HAND, Grouping, group_columns, left_out
from fac_core.coverage.states import MISSING
from fac_core.errors import InputError
from fac_core.feature_space.spaces import step_of
from fac_core.features.counts import Array, Mask
from fac_core.features.facts import Facts, load_facts
from fac_core.features.rows import load_rows
from fac_core.features.states import has_power, is_dense
from fac_core.store.features import THEME

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

__all__ = ["DIFFERENCE", "MEASURES", "SHARE", "Heatmap", "group_columns", "heatmap", "left_out"]

SHARE, DIFFERENCE = "share", "difference"
MEASURES = (SHARE, DIFFERENCE)


@dataclass(frozen=True)
class Heatmap:
    """Rows of features against groups; matrices are [rows, groups], those with the most gaps first."""

    group_by: str
    measure: str
    row_kind: str
    """`theme`, `cluster` (of decoder directions) or `family`."""
    rows: list[tuple[int, str]]
    """(id, name)"""
    groups: list[str]
    share: NDArray[np.float64]
    """`share`: 0..1; `difference`: mean firing rate in hand minus that in the anchor, −1..1. NaN where the anchor's
    samples of the group show nothing of the row."""
    n_shown: Array
    """Features that the anchor's samples of the group activate."""
    n_missing: Array
    """Those of them that the samples in hand of the group do not activate."""
    undersampled: Mask
    """Something is missing, but of no missing feature were three firings in hand to be expected."""
    missing: dict[tuple[int, int], list[int]]
    """Missing features of each (row, column), those expected most first."""

    def cell(self, row: int, group: int) -> list[int]:
        """Missing features of the cell in `row` and column `group` (indices, not ids)."""
        return self.missing.get((row, group), [])


@dataclass(frozen=True)
class _Cells:
    """Per feature of F(P) and group."""

    ids: Array
    """[features]"""
    fired: NDArray[np.float64]
    """[side, features, groups] samples above δ."""
    expected: NDArray[np.float64]
    """[features, groups] firings in hand to be expected."""

    @property
    def shown(self) -> Mask:
        shown: Mask = self.fired[ANCHOR] > 0
        return shown

    @property
    def missing(self) -> Mask:
        missing: Mask = self.shown & (self.fired[IN_HAND] == 0)
        return missing

    @property
    def powered(self) -> Mask:
        return self.missing & has_power(self.expected)


def heatmap(
    ws: Workspace,
    space_id: str,
    delta: float,
    group_by: str,
    measure: str = SHARE,
    max_rows: int = 40,
    rows_by: str = THEME,
) -> Heatmap:
    """Coverage by theme or decoder cluster and group, for the `max_rows` of them with the most missing features.

    Raises:
        InputError: unknown space, column, measure or kind of rows, or δ is no step of the profiles.
    """
    if measure not in MEASURES:
        raise InputError(f"A heatmap shows {SHARE!r} or {DIFFERENCE!r}, not {measure!r}.")
    facts = load_facts(ws, space_id, delta)
    counted = load_grouped(ws, space_id, facts.d_sae, group_by)
    grouping, ids = counted.grouping, np.flatnonzero(facts.in_anchor)
    fired = counted.above(step_of(delta), facts.d_sae)[:, ids]
    cells = _Cells(ids, fired, fired[ANCHOR] * grouping.reach)
    rows = load_rows(ws, space_id, facts, rows_by)
    chosen, row_of = _choose(facts, cells, rows.row[cells.ids], max_rows)
    shown = [(row, rows.names.get(row, "")) for row in chosen.tolist()]
    return _draw((group_by, measure, rows.kind), shown, row_of, cells, grouping)


def _choose(facts: Facts, cells: _Cells, row: Array, max_rows: int) -> tuple[Array, Array]:
    """Rows shown, and for each feature of F(P) its place among them or −1.

    Order: features in the state missing, then features missing in some group with power, then anchor samples.
    """
    ids = cells.ids
    usual = ~is_dense(facts.counts.anchor_rate[ids]) & ~facts.template[ids]
    found, member = np.unique(row, return_inverse=True)
    n_missing = np.bincount(member, facts.state[ids] == MISSING)
    n_in_groups = np.bincount(member, cells.powered.any(axis=1) & usual)
    n_anchor = np.bincount(member, facts.counts.anchor[ids])
    order = np.lexsort((found, -n_anchor, -n_in_groups, -n_missing))[:max_rows]
    place = np.full(len(found), -1)
    place[order] = np.arange(len(order))
    return found[order], place[member]


def _draw(
    asked: tuple[str, str, str], shown: list[tuple[int, str]], row_of: Array, cells: _Cells, grouping: Grouping
) -> Heatmap:
    """The picture of the rows shown; `row_of` is each feature's place among them, or −1.

    `asked` is the column, the measure and the kind of rows.
    """
    group_by, measure, row_kind = asked

    def per_row(values: NDArray[np.generic]) -> NDArray[np.float64]:
        total = np.zeros((len(shown), len(grouping.groups)))
        np.add.at(total, row_of[row_of >= 0], values[row_of >= 0].astype(float))
        return total

    n_shown, n_missing = per_row(cells.shown), per_row(cells.missing)
    if measure == SHARE:
        values = n_shown - n_missing
    else:
        rate = cells.fired / np.maximum(1, grouping.sizes)[:, None, :]
        values = per_row(np.where(cells.shown, rate[IN_HAND] - rate[ANCHOR], 0.0))
    return Heatmap(
        group_by=group_by,
        measure=measure,
        row_kind=row_kind,
        rows=shown,
        groups=grouping.groups,
        share=np.divide(values, n_shown, out=np.full(n_shown.shape, np.nan), where=n_shown > 0),
        n_shown=n_shown.astype(np.int64),
        n_missing=n_missing.astype(np.int64),
        undersampled=(n_missing > 0) & (per_row(cells.powered) == 0),
        missing=_by_cell(cells, row_of),
    )


def _by_cell(cells: _Cells, row_of: Array) -> dict[tuple[int, int], list[int]]:
    feature, column = np.nonzero(cells.missing & (row_of >= 0)[:, None])
    order = np.lexsort((cells.ids[feature], -cells.expected[feature, column]))
    found: dict[tuple[int, int], list[int]] = {}
    for place in order.tolist():
        key = (int(row_of[feature[place]]), int(column[place]))
        found.setdefault(key, []).append(int(cells.ids[feature[place]]))
    return found
