"""What was said of features and what became of it: the explanation is told with its verdict, a score with its n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fac_core.features.asked.starting import Which, explanations_to_judge
from fac_core.store import explanations as store
from fac_core.store.explanations import DETECTION, FUZZING, LLM, Explanation, Score

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


class Said(NamedTuple):
    """An explanation and the newest score of each protocol that asks a model."""

    explanation: Explanation
    scores: dict[str, Score]
    """By protocol."""


def said(ws: Workspace, space_id: str, feature_ids: Sequence[int]) -> list[Said]:
    """The newest explanation that a model wrote of each feature, "cannot tell" included, by feature."""
    newest: dict[int, Explanation] = {}
    for each in store.explanations_of(ws.database, space_id, feature_ids):
        if each.method == LLM:
            newest.setdefault(each.feature_id, each)
    return _with_scores(ws, space_id, [newest[feature] for feature in sorted(newest)])


def judged(ws: Workspace, space_id: str, feature_ids: Sequence[int], which: Which) -> list[Said]:
    """Explanations that a job of that choice judges, with what it said of them."""
    return _with_scores(ws, space_id, explanations_to_judge(ws, space_id, feature_ids, which))


def _with_scores(ws: Workspace, space_id: str, explanations: Sequence[Explanation]) -> list[Said]:
    by_explanation: dict[int, dict[str, Score]] = {each.explanation_id: {} for each in explanations}
    for score in store.scores_of(ws.database, space_id, sorted({each.feature_id for each in explanations})):
        if score.explanation_id in by_explanation and score.protocol in (DETECTION, FUZZING):
            by_explanation[score.explanation_id].setdefault(score.protocol, score)
    return [Said(each, by_explanation[each.explanation_id]) for each in explanations]
