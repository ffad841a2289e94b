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

    from fac_core.store.database import Database

LLM = "llm"
"""Value of `explanation.method` of what a model wrote."""
EMBEDDING, INTRUDER, DETECTION, FUZZING = "embedding", "intruder", "detection", "fuzzing"
PROTOCOLS = (EMBEDDING, INTRUDER, DETECTION, FUZZING)


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


class Score(NamedTuple):
    """How well an explanation tells documents apart that no explainer has seen."""

    score_id: int
    explanation_id: int
    feature_id: int
    protocol: str
    judge: str
    """Encoder or model that judged."""
    version: str
    """Of the protocol's prompt or procedure."""
    n_firing: int
    n_silent: int
    right_firing: float
    right_silent: float
    n_unanswered: int
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
    """None where the judge did not answer."""
    likeness: float | None
    """Of document and explanation, where the judge is an encoder."""


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
    """Every explanation of some features, newest first; names of themes are none."""
    rows = database.rows(
        "SELECT event_id, feature_id, method, author, text, model, version, verdict, detail, created_at "
        "FROM explanation WHERE space_id = ? AND method <> 'theme' AND feature_id IN (SELECT unnest(?::INTEGER[])) "
        "ORDER BY event_id DESC",
        [space_id, list(feature_ids)],
    )
    return [Explanation(*row)._replace(detail=json.loads(row[8]) if row[8] else {}) for row in rows]


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
        "SELECT score_id, explanation_id, feature_id, protocol, judge, version, n_firing, n_silent, right_firing, "
        "right_silent, n_unanswered, value, low, high, created_at FROM explanation_score WHERE space_id = ? AND "
        "feature_id IN (SELECT unnest(?::INTEGER[])) ORDER BY score_id DESC",
        [space_id, list(feature_ids)],
    )
    return [Score(*row) for row in rows]


def score_items(database: Database, score_id: int) -> list[ScoreItem]:
    """The documents of a score."""
    rows = database.rows("SELECT content_id, fires, said, likeness FROM score_item WHERE score_id = ?", [score_id])
    return [ScoreItem(*row) for row in rows]
