"""Every attempt at an endpoint is one row that follows its journal; a price that is not known is NULL and stays so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from fac_core.store.database import get_meta, set_meta

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

COLUMNS = (
    "attempt_id, job_id, request_hash, purpose, base_url, model, again, outcome, bytes_in, tokens_in, tokens_out, "
    "price, assumed, seconds, created_at"
)


_DAMAGED = "llm.damaged"
"""Key of the numbers of damaged lines by job; a job whose folder is gone leaves its number behind."""


class Spend(NamedTuple):
    """What calls of one purpose at one model cost."""

    purpose: str
    model: str
    n_attempts: int
    outcomes: dict[str, int]
    tokens_in: int
    tokens_out: int
    price: float | None
    """Of the attempts whose price is known; None if there is none."""
    n_unpriced: int
    """Attempts that may have been billed at a price that is not known."""
    n_assumed: int
    """Attempts for which the most they can have cost is counted, since the endpoint did not say."""


class Usage(NamedTuple):
    """What questions to one model took on average, where the endpoint said so."""

    n_questions: int
    calls_each: float
    """Calls for each question: one, and one more where the reply could not be read."""
    tokens_per_byte: float
    """In, of a question as it is put first."""
    in_each: float
    """Tokens in for each question, by those of its first call."""
    out_each: float
    """Tokens out for each question."""


def journal_places(database: Database) -> dict[str, int]:
    """Up to where the journal of each job has been read, in bytes."""
    return {job: int(place) for job, place in database.rows("SELECT job_id, place FROM llm_journal")}


def put_calls(
    cursor: duckdb.DuckDBPyConnection, job_id: str, place: int, calls: pa.Table, read_as: Mapping[str, str]
) -> None:
    """Store attempts as they stand, inside a transaction, with how far the journal was read.

    `calls` has `COLUMNS`; an attempt that is known is replaced. `read_as` tells outcomes by attempt.
    """
    cursor.register("incoming_calls", calls)
    try:
        cursor.execute(f"INSERT OR REPLACE INTO llm_call ({COLUMNS}) SELECT {COLUMNS} FROM incoming_calls")
    finally:
        cursor.unregister("incoming_calls")
    if read_as:
        cursor.execute(
            "UPDATE llm_call SET outcome = told.outcome FROM (SELECT unnest(?::VARCHAR[]) AS attempt_id, "
            "unnest(?::VARCHAR[]) AS outcome) told WHERE llm_call.attempt_id = told.attempt_id",
            [list(read_as), list(read_as.values())],
        )
    cursor.execute("INSERT OR REPLACE INTO llm_journal VALUES (?, ?)", [job_id, place])


def damaged_journals(database: Database) -> dict[str, int]:
    """Lines that could not be read, by job; only of journals that have some."""
    return {str(job): int(n) for job, n in json.loads(get_meta(database, _DAMAGED, "{}")).items()}


def add_damaged(cursor: duckdb.DuckDBPyConnection, job_id: str, n: int) -> None:
    """Note that some more lines of a job's journal could not be read, inside the transaction that passes them over."""
    row = cursor.execute("SELECT value FROM meta WHERE key = ?", [_DAMAGED]).fetchone()
    known = json.loads(row[0]) if row else {}
    set_meta(cursor, _DAMAGED, json.dumps({**known, job_id: known.get(job_id, 0) + n}))


def spend(database: Database, job_id: str | None = None) -> list[Spend]:
    """Sums by purpose and model, of all jobs or of one."""
    rows = database.rows(
        "SELECT purpose, model, sum(n)::BIGINT, map(list(outcome), list(n)), sum(tokens_in)::BIGINT, "
        "sum(tokens_out)::BIGINT, sum(price), sum(unpriced)::BIGINT, sum(assumed)::BIGINT FROM ("
        "SELECT purpose, model, outcome, count(*) AS n, sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out, "
        "sum(price) AS price, count(*) FILTER (assumed) AS assumed, "
        "count(*) FILTER (price IS NULL AND (assumed OR tokens_in + tokens_out > 0)) AS unpriced "
        "FROM llm_call WHERE $job IS NULL OR job_id = $job GROUP BY ALL) GROUP BY purpose, model "
        "ORDER BY purpose, model",
        {"job": job_id},
    )
    return [Spend(*row)._replace(outcomes={name: int(n) for name, n in sorted(row[3].items())}) for row in rows]


def usage(database: Database, base_url: str, model: str, purpose: str | None = None) -> Usage | None:
    """Averages of a model at an endpoint, for one purpose or for all; None where no call told what it took."""
    row = database.one(
        "SELECT count(*) FILTER (NOT again), count(*), sum(bytes_in) FILTER (NOT again), "
        "sum(tokens_in) FILTER (NOT again), sum(tokens_in), sum(tokens_out) FROM llm_call "
        "WHERE NOT assumed AND tokens_in > 0 AND base_url = $url AND model = $model "
        "AND ($purpose IS NULL OR purpose = $purpose)",
        {"url": base_url, "model": model, "purpose": purpose},
    )
    if row is None or not row[0] or not row[2]:
        return None
    n_first, n, said, first_in, all_in, out = map(float, row)
    return Usage(int(n_first), n / n_first, first_in / said, all_in / first_in, out / n_first)
