"""The ledger follows the journals of the jobs: each attempt is one row, whenever and however often it is looked at.

A journal is read from where it was last left, in one transaction with its rows, so that a job that runs, has ended or
was killed shows what it has spent. Lines that are damaged are passed over, and the file is named for as long as it is
there.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.llm.calls import Attempt, journal_lines, journals
from fac_core.store import llm as store
from fac_core.store.llm import Spend
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Spend", "damage", "spend", "take_in"]


def take_in(ws: Workspace, job_id: str | None = None) -> None:
    """Bring the ledger up to date with one job's journal, or with all; for `finalise` and `stopped` of a kind."""
    with ws.database.write_lock:  # two that read on from one place would not meet, but do the work twice
        places = store.journal_places(ws.database)
        for path in journals(ws.jobs, job_id or "*"):
            job = path.parents[1].name
            if _size(path) > places.get(job, 0):
                _read_on(ws, job, path, places.get(job, 0))


def spend(ws: Workspace, job_id: str | None = None) -> list[Spend]:
    """What calls have cost so far, by purpose and model, in all jobs or in one."""
    take_in(ws, job_id)
    return store.spend(ws.database, job_id)


def damage(ws: Workspace) -> list[str]:
    """A sentence for each journal of which something could not be read when the ledger last looked."""
    damaged = store.damaged_journals(ws.database)
    found = []
    for path in journals(ws.jobs):
        if n := damaged.get(path.parents[1].name, 0):
            lines = "1 line is" if n == 1 else f"{n:,} lines are"
            found.append(
                f"The journal {path} is damaged: {lines} not in the ledger, which may say too little. The rest is "
                "counted; delete the job's folder when you no longer need its replies."
            )
        elif not os.access(path, os.R_OK):
            found.append(f"The journal {path} cannot be read, and the ledger lacks it; check the file's permissions.")
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # removed meanwhile
        return 0


def _read_on(ws: Workspace, job_id: str, path: Path, place: int) -> None:
    attempts: dict[str, Attempt] = {}
    read_as: dict[str, str] = {}
    end, n_damaged = place, 0
    for line in journal_lines(path, place):
        end = line.start + line.size
        n_damaged += line.damaged
        if line.attempt is not None:
            attempts[line.attempt.attempt_id] = line.attempt
        elif "read" in line.said:
            read_as[line.said["read"]] = line.said["outcome"]
    with ws.database.transaction() as cursor:
        store.put_calls(cursor, job_id, end, _table(job_id, list(attempts.values())), read_as)
        if n_damaged:
            store.add_damaged(cursor, job_id, n_damaged)


def _table(job_id: str, attempts: list[Attempt]) -> pa.Table:
    import pyarrow as pa

    rows: list[dict[str, Any]] = [
        {**asdict(each), "job_id": job_id, "created_at": datetime.fromtimestamp(each.at, UTC).replace(tzinfo=None)}
        for each in attempts
    ]
    texts = ("attempt_id", "job_id", "request_hash", "purpose", "base_url", "model", "outcome")
    schema = pa.schema(
        [
            *((name, pa.string()) for name in texts),
            *((name, pa.bool_()) for name in ("again", "assumed")),
            *((name, pa.int64()) for name in ("bytes_in", "tokens_in", "tokens_out")),
            *((name, pa.float64()) for name in ("price", "seconds")),
            ("created_at", pa.timestamp("us")),
        ]
    )
    return pa.Table.from_pylist(rows, schema)
