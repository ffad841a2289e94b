"""What a person keeps about features is events: taking a mark away is one more event, and nothing is overwritten.

The newest event of (feature, kind, value) says whether the mark stands; marking what is marked adds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from numpy.typing import NDArray

    from fac_core.store.database import Database

LIST, TAG, NOTE = "list", "tag", "note"
_STANDING = """
    SELECT feature_id, kind, value, arg_max(author, event_id) AS author, max(created_at) AS created_at
    FROM feature_mark WHERE space_id = ? {where} GROUP BY feature_id, kind, value HAVING arg_max(present, event_id)"""


class MarkRow(NamedTuple):
    """One mark that stands."""

    feature_id: int
    kind: str
    value: str
    author: str
    created_at: datetime


class MarkEvent(NamedTuple):
    """One change of a feature's marks."""

    kind: str
    value: str
    present: bool
    author: str
    created_at: datetime


def put_marks(
    cursor: duckdb.DuckDBPyConnection,
    space_id: str,
    feature_ids: Sequence[int],
    kind: str,
    value: str,
    present: bool,
    author: str,
    at: datetime,
) -> int:
    """Set or take away a mark inside a transaction; returns how many features that changes."""
    changed = cursor.execute(
        "INSERT INTO feature_mark SELECT nextval('event_seq'), ?1, f.feature_id, ?3, ?4, ?5, ?6, ?7 "
        "FROM (SELECT DISTINCT unnest(?2::INTEGER[]) AS feature_id) f LEFT JOIN (SELECT feature_id, "
        "arg_max(present, event_id) AS present FROM feature_mark WHERE space_id = ?1 AND kind = ?3 AND value = ?4 "
        "GROUP BY feature_id) last USING (feature_id) WHERE coalesce(last.present, false) <> ?5 ORDER BY f.feature_id",
        [space_id, list(feature_ids), kind, value, present, author, at],
    ).fetchone()
    return int(changed[0]) if changed else 0


def marks_of(database: Database, space_id: str, feature_id: int) -> list[MarkRow]:
    """Marks that stand on one feature, oldest first."""
    found = database.rows(
        f"{_STANDING.format(where='AND feature_id = ?')} ORDER BY max(event_id)", [space_id, feature_id]
    )
    return [MarkRow(*row) for row in found]


def mark_events(database: Database, space_id: str, feature_id: int) -> list[MarkEvent]:
    """Every change of one feature's marks, newest first."""
    found = database.rows(
        "SELECT kind, value, present, author, created_at FROM feature_mark WHERE space_id = ? AND feature_id = ? "
        "ORDER BY event_id DESC",
        [space_id, feature_id],
    )
    return [MarkEvent(*row) for row in found]


def marked(database: Database, space_id: str, kind: str, value: str) -> NDArray[np.int32]:
    """Features that carry a mark, ascending."""
    found = database.arrow(
        f"SELECT feature_id FROM ({_STANDING.format(where='AND kind = ? AND value = ?')}) ORDER BY feature_id",
        [space_id, kind, value],
    )
    ids: NDArray[np.int32] = found.column("feature_id").to_numpy()
    return ids


def mark_values(database: Database, space_id: str, kind: str) -> dict[str, int]:
    """Values of a kind that stand on some feature, with how many, by name."""
    found = database.rows(
        f"SELECT value, count(*) FROM ({_STANDING.format(where='AND kind = ?')}) GROUP BY value ORDER BY lower(value)",
        [space_id, kind],
    )
    return {str(value): int(n) for value, n in found}
