"""A space's row is written once per identity; registering it again only moves its name, card and locations.

Facts about a space's features are replaced whole, together with the digest of what they were loaded from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fac_core.errors import StoreError
from fac_core.store.database import set_meta

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

# columns of the tables of per-feature facts, without space_id; those in brackets may be missing and are then NULL
STATIC_TABLES: dict[str, tuple[str, ...]] = {
    "feature_static": (
        *("feature_id", "pca_x", "pca_y", "umap_x", "umap_y", "is_template"),
        *("cluster", "cluster_cosine"),
    ),
    "feature_neighbour": ("feature_id", "rank", "other_id", "cosine"),
    "feature_token": ("feature_id", "rank", "token", "logit"),
}
_MAY_BE_MISSING = {"pca_x", "pca_y", "umap_x", "umap_y", "cluster", "cluster_cosine"}


@dataclass(frozen=True)
class SpaceRow:
    """A row of the `space` table."""

    space_id: str
    name: str
    spec: dict[str, Any]
    card: dict[str, Any]
    d_sae: int
    default_delta: float


def put_space(
    cursor: duckdb.DuckDBPyConnection,
    space_id: str,
    name: str,
    spec: dict[str, Any],
    card: dict[str, Any],
    d_sae: int,
    default_delta: float,
    at: datetime,
) -> None:
    """Register a space, or renew what may change about a registered one."""
    cursor.execute(
        "INSERT INTO space VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (space_id) DO UPDATE SET "
        "name = excluded.name, spec = excluded.spec, card = excluded.card, default_delta = excluded.default_delta",
        [space_id, name, json.dumps(spec, sort_keys=True), json.dumps(card), d_sae, default_delta, at],
    )


def space_row(database: Database, space_id: str) -> SpaceRow | None:
    """One space, or None."""
    return next((row for row in space_rows(database) if row.space_id == space_id), None)


def space_rows(database: Database) -> list[SpaceRow]:
    """All spaces, in the order they were registered."""
    rows = database.rows(
        "SELECT space_id, name, spec, card, d_sae, default_delta FROM space ORDER BY created_at, space_id"
    )
    return [SpaceRow(r[0], r[1], json.loads(r[2]), json.loads(r[3]), int(r[4]), float(r[5])) for r in rows]


def replace_statics(cursor: duckdb.DuckDBPyConnection, space_id: str, tables: dict[str, pa.Table], digest: str) -> None:
    """Replace facts about a space's features; `tables` maps names of STATIC_TABLES to Arrow tables without space_id.

    Raises:
        StoreError: a table lacks a column.
    """
    for name, table in tables.items():
        columns = STATIC_TABLES[name]
        present = [column for column in columns if column in table.column_names]
        if missing := set(columns) - set(present) - _MAY_BE_MISSING:
            raise StoreError(f"The table {name} of the space lacks the column {sorted(missing)[0]}; reinstall it.")
        cursor.execute(f"DELETE FROM {name} WHERE space_id = ?", [space_id])
        cursor.register("incoming_static", table.select(present))
        listed = ", ".join(present)
        cursor.execute(f"INSERT INTO {name} (space_id, {listed}) SELECT ?, {listed} FROM incoming_static", [space_id])
        cursor.unregister("incoming_static")
    set_meta(cursor, f"statics.{space_id}", digest)
