"""The ledger follows the journals of the jobs: each attempt is one row, whenever and however often it is looked at.

A journal is read from where it was last left, in one transaction with its rows, so that a job that runs, has ended or
was killed shows what it has spent.
"""

from __future__ import annotations

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

__all__ = ["Spend", "spend", "take_in"]


def take_in(ws: Workspace, job_id: str | None = None) -> None:
    """Bring the ledger up to date with one job's journal, or with all; for `finalise` and `stopped` of a kind.

    Raises:
        StoreError: a journal is damaged.
    """
    with ws.database.write_lock:  # two that read on from one place would not meet, but do the work twice
        places = store.journal_places(ws.database)
        for path in journals(ws.jobs, job_id or "*"):
            job = path.parents[1].name
            if path.stat().st_size > places.get(job, 0):
                _read_on(ws, job, path, places.get(job, 0))


def spend(ws: Workspace, job_id: str | None = None) -> list[Spend]:
    """What calls have cost so far, by purpose and model, in all jobs or in one.

    Raises:
        StoreError: a journal is damaged.
    """
    take_in(ws, job_id)
    return store.spend(ws.database, job_id)


def _read_on(ws: Workspace, job_id: str, path: Path, place: int) -> None:
    attempts: dict[str, Attempt] = {}
    read_as: dict[str, str] = {}
    end = place
    for start, size, line in journal_lines(path, place):
        end = start + size
        if "attempt" in line:
            attempt = Attempt(**line["attempt"])
            attempts[attempt.attempt_id] = attempt
        elif "read" in line:
            read_as[line["read"]] = line["outcome"]
    with ws.database.transaction() as cursor:
        store.put_calls(cursor, job_id, end, _table(job_id, list(attempts.values())), read_as)


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
