"""What tests, judges and people say about relevance stands side by side: no writer overwrites another's word.

Test results are replaced whole when they are computed anew. Ratings of judges and judgements of people are events, and
the newest of each counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from fac_core.store.database import Database

_OVERRULES = (
    "SELECT feature_id, arg_max_null(relevant, event_id) AS relevant FROM relevance_overrule WHERE space_id = ? "
    "GROUP BY feature_id"
)


class OverruleEvent(NamedTuple):
    """One judgement of a person about a feature's relevance; None takes the judgement back."""

    relevant: bool | None
    author: str
    created_at: datetime


class Rating(NamedTuple):
    """One judge's rating of a feature against the task's rubric."""

    feature_id: int
    rating: str
    """yes, probably, maybe or no."""
    reason: str
    rubric_version: str
    prompt_version: str
    model: str
    explanation_id: int | None
    """None where no explanation was at hand and the texts alone were judged."""
    created_at: datetime


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


def test_method(database: Database, space_id: str) -> str | None:
    """What the features of a space were tested by; None if none was tested."""
    row = database.one("SELECT min(method) FROM relevance WHERE space_id = ?", [space_id])
    return None if row is None or row[0] is None else str(row[0])


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


def replace_check(cursor: duckdb.DuckDBPyConnection, space_id: str, found: dict[str, Any] | None) -> None:
    """Put a new measurement of the test on held-out documents in the place of the old one; None leaves none."""
    cursor.execute("DELETE FROM relevance_check WHERE space_id = ?", [space_id])
    if found is not None:
        cursor.execute("INSERT INTO relevance_check VALUES (?, ?)", [space_id, json.dumps(found)])


def check_of(database: Database, space_id: str) -> dict[str, Any] | None:
    """The measurement of the test on held-out documents, as it was put."""
    row = database.one("SELECT found FROM relevance_check WHERE space_id = ?", [space_id])
    return None if row is None else dict(json.loads(row[0]))


def add_ratings(cursor: duckdb.DuckDBPyConnection, space_id: str, rows: pa.Table) -> None:
    """Note what a judge says; columns are the fields of `Rating`."""
    cursor.register("incoming_rating", rows)
    cursor.execute(
        "INSERT INTO relevance_judgement SELECT nextval('event_seq'), ?, feature_id, rating, reason, rubric_version, "
        "prompt_version, model, explanation_id, created_at FROM incoming_rating",
        [space_id],
    )
    cursor.unregister("incoming_rating")


def ratings(database: Database, space_id: str, rubric_version: str) -> dict[int, str]:
    """The newest rating of each feature against one version of the rubric."""
    found = database.rows(
        "SELECT feature_id, arg_max(rating, event_id) FROM relevance_judgement WHERE space_id = ? "
        "AND rubric_version = ? GROUP BY feature_id",
        [space_id, rubric_version],
    )
    return {int(feature): str(rating) for feature, rating in found}


def count_older(database: Database, space_id: str, rubric_version: str) -> int:
    """How many features were rated against other versions of the rubric only."""
    row = database.one(
        "SELECT count(*) FROM (SELECT feature_id FROM relevance_judgement WHERE space_id = ? GROUP BY feature_id "
        "HAVING NOT bool_or(rubric_version = ?))",
        [space_id, rubric_version],
    )
    return int(row[0]) if row else 0


def ratings_of(database: Database, space_id: str, feature_id: int) -> list[Rating]:
    """Every rating of one feature, newest first."""
    found = database.rows(
        "SELECT feature_id, rating, reason, rubric_version, prompt_version, model, explanation_id, created_at "
        "FROM relevance_judgement WHERE space_id = ? AND feature_id = ? ORDER BY event_id DESC",
        [space_id, feature_id],
    )
    return [Rating(*row) for row in found]


def rated_by(database: Database, space_id: str, model: str, rubric_version: str, prompt_version: str) -> set[int]:
    """Features that a model has rated against a rubric, asked in one way."""
    found = database.rows(
        "SELECT DISTINCT feature_id FROM relevance_judgement WHERE space_id = ? AND model = ? AND rubric_version = ? "
        "AND prompt_version = ?",
        [space_id, model, rubric_version, prompt_version],
    )
    return {int(row[0]) for row in found}


def content_hashes(database: Database, contents: pa.Table) -> dict[int, str]:
    """Hashes of some contents (content_id)."""
    with database.cursor() as cursor:
        cursor.register("wanted_content", contents.select(["content_id"]))
        found = cursor.execute(
            "SELECT content_id, content_hash FROM content WHERE content_id IN (SELECT content_id FROM wanted_content)"
        ).fetchall()
    return {int(content): str(name) for content, name in found}
