"""A rating is of one rubric, one prompt and what was at hand; it decides only where the setting says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fac_core.errors import InputError
from fac_core.features.asked import asking_job, rubric_job
from fac_core.features.asked.explaining import read_explanation, read_verdict
from fac_core.features.asked.rubric import read_rating
from fac_core.features.asked.rubric_plan import plan_rating
from fac_core.features.judgement import judge
from fac_core.features.naming import call_by
from fac_core.features.relevance import choose_mode, overrule, overview, sides
from fac_core.jobs.folder import JobFolder
from fac_core.llm.asking import Answer, Question
from fac_core.store import explanations as store
from fac_core.store.explanations import CANNOT_TELL, LLM
from fac_core.tasks import load_task
from fac_core.tasks.custom import NewTask, add_task, set_rubric
from fac_core.workspace import Workspace, now
from tests.features.asked.conftest import BOMB, BOTH, CAKE, Terms
from tests.features.asked.scripted import Scripted, data_of
from tests.planted import relevant_by_label

Folder = Callable[..., JobFolder]
FEATURES = [BOMB, CAKE, BOTH]


def rate(question: Question) -> dict[str, str] | None:
    """Bombs are harmful, cakes are not, and of the rest nothing readable is said."""
    texts = data_of(question)
    if all("⟦bomb⟧" in text for text in texts):
        return {"analysis": "states\n violence", "rating": "maybe"}
    return {"analysis": "harmless", "rating": "no"} if all("⟦cake⟧" in text for text in texts) else None


def rated(ws: Workspace, space_id: str, folder: Folder, **changed: object) -> tuple[JobFolder, Scripted, dict]:  # type: ignore[type-arg]
    job, asker = folder(plan_rating(ws, space_id, FEATURES, Terms(), **changed), "rated"), Scripted(rate)  # type: ignore[arg-type]
    result = rubric_job.work(job, asker)
    for name, shard in job.shards().items():
        with ws.database.transaction() as cursor:
            rubric_job.ingest(cursor, job.job_id, job.spec, name, job.shard_tables(shard))
    return job, asker, result


def explain(ws: Workspace, space_id: str, method: str, text: str, verdict: str | None = None) -> int:
    with ws.database.transaction() as cursor:
        return store.add_explanation(
            cursor, space_id, BOMB, method=method, author="a", text=text, at=now(), verdict=verdict
        )


def test_a_judge_is_told_the_rubric_the_explanation_and_texts_of_the_explaining_side(
    ws: Workspace, space_id: str
) -> None:
    explain(ws, space_id, LLM, 'how to </data> build a "bomb"', "yes")
    (question,) = plan_rating(ws, space_id, [BOMB], Terms()).questions  # type: ignore[arg-type]
    assert all(line in question.system for line in load_task("toxicity").rubric)
    assert 'build a \\"bomb\\"' in question.user and question.user.count("</data>") == 1
    assert all("⟦bomb⟧" in text for text in data_of(question)) and len(data_of(question)) >= 10


def test_a_rating_is_kept_with_what_it_rests_on_and_an_unreadable_answer_is_none(
    ws: Workspace, space_id: str, folder: Folder
) -> None:
    *_, result = rated(ws, space_id, folder)
    assert result["ratings"] == {"maybe": 1, "no": 1}
    assert result["outcomes"] == {"judge: answered": 2, "judge: unreadable": 1}
    (said,) = sides(ws, space_id, BOMB).ratings
    assert (said.rating, said.reason, said.model, said.current) == ("maybe", "states violence", "scripted", True)
    assert sides(ws, space_id, BOTH).ratings == []


@pytest.mark.parametrize(
    ("method", "text", "verdict", "from_texts"),
    [
        (LLM, CANNOT_TELL, CANNOT_TELL, True),
        (LLM, "making cakes", "no", True),
        (LLM, "making bombs", "maybe", False),
        ("human", "bombs", None, False),
        ("human", "", None, True),
        ("keywords", "bomb (unclear)", None, True),
        ("keywords", "bomb", None, False),
    ],
    ids=["cannot tell", "rejected", "explained", "named", "name taken back", "unclear", "keywords"],
)
def test_where_nothing_usable_was_said_the_texts_alone_are_judged(
    ws: Workspace, space_id: str, folder: Folder, method: str, text: str, verdict: str | None, from_texts: bool
) -> None:
    explain(ws, space_id, method, text, verdict)
    _, asker, _ = rated(ws, space_id, folder)
    (said,) = sides(ws, space_id, BOMB).ratings
    assert said.from_texts is from_texts
    assert ("No description" in asker.asked[0].user) is from_texts


def test_where_the_better_scored_text_is_the_name_the_judge_is_told_that_text(ws: Workspace, space_id: str) -> None:
    for method, text in (("keywords", "words of bombs"), (LLM, "cakes of a model")):
        explain(ws, space_id, method, text, "yes" if method == LLM else None)
    for choice, told in (("keywords", "cakes of a model"), ("model", "cakes of a model"), ("best", "words of bombs")):
        call_by(ws, choice)
        (question,) = plan_rating(ws, space_id, [BOMB], Terms()).questions  # type: ignore[arg-type]
        assert told in question.user


def test_a_plan_asks_what_its_job_asks_and_nothing_that_was_rated(ws: Workspace, space_id: str, folder: Folder) -> None:
    questions = plan_rating(ws, space_id, FEATURES, Terms()).questions  # type: ignore[arg-type]
    _, asker, _ = rated(ws, space_id, folder)
    assert questions == asker.asked
    assert plan_rating(ws, space_id, FEATURES, Terms()).n == 1, "what was unreadable"  # type: ignore[arg-type]
    assert plan_rating(ws, space_id, FEATURES, Terms(), again=True).n == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_a_job_killed_anywhere_asks_nothing_twice(
    ws: Workspace, space_id: str, folder: Folder, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_job, "A_SHARD", 1)
    job, asker = folder(plan_rating(ws, space_id, FEATURES, Terms()), "killed"), Scripted(rate, stop_after=stop_after)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        rubric_job.work(job, asker)
    asker.stop_after = None
    assert rubric_job.work(JobFolder(job.root), asker)["ratings"] == {"maybe": 1, "no": 1}
    assert len(asker.asked) == 3 and len(job.shards()) == 3


def test_a_cancelled_job_keeps_what_was_rated(
    ws: Workspace, space_id: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_job, "A_SHARD", 1)
    job = folder(plan_rating(ws, space_id, FEATURES, Terms()), "cancelled")  # type: ignore[arg-type]
    (job.root / "cancel").touch()
    assert rubric_job.work(job, Scripted(rate)) == {} and len(job.shards()) == 1


def test_the_setting_says_who_decides_and_a_person_outranks_all(ws: Workspace, space_id: str, folder: Folder) -> None:
    relevant_by_label(ws, space_id, [BOMB, CAKE])
    rated(ws, space_id, folder)

    def relevant(mode: str) -> list[int]:
        choose_mode(ws, mode)
        return judge(ws, space_id, 32).relevant.nonzero()[0].tolist()

    assert relevant("label") == [BOMB, CAKE] and relevant("judge") == [BOMB]
    assert relevant("both") == [BOMB] and relevant("either") == [BOMB, CAKE] and len(relevant("alive")) == 32
    overrule(ws, space_id, BOMB, False, "ana")
    overrule(ws, space_id, BOTH, True, "ana")
    assert relevant("either") == [CAKE, BOTH] and relevant("judge") == [BOTH]
    assert judge(ws, space_id, 32).n_by_judge == 1, "what a person says changes no count of the judge"


def test_ratings_of_an_older_rubric_stay_and_do_not_count(space_id: str, ws: Workspace, folder: Folder) -> None:
    mine = add_task(
        NewTask("mine", "Mine", "About bombs.", ("The text is about bombs.",), "text", "label", ("harmful",))
    )
    object.__setattr__(ws, "task", mine)
    job, *_ = rated(ws, space_id, folder)
    choose_mode(ws, "judge")
    assert judge(ws, space_id, 32).relevant.sum() == 1 and overview(ws, space_id).n_rated == 2
    set_rubric(mine, ["The text is about fireworks."])
    found = overview(ws, space_id)
    assert (found.n_rated, found.n_older, found.agreement) == (0, 2, None)
    assert judge(ws, space_id, 32).relevant.sum() == 0 and sides(ws, space_id, BOMB).ratings[0].current is False
    assert plan_rating(ws, space_id, FEATURES, Terms()).n == 3  # type: ignore[arg-type]
    with pytest.raises(InputError, match="rubric of Mine was changed"):
        rubric_job.work(JobFolder(job.root), Scripted(rate))


def test_a_control_or_direction_mark_of_a_model_does_not_reach_what_is_kept() -> None:
    said = "red \x1b[31m and \u202e turned"
    answer = Answer("k", "answered", {"explanation": said, "verdict": "no", "reason": said}, "", "")
    assert read_explanation(answer) == "red ?[31m and ? turned" and read_verdict(answer)[1] == "red ?[31m and ? turned"
    rated = Answer("k", "answered", {"analysis": said, "rating": "no"}, "", "")
    assert read_rating(rated) == ("no", "red ?[31m and ? turned")
