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
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

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


def names(database: Database, space_id: str) -> pa.Table:
    """Features that have a name: (feature_id, name, named_by)."""
    return database.arrow(_NAMES, [space_id])


def newest_explanation(database: Database, space_id: str) -> int:
    """The last event that gave or took a name; as long as it stands, names do."""
    row = database.one("SELECT max(event_id) FROM explanation WHERE space_id = ?", [space_id])
    return int((row and row[0]) or 0)


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
        "INSERT INTO explanation (event_id, space_id, feature_id, method, author, text, created_at) "
        f"VALUES (nextval('event_seq'), ?, ?, '{HUMAN}', ?, ?, ?)",
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
        "INSERT INTO explanation (event_id, space_id, feature_id, method, author, text, created_at) "
        "SELECT nextval('event_seq'), ?, k.feature_id, ?, ?, k.text, ? "
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


def relevant_by_test(database: Database, space_id: str) -> tuple[NDArray[np.int32], int]:
    """Features that the tests call relevant, and how many were tested."""
    found = database.arrow("SELECT feature_id FROM relevance WHERE space_id = ? AND relevant", [space_id])
    tested = database.one("SELECT count(*) FROM relevance WHERE space_id = ?", [space_id])
    return found.column("feature_id").to_numpy(), int(tested[0]) if tested else 0


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


def replace_relevance(cursor: duckdb.DuckDBPyConnection, space_id: str, rows: pa.Table) -> None:
    """Put new test results in the place of the old ones; columns as in `relevance_rows`."""
    cursor.execute("DELETE FROM relevance WHERE space_id = ?", [space_id])
    cursor.register("incoming_relevance", rows)
    cursor.execute(
        "INSERT INTO relevance SELECT ?, feature_id, method, effect, lift, p_value, q_value, n_active, relevant, "
        "direction FROM incoming_relevance",
        [space_id],
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


def firing_values(database: Database, space_id: str, feature_id: int, delta: float) -> pa.Table:
    """Contents that activate a feature above δ, whether a sample holds them or not: (content_id, value)."""
    return database.arrow(
        "SELECT content_id, value FROM activation_by_feature WHERE space_id = ? AND feature_id = ? AND value > ?",
        [space_id, feature_id, delta],
    )
