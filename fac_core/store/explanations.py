"""Explanations and their scores are events: each says who made it, with what and when, and nothing is overwritten.

What people and methods call a feature stands in the same table; which of them is the feature's name is the business of
`store.features`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

LLM = "llm"
"""Value of `explanation.method` of what a model wrote."""
EMBEDDING, INTRUDER, DETECTION, FUZZING = "embedding", "intruder", "detection", "fuzzing"
PROTOCOLS = (EMBEDDING, INTRUDER, DETECTION, FUZZING)
BY_ENCODER = (EMBEDDING, INTRUDER)
"""Those that ask no model."""
OF_FEATURE = 0
"""Explanation of a score that asks none."""
CANNOT_TELL, REFUTED = "cannot tell", "no"
"""Verdicts: of an explainer that gave no explanation, and of a verifier whom the spans do not bear out."""
_SCORE = (
    "explanation_id, feature_id, protocol, judge, version, n_firing, n_silent, right_firing, right_silent, "
    "n_unanswered, value, low, high, created_at"
)


class Explanation(NamedTuple):
    """One explanation of a feature."""

    explanation_id: int
    feature_id: int
    method: str
    """`keywords`, `human` or `llm`"""
    author: str
    text: str
    model: str | None
    version: str | None
    """Of the prompt."""
    verdict: str | None
    """The verifier's: yes, probably, maybe or no; `cannot tell` where the explainer could not."""
    detail: dict[str, Any]
    created_at: datetime

    @property
    def says_something(self) -> bool:
        """Whether there are words that can be judged: neither a name taken back nor "cannot tell"."""
        return bool(self.text) and self.verdict != CANNOT_TELL


class Score(NamedTuple):
    """How well an explanation tells documents apart that no explainer has seen."""

    score_id: int
    explanation_id: int
    """OF_FEATURE where the score asks no explanation."""
    feature_id: int
    protocol: str
    judge: str
    """Encoder or model that judged."""
    version: str
    """Of the protocol's prompt or procedure."""
    n_firing: int
    n_silent: int
    """Documents that were judged."""
    right_firing: float
    right_silent: float
    n_unanswered: int
    """Documents beside them that the judge did not answer."""
    value: float | None
    """AUROC or balanced accuracy; None where nothing was answered."""
    low: float | None
    high: float | None
    """Bounds of the 95 % interval."""
    created_at: datetime


class ScoreItem(NamedTuple):
    """One document of a score."""

    content_id: int
    fires: bool
    said: bool | None
    """None where the judge did not answer, or said both."""
    likeness: float | None
    """Of document and explanation, where the judge is an encoder; share of its answers that are yes, where it is a
    model."""


def next_ids(cursor: duckdb.DuckDBPyConnection, n: int) -> list[int]:
    """Ids of events to be written."""
    return [int(row[0]) for row in cursor.execute("SELECT nextval('event_seq') FROM range(?)", [n]).fetchall()]


def add_explanation(
    cursor: duckdb.DuckDBPyConnection,
    space_id: str,
    feature_id: int,
    *,
    method: str,
    author: str,
    text: str,
    at: datetime,
    model: str | None = None,
    version: str | None = None,
    verdict: str | None = None,
    detail: dict[str, Any] | None = None,
) -> int:
    """Write an explanation; returns its id."""
    (event,) = next_ids(cursor, 1)
    cursor.execute(
        "INSERT INTO explanation (event_id, space_id, feature_id, method, author, text, created_at, model, version, "
        "verdict, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(event, space_id, feature_id, method, author, text, at, model, version, verdict),
            None if detail is None else json.dumps(detail),
        ],
    )
    return event


def explanations_of(database: Database, space_id: str, feature_ids: Sequence[int]) -> list[Explanation]:
    """Every explanation of some features, newest first."""
    rows = database.rows(
        "SELECT event_id, feature_id, method, author, text, model, version, verdict, detail, created_at "
        "FROM explanation WHERE space_id = ? AND feature_id IN (SELECT unnest(?::INTEGER[])) "
        "ORDER BY event_id DESC",
        [space_id, list(feature_ids)],
    )
    return [Explanation(*row)._replace(detail=json.loads(row[8]) if row[8] else {}) for row in rows]


def model_verdicts(database: Database, space_id: str) -> dict[int, str]:
    """Verdict on the newest explanation that a model gave of each feature that has one; empty where there is none."""
    rows = database.rows(
        "SELECT feature_id, arg_max(coalesce(verdict, ''), event_id) FROM explanation "
        "WHERE space_id = ? AND method = ? GROUP BY feature_id ORDER BY feature_id",
        [space_id, LLM],
    )
    return {int(feature): str(verdict) for feature, verdict in rows}


def add_score(cursor: duckdb.DuckDBPyConnection, space_id: str, score: Score, items: Sequence[ScoreItem] = ()) -> int:
    """Write a score and the documents it is of; its `score_id` is given here and returned."""
    (event,) = next_ids(cursor, 1)
    told = score._replace(score_id=event)
    cursor.execute(
        "INSERT INTO explanation_score VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [told.score_id, told.explanation_id, space_id, *told[2:]],
    )
    if items:
        cursor.executemany("INSERT INTO score_item VALUES (?, ?, ?, ?, ?)", [[event, *item] for item in items])
    return event


def scores_of(database: Database, space_id: str, feature_ids: Sequence[int]) -> list[Score]:
    """Every score of some features' explanations, newest first."""
    rows = database.rows(
        f"SELECT score_id, {_SCORE} FROM explanation_score WHERE space_id = ? AND "
        "feature_id IN (SELECT unnest(?::INTEGER[])) ORDER BY score_id DESC",
        [space_id, list(feature_ids)],
    )
    return [Score(*row) for row in rows]


def newest_score(database: Database, space_id: str) -> int:
    """Id of the newest score; 0 where there is none."""
    row = database.one("SELECT coalesce(max(score_id), 0) FROM explanation_score WHERE space_id = ?", [space_id])
    return int(row[0]) if row else 0


def newest_explanation(database: Database, space_id: str) -> int:
    """The last event that said something of a feature or theme, or took it back; 0 where there is none."""
    row = database.one("SELECT coalesce(max(event_id), 0) FROM explanation WHERE space_id = ?", [space_id])
    return int(row[0]) if row else 0


def score_items(database: Database, score_id: int) -> list[ScoreItem]:
    """The documents of a score."""
    rows = database.rows("SELECT content_id, fires, said, likeness FROM score_item WHERE score_id = ?", [score_id])
    return [ScoreItem(*row) for row in rows]


def add_scores(cursor: duckdb.DuckDBPyConnection, space_id: str, scores: pa.Table, items: pa.Table) -> None:
    """Write many scores: columns of `Score` without its id, and `place`; items with the `place` of their score.

    One of a feature that asks no explanation is the same whatever was judged beside it: it is written once a version.
    """
    import pyarrow as pa

    ids = pa.array(next_ids(cursor, scores.num_rows), pa.int64())
    cursor.register("incoming_score", scores.append_column("score_id", ids))
    cursor.register("incoming_item", items)
    cursor.execute(
        f"INSERT INTO explanation_score (score_id, space_id, {_SCORE}) SELECT score_id, ?, {_SCORE} "
        f"FROM incoming_score i WHERE explanation_id <> {OF_FEATURE} OR NOT EXISTS (SELECT 1 FROM explanation_score s "
        f"WHERE s.space_id = ? AND s.feature_id = i.feature_id AND s.explanation_id = {OF_FEATURE} "
        "AND s.protocol = i.protocol AND s.judge = i.judge AND s.version = i.version)",
        [space_id, space_id],
    )
    cursor.execute(
        "INSERT INTO score_item SELECT s.score_id, i.content_id, i.fires, i.said, i.likeness "
        "FROM incoming_item i JOIN incoming_score s USING (place)"
    )
    cursor.unregister("incoming_score")
    cursor.unregister("incoming_item")


def current_explanations(
    database: Database, space_id: str, unscored_by: tuple[str, str, str] | None = None
) -> pa.Table:
    """Newest explanation of each feature and method, and of a model's the newest that can be a name, whatever a model
    failed to say or a verifier refuted since: (explanation_id, feature_id, text, listed), by feature.

    `listed`: on the work list. With (protocol, judge, version) only those without a score by that.
    """
    scored = (
        "AND explanation_id NOT IN (SELECT explanation_id FROM explanation_score WHERE space_id = ? AND protocol = ? "
        "AND judge = ? AND version = ?)"
    )
    return database.arrow(
        "SELECT explanation_id, feature_id, text, feature_id IN (SELECT feature_id FROM worklist WHERE space_id = ?) "
        "AS listed FROM (SELECT feature_id, event_id AS explanation_id, text, coalesce(verdict, '') AS verdict, "
        f"method = '{LLM}' AND text <> '' AND coalesce(verdict, '') NOT IN ('{CANNOT_TELL}', '{REFUTED}') AS stands "
        "FROM explanation WHERE space_id = ? QUALIFY event_id = max(event_id) OVER (PARTITION BY feature_id, method) "
        "OR (stands AND event_id = max(event_id) FILTER (stands) OVER (PARTITION BY feature_id, method))) "
        f"WHERE text <> '' AND verdict <> '{CANNOT_TELL}' {scored if unscored_by else ''} "
        "ORDER BY feature_id, explanation_id",
        [space_id, space_id, *((space_id, *unscored_by) if unscored_by else ())],
    )


def explanation_row(database: Database, space_id: str, explanation_id: int) -> Explanation | None:
    """One explanation, or None."""
    row = database.one(
        "SELECT event_id, feature_id, method, author, text, model, version, verdict, detail, created_at "
        "FROM explanation WHERE space_id = ? AND event_id = ?",
        [space_id, explanation_id],
    )
    return Explanation(*row)._replace(detail=json.loads(row[8]) if row[8] else {}) if row else None


def newest_scores(
    database: Database,
    space_id: str,
    protocols: Sequence[str],
    of: tuple[str, str],
    feature_ids: Sequence[int] | None = None,
) -> pa.Table:
    """The last score of each explanation by each protocol, with the explanation's text: (feature_id, explanation_id,
    text, protocol, judge, n_firing, n_silent, value, low, high), by feature; of some features or of all.

    `of` says of which data: an encoder's score has that version, a model's has one that ends in that word.
    """
    some = "" if feature_ids is None else "AND s.feature_id IN (SELECT unnest(?::INTEGER[]))"
    return database.arrow(
        "SELECT s.feature_id, s.explanation_id, e.text, s.protocol, s.judge, s.n_firing, s.n_silent, s.value, s.low, "
        "s.high FROM explanation_score s JOIN explanation e ON e.event_id = s.explanation_id "
        f"WHERE s.space_id = ? {some} AND s.protocol IN (SELECT unnest(?::VARCHAR[])) AND CASE "
        "WHEN s.protocol IN (SELECT unnest(?::VARCHAR[])) THEN s.version = ? ELSE ends_with(s.version, ?) END "
        "QUALIFY row_number() OVER (PARTITION BY s.explanation_id, s.protocol ORDER BY s.score_id DESC) = 1 "
        "ORDER BY s.feature_id, s.explanation_id",
        [
            *(space_id, *(() if feature_ids is None else (list(feature_ids),))),
            *(list(protocols), list(BY_ENCODER), of[0], f" {of[1]}"),
        ],
    )


def content_texts(database: Database, content_ids: Sequence[int]) -> dict[int, str]:
    """Texts by content."""
    found = database.rows(
        "SELECT content_id, text FROM content WHERE content_id IN (SELECT unnest(?::BIGINT[]))", [list(content_ids)]
    )
    return {int(content): str(text) for content, text in found}


def replace_purity(cursor: duckdb.DuckDBPyConnection, space_id: str, rows: pa.Table) -> None:
    """Put purities in the place of the old ones: columns of `feature_token_purity` without the space."""
    cursor.execute("DELETE FROM feature_token_purity WHERE space_id = ?", [space_id])
    cursor.register("incoming_purity", rows)
    cursor.execute(
        "INSERT INTO feature_token_purity SELECT ?, feature_id, n, token, share, entropy, before, before_share, "
        "before_entropy FROM incoming_purity",
        [space_id],
    )
    cursor.unregister("incoming_purity")


def purity_row(
    database: Database, space_id: str, feature_id: int
) -> tuple[int, str, float, float, str, float, float] | None:
    """(n, token, share, entropy, before, before_share, before_entropy) of a feature, or None."""
    return database.one(
        "SELECT n, token, share, entropy, before, before_share, before_entropy FROM feature_token_purity "
        "WHERE space_id = ? AND feature_id = ?",
        [space_id, feature_id],
    )
