"""The work list holds features a person picked; adding one twice, or removing what is not there, changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from fac_core.coverage.gaps import Gap, describe_gaps
from fac_core.coverage.states import gap_states
from fac_core.errors import InputError
from fac_core.feature_space.spaces import delta as delta_of
from fac_core.feature_space.spaces import space
from fac_core.features.counts import load_counts
from fac_core.store import coverage as store
from fac_core.workspace import now

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


@dataclass(frozen=True)
class WorkItem(Gap):
    """One feature of the work list, with its state now."""

    added_from: str
    added_at: datetime


def add(ws: Workspace, space_id: str, ids: Iterable[int], added_from: str) -> int:
    """Put features into the work list; returns how many are new.

    Raises:
        InputError: unknown space, or no such feature in it.
    """
    d_sae = space(ws, space_id).d_sae
    wanted = sorted(set(ids))
    for feature_id in wanted:
        if not 0 <= feature_id < d_sae:
            raise InputError(f"The space has features 0 to {d_sae - 1}, and no feature {feature_id}.")
    with ws.database.transaction() as cursor:
        return store.add_to_worklist(cursor, space_id, wanted, added_from, now())


def remove(ws: Workspace, space_id: str, ids: Iterable[int]) -> int:
    """Take features off the work list; returns how many were on it."""
    with ws.database.transaction() as cursor:
        return store.remove_from_worklist(cursor, space_id, sorted(set(ids)))


def in_worklist(ws: Workspace, space_id: str) -> list[int]:
    """Features of the work list, in the order they were added."""
    return [row.feature_id for row in store.worklist_rows(ws.database, space_id)]


def still_open(ws: Workspace, space_id: str, delta: float) -> int:
    """Features of the work list that nothing in the set activates yet.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    listed = in_worklist(ws, space_id)
    return int((load_counts(ws, space_id, space(ws, space_id).d_sae, delta).current[listed] == 0).sum())


def worklist(ws: Workspace, space_id: str, delta: float | None = None) -> list[WorkItem]:
    """The work list in the order it was made, at the project's δ unless another is given.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    rows = store.worklist_rows(ws.database, space_id)
    found = gap_states(ws, space_id, delta_of(ws, space_id) if delta is None else delta)
    chosen = np.array([row.feature_id for row in rows], np.int64)
    described = describe_gaps(ws, space_id, found, chosen, collapse=False)
    by_feature = {gap.feature_id: gap for gap in described}
    return [
        WorkItem(**vars(by_feature[row.feature_id]), added_from=row.added_from, added_at=row.added_at) for row in rows
    ]
