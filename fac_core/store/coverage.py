"""Every number of coverage is a count of samples above δ, and it comes from the profiles wherever they can tell.

Roles are joined in at query time, so that giving a dataset another role changes coverage at once and no profile.
Deleted datasets never count. Raw rows are read only where samples are grouped or picked one by one; where that stands
beside counts from profiles, only datasets are read whose profile counts just the samples that were read (`COUNTED`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.store.activations import BIN, SAMPLED

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from fac_core.store.database import Database

COUNTED = f"""
    SELECT d.dataset_id FROM dataset d JOIN profile_total t USING (dataset_id) JOIN sample s USING (dataset_id)
    LEFT JOIN content_read r ON r.space_id = t.space_id AND r.content_id = s.content_id
    WHERE t.space_id = ? AND d.deleted_at IS NULL AND d.{SAMPLED} GROUP BY d.dataset_id, t.n_samples, t.n_unread
    HAVING count(*) = t.n_samples AND count(*) FILTER (r.content_id IS NULL) = t.n_unread"""
"""Datasets whose profile counts just the samples that were read; while texts are being read some do not, and of a
profile-only dataset only examples are there."""
ROLES = ("seed", "anchor", "pool", "holdout", "synthetic")


class WorklistRow(NamedTuple):
    """One feature a person put into the work list."""

    feature_id: int
    added_from: str
    added_at: datetime


class GroupedSample(NamedTuple):
    """What a sample can be grouped by."""

    content_id: int
    role: str
    dataset: str
    label: str | None
    meta: str
    """JSON object."""


class ProfileRows(NamedTuple):
    """The profiles of a space as they are at one moment."""

    bins: dict[str, pa.Table]
    """Samples of each role by (feature_id, bin): n, a row for each dataset."""
    n_samples: dict[str, int]
    """As from `samples_read`."""


def profile_state(database: Database, space_id: str) -> tuple[Any, ...]:
    """What decides the counts of a space's profiles; equal states have equal counts."""
    with database.cursor() as cursor:
        return _state(cursor, space_id)


def profile_rows(database: Database, space_id: str) -> ProfileRows:
    """Counts and sizes of one moment, whatever is written meanwhile."""
    with database.cursor() as cursor:
        cursor.begin()
        try:
            return ProfileRows(_bins(cursor, space_id), _read(cursor, space_id))
        finally:
            cursor.rollback()


def feature_bins(database: Database, space_id: str, feature_ids: Sequence[int]) -> pa.Table:
    """Samples by (role, feature_id, bin): n, for some features."""
    return database.arrow(
        "SELECT d.role, p.feature_id, p.bin, CAST(sum(p.n) AS BIGINT) AS n FROM profile p "
        "JOIN dataset d USING (dataset_id) WHERE p.space_id = ? AND d.deleted_at IS NULL "
        "AND p.feature_id IN (SELECT unnest(?::INTEGER[])) GROUP BY d.role, p.feature_id, p.bin",
        [space_id, list(feature_ids)],
    )


def count_hit(database: Database, space_id: str, dataset_id: str, feature_ids: Sequence[int], step: int) -> int:
    """How many of some features a sample of one dataset has in bin `step` or above."""
    row = database.one(
        "SELECT count(DISTINCT feature_id) FROM profile WHERE space_id = ? AND dataset_id = ? AND bin >= ? "
        "AND feature_id IN (SELECT unnest(?::INTEGER[]))",
        [space_id, dataset_id, step, list(feature_ids)],
    )
    return int(row[0]) if row else 0


def count_firing(database: Database, space_id: str) -> int:
    """Features that fire in some sample whose content was read."""
    row = database.one("SELECT count(DISTINCT feature_id) FROM profile WHERE space_id = ?", [space_id])
    return int(row[0]) if row else 0


def samples_read(database: Database, space_id: str) -> dict[str, int]:
    """Samples whose content was read, by role."""
    with database.cursor() as cursor:
        return _read(cursor, space_id)


def counts_in_contents(database: Database, space_id: str, content_ids: Sequence[int], delta: float) -> pa.Table:
    """Of some contents, how many activate each feature above δ: (feature_id, n)."""
    return database.arrow(
        "SELECT feature_id, count(DISTINCT content_id) AS n FROM activation "
        "WHERE space_id = ? AND value > ? AND content_id IN (SELECT unnest(?::BIGINT[])) GROUP BY feature_id",
        [space_id, delta, list(content_ids)],
    )


def hit_contents(database: Database, space_id: str) -> list[int]:
    """Contents of candidates whose target fired when they were made."""
    found = database.rows(
        "SELECT DISTINCT c.content_id FROM candidate c JOIN synthesis_run r USING (run_id) "
        "WHERE r.space_id = ? AND c.outcome = 'hit' AND c.content_id IS NOT NULL",
        [space_id],
    )
    return [int(row[0]) for row in found]


def targeted_features(database: Database, space_id: str) -> list[int]:
    """Features that are in the work list or were a target of a run, ascending: the targeted missing set (method §1)."""
    found = database.rows(
        "SELECT feature_id FROM worklist WHERE space_id = ? "
        "UNION SELECT unnest(targets) FROM synthesis_run WHERE space_id = ? ORDER BY 1",
        [space_id, space_id],
    )
    return [int(row[0]) for row in found]


def aim_state(database: Database, space_id: str) -> tuple[Any, ...]:
    """What decides which features are targeted and which candidates hit them; equal states have equal answers."""
    hits = database.one(
        "SELECT count(*), bit_xor(hash(c.candidate_id, c.content_id)) FROM candidate c JOIN synthesis_run r "
        "USING (run_id) WHERE r.space_id = ? AND c.outcome = 'hit'",
        [space_id],
    )
    return tuple(targeted_features(database, space_id)), hits


def worklist_rows(database: Database, space_id: str) -> list[WorklistRow]:
    """The work list, oldest first."""
    found = database.rows(
        "SELECT feature_id, added_from, added_at FROM worklist WHERE space_id = ? ORDER BY added_at, feature_id",
        [space_id],
    )
    return [WorklistRow(*row) for row in found]


def add_to_worklist(
    cursor: duckdb.DuckDBPyConnection, space_id: str, feature_ids: Sequence[int], added_from: str, at: datetime
) -> int:
    """Put features into the work list; those that are there stay as they are. Returns how many are new."""
    added = cursor.execute(
        "INSERT INTO worklist SELECT ?, feature_id, ?, ? FROM (SELECT DISTINCT unnest(?::INTEGER[]) AS feature_id) "
        "ON CONFLICT DO NOTHING",
        [space_id, added_from, at, list(feature_ids)],
    ).fetchone()
    return int(added[0]) if added else 0


def remove_from_worklist(cursor: duckdb.DuckDBPyConnection, space_id: str, feature_ids: Sequence[int]) -> int:
    """Take features off the work list; returns how many were on it."""
    removed = cursor.execute(
        "DELETE FROM worklist WHERE space_id = ? AND feature_id IN (SELECT unnest(?::INTEGER[]))",
        [space_id, list(feature_ids)],
    ).fetchone()
    return int(removed[0]) if removed else 0


def activation_matrix(database: Database, space_id: str, role: str, d_sae: int, limit: int) -> csr_array:
    """Activations of one role's texts that profiles count, [n_texts, d_sae], at most `limit`, the first by content."""
    import numpy as np
    from scipy.sparse import csr_array

    found = database.arrow(
        f"WITH text AS (SELECT content_id, row_number() OVER (ORDER BY content_id) - 1 AS place FROM "
        "(SELECT DISTINCT s.content_id FROM sample s JOIN dataset d USING (dataset_id) "
        "JOIN content_read r ON r.space_id = ? AND r.content_id = s.content_id "
        f"WHERE d.role = ? AND d.dataset_id IN ({COUNTED}) ORDER BY 1 LIMIT ?)) "
        "SELECT place, feature_id, value FROM activation JOIN text USING (content_id) WHERE space_id = ?",
        [space_id, role, space_id, limit, space_id],
    )
    place, feature, value = (found.column(name).to_numpy() for name in ("place", "feature_id", "value"))
    n_texts = int(place.max()) + 1 if len(place) else 0
    return csr_array((value.astype(np.float32), (place, feature)), shape=(n_texts, d_sae))


def grouped_samples(database: Database, space_id: str, roles: Sequence[str]) -> Iterator[GroupedSample]:
    """The samples of some roles that were read and that profiles count, with what they can be grouped by."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT s.content_id, d.role, d.name, s.label, s.meta FROM sample s JOIN dataset d USING (dataset_id) "
            "JOIN content_read r ON r.space_id = ? AND r.content_id = s.content_id "
            f"WHERE d.role IN (SELECT unnest(?::VARCHAR[])) AND d.dataset_id IN ({COUNTED}) ORDER BY s.sample_id",
            [space_id, list(roles), space_id],
        )
        while found := cursor.fetchmany(10_000):
            yield from map(GroupedSample._make, found)


def rows_of_features(
    database: Database, space_id: str, first: int, end: int, last_content: int
) -> tuple[NDArray[Any], ...]:
    """Rows of the features from `first` to before `end`, in contents up to one: arrays feature_id, content_id, bin."""
    found = database.arrow(
        f"SELECT a.feature_id, a.content_id, CAST({BIN} AS TINYINT) AS bin FROM activation_by_feature a "
        "WHERE a.space_id = ? AND a.feature_id >= ? AND a.feature_id < ? AND a.content_id <= ?",
        [space_id, first, end, last_content],
    )
    return tuple(found.column(name).to_numpy() for name in ("feature_id", "content_id", "bin"))


def pool_rows(database: Database, space_id: str, feature_ids: Sequence[int], delta: float) -> pa.Table:
    """Activations above δ of some features in the pool: (content_id, feature_id, value), by content and feature."""
    return database.arrow(
        "SELECT a.content_id, a.feature_id, a.value FROM activation_by_feature a "
        "WHERE a.space_id = ? AND a.value > ? AND a.feature_id IN (SELECT unnest(?::INTEGER[])) "
        "AND a.content_id IN (SELECT s.content_id FROM sample s JOIN dataset d USING (dataset_id) "
        "WHERE d.role = 'pool' AND d.deleted_at IS NULL) ORDER BY a.content_id, a.feature_id",
        [space_id, delta, list(feature_ids)],
    )


def pool_samples(database: Database, content_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """The first pool sample of each content: {content_id: (sample_id, text)}."""
    found = database.rows(
        "SELECT s.content_id, min(s.sample_id), any_value(c.text) FROM sample s JOIN dataset d USING (dataset_id) "
        "JOIN content c USING (content_id) WHERE d.role = 'pool' AND d.deleted_at IS NULL "
        "AND s.content_id IN (SELECT unnest(?::BIGINT[])) GROUP BY s.content_id",
        [list(content_ids)],
    )
    return {int(content): (int(sample), str(text)) for content, sample, text in found}


def _state(cursor: duckdb.DuckDBPyConnection, space_id: str) -> tuple[Any, ...]:
    version = cursor.execute("SELECT value FROM meta WHERE key = 'data_version'").fetchone()
    datasets = cursor.execute(
        "SELECT d.dataset_id, d.role, t.n_samples, t.n_unread, t.data_version FROM dataset d "
        "LEFT JOIN profile_total t ON t.space_id = ? AND t.dataset_id = d.dataset_id "
        "WHERE d.deleted_at IS NULL ORDER BY d.dataset_id",
        [space_id],
    ).fetchall()
    return version, *datasets


def _bins(cursor: duckdb.DuckDBPyConnection, space_id: str) -> dict[str, pa.Table]:
    return {
        role: cursor.sql(
            "SELECT feature_id, bin, n FROM profile WHERE space_id = ? AND dataset_id IN "
            "(SELECT dataset_id FROM dataset WHERE role = ? AND deleted_at IS NULL)",
            params=[space_id, role],
        ).to_arrow_table()
        for role in ROLES
    }


def _read(cursor: duckdb.DuckDBPyConnection, space_id: str) -> dict[str, int]:
    found = cursor.execute(
        "SELECT d.role, sum(t.n_samples - t.n_unread) FROM profile_total t JOIN dataset d USING (dataset_id) "
        "WHERE t.space_id = ? AND d.deleted_at IS NULL GROUP BY d.role",
        [space_id],
    ).fetchall()
    return dict.fromkeys(ROLES, 0) | {role: int(n) for role, n in found}
