"""A text is read once per space: rows of a content that has been read before are never stored a second time, except
in the place of the first when a person asks to read again.

`activation` and `activation_by_feature` always hold the same rows; only the order in which the second lies on disk is
restored later. Profiles are counts of samples and are rebuilt from the rows, never adjusted, so they cannot drift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fac_core.store.database import bump_data_version, get_meta

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

BIN_WIDTH = 0.25
LAST_BIN = 63
_BIN = f"CAST(least({LAST_BIN}, greatest(0, ceil(a.value / {BIN_WIDTH}) - 1)) AS SMALLINT)"
SAMPLED = "dataset_id NOT IN (FROM profile_only)"
"""Of datasets whose rows are their samples, and not only their top examples (see `store.held`)."""
# the texts of samples that count: their own and, for relevance, the one that answers the other way
_WANTED = f"""
    SELECT s.content_id FROM sample s JOIN dataset d USING (dataset_id) WHERE d.deleted_at IS NULL AND d.{SAMPLED}
    UNION SELECT s.contrast_id FROM sample s JOIN dataset d USING (dataset_id)
    WHERE d.deleted_at IS NULL AND s.contrast_id IS NOT NULL"""

_READ_HERE = f"""(r.content_id NOT IN (SELECT s.content_id FROM sample s JOIN profile_only USING (dataset_id))
    OR r.content_id IN (SELECT s.content_id FROM sample s WHERE s.{SAMPLED}))"""


def unread_contents(database: Database, space_id: str) -> pa.Table:
    """Contents of samples in datasets that are not deleted and not yet read: table (content_id, text)."""
    return database.arrow(
        f"SELECT c.content_id, c.text FROM content c JOIN ({_WANTED}) w USING (content_id) "
        "WHERE NOT EXISTS (SELECT 1 FROM content_read r WHERE r.space_id = ? AND r.content_id = c.content_id) "
        "ORDER BY c.content_id",
        [space_id],
    )


def count_unread(database: Database, space_id: str) -> int:
    """Number of contents `unread_contents` would return."""
    row = database.one(
        f"SELECT count(*) FROM ({_WANTED}) w "
        "WHERE NOT EXISTS (SELECT 1 FROM content_read r WHERE r.space_id = ? AND r.content_id = w.content_id)",
        [space_id],
    )
    return int(row[0]) if row else 0


def read_contents(database: Database, space_id: str) -> pa.Table:
    """Contents that were read here: table (content_id, text), by id; not those of which only a pool's reading told."""
    return database.arrow(
        "SELECT c.content_id, c.text FROM content c JOIN content_read r USING (content_id) "
        f"WHERE r.space_id = ? AND {_READ_HERE} ORDER BY c.content_id",
        [space_id],
    )


def read_values(database: Database, space_id: str) -> pa.Table:
    """What was read in them: table (content_id, feature_id, value), by id and feature."""
    return database.arrow(
        "SELECT content_id, feature_id, value FROM activation WHERE space_id = ? ORDER BY content_id, feature_id",
        [space_id],
    )


def count_read(database: Database, space_id: str) -> int:
    """Number of contents `read_contents` would return."""
    row = database.one(f"SELECT count(*) FROM content_read r WHERE r.space_id = ? AND {_READ_HERE}", [space_id])
    return int(row[0]) if row else 0


def insert_activations(
    cursor: duckdb.DuckDBPyConnection, space_id: str, content_read: pa.Table, activation: pa.Table
) -> int:
    """Store what was read inside a transaction; contents read before are left alone. Returns the contents stored.

    `content_read` has (content_id, n_tokens, n_truncated, l0), one row per content; `activation` has (content_id,
    feature_id, value, token_pos, char_start, char_end), value > 0.
    """
    cursor.register("incoming_read", content_read)
    cursor.register("incoming_activation", activation)
    try:
        fresh = cursor.execute(
            "CREATE OR REPLACE TEMP TABLE fresh_content AS SELECT content_id FROM incoming_read i WHERE NOT EXISTS "
            "(SELECT 1 FROM content_read r WHERE r.space_id = ? AND r.content_id = i.content_id)",
            [space_id],
        ).fetchone()
        cursor.execute(
            "INSERT INTO content_read SELECT ?, content_id, n_tokens, n_truncated, l0 FROM incoming_read "
            "WHERE content_id IN (FROM fresh_content)",
            [space_id],
        )
        _insert_rows(cursor, space_id)
        cursor.execute("DROP TABLE fresh_content")
    finally:
        cursor.unregister("incoming_read")
        cursor.unregister("incoming_activation")
    return int(fresh[0]) if fresh else 0


def replace_activations(
    cursor: duckdb.DuckDBPyConnection, space_id: str, content_read: pa.Table, activation: pa.Table
) -> None:
    """Put what was read in the place of what is stored of the same contents, inside a transaction; tables as above."""
    cursor.register("incoming_read", content_read)
    cursor.register("incoming_activation", activation)
    try:
        cursor.execute("CREATE OR REPLACE TEMP TABLE fresh_content AS SELECT content_id FROM incoming_read")
        for table in ("activation", "activation_by_feature"):
            cursor.execute(f"DELETE FROM {table} WHERE space_id = ? AND content_id IN (FROM fresh_content)", [space_id])
        cursor.execute(
            "INSERT OR REPLACE INTO content_read SELECT ?, content_id, n_tokens, n_truncated, l0 FROM incoming_read",
            [space_id],
        )
        _insert_rows(cursor, space_id)
        cursor.execute("DROP TABLE fresh_content")
    finally:
        cursor.unregister("incoming_read")
        cursor.unregister("incoming_activation")


def _insert_rows(cursor: duckdb.DuckDBPyConnection, space_id: str) -> None:
    """The rows of `incoming_activation` whose contents are in `fresh_content`, into both tables."""
    cursor.execute(
        "INSERT INTO activation SELECT ?, content_id, feature_id, value, token_pos, char_start, char_end "
        "FROM incoming_activation WHERE content_id IN (FROM fresh_content) ORDER BY content_id, feature_id",
        [space_id],
    )
    cursor.execute(
        "INSERT INTO activation_by_feature SELECT ?, feature_id, value, content_id, token_pos, char_start, "
        "char_end FROM incoming_activation WHERE content_id IN (FROM fresh_content) "
        "ORDER BY feature_id, value DESC",
        [space_id],
    )


def insert_cached(cursor: duckdb.DuckDBPyConnection, space_id: str, contents: pa.Table, activations: pa.Table) -> int:
    """Store activations keyed by `content_hash` for the contents that are present and unread; returns how many."""
    cursor.register("cached_content", contents)
    cursor.register("cached_activation", activations)
    try:
        read = cursor.sql(
            "SELECT c.content_id, h.n_tokens, h.n_truncated, h.l0 FROM cached_content h JOIN content c "
            "USING (content_hash) WHERE NOT EXISTS "
            "(SELECT 1 FROM content_read r WHERE r.space_id = ? AND r.content_id = c.content_id)",
            params=[space_id],
        ).to_arrow_table()
        rows = cursor.sql(
            "SELECT c.content_id, h.feature_id, h.value, h.token_pos, h.char_start, h.char_end "
            "FROM cached_activation h JOIN content c USING (content_hash)"
        ).to_arrow_table()
    finally:
        cursor.unregister("cached_content")
        cursor.unregister("cached_activation")
    return insert_activations(cursor, space_id, read, rows)


def cached_contents(database: Database, space_id: str) -> pa.Table:
    """What was read, keyed by content: (content_hash, n_tokens, n_truncated, l0), by hash."""
    return database.arrow(
        "SELECT c.content_hash, r.n_tokens, r.n_truncated, r.l0 FROM content_read r JOIN content c USING (content_id) "
        "WHERE r.space_id = ? ORDER BY c.content_hash",
        [space_id],
    )


def cached_activations(database: Database, space_id: str) -> pa.Table:
    """Active features keyed by content: (content_hash, feature_id, value, token_pos, char_start, char_end)."""
    return database.arrow(
        "SELECT c.content_hash, a.feature_id, a.value, a.token_pos, a.char_start, a.char_end "
        "FROM activation a JOIN content c USING (content_id) "
        "WHERE a.space_id = ? ORDER BY c.content_hash, a.feature_id",
        [space_id],
    )


def rebuild_by_feature(cursor: duckdb.DuckDBPyConnection, space_id: str) -> None:
    """Lay a space's rows by feature, strongest first, so that a feature's examples lie together on disk."""
    cursor.execute("DELETE FROM activation_by_feature WHERE space_id = ?", [space_id])
    cursor.execute(
        "INSERT INTO activation_by_feature SELECT space_id, feature_id, value, content_id, token_pos, char_start, "
        "char_end FROM activation WHERE space_id = ? ORDER BY feature_id, value DESC, content_id",
        [space_id],
    )


def rebuild_profiles(cursor: duckdb.DuckDBPyConnection, space_id: str) -> None:
    """Count, for each dataset and feature, the samples in each bin of the maximum activation (design: a monoid).

    Of a profile-only dataset the counts are those that are held. Bin b holds values in (b*0.25, (b+1)*0.25], the last
    one everything above. Call it with the data version already bumped: the totals note the version they were computed
    from.
    """
    for table in ("profile", "profile_total"):
        cursor.execute(f"DELETE FROM {table} WHERE space_id = ?", [space_id])
    cursor.execute(
        f"INSERT INTO profile SELECT a.space_id, s.dataset_id, a.feature_id, {_BIN} AS bin, count(*) "
        "FROM activation a JOIN sample s USING (content_id) JOIN dataset d USING (dataset_id) "
        f"WHERE a.space_id = ? AND d.deleted_at IS NULL AND d.{SAMPLED} GROUP BY ALL "
        "ORDER BY s.dataset_id, a.feature_id, bin",
        [space_id],
    )
    cursor.execute(
        "INSERT INTO profile_total SELECT ?, d.dataset_id, count(s.sample_id), "
        "count(s.sample_id) FILTER (r.content_id IS NULL), "
        "coalesce((SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'data_version'), 0) "
        "FROM dataset d LEFT JOIN sample s USING (dataset_id) "
        "LEFT JOIN content_read r ON r.space_id = ? AND r.content_id = s.content_id "
        f"WHERE d.deleted_at IS NULL AND d.{SAMPLED} GROUP BY d.dataset_id",
        [space_id, space_id],
    )
    cursor.execute(
        "INSERT INTO profile SELECT p.* FROM held_profile p JOIN held_total t USING (space_id, dataset_id) "
        "JOIN dataset d USING (dataset_id) WHERE p.space_id = ? AND d.deleted_at IS NULL "
        "ORDER BY p.dataset_id, p.feature_id, p.bin",
        [space_id],
    )
    # one that was read in another space only is unread as a whole
    cursor.execute(
        "INSERT INTO profile_total SELECT ?, d.dataset_id, coalesce(t.n_samples, d.n_rows), "
        "CASE WHEN t.n_samples IS NULL THEN d.n_rows ELSE 0 END, "
        "coalesce((SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'data_version'), 0) "
        "FROM dataset d JOIN profile_only USING (dataset_id) "
        "LEFT JOIN held_total t ON t.space_id = ? AND t.dataset_id = d.dataset_id WHERE d.deleted_at IS NULL",
        [space_id, space_id],
    )


def carry_profiles(cursor: duckdb.DuckDBPyConnection) -> None:
    """Bump the data version for a change that touches no profile: those that were current stay current."""
    version = "SELECT coalesce((SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'data_version'), 0)"
    before = cursor.execute(version).fetchone()
    bump_data_version(cursor)
    cursor.execute(f"UPDATE profile_total SET data_version = ({version}) WHERE data_version = ?", list(before or ()))


def profiles_current(database: Database, space_id: str) -> bool:
    """Whether every dataset's profile was computed from the present data."""
    version = int(get_meta(database, "data_version", "0"))
    row = database.one(
        "SELECT count(*) FROM dataset d LEFT JOIN profile_total p ON p.space_id = ? AND p.dataset_id = d.dataset_id "
        "WHERE d.deleted_at IS NULL AND p.data_version IS DISTINCT FROM ?",
        [space_id, version],
    )
    return row is not None and row[0] == 0
