"""A decision is an appended event: no row of `decision` is ever changed or removed, and no other row holds a state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.store.activations import SAMPLED
from fac_core.store.approved import APPROVED_DATASET

if TYPE_CHECKING:
    import duckdb

_EVENT = (
    "event_id, candidate_id, reviewer, revision, action, reason, note, text, fields, label, content_id, target_value, "
    "created_at"
)
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
    """New text of an edit of an older version, written as the task's item; None for those that have `fields`."""
    fields: dict[str, str] | None
    """New fields of an edit."""
    label: str | None
    """Label that an approval gives; None if it leaves the label as it is."""
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


def next_event_id(cursor: duckdb.DuckDBPyConnection) -> int:
    """A number above those of all events so far."""
    row = cursor.execute("SELECT nextval('event_seq')").fetchone()
    return int(row[0]) if row else 0


def append_event(cursor: duckdb.DuckDBPyConnection, event: Event) -> None:
    """Add one event inside a transaction."""
    fields = None if event.fields is None else json.dumps(event.fields, ensure_ascii=False, sort_keys=True)
    cursor.execute(
        f"INSERT INTO decision ({_EVENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        list((event._asdict() | {"fields": fields}).values()),
    )


def events(
    cursor: duckdb.DuckDBPyConnection, candidate_id: str | None = None, reviewer: str | None = None
) -> list[Event]:
    """Events of all candidates, or of one candidate or one reviewer, in event order."""
    found = cursor.execute(
        f"SELECT {_EVENT} FROM decision WHERE (?1 IS NULL OR candidate_id = ?1) AND (?2 IS NULL OR reviewer = ?2) "
        "ORDER BY event_id",
        [candidate_id, reviewer],
    ).fetchall()
    return [_event(row) for row in found]


def candidate_rows(
    cursor: duckdb.DuckDBPyConnection,
    space_id: str | None = None,
    ids: Sequence[str] | None = None,
    max_rank: int | None = None,
) -> list[CandidateRow]:
    """Candidates of a space, or those with the given ids, by id.

    With `max_rank` only hits up to that rank among those of their feature, and those with a decision.
    """
    found = cursor.execute(
        "SELECT c.candidate_id, c.run_id, r.space_id, r.delta, r.generator, c.origin, "
        f"{_SERVED} AS feature_id, c.text, c.fields, c.label, c.content_id, c.outcome, coalesce(a.value, 0.0), "
        "c.rank, c.prompt, c.generation, c.created_at "
        "FROM candidate c JOIN synthesis_run r USING (run_id) LEFT JOIN activation a ON a.space_id = r.space_id "
        f"AND a.content_id = c.content_id AND a.feature_id = {_SERVED} "
        "WHERE (?1 IS NULL OR r.space_id = ?1) AND (?2 IS NULL OR list_contains(?2::VARCHAR[], c.candidate_id)) "
        "AND (?3 IS NULL OR (c.outcome = 'hit' AND c.rank <= ?3) "
        "OR c.candidate_id IN (SELECT candidate_id FROM decision)) ORDER BY c.candidate_id",
        [space_id, None if ids is None else list(ids), max_rank],
    ).fetchall()
    return [_candidate(row) for row in found]


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


class Firing(NamedTuple):
    """One feature active in one content, with the place of its peak."""

    feature_id: int
    value: float
    char_start: int
    char_end: int


def firings(
    cursor: duckdb.DuckDBPyConnection, space_id: str, content_ids: Sequence[int], delta: float
) -> dict[int, list[Firing]]:
    """Features above δ in each content, strongest first."""
    found = cursor.execute(
        "SELECT content_id, feature_id, value, char_start, char_end FROM activation "
        "WHERE space_id = ? AND value > ? AND content_id IN (SELECT unnest(?::BIGINT[])) "
        "ORDER BY content_id, value DESC, feature_id",
        [space_id, delta, list(content_ids)],
    ).fetchall()
    active: dict[int, list[Firing]] = {content_id: [] for content_id in content_ids}
    for content_id, *rest in found:
        active[content_id].append(Firing(*rest))
    return active


def anchor_rank(cursor: duckdb.DuckDBPyConnection, space_id: str, feature_id: int, value: float) -> tuple[int, int]:
    """Of the anchor samples a feature fires in: how many reach less than `value`, and how many there are."""
    row = cursor.execute(
        "SELECT count(*) FILTER (a.value < ?), count(*) FROM activation_by_feature a JOIN sample s USING (content_id) "
        "JOIN dataset d USING (dataset_id) WHERE a.space_id = ? AND a.feature_id = ? AND d.role = 'anchor' "
        f"AND d.deleted_at IS NULL AND d.{SAMPLED}",
        [value, space_id, feature_id],
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def texts_in_role(cursor: duckdb.DuckDBPyConnection, role: str) -> list[str]:
    """The different texts of a role's samples, by sample."""
    found = cursor.execute(
        "SELECT any_value(c.text) FROM sample s JOIN dataset d USING (dataset_id) JOIN content c USING (content_id) "
        "WHERE d.role = ? AND d.deleted_at IS NULL GROUP BY s.content_id ORDER BY min(s.sample_id)",
        [role],
    ).fetchall()
    return [str(row[0]) for row in found]


def role_fingerprint(cursor: duckdb.DuckDBPyConnection, role: str) -> str:
    """Changes when the samples of a role change."""
    found = cursor.execute(
        "SELECT d.dataset_id, count(s.sample_id), max(s.sample_id) FROM dataset d "
        "LEFT JOIN sample s USING (dataset_id) WHERE d.role = ? AND d.deleted_at IS NULL "
        "GROUP BY d.dataset_id ORDER BY d.dataset_id",
        [role],
    ).fetchall()
    return repr(found)


def roles_of_content(cursor: duckdb.DuckDBPyConnection, content_id: int) -> set[str]:
    """Roles of the datasets that hold a content; deleted ones and the approved samples do not count."""
    found = cursor.execute(
        "SELECT DISTINCT d.role FROM sample s JOIN dataset d USING (dataset_id) "
        "WHERE s.content_id = ? AND d.deleted_at IS NULL AND d.dataset_id <> ?",
        [content_id, APPROVED_DATASET],
    ).fetchall()
    return {str(row[0]) for row in found}


def _event(row: tuple[Any, ...]) -> Event:
    event = Event(*row)
    return event if event.fields is None else event._replace(fields=json.loads(str(event.fields)))


def _candidate(row: tuple[Any, ...]) -> CandidateRow:
    values = dict(zip(CandidateRow._fields, row, strict=True))
    return CandidateRow(**values | {key: json.loads(values[key]) for key in ("fields", "generation")})
