"""A job's row changes only through the functions here, and a shard counts as ingested at most once.

Times are UTC without zone. While a job runs its progress lives in its folder; the row holds what lasts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from fac_core.store.database import Database

_COLUMNS = "job_id, kind, title, state, done, total, message, spec, result, created_at, started_at, ended_at"


@dataclass(frozen=True)
class JobRow:
    """A row of the `job` table."""

    job_id: str
    kind: str
    title: str
    state: str
    done: float
    total: float
    message: str
    spec: dict[str, Any]
    result: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


def insert_job(
    cursor: duckdb.DuckDBPyConnection, job_id: str, kind: str, title: str, spec: dict[str, Any], at: datetime
) -> None:
    """Add a queued job."""
    cursor.execute(
        f"INSERT INTO job ({_COLUMNS}) VALUES (?, ?, ?, 'queued', 0, 0, '', ?, NULL, ?, NULL, NULL)",
        [job_id, kind, title, json.dumps(spec, sort_keys=True), at],
    )


def queue_again(cursor: duckdb.DuckDBPyConnection, job_id: str) -> None:
    """Put a stopped job back into the queue."""
    cursor.execute("UPDATE job SET state = 'queued', message = '', ended_at = NULL WHERE job_id = ?", [job_id])


def set_running(cursor: duckdb.DuckDBPyConnection, job_id: str, state: str, at: datetime, message: str = "") -> None:
    """Note that a job's worker is at work (state 'running' or 'cancelling'); the first start's time is kept, and so is
    an earlier message if there is no new one."""
    cursor.execute(
        "UPDATE job SET state = ?, started_at = coalesce(started_at, ?), ended_at = NULL, "
        "message = coalesce(nullif(?, ''), message) WHERE job_id = ?",
        [state, at, message, job_id],
    )


def end_job(
    cursor: duckdb.DuckDBPyConnection,
    job_id: str,
    state: str,
    message: str,
    at: datetime,
    *,
    done: float | None = None,
    total: float | None = None,
    result: dict[str, Any] | None = None,
) -> None:
    """Note how a job ended, or for now: 'completed', 'failed', 'cancelled' or 'interrupted'."""
    cursor.execute(
        "UPDATE job SET state = ?, message = ?, ended_at = ?, done = coalesce(?, done), total = coalesce(?, total), "
        "result = ? WHERE job_id = ?",
        [state, message, at, done, total, None if result is None else json.dumps(result), job_id],
    )


def job_row(database: Database, job_id: str) -> JobRow | None:
    """One job, or None."""
    row = database.one(f"SELECT {_COLUMNS} FROM job WHERE job_id = ?", [job_id])
    return None if row is None else _from_row(row)


def job_rows(database: Database, limit: int) -> list[JobRow]:
    """The newest jobs first."""
    rows = database.rows(f"SELECT {_COLUMNS} FROM job ORDER BY created_at DESC, job_id DESC LIMIT ?", [limit])
    return [_from_row(row) for row in rows]


def active_jobs(database: Database) -> list[JobRow]:
    """Jobs that have not ended, oldest first."""
    rows = database.rows(
        f"SELECT {_COLUMNS} FROM job WHERE state IN ('queued', 'running', 'cancelling') ORDER BY job_id"
    )
    return [_from_row(row) for row in rows]


def completed_results(database: Database, kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(spec, result) of every completed job of a kind, oldest first."""
    rows = database.rows(
        "SELECT spec, result FROM job WHERE kind = ? AND state = 'completed' AND result IS NOT NULL ORDER BY job_id",
        [kind],
    )
    return [(json.loads(spec), json.loads(result)) for spec, result in rows]


def job_ids(database: Database) -> set[str]:
    """Ids of all jobs."""
    return {row[0] for row in database.rows("SELECT job_id FROM job")}


def ingested_shards(database: Database, job_id: str) -> set[str]:
    """Names of the shards of a job whose rows are in the store."""
    return {row[0] for row in database.rows("SELECT shard FROM ingested_shard WHERE job_id = ?", [job_id])}


def record_shard(cursor: duckdb.DuckDBPyConnection, job_id: str, shard: str, n_rows: int, at: datetime) -> bool:
    """Claim a shard inside the transaction that stores its rows; False if it has been stored before."""
    known = cursor.execute("SELECT 1 FROM ingested_shard WHERE job_id = ? AND shard = ?", [job_id, shard]).fetchone()
    if known is None:
        cursor.execute("INSERT INTO ingested_shard VALUES (?, ?, ?, ?)", [job_id, shard, n_rows, at])
    return known is None


def _from_row(row: tuple[Any, ...]) -> JobRow:
    job_id, kind, title, state, done, total, message, spec, result, created_at, started_at, ended_at = row
    return JobRow(
        job_id,
        kind,
        title,
        state,
        float(done),
        float(total),
        message,
        json.loads(spec),
        None if result is None else json.loads(result),
        created_at,
        started_at,
        ended_at,
    )
