"""Which samples activate a feature, and how: raw rows, for the sets a person browses.

Only texts of samples in datasets that are not deleted are seen; contrast texts are, where the task is tested on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fac_core.store.activations import BIN_WIDTH, LAST_BIN, SAMPLED
from fac_core.store.approved import APPROVED_DATASET
from fac_core.store.coverage import COUNTED

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.store.database import Database

_CONTENT_OF_SAMPLES = "SELECT s.content_id FROM sample s JOIN dataset d USING (dataset_id) WHERE d.deleted_at IS NULL"

_DESCRIBED = """
    SELECT s.content_id, min(list_position(['anchor', 'seed', 'synthetic', 'pool'], d.role)) AS place
    FROM sample s JOIN dataset d USING (dataset_id) JOIN content h ON h.content_id = s.content_id
    JOIN content_read r ON r.space_id = ? AND r.content_id = s.content_id
    WHERE d.deleted_at IS NULL AND d.role <> 'holdout' AND d.dataset_id <> ? AND h.form_hash >= ? AND h.form_hash < ?
    GROUP BY s.content_id ORDER BY place, s.content_id LIMIT ?"""
_ITEMS = f"""
    SELECT s.content_id, k.content_id AS contrast_id, s.label FROM sample s JOIN dataset d USING (dataset_id)
    JOIN content_read r ON r.space_id = ? AND r.content_id = s.content_id
    LEFT JOIN content_read k ON k.space_id = ? AND k.content_id = s.contrast_id
    WHERE d.role = 'anchor' AND d.deleted_at IS NULL AND d.{SAMPLED}"""


class ExampleRow(NamedTuple):
    """One sample, and what a feature does in it."""

    sample_id: int
    content_id: int
    text: str
    dataset: str
    role: str
    label: str | None
    row_number: int
    value: float
    """0 where the feature is silent."""
    char_start: int
    char_end: int
    meta: str
    """JSON object."""
    n_samples: int
    """Samples that hold this content."""


class SampleFilter(NamedTuple):
    """Which samples are looked at; what is None narrows nothing."""

    role: str | None = None
    dataset_id: str | None = None
    label: str | None = None
    column: str | None = None
    """Name of a metadata column; `value` is what it has to hold."""
    value: str | None = None

    @property
    def clause(self) -> tuple[str, list[str]]:
        """Condition on `s` (sample) and `d` (dataset) that begins with AND, and its parameters."""
        parts, values = [], []
        for place, wanted in (("d.role", self.role), ("d.dataset_id", self.dataset_id), ("s.label", self.label)):
            if wanted is not None:
                parts.append(f"AND {place} = ?")
                values.append(wanted)
        if self.column is not None and self.value is not None:
            parts.append("AND (s.meta ->> ?) = ?")
            values += [_pointer(self.column), self.value]
        return " ".join(parts), values


EVERY_SAMPLE = SampleFilter()


def _pointer(column: str) -> str:
    """JSON pointer to a key, whatever characters it has."""
    return "/" + column.replace("~", "~0").replace("/", "~1")


def _strong(samples: str = "", rows: str = "") -> str:
    """Beginning of a query: rows among which each feature's strongest one in samples is.

    The feature's profile says in which bin that lies, so rows of lower bins are left out; of a feature that no profile
    knows, or while profiles count values that have been replaced, all are in. `samples` and `rows` narrow both down.
    """
    return f"""
        WITH known AS (
            SELECT p.feature_id, max(p.bin) AS bin FROM profile p JOIN dataset d USING (dataset_id)
            WHERE p.space_id = $space AND d.deleted_at IS NULL {samples} AND NOT EXISTS (
                SELECT 1 FROM profile_total t WHERE t.space_id = $space AND t.data_version < 0)
            GROUP BY p.feature_id),
        strong AS MATERIALIZED (
            SELECT a.feature_id, a.value, a.content_id, a.char_start, a.char_end
            FROM activation_by_feature a LEFT JOIN known k USING (feature_id)
            WHERE a.space_id = $space AND (k.bin IS NULL OR a.value > k.bin * {BIN_WIDTH}::FLOAT) {rows})"""


def max_values(database: Database, space_id: str) -> pa.Table:
    """Highest activation of each feature in any sample: (feature_id, value)."""
    return database.arrow(
        f"{_strong()} SELECT feature_id, max(value) AS value FROM strong WHERE content_id IN ({_CONTENT_OF_SAMPLES}) "
        "GROUP BY feature_id",
        {"space": space_id},
    )


def example_rows(
    database: Database,
    space_id: str,
    feature_id: int,
    content_ids: Sequence[int],
    where: SampleFilter = EVERY_SAMPLE,
) -> dict[int, ExampleRow]:
    """One sample of each content with the feature's peak in it; of several the one in the most telling role."""
    clause, values = where.clause
    found = database.rows(
        "WITH wanted AS (SELECT unnest(?::BIGINT[]) AS content_id), peak AS (SELECT content_id, value, char_start, "
        "char_end FROM activation_by_feature WHERE space_id = ? AND feature_id = ? "
        "AND content_id IN (SELECT content_id FROM wanted)) "
        "SELECT s.sample_id, s.content_id, c.text, d.name, d.role, s.label, s.row_number, coalesce(a.value, 0), "
        "coalesce(a.char_start, 0), coalesce(a.char_end, 0), s.meta, count(*) OVER (PARTITION BY s.content_id) "
        "FROM sample s JOIN wanted USING (content_id) JOIN dataset d USING (dataset_id) "
        "JOIN content c USING (content_id) LEFT JOIN peak a USING (content_id) "
        f"WHERE d.deleted_at IS NULL {clause} QUALIFY row_number() OVER (PARTITION BY s.content_id ORDER BY "
        "list_position(['seed', 'anchor', 'synthetic', 'pool', 'holdout'], d.role), s.sample_id) = 1",
        [list(content_ids), space_id, feature_id, *values],
    )
    return {int(row[1]): ExampleRow(*row) for row in found}


def sample_contents(database: Database, where: SampleFilter = EVERY_SAMPLE) -> pa.Table:
    """Contents of samples: (content_id)."""
    clause, values = where.clause
    return database.arrow(f"SELECT DISTINCT content_id FROM ({_CONTENT_OF_SAMPLES} {clause})", values)


def contents_with(
    database: Database, words: Sequence[str], limit: int, where: SampleFilter = EVERY_SAMPLE
) -> list[int]:
    """Contents of samples that hold all words (in any case, anywhere), by id."""
    clause, values = where.clause
    held = " AND ".join(["contains(lower(c.text), lower(?))"] * len(words)) or "true"
    found = database.rows(
        f"SELECT c.content_id FROM content c WHERE {held} AND c.content_id IN ({_CONTENT_OF_SAMPLES} {clause}) "
        "ORDER BY c.content_id LIMIT ?",
        [*words, *values, limit],
    )
    return [int(content) for (content,) in found]


def active_in(database: Database, space_id: str, content_id: int) -> list[tuple[int, float]]:
    """Features that fire in a content: (feature_id, value), strongest first."""
    found = database.rows(
        "SELECT feature_id, value FROM activation WHERE space_id = ? AND content_id = ? "
        "ORDER BY value DESC, feature_id",
        [space_id, content_id],
    )
    return [(int(feature), float(value)) for feature, value in found]


def silent_contents(
    database: Database, space_id: str, feature_id: int, limit: int, where: SampleFilter = EVERY_SAMPLE
) -> list[int]:
    """Contents of samples that were read and in which a feature does not fire at all; the same random ones each time.

    Of a pool's top examples it is not known what else fires in them, so they are left out.
    """
    clause, values = where.clause
    found = database.rows(
        f"SELECT DISTINCT content_id, hash(content_id, ?) AS place FROM ({_CONTENT_OF_SAMPLES} AND d.{SAMPLED} "
        f"{clause}) JOIN content_read r USING (content_id) WHERE r.space_id = ? AND content_id NOT IN "
        "(SELECT content_id FROM activation_by_feature WHERE space_id = ? AND feature_id = ?) "
        "ORDER BY place, content_id LIMIT ?",
        [feature_id, *values, space_id, space_id, feature_id, limit],
    )
    return [int(content) for content, _ in found]


def silent_beside(
    database: Database,
    space_id: str,
    feature_id: int,
    others: Sequence[int],
    limit: int,
    where: SampleFilter = EVERY_SAMPLE,
) -> dict[int, int]:
    """Contents in which some other features fire most and this one not at all: {content_id: the other}, strongest
    first."""
    clause, values = where.clause
    found = database.rows(
        "SELECT content_id, arg_max(feature_id, {'value': value, 'id': -feature_id}) FROM activation_by_feature "
        "WHERE space_id = ? AND feature_id IN (SELECT unnest(?::INTEGER[])) AND content_id NOT IN "
        "(SELECT content_id FROM activation_by_feature WHERE space_id = ? AND feature_id = ?) "
        f"AND content_id IN ({_CONTENT_OF_SAMPLES} {clause}) "
        "GROUP BY content_id ORDER BY max(value) DESC, content_id LIMIT ?",
        [space_id, list(others), space_id, feature_id, *values, limit],
    )
    return {int(content): int(other) for content, other in found}


def meta_values(database: Database, limit: int) -> dict[str, list[str]]:
    """Names of metadata columns with their values, the commonest first, `limit` of each at most."""
    found = database.rows(
        "SELECT key, list(value ORDER BY n DESC, value)[1:?] FROM (SELECT key, value, count(*) AS n FROM "
        "(SELECT unnest(map_entries(CAST(s.meta AS MAP(VARCHAR, VARCHAR))), recursive := true) FROM sample s "
        "JOIN dataset d USING (dataset_id) WHERE d.deleted_at IS NULL) WHERE value IS NOT NULL GROUP BY key, value) "
        "GROUP BY key ORDER BY key",
        [limit],
    )
    return {str(key): [str(value) for value in values] for key, values in found}


def labels(database: Database, limit: int) -> list[str]:
    """Labels of samples, the commonest first."""
    found = database.rows(
        "SELECT s.label FROM sample s JOIN dataset d USING (dataset_id) WHERE d.deleted_at IS NULL "
        "AND s.label IS NOT NULL GROUP BY s.label ORDER BY count(*) DESC, s.label LIMIT ?",
        [limit],
    )
    return [str(label) for (label,) in found]


def top_texts(
    database: Database, space_id: str, feature_ids: Sequence[int], role: str
) -> dict[int, tuple[str, int, int]]:
    """Text that activates each feature most in one role: {feature_id: (text, char_start, char_end of the peak)}."""
    strong = _strong("AND d.role = $role", "AND a.feature_id IN (SELECT unnest($features::INTEGER[]))")
    found = database.rows(
        f"{strong}, best AS (SELECT feature_id, arg_max({{'id': content_id, 'a': char_start, 'b': char_end}}, "
        "{'value': value, 'id': -content_id}) AS top FROM strong WHERE content_id IN "
        "(SELECT s.content_id FROM sample s JOIN dataset d USING (dataset_id) "
        "WHERE d.role = $role AND d.deleted_at IS NULL) GROUP BY feature_id) "
        "SELECT feature_id, c.text, top.a, top.b FROM best JOIN content c ON c.content_id = top.id",
        {"space": space_id, "role": role, "features": list(feature_ids)},
    )
    return {int(feature): (str(text), int(start), int(end)) for feature, text, start, end in found}


def at_or_above(database: Database, space_id: str, values: Sequence[tuple[int, float]], role: str) -> dict[int, int]:
    """Samples of one role, of those profiles count, in which a feature reaches a value or more, for (feature, value)
    pairs: {feature_id: n}; of profile-only datasets those that reach the value's bin.
    """
    found = database.rows(
        "WITH asked AS (SELECT unnest(?::INTEGER[]) AS feature_id, unnest(?::DOUBLE[]) AS value), counted AS ("
        "SELECT q.feature_id, count(*) AS n FROM asked q JOIN activation_by_feature a ON a.space_id = ? "
        "AND a.feature_id = q.feature_id AND a.value >= q.value JOIN sample s USING (content_id) "
        f"JOIN dataset d USING (dataset_id) WHERE d.role = ? AND d.dataset_id IN ({COUNTED}) GROUP BY q.feature_id "
        "UNION ALL SELECT q.feature_id, sum(p.n) FROM asked q JOIN profile p ON p.space_id = ? "
        f"AND p.feature_id = q.feature_id AND p.bin >= least({LAST_BIN}, ceil(q.value / {BIN_WIDTH}) - 1) "
        f"JOIN dataset d USING (dataset_id) WHERE d.role = ? AND NOT d.{SAMPLED} GROUP BY q.feature_id) "
        "SELECT feature_id, CAST(sum(n) AS BIGINT) FROM counted GROUP BY feature_id",
        [
            [feature for feature, _ in values],
            [value for _, value in values],
            *(space_id, role, space_id),
            *(space_id, role),
        ],
    )
    return {int(feature): int(n) for feature, n in found}


def described_contents(database: Database, space_id: str, limit: int, hashes: tuple[str, str]) -> pa.Table:
    """Texts of a range of hashes that names are made from or judged on: (content_id, text), by id; the anchor's first
    up to `limit`, then seed, synthetic and pool.

    Approved samples are left out: they were written after a feature's name and would confirm it. So is the held-out
    set, whose words would come back in what is written for a gap.
    """
    return database.arrow(
        f"SELECT content_id, c.text FROM ({_DESCRIBED}) JOIN content c USING (content_id) ORDER BY content_id",
        [space_id, APPROVED_DATASET, *hashes, limit],
    )


def n_above(database: Database, space_id: str, feature_id: int, delta: float, hashes: tuple[str, str]) -> int:
    """In how many texts of a range of hashes a feature is above δ, whether a sample holds them or not."""
    row = database.one(
        "SELECT count(*) FROM activation_by_feature a JOIN content c USING (content_id) WHERE a.space_id = ? "
        "AND a.feature_id = ? AND a.value > ? AND c.form_hash >= ? AND c.form_hash < ?",
        [space_id, feature_id, delta, *hashes],
    )
    return int(row[0]) if row else 0


def described_state(database: Database, space_id: str, limit: int, hashes: tuple[str, str]) -> str:
    """Digest of `described_contents`; equal ones hold the same texts."""
    row = database.one(
        f"SELECT md5(string_agg(CAST(content_id AS VARCHAR), ',' ORDER BY content_id)) FROM ({_DESCRIBED})",
        [space_id, APPROVED_DATASET, *hashes, limit],
    )
    return str(row and row[0])


def anchor_state(database: Database, space_id: str) -> str:
    """Digest of `anchor_items`; equal ones hold the same texts, pairs and labels."""
    row = database.one(
        f"SELECT md5(string_agg(to_json([CAST(content_id AS VARCHAR), CAST(contrast_id AS VARCHAR), label]), ',' "
        f"ORDER BY content_id, contrast_id, label)) FROM ({_ITEMS})",
        [space_id, space_id],
    )
    return str(row and row[0])


def activations_of(database: Database, space_id: str, contents: pa.Table) -> pa.Table:
    """Rows of some contents: (feature_id, content_id, value, char_start, char_end), by feature, strongest first."""
    with database.cursor() as cursor:
        cursor.register("wanted_content", contents.select(["content_id"]))
        return cursor.sql(
            "SELECT a.feature_id, a.content_id, a.value, a.char_start, a.char_end FROM activation a "
            "WHERE a.space_id = ? AND a.content_id IN (SELECT content_id FROM wanted_content) "
            "ORDER BY a.feature_id, a.value DESC, a.content_id",
            params=[space_id],
        ).to_arrow_table()


def anchor_items(database: Database, space_id: str) -> pa.Table:
    """Samples of the anchor that were read: (content_id, contrast_id, label); no contrast unless it was read too."""
    return database.arrow(f"{_ITEMS} ORDER BY s.sample_id", [space_id, space_id])
