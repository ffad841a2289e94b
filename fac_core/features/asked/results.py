"""What was said of features and what became of it: the explanation is told with its verdict, a score with its n.

What came of a job is read from what it committed, however it ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fac_core.errors import StoreError
from fac_core.features.asked.asking_job import totals
from fac_core.features.asked.outcomes import n_unread, told
from fac_core.features.asked.starting import Which, explanations_to_judge
from fac_core.features.held_out import versions
from fac_core.jobs.folder import JobFolder
from fac_core.llm.spending import Spend, spend
from fac_core.store import explanations as store
from fac_core.store.coverage import worklist_rows
from fac_core.store.explanations import CANNOT_TELL, DETECTION, FUZZING, LLM, REFUTED, Explanation, Score

if TYPE_CHECKING:
    from fac_core.jobs.owner import Job
    from fac_core.workspace import Workspace


EXPLAINED = "explained"
SAID = (EXPLAINED, CANNOT_TELL, REFUTED)
"""What a model has said of a feature, as one looks for it; a refuted explanation is an explanation too."""


class Came(NamedTuple):
    """What came of a job that asked a model, so far."""

    lines: list[str]
    """What became of its features and questions, for people."""
    n_unread: int
    """Questions whose replies said nothing that can be used."""
    spent: list[Spend]
    """By purpose, from the ledger."""


class Said(NamedTuple):
    """An explanation and the newest score of each protocol that asks a model."""

    explanation: Explanation
    scores: dict[str, Score]
    """By protocol."""


def said(ws: Workspace, space_id: str, feature_ids: Sequence[int], model: str | None = None) -> list[Said]:
    """The newest explanation that a model, or this model, wrote of each feature, "cannot tell" included, by feature."""
    newest: dict[int, Explanation] = {}
    for each in store.explanations_of(ws.database, space_id, feature_ids):
        if each.method == LLM and model in (None, each.model):
            newest.setdefault(each.feature_id, each)
    return _with_scores(ws, space_id, [newest[feature] for feature in sorted(newest)])


def judged(
    ws: Workspace, space_id: str, feature_ids: Sequence[int], which: Which, model: str | None = None
) -> list[Said]:
    """Explanations that a job of that choice judges, with what models, or this model, said of them."""
    return _with_scores(ws, space_id, explanations_to_judge(ws, space_id, feature_ids, which), model)


def came(ws: Workspace, job: Job) -> Came:
    """What came of a job of this room; of one that was stopped, what it committed until then."""
    counts = job.result
    if not counts:
        try:
            counts = totals(JobFolder(ws.jobs / job.job_id))
        except (OSError, StoreError):  # its folder is gone: the ledger is what is left
            counts = {}
    return Came(told(counts), n_unread(counts), spend(ws, job.job_id))


def asked_about(job: Job) -> list[int]:
    """Features that a job of this room asks about; none of one of a version that did not note them."""
    return list(job.spec.get("features", ()))


def features_by_said(ws: Workspace, space_id: str, what: str) -> list[int]:
    """Features of which a model's newest explanation is one of SAID."""
    verdicts = store.model_verdicts(ws.database, space_id)
    if what == EXPLAINED:
        return [feature for feature, verdict in verdicts.items() if verdict != CANNOT_TELL]
    return [feature for feature, verdict in verdicts.items() if verdict == what]


def unchecked(ws: Workspace, space_id: str) -> list[int]:
    """Features of the work list whose name no model has judged on the documents as they are."""
    listed = [row.feature_id for row in worklist_rows(ws.database, space_id)]
    state = versions(ws, space_id)
    scored = {
        score.explanation_id
        for score in store.scores_of(ws.database, space_id, listed)
        if score.protocol == DETECTION and score.value is not None and state.are_of(DETECTION, score.version)
    }
    named = explanations_to_judge(ws, space_id, listed, "name")
    return [each.feature_id for each in named if each.explanation_id not in scored]


def _with_scores(
    ws: Workspace, space_id: str, explanations: Sequence[Explanation], judge: str | None = None
) -> list[Said]:
    by_explanation: dict[int, dict[str, Score]] = {each.explanation_id: {} for each in explanations}
    for score in store.scores_of(ws.database, space_id, sorted({each.feature_id for each in explanations})):
        asked = score.protocol in (DETECTION, FUZZING) and judge in (None, score.judge)
        if asked and score.explanation_id in by_explanation:
            by_explanation[score.explanation_id].setdefault(score.protocol, score)
    return [Said(each, by_explanation[each.explanation_id]) for each in explanations]
