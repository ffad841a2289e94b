"""Names of features are events: nothing a person said is overwritten, and a person outranks a method.

The name of a feature is the newest text a person gave, else what the project's setting prefers: keywords, a model's
explanation, or the better scored of the two; a person's empty text gives that back. Keywords are added only where they
differ from the last ones. Every name anywhere comes from the one query here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from fac_core.store.database import get_meta
from fac_core.store.explanations import CANNOT_TELL, EMBEDDING, LLM, REFUTED, newest_explanation, newest_score

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

KEYWORDS, HUMAN = "keywords", "human"
BY_KEYWORDS, BY_MODEL, BY_BEST = "keywords", "model", "best"
"""What features are called by where no person named them."""
NAMES_BY = "names_by"
"""Key of that setting."""
THEME = "theme"
"""Value of `family.joined_by` that makes a row membership of a theme instead of a family of near-copies; with CLUSTER,
the kinds of rows that have names."""
CLUSTER = "cluster"
_SAID = f"""
    SELECT feature_id, nullif(arg_max(text, event_id) FILTER (method = '{HUMAN}'), '') AS human,
        nullif(arg_max(text, event_id) FILTER (method = '{KEYWORDS}'), '') AS keywords
    FROM explanation WHERE space_id = $space {{only}} GROUP BY feature_id"""
# a model's newest explanation, of those that say something and that no verifier refuted
_WRITTEN = f"""
    SELECT feature_id, max(event_id) AS model_id, arg_max(text, event_id) AS model FROM explanation
    WHERE space_id = $space {{only}} AND method = '{LLM}' AND text <> ''
        AND coalesce(verdict, '') NOT IN ('{CANNOT_TELL}', '{REFUTED}') GROUP BY feature_id"""
# of those, the ones that told the same held-out documents apart better than the keywords did, by the same encoder
_BETTER = f"""
    WITH written AS ({_WRITTEN}), keyed AS (
        SELECT feature_id, max(event_id) AS keywords_id FROM explanation
        WHERE space_id = $space {{only}} AND method = '{KEYWORDS}' GROUP BY feature_id),
    scored AS (
        SELECT explanation_id, arg_max({{{{'judge': judge, 'version': version, 'value': value}}}}, score_id) AS last
        FROM explanation_score WHERE space_id = $space {{only}} AND protocol = '{EMBEDDING}' GROUP BY explanation_id)
    SELECT feature_id, model FROM written JOIN keyed USING (feature_id)
    JOIN scored m ON m.explanation_id = model_id JOIN scored k ON k.explanation_id = keywords_id
    WHERE m.last.judge = k.last.judge AND m.last.version = k.last.version AND m.last.value > k.last.value"""
_NAMES = {
    BY_KEYWORDS: f"SELECT *, NULL::VARCHAR AS model FROM ({_SAID})",
    BY_MODEL: f"FROM ({_SAID}) LEFT JOIN ({_WRITTEN}) USING (feature_id)",
    BY_BEST: f"FROM ({_SAID}) LEFT JOIN ({_BETTER}) USING (feature_id)",
}


def _names(database: Database, only: str = "") -> str:
    """The query for (feature_id, name, named_by) of the features of $space that have a name; `only` narrows it."""
    said = _NAMES[names_by(database)].format(only=only)
    return f"""
        SELECT feature_id, coalesce(human, model, keywords) AS name,
            CASE WHEN human IS NOT NULL THEN '{HUMAN}' WHEN model IS NOT NULL THEN '{LLM}' ELSE '{KEYWORDS}' END
                AS named_by
        FROM ({said}) WHERE coalesce(human, model, keywords) IS NOT NULL"""


class NameEvent(NamedTuple):
    """One name a feature was given."""

    text: str
    method: str
    author: str
    created_at: datetime


class DescriptionRow(NamedTuple):
    """From what names, relevance, families and themes were made."""

    fingerprint: str
    delta: float
    """Families and themes go by firing above it."""
    made_at: datetime


def description_row(database: Database, space_id: str) -> DescriptionRow | None:
    """What the features of a space were last described from; None if they were not, or only in part."""
    row = database.one("SELECT fingerprint, delta, made_at FROM description WHERE space_id = ?", [space_id])
    return None if row is None else DescriptionRow(*row)


def put_description(
    cursor: duckdb.DuckDBPyConnection, space_id: str, fingerprint: str, delta: float, at: datetime
) -> None:
    """Note that a description is whole."""
    cursor.execute("INSERT OR REPLACE INTO description VALUES (?, ?, ?, ?)", [space_id, fingerprint, delta, at])


def drop_description(cursor: duckdb.DuckDBPyConnection, space_id: str) -> None:
    """Note that what is there is of no one description any more."""
    cursor.execute("DELETE FROM description WHERE space_id = ?", [space_id])


def names_by(database: Database) -> str:
    """What features are called by in this project: BY_KEYWORDS, BY_MODEL or BY_BEST."""
    return get_meta(database, f"setting.{NAMES_BY}", BY_KEYWORDS)


def names(database: Database, space_id: str) -> pa.Table:
    """Features that have a name: (feature_id, name, named_by); named_by is HUMAN, KEYWORDS or LLM."""
    return database.arrow(_names(database), {"space": space_id})


def names_state(database: Database, space_id: str) -> tuple[str, int, int]:
    """What names go with: as long as it is the same, every feature of the space is called what it was."""
    by = names_by(database)
    return by, newest_explanation(database, space_id), newest_score(database, space_id) if by == BY_BEST else 0


def names_of(database: Database, space_id: str, feature_ids: Sequence[int] | None) -> dict[int, str]:
    """Names of some features, or with None of all; those without one are left out."""
    if feature_ids is None:
        named = names(database, space_id)
        return dict(zip(named.column("feature_id").to_pylist(), named.column("name").to_pylist(), strict=True))
    query = _names(database, only="AND feature_id IN (SELECT unnest($features::INTEGER[]))")
    found = database.rows(query, {"space": space_id, "features": list(feature_ids)})
    return {int(feature): str(name) for feature, name, _ in found}


def count_named(database: Database, space_id: str) -> int:
    """How many features have a name."""
    row = database.one(f"SELECT count(*) FROM ({_names(database)})", {"space": space_id})
    return int(row[0]) if row else 0


def has_keywords(database: Database, space_id: str) -> bool:
    """Whether any feature of a space was given keywords."""
    query = "SELECT 1 FROM explanation WHERE space_id = ? AND method = ? LIMIT 1"
    return database.one(query, [space_id, KEYWORDS]) is not None


def name_events(database: Database, space_id: str, feature_id: int) -> list[NameEvent]:
    """Every name a feature was given, newest first."""
    found = database.rows(
        "SELECT text, method, author, created_at FROM explanation WHERE space_id = ? AND feature_id = ? "
        "ORDER BY event_id DESC",
        [space_id, feature_id],
    )
    return [NameEvent(*row) for row in found]


def add_name(
    cursor: duckdb.DuckDBPyConnection, space_id: str, feature_id: int, author: str, text: str, at: datetime
) -> None:
    """Note the name a person gave."""
    cursor.execute(
        "INSERT INTO explanation (event_id, space_id, feature_id, method, author, text, created_at) "
        f"VALUES (nextval('event_seq'), ?, ?, '{HUMAN}', ?, ?, ?)",
        [space_id, feature_id, author, text, at],
    )


def add_method_names(
    cursor: duckdb.DuckDBPyConnection, space_id: str, method: str, names: pa.Table, author: str, at: datetime
) -> None:
    """Note what a method calls features (feature_id, text) where it differs from what it called them last; an empty
    text takes back an earlier one.
    """
    cursor.register("incoming_names", names)
    cursor.execute(
        "INSERT INTO explanation (event_id, space_id, feature_id, method, author, text, created_at) "
        "SELECT nextval('event_seq'), ?, k.feature_id, ?, ?, k.text, ? "
        "FROM incoming_names k LEFT JOIN (SELECT feature_id, arg_max(text, event_id) AS text FROM explanation "
        "WHERE space_id = ? AND method = ? GROUP BY feature_id) last USING (feature_id) "
        "WHERE k.text <> coalesce(last.text, '') ORDER BY k.feature_id",
        [space_id, method, author, at, space_id, method],
    )
    cursor.unregister("incoming_names")


def row_names(database: Database, space_id: str, kind: str) -> dict[int, str]:
    """Names of themes or decoder clusters by id."""
    found = database.rows("SELECT row_id, name FROM row_name WHERE space_id = ? AND kind = ?", [space_id, kind])
    return {int(row): str(name) for row, name in found}


def replace_row_names(cursor: duckdb.DuckDBPyConnection, space_id: str, rows: pa.Table) -> None:
    """Put new names of themes and decoder clusters in the place of the old ones: (kind, row_id, name)."""
    cursor.execute("DELETE FROM row_name WHERE space_id = ?", [space_id])
    cursor.register("incoming_row_name", rows)
    cursor.execute("INSERT INTO row_name SELECT ?, kind, row_id, name FROM incoming_row_name", [space_id])
    cursor.unregister("incoming_row_name")


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


def firing_values(database: Database, space_id: str, feature_id: int, delta: float) -> pa.Table:
    """Contents that activate a feature above δ, whether a sample holds them or not: (content_id, value)."""
    return database.arrow(
        "SELECT content_id, value FROM activation_by_feature WHERE space_id = ? AND feature_id = ? AND value > ?",
        [space_id, feature_id, delta],
    )
