"""A dataset enters the store whole or not at all, and leaves it by a mark that can be taken back; rows stay.

Texts are stored once for all datasets, by `content_hash`. Everything comes in as Arrow tables, values are bound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fac_core.content import Content, form_hash
from fac_core.store.activations import carry_profiles, update_profiles
from fac_core.store.database import bump_data_version

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

ROLES = ("seed", "anchor", "pool", "holdout", "synthetic")
# source of the dataset that review keeps; see store/review.py
FROM_REVIEW = "review"
_DATASET = (
    "dataset_id, name, role, source, sha256, mapping, n_rows, n_quarantined, n_exact_duplicates, n_near_duplicates, "
    "created_at, deleted_at"
)


@dataclass(frozen=True)
class DatasetRow:
    """A row of the `dataset` table."""

    dataset_id: str
    name: str
    role: str
    source: str
    """Name of the file it came from, or ``pasted``."""
    sha256: str
    mapping: dict[str, Any]
    n_rows: int
    n_quarantined: int
    n_exact_duplicates: int
    n_near_duplicates: int
    created_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True)
class SampleRow:
    """A sample with its text."""

    sample_id: int
    dataset_id: str
    dataset: str
    role: str
    row_number: int
    external_id: str | None
    content_id: int
    text: str
    label: str | None
    fields: dict[str, str]
    meta: dict[str, str]


def add_contents(cursor: duckdb.DuckDBPyConnection, contents: Mapping[str, Content]) -> dict[str, int]:
    """Ids of contents by hash, new ones added in the order given."""
    import pyarrow as pa

    incoming = pa.table(
        {
            "content_hash": pa.array(contents, pa.string()),
            "text": pa.array([content.text for content in contents.values()], pa.string()),
            "turns": pa.array([content.stored_turns for content in contents.values()], pa.string()),
            "form_hash": pa.array([form_hash(content.text) for content in contents.values()], pa.string()),
        }
    )
    cursor.register("incoming_content", incoming)
    known = dict(
        cursor.execute(
            "SELECT c.content_hash, c.content_id FROM content c JOIN incoming_content i USING (content_hash)"
        ).fetchall()
    )
    cursor.unregister("incoming_content")
    new = [i for i, name in enumerate(incoming["content_hash"].to_pylist()) if name not in known]
    if new:
        added = incoming.take(new).add_column(0, "content_id", [_next(cursor, "content_seq", len(new))])
        cursor.register("new_content", added)
        cursor.execute(
            "INSERT INTO content (content_id, content_hash, text, turns, form_hash) SELECT * FROM new_content"
        )
        cursor.unregister("new_content")
        known |= dict(zip(added["content_hash"].to_pylist(), added["content_id"].to_pylist(), strict=True))
    return {str(name): int(content_id) for name, content_id in known.items()}


def insert_dataset(cursor: duckdb.DuckDBPyConnection, row: DatasetRow, samples: pa.Table, quarantine: pa.Table) -> None:
    """Store a dataset inside a transaction.

    `samples` has (row_number, external_id, content_id, contrast_id, label, fields, meta), the last two as JSON text;
    `quarantine` has (row_number, field, reason, raw).
    """
    cursor.execute(
        f"INSERT INTO dataset ({_DATASET}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [row.dataset_id, row.name, row.role, row.source, row.sha256, json.dumps(row.mapping, sort_keys=True),
         row.n_rows, row.n_quarantined, row.n_exact_duplicates, row.n_near_duplicates, row.created_at, row.deleted_at],
    )  # fmt: skip
    numbered = samples.add_column(0, "sample_id", [_next(cursor, "sample_seq", samples.num_rows)])
    cursor.register("incoming_sample", numbered)
    cursor.execute(
        "INSERT INTO sample (sample_id, dataset_id, row_number, external_id, content_id, contrast_id, label, fields, "
        "meta) SELECT sample_id, ?, row_number, external_id, content_id, contrast_id, label, fields, meta "
        "FROM incoming_sample ORDER BY sample_id",
        [row.dataset_id],
    )
    cursor.unregister("incoming_sample")
    cursor.register("incoming_quarantine", quarantine)
    cursor.execute(
        "INSERT INTO quarantine (dataset_id, row_number, field, reason, raw) "
        "SELECT ?, row_number, field, reason, raw FROM incoming_quarantine ORDER BY row_number",
        [row.dataset_id],
    )
    cursor.unregister("incoming_quarantine")
    bump_data_version(cursor)


def dataset_rows(database: Database) -> list[DatasetRow]:
    """All datasets, deleted ones included, in the order they came."""
    found = database.dicts(f"SELECT {_DATASET} FROM dataset ORDER BY created_at, dataset_id")
    return [DatasetRow(**{**row, "mapping": json.loads(row["mapping"])}) for row in found]


def dataset_row(database: Database, dataset_id: str) -> DatasetRow | None:
    """One dataset, or None."""
    return next((row for row in dataset_rows(database) if row.dataset_id == dataset_id), None)


def same_import(cursor: duckdb.DuckDBPyConnection, sha256: str, role: str, mapping: dict[str, Any]) -> str | None:
    """Name of the dataset that came from the same file in the same role and by the same mapping, if there is one."""
    found = cursor.execute(
        "SELECT name FROM dataset WHERE sha256 = ? AND role = ? AND CAST(mapping AS VARCHAR) = ? "
        "AND deleted_at IS NULL",
        [sha256, role, json.dumps(mapping, sort_keys=True)],
    ).fetchone()
    return None if found is None else str(found[0])


def set_role(cursor: duckdb.DuckDBPyConnection, dataset_id: str, role: str) -> None:
    """Give a dataset another role; its profile stays true."""
    cursor.execute("UPDATE dataset SET role = ? WHERE dataset_id = ?", [role, dataset_id])
    carry_profiles(cursor)


def mark_deleted(cursor: duckdb.DuckDBPyConnection, dataset_id: str, at: datetime) -> None:
    """Mark a dataset as deleted; profiles of the others stay true."""
    cursor.execute("UPDATE dataset SET deleted_at = ? WHERE dataset_id = ?", [at, dataset_id])
    for table in ("profile", "profile_total"):
        cursor.execute(f"DELETE FROM {table} WHERE dataset_id = ?", [dataset_id])
    carry_profiles(cursor)


def mark_restored(cursor: duckdb.DuckDBPyConnection, dataset_id: str) -> None:
    """Take the mark back and count the dataset's profiles again."""
    cursor.execute("UPDATE dataset SET deleted_at = NULL WHERE dataset_id = ?", [dataset_id])
    bump_data_version(cursor)
    for (space_id,) in cursor.execute("SELECT DISTINCT space_id FROM content_read").fetchall():
        update_profiles(cursor, space_id)


def shared_texts(database: Database, hashes: pa.Table) -> list[tuple[str, str, int]]:
    """How many of the texts (content_hash) each dataset has: (role, name, texts), deleted datasets left out."""
    with database.cursor() as cursor:
        cursor.register("incoming_hash", hashes)
        return cursor.execute(
            "SELECT d.role, d.name, count(DISTINCT c.content_hash) FROM incoming_hash i JOIN content c "
            "USING (content_hash) JOIN sample s USING (content_id) JOIN dataset d USING (dataset_id) "
            "WHERE d.deleted_at IS NULL GROUP BY d.dataset_id, d.role, d.name, d.created_at ORDER BY d.created_at"
        ).fetchall()


def texts_in_roles(database: Database, roles: list[str]) -> list[tuple[str, str, str]]:
    """Distinct texts of the datasets in these roles: (role, content_hash, text)."""
    return database.rows(
        "SELECT d.role, c.content_hash, c.text "
        "FROM content c JOIN sample s USING (content_id) JOIN dataset d USING (dataset_id) "
        "WHERE d.deleted_at IS NULL AND d.role IN (SELECT unnest(?::VARCHAR[])) "
        "GROUP BY d.role, c.content_id, c.content_hash, c.text ORDER BY c.content_id, d.role",
        [roles],
    )


def dataset_texts(database: Database, dataset_ids: list[str], limit: int) -> pa.Table:
    """Distinct texts of datasets, table (text, turns): at most `limit`, the same random part of them at each call."""
    return database.arrow(
        "SELECT text, turns FROM content WHERE content_id IN "
        "(SELECT content_id FROM sample WHERE dataset_id IN (SELECT unnest(?::VARCHAR[]))) "
        "ORDER BY content_hash LIMIT ?",
        [dataset_ids, limit],
    )


def quarantine_rows(database: Database, dataset_id: str, limit: int | None = None) -> list[dict[str, Any]]:
    """Bad rows of a dataset by row: row_number, field, reason, raw."""
    return database.dicts(
        "SELECT row_number, field, reason, raw FROM quarantine WHERE dataset_id = ? ORDER BY row_number LIMIT ?",
        [dataset_id, limit],
    )


def sample_rows(
    database: Database, dataset_id: str, search: str = "", limit: int = 50, offset: int = 0
) -> tuple[list[SampleRow], int]:
    """Samples of a dataset whose text holds `search` (any case), by row, and how many there are in all."""
    where, values = "s.dataset_id = ? AND contains(lower(c.text), lower(?))", [dataset_id, search]
    counted = database.one(f"SELECT count(*) FROM sample s JOIN content c USING (content_id) WHERE {where}", values)
    found = database.dicts(
        f"{_SAMPLES} WHERE {where} ORDER BY s.row_number, s.sample_id LIMIT ? OFFSET ?", [*values, limit, offset]
    )
    return [_sample(row) for row in found], int(counted[0]) if counted else 0


def sample_row(database: Database, sample_id: int) -> SampleRow | None:
    """One sample, or None."""
    return next(map(_sample, database.dicts(f"{_SAMPLES} WHERE s.sample_id = ?", [sample_id])), None)


_SAMPLES = (
    "SELECT s.sample_id, s.dataset_id, d.name AS dataset, d.role, s.row_number, s.external_id, s.content_id, "
    "c.text, s.label, s.fields, s.meta "
    "FROM sample s JOIN content c USING (content_id) JOIN dataset d USING (dataset_id)"
)


def _sample(row: dict[str, Any]) -> SampleRow:
    return SampleRow(**{**row, "fields": json.loads(row["fields"]), "meta": json.loads(row["meta"])})


def _next(cursor: duckdb.DuckDBPyConnection, sequence: str, n: int) -> pa.Array:
    """The next n numbers of a sequence, ascending."""
    import pyarrow as pa

    found = cursor.execute(f"SELECT nextval('{sequence}') FROM range(?)", [n]).fetchall()
    return pa.array(sorted(number for (number,) in found), pa.int64())
