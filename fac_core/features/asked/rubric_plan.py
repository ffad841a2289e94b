"""What a judge of relevance would be asked is known, question by question, before a job is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fac_core.features.asked import rubric_job
from fac_core.features.asked.documents import Documents
from fac_core.features.asked.rubric import VERSION, rating_question, subject
from fac_core.features.asked.starting import Planned
from fac_core.features.naming import BY_BEST, called_by
from fac_core.features.relevance import check_feature
from fac_core.store import explanations as explanations_store
from fac_core.store import relevance as store
from fac_core.store.explanations import Explanation
from fac_core.store.features import names_of
from fac_core.tasks import load_task

if TYPE_CHECKING:
    from fac_core.llm.terms import Terms
    from fac_core.workspace import Workspace

JUDGE = "judge"
"""Kind of job."""


def plan_rating(
    ws: Workspace, space_id: str, feature_ids: Sequence[int], terms: Terms, *, again: bool = False
) -> Planned:
    """Have features rated against the task's rubric by the model of the terms.

    Raises:
        InputError: unknown space or feature.
    """
    wanted = list(dict.fromkeys(feature_ids))
    for feature in {min(wanted, default=0), max(wanted, default=0)}:
        check_feature(ws, space_id, feature)
    task = load_task(ws.task)
    done = store.rated_by(ws.database, space_id, terms.model, task.rubric_version, VERSION)
    left = wanted if again else [feature for feature in wanted if feature not in done]
    said: dict[int, list[Explanation]] = {}
    for each in explanations_store.explanations_of(ws.database, space_id, left):
        said.setdefault(each.feature_id, []).append(each)
    if called_by(ws) == BY_BEST:  # what scores less is not what the feature is judged by
        names = names_of(ws.database, space_id, left)
        said = {feature: [each for each in all_ if each.text == names.get(feature)] for feature, all_ in said.items()}
    subjects = [subject(shown, said.get(shown.feature_id, ())) for shown in Documents(ws, space_id).shown(left)]
    return Planned(
        JUDGE,
        f"Rate {len(subjects):,} feature{'s' * (len(subjects) != 1)} against the rubric",
        {
            "space_id": space_id,
            "features": [each.feature_id for each in subjects],
            "task": task.id,
            "rubric_version": task.rubric_version,
            "terms": replace(terms, anew=again).as_spec(),
        },
        {"span": rubric_job.to_table(subjects)},
        [rating_question(task, each) for each in subjects],
        len(subjects),
        {
            "rated by this model already": len(wanted) - len(left),
            "active on no document for explaining": len(left) - len(subjects),
        },
    )
