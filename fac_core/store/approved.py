"""Approved samples are rows derived from review events: written with the event that causes them, rebuilt at will.

One dataset with the role synthetic holds the approved candidates as samples, so features and coverage count them like
any other sample. Its row, its profile and its totals always fit its samples.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.store.activations import BIN
from fac_core.store.database import bump_data_version

if TYPE_CHECKING:
    import duckdb

APPROVED_DATASET = "approved"
APPROVED_NAME = "Approved samples"


class ApprovedRow(NamedTuple):
    """An approved candidate as a sample."""

    candidate_id: str
    event_id: int
    """The event that approved it."""
    content_id: int
    label: str | None
    fields: dict[str, str]
    origin: str


def approved_rows(cursor: duckdb.DuckDBPyConnection) -> list[ApprovedRow]:
    """The approved samples as they are stored, by candidate."""
    found = cursor.execute(
        "SELECT external_id, row_number, content_id, label, fields, meta FROM sample WHERE dataset_id = ? "
        "ORDER BY external_id",
        [APPROVED_DATASET],
    ).fetchall()
    return [
        ApprovedRow(candidate, event, content, label, json.loads(fields), json.loads(meta)["origin"])
        for candidate, event, content, label, fields, meta in found
    ]


def approved_as(cursor: duckdb.DuckDBPyConnection, content_id: int, other_than: str) -> str | None:
    """The candidate, other than the one named, whose approved sample has that content; None if there is none."""
    found = cursor.execute(
        "SELECT min(external_id) FROM sample WHERE dataset_id = ? AND content_id = ? AND external_id <> ?",
        [APPROVED_DATASET, content_id, other_than],
    ).fetchone()
    return None if found is None or found[0] is None else str(found[0])


def put_approved(cursor: duckdb.DuckDBPyConnection, row: ApprovedRow) -> None:
    """Add the sample of an approved candidate, or put it in the place of the one it has."""
    drop_approved(cursor, row.candidate_id)
    cursor.execute(
        "INSERT INTO sample (sample_id, dataset_id, row_number, external_id, content_id, label, fields, meta) "
        "VALUES (nextval('sample_seq'), ?, ?, ?, ?, ?, ?, ?)",
        [APPROVED_DATASET, row.event_id, row.candidate_id, row.content_id, row.label, _json(row.fields),
         _json({"origin": row.origin})],
    )  # fmt: skip


def drop_approved(cursor: duckdb.DuckDBPyConnection, candidate_id: str) -> None:
    """Remove the sample of a candidate that is no longer approved."""
    cursor.execute("DELETE FROM sample WHERE dataset_id = ? AND external_id = ?", [APPROVED_DATASET, candidate_id])


def refresh_approved(cursor: duckdb.DuckDBPyConnection) -> None:
    """Bring the approved dataset's row, profile and totals in line with its samples and note that data changed.

    Profiles of other datasets cannot have changed, so those that were current stay current.
    """
    before = _data_version(cursor)
    bump_data_version(cursor)
    counted = cursor.execute("SELECT count(*) FROM sample WHERE dataset_id = ?", [APPROVED_DATASET]).fetchone()
    _set_dataset(cursor, int(counted[0]) if counted else 0)
    for table in ("profile", "profile_total"):
        cursor.execute(f"DELETE FROM {table} WHERE dataset_id = ?", [APPROVED_DATASET])
    cursor.execute(
        "INSERT INTO profile SELECT a.space_id, s.dataset_id, a.feature_id, "
        f"{BIN} AS bin, count(*) "
        "FROM sample s JOIN activation a USING (content_id) WHERE s.dataset_id = ? GROUP BY ALL",
        [APPROVED_DATASET],
    )
    cursor.execute("UPDATE profile_total SET data_version = ? WHERE data_version = ?", [_data_version(cursor), before])
    cursor.execute(
        "INSERT INTO profile_total SELECT p.space_id, s.dataset_id, count(*), "
        "count(*) FILTER (r.content_id IS NULL), p.data_version "
        "FROM (SELECT space_id, min(data_version) AS data_version FROM profile_total GROUP BY space_id) p "
        "CROSS JOIN sample s LEFT JOIN content_read r ON r.space_id = p.space_id AND r.content_id = s.content_id "
        "WHERE s.dataset_id = ? GROUP BY ALL",
        [APPROVED_DATASET],
    )


def _set_dataset(cursor: duckdb.DuckDBPyConnection, n_rows: int) -> None:
    held = cursor.execute("SELECT 1 FROM dataset WHERE dataset_id = ?", [APPROVED_DATASET]).fetchone()
    if not n_rows:
        cursor.execute("DELETE FROM dataset WHERE dataset_id = ?", [APPROVED_DATASET])
    elif held:
        cursor.execute(
            "UPDATE dataset SET n_rows = ?, deleted_at = NULL WHERE dataset_id = ?", [n_rows, APPROVED_DATASET]
        )
    else:
        cursor.execute(
            "INSERT INTO dataset SELECT ?, ?, 'synthetic', 'review', '', '{}', ?, 0, 0, 0, min(created_at), NULL "
            "FROM decision",
            [APPROVED_DATASET, APPROVED_NAME, n_rows],
        )


def _data_version(cursor: duckdb.DuckDBPyConnection) -> int:
    row = cursor.execute("SELECT value FROM meta WHERE key = 'data_version'").fetchone()
    return int(row[0]) if row else 0


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
