"""A profile-only dataset has the counts that its reading gave, never counts of the few of its texts that are rows here.

Those rows are its top examples: each was read like any other text, with all that fires in it, so that whatever looks
for strong texts finds them. What counts rows or takes them as a sample of their dataset leaves them out (`SAMPLED`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fac_core.content import Content
from fac_core.store.activations import insert_activations
from fac_core.store.datasets import add_contents

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database


def mark_profile_only(cursor: duckdb.DuckDBPyConnection, dataset_id: str) -> None:
    """Note that a dataset's rows are its top examples only."""
    cursor.execute("INSERT OR IGNORE INTO profile_only VALUES (?)", [dataset_id])


def profile_only(database: Database) -> dict[str, int]:
    """Profile-only datasets, and how many of their texts are rows here."""
    found = database.rows(
        "SELECT p.dataset_id, count(s.sample_id) FROM profile_only p LEFT JOIN sample s USING (dataset_id) "
        "GROUP BY p.dataset_id"
    )
    return {str(dataset_id): int(n) for dataset_id, n in found}


def read_in(database: Database, space_id: str) -> set[str]:
    """Profile-only datasets that were read in a space."""
    return {str(row[0]) for row in database.rows("SELECT dataset_id FROM held_total WHERE space_id = ?", [space_id])}


def replace_profile(cursor: duckdb.DuckDBPyConnection, space_id: str, dataset_id: str, profile: pa.Table) -> None:
    """Hold a dataset's counts in a space: (feature_id, bin, n), each pair once."""
    for table in ("held_profile", "held_total"):
        cursor.execute(f"DELETE FROM {table} WHERE space_id = ? AND dataset_id = ?", [space_id, dataset_id])
    cursor.register("incoming_profile", profile)
    cursor.execute(
        "INSERT INTO held_profile SELECT ?, ?, feature_id, bin, n FROM incoming_profile ORDER BY feature_id, bin",
        [space_id, dataset_id],
    )
    cursor.unregister("incoming_profile")


def complete_profile(cursor: duckdb.DuckDBPyConnection, space_id: str, dataset_id: str, n_samples: int) -> None:
    """Make the counts that are held of a dataset count."""
    cursor.execute("INSERT OR REPLACE INTO held_total VALUES (?, ?, ?)", [space_id, dataset_id, n_samples])


def no_samples() -> pa.Table:
    """Samples of a dataset whose rows came before it, as `datasets.insert_dataset` takes them."""
    import pyarrow as pa

    texts = ["external_id", "label", "fields", "meta"]
    numbers = [("row_number", pa.int32()), ("content_id", pa.int64()), ("contrast_id", pa.int64())]
    return pa.schema([*numbers, *((name, pa.string()) for name in texts)]).empty_table()


def bad_rows(rows: list[dict[str, Any]]) -> pa.Table:
    """Bad rows, as `datasets.insert_dataset` takes them."""
    import pyarrow as pa

    columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in ("field", "reason", "raw")}
    return pa.table({"row_number": pa.array([row["row_number"] for row in rows], pa.int32()), **columns})


def insert_examples(
    cursor: duckdb.DuckDBPyConnection, space_id: str, dataset_id: str, texts: pa.Table, activation: pa.Table
) -> None:
    """Store top examples and what was read in them.

    `texts` has (content_hash, text, turns, row_number, external_id, label, fields, meta, n_tokens, n_truncated, l0),
    each text once; `activation` has (content_hash, feature_id, value, token_pos, char_start, char_end).
    """
    import pyarrow as pa

    said = zip(texts["text"].to_pylist(), texts["turns"].to_pylist(), strict=True)
    contents = dict(zip(texts["content_hash"].to_pylist(), (Content.stored(*one) for one in said), strict=True))
    ids = add_contents(cursor, contents)

    def with_ids(table: pa.Table) -> pa.Table:
        numbers = pa.array([ids[name] for name in table["content_hash"].to_pylist()], pa.int64())
        return table.drop_columns(["content_hash"]).add_column(0, "content_id", numbers)

    read = with_ids(texts)
    insert_activations(
        cursor, space_id, read.select(["content_id", "n_tokens", "n_truncated", "l0"]), with_ids(activation)
    )
    cursor.register("incoming_example", read)
    cursor.execute(
        "INSERT INTO sample (sample_id, dataset_id, row_number, external_id, content_id, contrast_id, label, fields, "
        "meta) SELECT nextval('sample_seq'), ?, row_number, external_id, content_id, NULL, label, fields, meta "
        "FROM (SELECT * FROM incoming_example i WHERE NOT EXISTS (SELECT 1 FROM sample s WHERE s.dataset_id = ? "
        "AND s.content_id = i.content_id) ORDER BY row_number)",
        [dataset_id, dataset_id],
    )
    cursor.unregister("incoming_example")
