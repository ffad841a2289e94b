"""Names and judgements about features are events: nothing a person said is overwritten, and a person outranks a method.

The name of a feature is the newest text a person gave, else the newest keywords; a person's empty text gives the
keywords back. Keywords are added only where they differ from the last ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

KEYWORDS, HUMAN = "keywords", "human"
THEME = "theme"
"""Value of `family.joined_by` that makes a row membership of a theme instead of a family of near-copies."""
_NAMES = f"""
    SELECT feature_id, coalesce(nullif(human, ''), keywords) AS name,
        CASE WHEN nullif(human, '') IS NOT NULL THEN '{HUMAN}' ELSE '{KEYWORDS}' END AS named_by
    FROM (SELECT feature_id, arg_max(text, event_id) FILTER (method = '{HUMAN}') AS human,
            arg_max(text, event_id) FILTER (method = '{KEYWORDS}') AS keywords
          FROM explanation WHERE space_id = ? GROUP BY feature_id)
    WHERE coalesce(nullif(human, ''), keywords) IS NOT NULL"""
_OVERRULES = (
    "SELECT feature_id, arg_max_null(relevant, event_id) AS relevant FROM relevance_overrule WHERE space_id = ? "
    "GROUP BY feature_id"
)
_CONTENT_OF_SAMPLES = "SELECT s.content_id FROM sample s JOIN dataset d USING (dataset_id) WHERE d.deleted_at IS NULL"


class NameEvent(NamedTuple):
    """One name a feature was given."""

    text: str
    method: str
    author: str
    created_at: datetime


class OverruleEvent(NamedTuple):
    """One judgement of a person about a feature's relevance; None takes the judgement back."""

    relevant: bool | None
    author: str
    created_at: datetime


class ExampleRow(NamedTuple):
    """One sample that activates a feature."""

    sample_id: int
    content_id: int
    text: str
    dataset: str
    role: str
    label: str | None
    value: float
    char_start: int
    char_end: int
    meta: str
    """JSON object."""


def names(database: Database, space_id: str) -> pa.Table:
    """Features that have a name: (feature_id, name, named_by)."""
    return database.arrow(_NAMES, [space_id])


def names_of(database: Database, space_id: str, feature_ids: Sequence[int]) -> dict[int, str]:
    """Names of some features; those without one are left out."""
    found = database.rows(
        f"SELECT feature_id, name FROM ({_NAMES}) WHERE feature_id IN (SELECT unnest(?::INTEGER[]))",
        [space_id, list(feature_ids)],
    )
    return {int(feature): str(name) for feature, name in found}


def count_named(database: Database, space_id: str) -> int:
    """How many features have a name."""
    row = database.one(
        f"SELECT count(DISTINCT feature_id) FROM (SELECT feature_id FROM explanation WHERE space_id = ? AND "
        f"method = '{KEYWORDS}' UNION ALL SELECT feature_id FROM explanation WHERE space_id = ? AND method = '{HUMAN}' "
        "GROUP BY feature_id HAVING arg_max(text, event_id) <> '')",
        [space_id, space_id],
    )
    return int(row[0]) if row else 0


def name_events(database: Database, space_id: str, feature_id: int) -> list[NameEvent]:
    """Every name a feature was given, newest first."""
    found = database.rows(
        f"SELECT text, method, author, created_at FROM explanation WHERE space_id = ? AND feature_id = ? "
        f"AND method <> '{THEME}' ORDER BY event_id DESC",
        [space_id, feature_id],
    )
    return [NameEvent(*row) for row in found]


def add_name(
    cursor: duckdb.DuckDBPyConnection, space_id: str, feature_id: int, author: str, text: str, at: datetime
) -> None:
    """Note the name a person gave."""
    cursor.execute(
        f"INSERT INTO explanation VALUES (nextval('event_seq'), ?, ?, '{HUMAN}', ?, ?, ?)",
        [space_id, feature_id, author, text, at],
    )


def add_method_names(
    cursor: duckdb.DuckDBPyConnection, space_id: str, method: str, names: pa.Table, author: str, at: datetime
) -> None:
    """Note what a method calls features (feature_id, text) where it differs from what it called them last.

    `method` is KEYWORDS for features, or THEME for the theme of which a feature is the head.
    """
    cursor.register("incoming_names", names)
    cursor.execute(
        "INSERT INTO explanation SELECT nextval('event_seq'), ?, k.feature_id, ?, ?, k.text, ? "
        "FROM incoming_names k LEFT JOIN (SELECT feature_id, arg_max(text, event_id) AS text FROM explanation "
        "WHERE space_id = ? AND method = ? GROUP BY feature_id) last USING (feature_id) "
        "WHERE k.text IS DISTINCT FROM last.text ORDER BY k.feature_id",
        [space_id, method, author, at, space_id, method],
    )
    cursor.unregister("incoming_names")


def theme_names(database: Database, space_id: str) -> dict[int, str]:
    """Names of themes by id."""
    found = database.rows(
        f"SELECT feature_id, arg_max(text, event_id) FROM explanation WHERE space_id = ? AND method = '{THEME}' "
        "GROUP BY feature_id",
        [space_id],
    )
    return {int(theme): str(name) for theme, name in found}


def relevance_rows(database: Database, space_id: str) -> pa.Table:
    """What the tests say: (feature_id, method, effect, lift, p_value, q_value, n_active, relevant, direction)."""
    return database.arrow(
        "SELECT feature_id, method, effect, lift, p_value, q_value, n_active, relevant, direction FROM relevance "
        "WHERE space_id = ? ORDER BY feature_id",
        [space_id],
    )


def relevant_by_test(database: Database, space_id: str) -> tuple[list[int], int]:
    """Features that the tests call relevant, and how many were tested."""
    found = database.rows("SELECT feature_id FROM relevance WHERE space_id = ? AND relevant", [space_id])
    tested = database.one("SELECT count(*) FROM relevance WHERE space_id = ?", [space_id])
    return [int(row[0]) for row in found], int(tested[0]) if tested else 0


def effects(database: Database, space_id: str, feature_ids: Sequence[int]) -> dict[int, float]:
    """Association of some features with the task; those not tested are left out."""
    found = database.rows(
        "SELECT feature_id, effect FROM relevance WHERE space_id = ? AND feature_id IN (SELECT unnest(?::INTEGER[]))",
        [space_id, list(feature_ids)],
    )
    return {int(feature): float(effect) for feature, effect in found}


def relevance_of(database: Database, space_id: str, feature_id: int) -> list[dict[str, Any]]:
    """What the tests say about one feature; keys as the columns of `relevance_rows` without feature_id."""
    return database.dicts(
        "SELECT method, effect, lift, p_value, q_value, n_active, relevant, direction FROM relevance "
        "WHERE space_id = ? AND feature_id = ?",
        [space_id, feature_id],
    )


def replace_relevance(cursor: duckdb.DuckDBPyConnection, space_id: str, rows: pa.Table, data_version: int) -> None:
    """Put new test results in the place of the old ones; columns as in `relevance_rows`."""
    cursor.execute("DELETE FROM relevance WHERE space_id = ?", [space_id])
    cursor.register("incoming_relevance", rows)
    cursor.execute(
        "INSERT INTO relevance SELECT ?, feature_id, method, effect, lift, p_value, q_value, n_active, relevant, "
        "direction, ? FROM incoming_relevance",
        [space_id, data_version],
    )
    cursor.unregister("incoming_relevance")


def overrules(database: Database, space_id: str) -> dict[int, bool]:
    """Standing judgements of people: {feature_id: relevant}."""
    found = database.rows(f"SELECT feature_id, relevant FROM ({_OVERRULES}) WHERE relevant IS NOT NULL", [space_id])
    return {int(feature): bool(relevant) for feature, relevant in found}


def overrule_events(database: Database, space_id: str, feature_id: int) -> list[OverruleEvent]:
    """Every judgement about one feature, newest first."""
    found = database.rows(
        "SELECT relevant, author, created_at FROM relevance_overrule WHERE space_id = ? AND feature_id = ? "
        "ORDER BY event_id DESC",
        [space_id, feature_id],
    )
    return [OverruleEvent(*row) for row in found]


def add_overrule(
    cursor: duckdb.DuckDBPyConnection,
    space_id: str,
    feature_id: int,
    relevant: bool | None,
    author: str,
    at: datetime,
) -> None:
    """Note a person's judgement."""
    cursor.execute(
        "INSERT INTO relevance_overrule VALUES (nextval('event_seq'), ?, ?, ?, ?, ?)",
        [space_id, feature_id, relevant, author, at],
    )


def families(database: Database, space_id: str) -> pa.Table:
    """Families of near-copies with more than one member: (feature_id, family_id, joined_by)."""
    return database.arrow(
        f"SELECT feature_id, family_id, joined_by FROM family WHERE space_id = ? AND joined_by <> '{THEME}' "
        "ORDER BY feature_id",
        [space_id],
    )


def themes(database: Database, space_id: str) -> pa.Table:
    """Themes, the coarser sets of features: (feature_id, family_id); a feature is in one theme at most."""
    return database.arrow(
        f"SELECT feature_id, family_id FROM family WHERE space_id = ? AND joined_by = '{THEME}' ORDER BY feature_id",
        [space_id],
    )


def replace_families(cursor: duckdb.DuckDBPyConnection, space_id: str, rows: pa.Table) -> None:
    """Put new families and themes in the place of the old ones: (feature_id, family_id, joined_by)."""
    cursor.execute("DELETE FROM family WHERE space_id = ?", [space_id])
    cursor.register("incoming_family", rows)
    cursor.execute("INSERT INTO family SELECT ?, feature_id, family_id, joined_by FROM incoming_family", [space_id])
    cursor.unregister("incoming_family")


def template_features(database: Database, space_id: str) -> list[int]:
    """Features that belong to the chat template rather than to any text."""
    found = database.rows("SELECT feature_id FROM feature_static WHERE space_id = ? AND is_template", [space_id])
    return [int(row[0]) for row in found]


def coordinates(database: Database, space_id: str) -> pa.Table:
    """Places on the map: (feature_id, pca_x, pca_y, umap_x, umap_y)."""
    return database.arrow(
        "SELECT feature_id, pca_x, pca_y, umap_x, umap_y FROM feature_static WHERE space_id = ? ORDER BY feature_id",
        [space_id],
    )


def has_static(database: Database, space_id: str) -> bool:
    """Whether the facts that need the weights are known for a space."""
    return database.one("SELECT 1 FROM feature_static WHERE space_id = ? LIMIT 1", [space_id]) is not None


def set_layout(cursor: duckdb.DuckDBPyConnection, space_id: str, rows: pa.Table) -> None:
    """Put features on the map: (feature_id, umap_x, umap_y)."""
    cursor.register("incoming_layout", rows)
    cursor.execute(
        "UPDATE feature_static SET umap_x = l.umap_x, umap_y = l.umap_y FROM incoming_layout l "
        "WHERE feature_static.space_id = ? AND feature_static.feature_id = l.feature_id",
        [space_id],
    )
    cursor.unregister("incoming_layout")


def neighbours(database: Database, space_id: str, feature_id: int) -> list[tuple[int, float]]:
    """Nearest features by decoder cosine: (feature_id, cosine), nearest first."""
    found = database.rows(
        "SELECT other_id, cosine FROM feature_neighbour WHERE space_id = ? AND feature_id = ? ORDER BY rank",
        [space_id, feature_id],
    )
    return [(int(other), float(cosine)) for other, cosine in found]


def close_pairs(database: Database, space_id: str, at_least: float) -> pa.Table:
    """Pairs of features whose decoder directions nearly coincide: (feature_id, other_id, cosine)."""
    return database.arrow(
        "SELECT feature_id, other_id, cosine FROM feature_neighbour WHERE space_id = ? AND cosine >= ? "
        "ORDER BY feature_id, rank",
        [space_id, at_least],
    )


def tokens(database: Database, space_id: str, feature_id: int) -> list[tuple[str, float]]:
    """Output tokens the feature's direction raises most: (token, logit), strongest first."""
    found = database.rows(
        "SELECT token, logit FROM feature_token WHERE space_id = ? AND feature_id = ? ORDER BY rank",
        [space_id, feature_id],
    )
    return [(str(token), float(logit)) for token, logit in found]


def max_values(database: Database, space_id: str) -> pa.Table:
    """Highest activation of each feature in any sample: (feature_id, value)."""
    return database.arrow(
        "SELECT feature_id, max(value) AS value FROM activation_by_feature "
        f"WHERE space_id = ? AND content_id IN ({_CONTENT_OF_SAMPLES}) GROUP BY feature_id",
        [space_id],
    )


def firing_values(database: Database, space_id: str, feature_id: int, delta: float) -> list[tuple[int, float]]:
    """Contents of samples that activate a feature above δ: (content_id, value), strongest first."""
    found = database.rows(
        "SELECT content_id, value FROM activation_by_feature WHERE space_id = ? AND feature_id = ? AND value > ? "
        f"AND content_id IN ({_CONTENT_OF_SAMPLES}) ORDER BY value DESC, content_id",
        [space_id, feature_id, delta],
    )
    return [(int(content), float(value)) for content, value in found]


def example_rows(
    database: Database, space_id: str, feature_id: int, content_ids: Sequence[int]
) -> dict[int, ExampleRow]:
    """One sample of each content with the feature's peak in it; of several the one in the most telling role."""
    found = database.rows(
        "SELECT s.sample_id, s.content_id, c.text, d.name, d.role, s.label, a.value, a.char_start, a.char_end, s.meta "
        "FROM activation_by_feature a JOIN sample s USING (content_id) JOIN dataset d USING (dataset_id) "
        "JOIN content c USING (content_id) WHERE a.space_id = ? AND a.feature_id = ? AND d.deleted_at IS NULL "
        "AND a.content_id IN (SELECT unnest(?::BIGINT[])) "
        "QUALIFY row_number() OVER (PARTITION BY s.content_id ORDER BY "
        "list_position(['seed', 'anchor', 'synthetic', 'pool', 'holdout'], d.role), s.sample_id) = 1",
        [space_id, feature_id, list(content_ids)],
    )
    return {int(row[1]): ExampleRow(*row) for row in found}


def top_texts(
    database: Database, space_id: str, feature_ids: Sequence[int], role: str
) -> dict[int, tuple[str, int, int]]:
    """Text that activates each feature most in one role: {feature_id: (text, char_start, char_end of the peak)}."""
    found = database.rows(
        "WITH best AS (SELECT feature_id, arg_max({'id': content_id, 'a': char_start, 'b': char_end}, "
        "{'value': value, 'id': -content_id}) AS top FROM activation_by_feature "
        "WHERE space_id = ? AND feature_id IN (SELECT unnest(?::INTEGER[])) AND content_id IN "
        "(SELECT s.content_id FROM sample s JOIN dataset d USING (dataset_id) "
        "WHERE d.role = ? AND d.deleted_at IS NULL) GROUP BY feature_id) "
        "SELECT feature_id, c.text, top.a, top.b FROM best JOIN content c ON c.content_id = top.id",
        [space_id, list(feature_ids), role],
    )
    return {int(feature): (str(text), int(start), int(end)) for feature, text, start, end in found}


def at_or_above(database: Database, space_id: str, values: Sequence[tuple[int, float]], role: str) -> dict[int, int]:
    """Samples of one role in which a feature reaches a value or more, for (feature, value) pairs: {feature_id: n}."""
    found = database.rows(
        "WITH asked AS (SELECT unnest(?::INTEGER[]) AS feature_id, unnest(?::DOUBLE[]) AS value) "
        "SELECT q.feature_id, count(*) FROM asked q JOIN activation_by_feature a ON a.space_id = ? "
        "AND a.feature_id = q.feature_id AND a.value >= q.value JOIN sample s USING (content_id) "
        "JOIN dataset d USING (dataset_id) WHERE d.role = ? AND d.deleted_at IS NULL GROUP BY q.feature_id",
        [[feature for feature, _ in values], [value for _, value in values], space_id, role],
    )
    return {int(feature): int(n) for feature, n in found}


def described_contents(database: Database, space_id: str, limit: int) -> pa.Table:
    """Texts that names are made from: (content_id, text), those of the anchor first, then seed, synthetic and pool."""
    return database.arrow(
        "SELECT content_id, text FROM (SELECT s.content_id, "
        "min(list_position(['anchor', 'seed', 'synthetic', 'pool', 'holdout'], d.role)) AS place FROM sample s "
        "JOIN dataset d USING (dataset_id) JOIN content_read r ON r.space_id = ? AND r.content_id = s.content_id "
        "WHERE d.deleted_at IS NULL GROUP BY s.content_id) JOIN content c USING (content_id) "
        "ORDER BY place, content_id LIMIT ?",
        [space_id, limit],
    )


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
    return database.arrow(
        "SELECT s.content_id, k.content_id AS contrast_id, s.label FROM sample s JOIN dataset d USING (dataset_id) "
        "JOIN content_read r ON r.space_id = ? AND r.content_id = s.content_id "
        "LEFT JOIN content_read k ON k.space_id = ? AND k.content_id = s.contrast_id "
        "WHERE d.role = 'anchor' AND d.deleted_at IS NULL ORDER BY s.sample_id",
        [space_id, space_id],
    )
