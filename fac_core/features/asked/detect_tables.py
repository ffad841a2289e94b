"""What a *detect* job is given and what it leaves, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.content import Content
from fac_core.features.asked.documents import Held
from fac_core.features.asked.judging import Item, Trial
from fac_core.store.explanations import DETECTION, Score, ScoreItem
from fac_core.workspace import now

if TYPE_CHECKING:
    import pyarrow as pa


class Asked(NamedTuple):
    """An explanation that is to be judged."""

    explanation_id: int
    feature_id: int
    text: str


def detection(asked: Asked, items: Sequence[Item]) -> Trial:
    """Its trial on whole documents."""
    return Trial(DETECTION, asked.explanation_id, asked.feature_id, asked.text, tuple(items))


def to_tables(asked: Sequence[Asked], held: Mapping[int, Sequence[Held]], *, fuzz: bool) -> dict[str, pa.Table]:
    """Inputs of the job: `asked`, and `document` (shown: as a judge sees it) of each feature; texts to be read token by
    token only for fuzzing.
    """
    import pyarrow as pa

    rows = [(feature, each) for feature, documents in held.items() for each in documents]
    return {
        "asked": pa.table(
            {
                "explanation_id": pa.array([each.explanation_id for each in asked], pa.int64()),
                "feature_id": pa.array([each.feature_id for each in asked], pa.int32()),
                "text": pa.array([each.text for each in asked], pa.string()),
            }
        ),
        "document": pa.table(
            {
                "feature_id": pa.array([feature for feature, _ in rows], pa.int32()),
                "content_id": pa.array([each.item.content_id for _, each in rows], pa.int64()),
                "fires": pa.array([each.item.fires for _, each in rows], pa.bool_()),
                "shown": pa.array([each.item.text for _, each in rows], pa.string()),
                "text": pa.array(
                    [each.content.text if fuzz and each.item.fires else None for _, each in rows], pa.string()
                ),
                "turns": pa.array([each.content.stored_turns for _, each in rows], pa.string()),
            }
        ),
    }


def from_tables(
    asked: pa.Table, document: pa.Table
) -> tuple[list[Asked], dict[int, list[Item]], dict[int, list[tuple[int, Content]]]]:
    """Explanations; of each feature the documents for detection; and its firing ones, if any are for
    fuzzing.
    """
    items: dict[int, list[Item]] = {}
    firing: dict[int, list[tuple[int, Content]]] = {}
    for row in document.to_pylist():
        items.setdefault(row["feature_id"], []).append(Item(row["content_id"], row["fires"], row["shown"]))
        if row["text"] is not None:
            content = Content.stored(row["text"], row["turns"])
            firing.setdefault(row["feature_id"], []).append((row["content_id"], content))
    return [Asked(**row) for row in asked.to_pylist()], items, firing


def scores_to_tables(scores: Sequence[tuple[Score, Sequence[ScoreItem]]]) -> dict[str, pa.Table]:
    """What a shard holds: `score`, and `item` with the place of its score in that table."""
    import pyarrow as pa

    numbers = {"explanation_id": pa.int64(), "feature_id": pa.int32(), "n_firing": pa.int32(), "n_silent": pa.int32()}
    numbers |= {"right_firing": pa.float64(), "right_silent": pa.float64(), "n_unanswered": pa.int32()}
    numbers |= {"value": pa.float64(), "low": pa.float64(), "high": pa.float64()}
    words = {"protocol": pa.string(), "judge": pa.string(), "version": pa.string()}
    columns = {
        name: pa.array([getattr(score, name) for score, _ in scores], kind)
        for name, kind in {**words, **numbers}.items()
    }
    items = [(place, item) for place, (_, items) in enumerate(scores) for item in items]
    return {
        "score": pa.table(columns),
        "item": pa.table(
            {
                "score": pa.array([place for place, _ in items], pa.int32()),
                "content_id": pa.array([item.content_id for _, item in items], pa.int64()),
                "fires": pa.array([item.fires for _, item in items], pa.bool_()),
                "said": pa.array([item.said for _, item in items], pa.bool_()),
                "likeness": pa.array([item.likeness for _, item in items], pa.float64()),
            }
        ),
    }


def scores_from_tables(tables: Mapping[str, pa.Table]) -> list[tuple[Score, list[ScoreItem]]]:
    """Inverse of `scores_to_tables`."""
    at = now()
    found: list[tuple[Score, list[ScoreItem]]] = [
        (Score(**row, score_id=0, created_at=at), []) for row in tables["score"].to_pylist()
    ]
    for row in tables["item"].to_pylist():
        place: Any = row.pop("score")
        found[place][1].append(ScoreItem(**row))
    return found
