"""A vector belongs to one text for ever: an explanation is never rewritten and a content never changes, so what was
encoded once is not encoded again, and only the newest explanation of each method is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

EXPLANATION, CONTENT = "explanation", "content"
# what stands now of each method; an empty text took the name back
_EXPLAINED = """
    SELECT max(event_id) AS id, feature_id, arg_max(text, event_id) AS text FROM explanation
    WHERE space_id = $space GROUP BY feature_id, method HAVING arg_max(text, event_id) <> ''"""
_READ = """
    SELECT s.content_id AS id, min(list_position(['anchor', 'seed', 'synthetic', 'pool', 'holdout'], d.role)) AS place
    FROM sample s JOIN dataset d USING (dataset_id) WHERE d.deleted_at IS NULL
    GROUP BY s.content_id ORDER BY place, id LIMIT $most"""
_NEW = "NOT EXISTS (SELECT 1 FROM text_vector v WHERE v.subject = '{subject}' AND v.encoder = $encoder AND v.id = t.id)"


class Vectors(NamedTuple):
    """Unit vectors and what they are of."""

    ids: NDArray[np.int64]
    """[n] features or contents."""
    matrix: NDArray[np.float32]
    """[n, dimensions]"""


def unindexed(database: Database, space_id: str, encoder: str, most: int) -> pa.Table:
    """Texts without a vector, (subject, id, text): explanations first, then the first `most` contents of samples, those
    of the anchor before the seed's and the others."""
    return database.arrow(
        f"SELECT '{EXPLANATION}' AS subject, t.id, t.text FROM ({_EXPLAINED}) t "
        f"WHERE {_NEW.format(subject=EXPLANATION)} UNION ALL SELECT '{CONTENT}', t.id, c.text FROM ({_READ}) t "
        f"JOIN content c ON c.content_id = t.id WHERE {_NEW.format(subject=CONTENT)} ORDER BY subject DESC, id",
        {"space": space_id, "encoder": encoder, "most": most},
    )


def put_vectors(cursor: duckdb.DuckDBPyConnection, encoder: str, rows: pa.Table) -> None:
    """Store vectors inside a transaction, (subject, id, vector); texts that have one keep it."""
    cursor.register("incoming_vector", rows)
    cursor.execute(
        "INSERT INTO text_vector SELECT i.subject, i.id, ?1, i.vector FROM incoming_vector i WHERE NOT EXISTS "
        "(SELECT 1 FROM text_vector v WHERE v.subject = i.subject AND v.encoder = ?1 AND v.id = i.id)",
        [encoder],
    )
    cursor.unregister("incoming_vector")


def count_vectors(database: Database, encoder: str) -> int:
    """How many texts have a vector."""
    stored = database.one("SELECT count(*) FROM text_vector WHERE encoder = ?", [encoder])
    return int(stored[0]) if stored else 0


def explanation_vectors(database: Database, space_id: str, encoder: str) -> Vectors:
    """Vectors of what features are called now; a feature has one for each method."""
    return _vectors(
        database.arrow(
            f"SELECT t.feature_id AS id, v.vector FROM ({_EXPLAINED}) t JOIN text_vector v ON v.id = t.id "
            f"AND v.subject = '{EXPLANATION}' AND v.encoder = $encoder ORDER BY t.feature_id, t.id",
            {"space": space_id, "encoder": encoder},
        )
    )


def content_vectors(database: Database, encoder: str) -> Vectors:
    """Vectors of the texts of samples."""
    return _vectors(
        database.arrow(
            "SELECT v.id, v.vector FROM text_vector v WHERE v.subject = ? AND v.encoder = ? AND v.id IN (SELECT "
            "s.content_id FROM sample s JOIN dataset d USING (dataset_id) WHERE d.deleted_at IS NULL) ORDER BY v.id",
            [CONTENT, encoder],
        )
    )


def _vectors(table: pa.Table) -> Vectors:
    n = table.num_rows
    ids = table.column("id").to_numpy().astype(np.int64)
    flat = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return Vectors(ids, flat.astype(np.float32, copy=False).reshape(n, -1) if n else np.zeros((0, 0), np.float32))
