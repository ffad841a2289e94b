"""Which contents a space has read and which not is asked by id; their texts come some at a time, never all of them.

An id takes eight bytes and a text has no bound, so only the list of ids grows with the project.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fac_core.content import Content
from fac_core.store.activations import SAMPLED

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from fac_core.store.database import Database

AT_ONCE = 4096
"""Contents fetched at a time."""
# the texts of samples that count: their own and, for relevance, the one that answers the other way
_WANTED = f"""
    SELECT s.content_id FROM sample s JOIN dataset d USING (dataset_id) WHERE d.deleted_at IS NULL AND d.{SAMPLED}
    UNION SELECT s.contrast_id FROM sample s JOIN dataset d USING (dataset_id)
    WHERE d.deleted_at IS NULL AND s.contrast_id IS NOT NULL"""
_UNREAD = f"""FROM ({_WANTED}) w
    WHERE NOT EXISTS (SELECT 1 FROM content_read r WHERE r.space_id = ? AND r.content_id = w.content_id)"""
_READ = f"""FROM content_read r WHERE r.space_id = ?
    AND (r.content_id NOT IN (SELECT s.content_id FROM sample s JOIN profile_only USING (dataset_id))
    OR r.content_id IN (SELECT s.content_id FROM sample s WHERE s.{SAMPLED}))"""


def unread_ids(database: Database, space_id: str) -> NDArray[np.int64]:
    """Contents of samples in datasets that are not deleted and not yet read, ascending."""
    return _ids(database, f"SELECT w.content_id {_UNREAD}", space_id)


def count_unread(database: Database, space_id: str) -> int:
    """Number of contents `unread_ids` would return."""
    row = database.one(f"SELECT count(*) {_UNREAD}", [space_id])
    return int(row[0]) if row else 0


def read_ids(database: Database, space_id: str) -> NDArray[np.int64]:
    """Contents that were read here, ascending; those of which only a pool's reading told are left out."""
    return _ids(database, f"SELECT r.content_id {_READ}", space_id)


def count_read(database: Database, space_id: str) -> int:
    """Number of contents `read_ids` would return."""
    row = database.one(f"SELECT count(*) {_READ}", [space_id])
    return int(row[0]) if row else 0


def content_of(database: Database, content_id: int) -> Content | None:
    """One content, or None."""
    row = database.one("SELECT text, turns FROM content WHERE content_id = ?", [content_id])
    return None if row is None else Content.stored(*row)


def contents(database: Database, ids: NDArray[np.int64]) -> Iterator[pa.Table]:
    """The contents of ascending ids: tables (content_id, text, turns), by id, at least one table."""
    return _some_at_a_time(database, "content_id, text, turns FROM content", ids, [])


def values(database: Database, space_id: str, ids: NDArray[np.int64]) -> Iterator[pa.Table]:
    """What a space read in them: tables (content_id, feature_id, value), by id and feature, at least one table."""
    source = "content_id, feature_id, value FROM (FROM activation WHERE space_id = ?)"
    return _some_at_a_time(database, source, ids, [space_id])


def _ids(database: Database, sql: str, space_id: str) -> NDArray[np.int64]:
    found: NDArray[np.int64] = database.arrow(f"{sql} ORDER BY 1", [space_id])["content_id"].to_numpy()
    return found


def _some_at_a_time(
    database: Database, source: str, ids: NDArray[np.int64], parameters: list[str]
) -> Iterator[pa.Table]:
    import pyarrow as pa

    for begin in range(0, max(1, len(ids)), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        ends = [int(some[0]), int(some[-1])] if len(some) else [0, 0]  # the blocks of other ids are not looked at
        with database.cursor() as cursor:
            cursor.register("wanted", pa.table({"content_id": some}))
            sql = f"SELECT {source} SEMI JOIN wanted USING (content_id) WHERE content_id BETWEEN ? AND ? ORDER BY ALL"
            yield cursor.sql(sql, params=[*parameters, *ends]).to_arrow_table()
