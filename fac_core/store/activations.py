"""A text is read once per space: rows of a content that has been read before are never stored a second time, except
in the place of the first when a person asks to read again.

`activation` and `activation_by_feature` always hold the same rows; only the order in which the second lies on disk is
restored later. A dataset's profile is counted from the rows, never adjusted, so it cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fac_core.store.database import bump_data_version, get_meta, set_meta

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

_TABLES = {
    "activation": "content_id, feature_id, value, token_pos, char_start, char_end",
    "activation_by_feature": "feature_id, value, content_id, token_pos, char_start, char_end",
}
_VERSION = "SELECT coalesce((SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'data_version'), 0)"
_LAID = "laid"
"""With a space's id the key of `meta` under which stands how many of its rows lie by feature."""
_LARGE, _MAY_LIE_APART = 1_000_000, 0.1
"""Rows from which on laying takes time, and the share of them that may lie apart: a feature is still found fast."""
_LAID_AT_ONCE = 8_000_000
"""Rows, about 0.5 GB of memory while they are sorted."""
BIN_WIDTH = 0.25
LAST_BIN = 63
BIN = (
    f"CAST(CASE WHEN a.value > {LAST_BIN * BIN_WIDTH}::FLOAT THEN {LAST_BIN} "
    f"ELSE greatest(0, CAST(ceil(a.value * {1 / BIN_WIDTH:g}::FLOAT) AS INTEGER) - 1) END AS SMALLINT)"
)
"""Bin of the row `a`; the least and the greatest of two FLOATs would take ten times as long."""
SAMPLED = "dataset_id NOT IN (FROM profile_only)"
"""Of datasets whose rows are their samples, and not only their top examples (see `store.held`)."""


def insert_activations(
    cursor: duckdb.DuckDBPyConnection, space_id: str, content_read: pa.Table, activation: pa.Table
) -> int:
    """Store what was read inside a transaction; contents read before are left alone. Returns the contents stored.

    `content_read` has (content_id, n_tokens, n_truncated, l0), one row per content; `activation` has (content_id,
    feature_id, value, token_pos, char_start, char_end), value > 0.
    """
    cursor.register("incoming_read", content_read)
    try:
        fresh = cursor.sql(
            "SELECT * FROM incoming_read i WHERE NOT EXISTS "
            "(SELECT 1 FROM content_read r WHERE r.space_id = ? AND r.content_id = i.content_id)",
            params=[space_id],
        ).to_arrow_table()
    finally:
        cursor.unregister("incoming_read")
    _insert(cursor, space_id, fresh, activation)
    return int(fresh.num_rows)


def replace_activations(
    cursor: duckdb.DuckDBPyConnection, space_id: str, content_read: pa.Table, activation: pa.Table
) -> None:
    """Put what was read in the place of what is stored of the same contents, inside a transaction; tables as above.

    Profiles count the old values until they are rebuilt, and are known to.
    """
    cursor.register("incoming_read", content_read.select(["content_id"]))
    try:
        for table in ("activation", "activation_by_feature", "content_read"):
            cursor.execute(
                f"DELETE FROM {table} WHERE space_id = ? AND content_id IN (SELECT content_id FROM incoming_read)",
                [space_id],
            )
    finally:
        cursor.unregister("incoming_read")
    cursor.execute("UPDATE profile_total SET data_version = -1 WHERE space_id = ?", [space_id])
    cursor.execute("DELETE FROM meta WHERE key = ?", [f"{_LAID}.{space_id}"])
    _insert(cursor, space_id, content_read, activation)


def _insert(cursor: duckdb.DuckDBPyConnection, space_id: str, content_read: pa.Table, activation: pa.Table) -> None:
    """Put in contents and those rows of `activation` that are theirs, in the order they come.

    Within one shard no order pays: its rows lie between those of others until `rebuild_by_feature` is called.
    """
    cursor.register("incoming_read", content_read)
    cursor.register("incoming_activation", activation)
    try:
        cursor.execute(
            "INSERT INTO content_read SELECT ?, content_id, n_tokens, n_truncated, l0 FROM incoming_read", [space_id]
        )
        for table, columns in _TABLES.items():
            cursor.execute(
                f"INSERT INTO {table} SELECT ?, {columns} FROM incoming_activation "
                "WHERE content_id IN (SELECT content_id FROM incoming_read)",
                [space_id],
            )
    finally:
        cursor.unregister("incoming_read")
        cursor.unregister("incoming_activation")


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
            "FROM cached_activation h JOIN content c USING (content_hash) ORDER BY c.content_id, h.feature_id"
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
    """Lay a space's rows by feature, strongest first, so that a feature's examples lie together on disk.

    In a large space they are left where they are until a tenth of them came since they were last laid. Some features
    are laid at a time, as many as fit into memory.
    """
    counted = cursor.execute(
        "SELECT feature_id, count(*) FROM activation WHERE space_id = ? GROUP BY feature_id ORDER BY feature_id",
        [space_id],
    ).fetchall()
    total, key = sum(n for _, n in counted), f"{_LAID}.{space_id}"
    laid = cursor.execute("SELECT CAST(value AS BIGINT) FROM meta WHERE key = ?", [key]).fetchone()
    if laid is not None and total >= _LARGE and total - laid[0] <= _MAY_LIE_APART * total:
        return
    cursor.execute("DELETE FROM activation_by_feature WHERE space_id = ?", [space_id])
    for first, last in _ranges(counted, _LAID_AT_ONCE):
        cursor.execute(
            f"INSERT INTO activation_by_feature SELECT ?, * FROM (SELECT {_TABLES['activation_by_feature']} "
            "FROM activation WHERE space_id = ? AND feature_id BETWEEN ? AND ? "
            "ORDER BY feature_id, value DESC, content_id)",
            [space_id, space_id, first, last],
        )
    set_meta(cursor, key, str(total))


def _ranges(counted: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """First and last feature of runs with at most `size` rows, or of a single feature; `counted` has (feature, n)."""
    first, n_rows = 0, 0
    for place, (_, n) in enumerate(counted):
        if n_rows and n_rows + n > size:
            yield counted[first][0], counted[place - 1][0]
            first, n_rows = place, 0
        n_rows += n
    if counted:
        yield counted[first][0], counted[-1][0]


def rebuild_profiles(cursor: duckdb.DuckDBPyConnection, space_id: str) -> None:
    """Count, for each dataset and feature, the samples in each bin of the maximum activation (design: a monoid).

    Of a profile-only dataset the counts are those that are held. Bin b holds values in (b*0.25, (b+1)*0.25], the last
    one everything above. Call it with the data version already bumped: the totals note the version they were computed
    from.
    """
    _count(cursor, space_id, cursor.execute("SELECT dataset_id FROM dataset WHERE deleted_at IS NULL").fetchall())


def update_profiles(cursor: duckdb.DuckDBPyConnection, space_id: str) -> None:
    """The same, where a dataset has more samples, or more that were read, than when it was counted, or values changed.

    The others keep their counts: a dataset's samples stay its own, and what was read changes only where
    `replace_activations` notes it.
    """
    changed = cursor.execute(
        "SELECT d.dataset_id FROM dataset d LEFT JOIN sample s USING (dataset_id) "
        "LEFT JOIN content_read r ON r.space_id = ?1 AND r.content_id = s.content_id "
        "LEFT JOIN profile_total t ON t.space_id = ?1 AND t.dataset_id = d.dataset_id "
        "WHERE d.deleted_at IS NULL GROUP BY d.dataset_id, t.n_samples, t.n_unread, t.data_version "
        # what is held of a profile-only dataset is copied, which costs little
        f"HAVING NOT d.{SAMPLED} OR t.n_samples IS DISTINCT FROM count(s.sample_id) OR t.data_version < 0 "
        "OR t.n_unread IS DISTINCT FROM count(s.sample_id) FILTER (r.content_id IS NULL)",
        [space_id],
    ).fetchall()
    _count(cursor, space_id, changed)


def _count(cursor: duckdb.DuckDBPyConnection, space_id: str, datasets: list[tuple[str]]) -> None:
    """Count some datasets anew; those that are not deleted and not among them keep their counts."""
    stale = [dataset for (dataset,) in datasets]
    for table in ("profile", "profile_total"):
        cursor.execute(
            f"DELETE FROM {table} WHERE space_id = ? AND dataset_id NOT IN (SELECT dataset_id FROM dataset "
            "WHERE deleted_at IS NULL AND dataset_id NOT IN (SELECT unnest(?::VARCHAR[])))",
            [space_id, stale],
        )
    cursor.execute(
        # rows that lie by feature are counted fastest, and a number is a faster key than a name
        "INSERT INTO profile WITH place AS MATERIALIZED (SELECT dataset_id, "
        "CAST(row_number() OVER (ORDER BY dataset_id) AS INTEGER) AS place FROM (SELECT unnest(?2::VARCHAR[]) "
        "AS dataset_id)), member AS (SELECT s.content_id, p.place FROM sample s JOIN place p USING (dataset_id) "
        f"WHERE s.{SAMPLED}) "
        f"SELECT ?1, p.dataset_id, c.* EXCLUDE (place) FROM (SELECT m.place, a.feature_id, {BIN} AS bin, count(*) "
        "FROM activation_by_feature a JOIN member m USING (content_id) WHERE a.space_id = ?1 GROUP BY ALL) c "
        "JOIN place p USING (place) ORDER BY p.dataset_id, c.feature_id, c.bin",
        [space_id, stale],
    )
    cursor.execute(f"UPDATE profile_total SET data_version = ({_VERSION}) WHERE space_id = ?", [space_id])
    cursor.execute(
        "INSERT INTO profile_total SELECT ?1, d.dataset_id, count(s.sample_id), "
        f"count(s.sample_id) FILTER (r.content_id IS NULL), ({_VERSION}) "
        "FROM dataset d LEFT JOIN sample s USING (dataset_id) "
        "LEFT JOIN content_read r ON r.space_id = ?1 AND r.content_id = s.content_id "
        f"WHERE d.dataset_id IN (SELECT unnest(?2::VARCHAR[])) AND d.{SAMPLED} GROUP BY d.dataset_id",
        [space_id, stale],
    )
    cursor.execute(
        "INSERT INTO profile SELECT p.* FROM held_profile p JOIN held_total t USING (space_id, dataset_id) "
        "WHERE p.space_id = ? AND p.dataset_id IN (SELECT unnest(?::VARCHAR[])) "
        "ORDER BY p.dataset_id, p.feature_id, p.bin",
        [space_id, stale],
    )
    # one that was read in another space only is unread as a whole
    cursor.execute(
        "INSERT INTO profile_total SELECT ?1, d.dataset_id, coalesce(t.n_samples, d.n_rows), "
        f"CASE WHEN t.n_samples IS NULL THEN d.n_rows ELSE 0 END, ({_VERSION}) "
        "FROM dataset d JOIN profile_only USING (dataset_id) "
        "LEFT JOIN held_total t ON t.space_id = ?1 AND t.dataset_id = d.dataset_id "
        "WHERE d.dataset_id IN (SELECT unnest(?2::VARCHAR[]))",
        [space_id, stale],
    )


def carry_profiles(cursor: duckdb.DuckDBPyConnection) -> None:
    """Bump the data version for a change that touches no profile: those that were current stay current."""
    before = cursor.execute(_VERSION).fetchone()
    bump_data_version(cursor)
    cursor.execute(f"UPDATE profile_total SET data_version = ({_VERSION}) WHERE data_version = ?", list(before or ()))


def profiles_current(database: Database, space_id: str) -> bool:
    """Whether every dataset's profile was computed from the present data."""
    version = int(get_meta(database, "data_version", "0"))
    row = database.one(
        "SELECT count(*) FROM dataset d LEFT JOIN profile_total p ON p.space_id = ? AND p.dataset_id = d.dataset_id "
        "WHERE d.deleted_at IS NULL AND p.data_version IS DISTINCT FROM ?",
        [space_id, version],
    )
    return row is not None and row[0] == 0
