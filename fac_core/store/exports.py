"""What an export must tell about its origin, and the list of exports that were made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.store.approved import APPROVED_DATASET

if TYPE_CHECKING:
    import duckdb


class DatasetRow(NamedTuple):
    """A dataset as a manifest names it."""

    dataset_id: str
    name: str
    role: str
    sha256: str
    n_rows: int


def dataset_rows(cursor: duckdb.DuckDBPyConnection) -> list[DatasetRow]:
    """The datasets a person brought that are not deleted, by id."""
    found = cursor.execute(
        "SELECT dataset_id, name, role, sha256, n_rows FROM dataset WHERE deleted_at IS NULL AND dataset_id <> ? "
        "ORDER BY dataset_id",
        [APPROVED_DATASET],
    ).fetchall()
    return [DatasetRow(*row) for row in found]


def content_hashes(cursor: duckdb.DuckDBPyConnection, content_ids: Sequence[int]) -> dict[int, str]:
    """Identity of some contents' texts."""
    found = cursor.execute(
        "SELECT content_id, content_hash FROM content WHERE content_id IN (SELECT unnest(?::BIGINT[]))",
        [list(content_ids)],
    ).fetchall()
    return {int(content_id): str(digest) for content_id, digest in found}


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
