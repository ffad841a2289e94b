"""Samples of a group are counted from the rows once for each state of the data, and every δ is read from that count.

As with profiles: a histogram of the maximum activation for each feature, side and group, of which only what is not
empty is held. Both sides of a cell are so counted at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.coverage.grouping import ANCHOR, Grouping, Members, group
from fac_core.features.kept import Kept
from fac_core.features.profiles import load_profiles
from fac_core.store import coverage as store
from fac_core.store.activations import LAST_BIN

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

KEPT = 2
"""Columns kept; one takes 8 bytes for each (feature, side, group, bin) with a sample in it."""
ROWS_AT_ONCE, BINS_AT_ONCE = 4_000_000, 8_000_000
"""Rows and bins that are held while they are counted."""
N_BINS = LAST_BIN + 1


class Grouped(NamedTuple):
    """Samples by feature, side, group and bin, the highest bins first."""

    grouping: Grouping
    place: NDArray[np.int32]
    """(feature · 2 + side) · groups + group"""
    n: NDArray[np.int32]
    ends: NDArray[np.int64]
    """[steps]: how many of the rows lie above each step of δ."""

    def above(self, step: int, d_sae: int) -> NDArray[np.float64]:
        """[side, d_sae, groups] samples above a step of δ."""
        n_groups, end = len(self.grouping.groups), self.ends[step]
        flat = np.bincount(self.place[:end], weights=self.n[:end], minlength=d_sae * 2 * n_groups)
        found = flat.astype(np.float64, copy=False).reshape(d_sae, 2, n_groups).transpose(1, 0, 2)
        if self.grouping.one_anchor:
            found[ANCHOR] = found[ANCHOR, :, :1]
        return found


_kept: Kept[Grouped] = Kept(KEPT)


def load_grouped(ws: Workspace, space_id: str, d_sae: int, column: str) -> Grouped:
    """The samples of a space in the groups of a column, as the data are now.

    Raises:
        InputError: no sample has a value of that column.
    """
    return _kept.get(ws, space_id, (d_sae, column), lambda: _count(ws, space_id, d_sae, column))


def _count(ws: Workspace, space_id: str, d_sae: int, column: str) -> Grouped:
    grouping = group(ws, space_id, column)
    above = load_profiles(ws, space_id, d_sae).above
    n_rows = sum(int(above[role][0].sum(dtype=np.int64)) for role in ("seed", "anchor", "synthetic"))
    n_cells, width = 2 * len(grouping.groups), max(1, d_sae // (n_rows // ROWS_AT_ONCE + 1))
    width = min(width, max(1, BINS_AT_ONCE // (n_cells * N_BINS)))
    layers = list(_layers(grouping.members))
    last = int(grouping.members.content[-1])
    parts = []
    for first in range(0, d_sae, width):
        feature, content, at = store.rows_of_features(ws.database, space_id, first, min(first + width, d_sae), last)
        row = (feature - first) * (n_cells * N_BINS) + at
        counted = []
        for bin_of, weight_of in layers:
            bins = bin_of[content]
            mine = np.flatnonzero(bins >= 0)
            flat, weight = row[mine] + bins[mine], weight_of[content[mine]]
            counted.append(np.bincount(flat, weights=weight, minlength=width * n_cells * N_BINS))
        total = reduce(np.add, counted)
        filled = np.flatnonzero(total)
        place = (first * n_cells + filled // N_BINS).astype(np.int32)
        parts.append((place, (filled % N_BINS).astype(np.int8), total[filled].astype(np.int32)))
    place, at, n = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(-at, kind="stable")
    ends = np.searchsorted(-at[order], -np.arange(LAST_BIN + 1), side="right")
    return Grouped(grouping, place[order], n[order], ends)


def _layers(members: Members) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """First bin of the cell (or −1) and weight of each content, as often as one content is in several cells."""
    first = np.searchsorted(members.content, members.content)  # where the rows of the same content begin
    turn = np.arange(len(first)) - first
    n_contents = int(members.content[-1]) + 1
    for layer in range(int(turn.max()) + 1):
        mine = turn == layer
        bin_of, weight = np.full(n_contents, -1, np.int32), np.zeros(n_contents, np.int32)
        bin_of[members.content[mine]] = members.cell[mine] * N_BINS
        weight[members.content[mine]] = members.weight[mine]
        yield bin_of, weight
