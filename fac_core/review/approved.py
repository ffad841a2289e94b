"""The approved samples are exactly what the events say: brought in line after each event, rebuilt from all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fac_core.review.candidates import Candidate, load
from fac_core.store import approved as store
from fac_core.synthesis.standing import APPROVED
from fac_core.tasks import Task, load_task

if TYPE_CHECKING:
    import duckdb

    from fac_core.workspace import Workspace


def bring_in_line(cursor: duckdb.DuckDBPyConnection, task: Task, candidate_ids: list[str] | None = None) -> int:
    """Make the approved samples of some candidates (default: of all) what their events say; returns how many changed.

    Runs in the caller's transaction; notes in any case that data may have changed.
    """
    wanted = {found.candidate_id: _row(found) for found in load(cursor, task, ids=candidate_ids)}
    held = {row.candidate_id: row for row in store.approved_rows(cursor)}
    if candidate_ids is not None:
        held = {key: row for key, row in held.items() if key in candidate_ids}
    changed = 0
    for candidate_id in sorted(wanted.keys() | held.keys()):
        row = wanted.get(candidate_id)
        if row == held.get(candidate_id):
            continue
        changed += 1
        if row is None:
            store.drop_approved(cursor, candidate_id)
        else:
            store.put_approved(cursor, row)
    store.refresh_approved(cursor)
    return changed


def rebuild(ws: Workspace) -> int:
    """Rebuild the approved samples from the event log; returns how many were not as they should be."""
    with ws.database.transaction() as cursor:
        return bring_in_line(cursor, load_task(ws.task))


def _row(found: Candidate) -> store.ApprovedRow | None:
    decision = found.standing.decision
    if found.state != APPROVED or decision is None or found.content_id is None:
        return None
    return store.ApprovedRow(
        found.candidate_id, decision.event_id, found.content_id, found.label, found.fields, found.made.origin
    )
