"""A decision is an appended event and is never changed; approved samples are rows derived from events, rebuilt at will.

One dataset with the role synthetic holds the approved candidates as samples, so features and coverage count them like
any other sample. Its rows, its size and its profile change in the transaction of the event that causes them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.store.activations import BIN_WIDTH, LAST_BIN
from fac_core.store.database import bump_data_version

if TYPE_CHECKING:
    import duckdb

APPROVED_DATASET = "approved"
APPROVED_NAME = "Approved samples"
_EVENT = "event_id, candidate_id, reviewer, revision, action, reason, note, text, content_id, target_value, created_at"
# the feature a candidate serves: the one it was assigned to, else the one it was made for
_SERVED = "coalesce(c.assigned_feature, c.target_feature)"


class Event(NamedTuple):
    """A row of the `decision` table."""

    event_id: int
    candidate_id: str
    reviewer: str
    revision: int
    """Number of events of the candidate that the reviewer had seen."""
    action: str
    """approve, reject, edit, skip or undo"""
    reason: str | None
    note: str | None
    text: str | None
    """New text of an edit, written as the task's item."""
    content_id: int | None
    """Content of the edited text."""
    target_value: float | None
    """Activation of the candidate's feature in the edited text."""
    created_at: datetime


class CandidateRow(NamedTuple):
    """A candidate as it was made, with what its run says."""

    candidate_id: str
    run_id: str
    space_id: str
    delta: float
    """Threshold of its run."""
    generator: str
    origin: str
    feature_id: int
    """The feature it serves."""
    text: str
    fields: dict[str, str]
    label: str | None
    content_id: int | None
    outcome: str
    value: float
    """Activation of that feature; zero if it does not fire."""
    rank: int | None
    prompt: str
    generation: dict[str, Any]
    created_at: datetime


class ApprovedRow(NamedTuple):
    """An approved candidate as a sample."""

    candidate_id: str
    event_id: int
    """The event that approved it."""
    content_id: int
    label: str | None
    fields: dict[str, str]
    origin: str


def next_event_id(cursor: duckdb.DuckDBPyConnection) -> int:
    """A number above those of all events so far."""
    row = cursor.execute("SELECT nextval('event_seq')").fetchone()
    return int(row[0]) if row else 0


def append_event(cursor: duckdb.DuckDBPyConnection, event: Event) -> None:
    """Add one event inside a transaction."""
    cursor.execute(f"INSERT INTO decision ({_EVENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", list(event))


def events(
    cursor: duckdb.DuckDBPyConnection, candidate_id: str | None = None, reviewer: str | None = None
) -> list[Event]:
    """Events of all candidates, or of one candidate or one reviewer, in event order."""
    found = cursor.execute(
        f"SELECT {_EVENT} FROM decision WHERE (?1 IS NULL OR candidate_id = ?1) AND (?2 IS NULL OR reviewer = ?2) "
        "ORDER BY event_id",
        [candidate_id, reviewer],
    ).fetchall()
    return [Event(*row) for row in found]


def candidate_rows(
    cursor: duckdb.DuckDBPyConnection, space_id: str | None = None, ids: Sequence[str] | None = None
) -> list[CandidateRow]:
    """Candidates of a space, or those with the given ids, by id."""
    found = cursor.execute(
        "SELECT c.candidate_id, c.run_id, r.space_id, r.delta, r.generator, c.origin, "
        f"{_SERVED} AS feature_id, c.text, c.fields, c.label, c.content_id, c.outcome, coalesce(a.value, 0.0), "
        "c.rank, c.prompt, c.generation, c.created_at "
        "FROM candidate c JOIN synthesis_run r USING (run_id) LEFT JOIN activation a ON a.space_id = r.space_id "
        f"AND a.content_id = c.content_id AND a.feature_id = {_SERVED} "
        "WHERE (?1 IS NULL OR r.space_id = ?1) AND (?2 IS NULL OR list_contains(?2::VARCHAR[], c.candidate_id)) "
        "ORDER BY c.candidate_id",
        [space_id, None if ids is None else list(ids)],
    ).fetchall()
    return [CandidateRow(*row[:8], json.loads(row[8]), *row[9:15], json.loads(row[15]), row[16]) for row in found]


def content_texts(cursor: duckdb.DuckDBPyConnection, content_ids: Sequence[int]) -> dict[int, str]:
    """Texts by content id."""
    found = cursor.execute(
        "SELECT content_id, text FROM content WHERE content_id IN (SELECT unnest(?::BIGINT[]))", [list(content_ids)]
    ).fetchall()
    return {int(content_id): str(text) for content_id, text in found}


def put_content(cursor: duckdb.DuckDBPyConnection, content_hash: str, text: str) -> int:
    """Id of the content with that hash, added if it is new."""
    found = cursor.execute("SELECT content_id FROM content WHERE content_hash = ?", [content_hash]).fetchone()
    if found is None:
        found = cursor.execute(
            "INSERT INTO content VALUES (nextval('content_seq'), ?, ?) RETURNING content_id", [content_hash, text]
        ).fetchone()
    return int(found[0]) if found else 0


def is_read(cursor: duckdb.DuckDBPyConnection, space_id: str, content_hash: str) -> bool:
    """Whether the content with that hash has been read in the space."""
    return (
        cursor.execute(
            "SELECT 1 FROM content_read r JOIN content c USING (content_id) "
            "WHERE r.space_id = ? AND c.content_hash = ?",
            [space_id, content_hash],
        ).fetchone()
        is not None
    )


def value_in(cursor: duckdb.DuckDBPyConnection, space_id: str, content_id: int, feature_id: int) -> float:
    """Activation of one feature in one content; zero if it does not fire."""
    found = cursor.execute(
        "SELECT value FROM activation WHERE space_id = ? AND content_id = ? AND feature_id = ?",
        [space_id, content_id, feature_id],
    ).fetchone()
    return float(found[0]) if found else 0.0


def roles_of_content(cursor: duckdb.DuckDBPyConnection, content_id: int) -> set[str]:
    """Roles of the datasets that hold a content; deleted ones and the approved samples do not count."""
    found = cursor.execute(
        "SELECT DISTINCT d.role FROM sample s JOIN dataset d USING (dataset_id) "
        "WHERE s.content_id = ? AND d.deleted_at IS NULL AND d.dataset_id <> ?",
        [content_id, APPROVED_DATASET],
    ).fetchall()
    return {str(row[0]) for row in found}


def approved_rows(cursor: duckdb.DuckDBPyConnection) -> list[ApprovedRow]:
    """The approved samples as they are stored, by candidate."""
    found = cursor.execute(
        "SELECT external_id, row_number, content_id, label, fields, meta FROM sample WHERE dataset_id = ? "
        "ORDER BY external_id",
        [APPROVED_DATASET],
    ).fetchall()
    return [ApprovedRow(*row[:4], json.loads(row[4]), json.loads(row[5])["origin"]) for row in found]


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
        f"CAST(least({LAST_BIN}, greatest(0, ceil(a.value / {BIN_WIDTH}) - 1)) AS SMALLINT) AS bin, count(*) "
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


def put_export(
    cursor: duckdb.DuckDBPyConnection, export_id: str, folder: str, manifest: dict[str, Any], at: datetime
) -> None:
    """Remember an export."""
    cursor.execute(
        "INSERT INTO export VALUES (?, ?, ?, ?)", [export_id, folder, json.dumps(manifest, sort_keys=True), at]
    )


def export_rows(cursor: duckdb.DuckDBPyConnection) -> list[tuple[str, str, dict[str, Any], datetime]]:
    """All exports, newest first: (export_id, folder, manifest, created_at)."""
    found = cursor.execute(
        "SELECT export_id, folder, manifest, created_at FROM export ORDER BY created_at DESC, export_id DESC"
    ).fetchall()
    return [(row[0], row[1], json.loads(row[2]), row[3]) for row in found]


def _data_version(cursor: duckdb.DuckDBPyConnection) -> int:
    row = cursor.execute("SELECT value FROM meta WHERE key = 'data_version'").fetchone()
    return int(row[0]) if row else 0


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
