"""A job asks each question once, whatever kills it, and its answers become rows beside what was there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fac_core.content import Content
from fac_core.errors import InputError
from fac_core.features.asked import asking_job, detect_job, explain_job
from fac_core.features.asked.explaining import VERSION, read_explanation
from fac_core.features.asked.fuzzing import Tokens
from fac_core.features.asked.starting import Planned, plan_detecting, plan_explaining
from fac_core.features.held_out import versions
from fac_core.jobs.folder import JobFolder
from fac_core.llm.asking import Answer, Outcome, Question
from fac_core.store import explanations as store
from fac_core.store.database import set_meta
from fac_core.store.explanations import CANNOT_TELL
from fac_core.store.features import names_of
from fac_core.workspace import Workspace, now
from tests.features.asked.conftest import BOMB, BOTH, CAKE, Terms
from tests.features.asked.scripted import Scripted, data_of, explainer, judge
from tests.planted import peak, recount

Folder = Callable[..., JobFolder]
FEATURES = [BOMB, CAKE, BOTH]


def stored(ws: Workspace, job: JobFolder) -> None:
    module = {"explain": explain_job, "detect": detect_job}[job.kind]
    for name, shard in job.shards().items():
        with ws.database.transaction() as cursor:
            module.ingest(cursor, job.job_id, job.spec, name, job.shard_tables(shard))  # type: ignore[attr-defined]


def explained(ws: Workspace, space_id: str, folder: Folder, features: list[int] | None = None) -> JobFolder:
    plan = plan_explaining(ws, space_id, features or FEATURES, Terms())  # type: ignore[arg-type]
    job = folder(plan, "explained")
    explain_job.work(job, Scripted(explainer("how a bomb is made")))
    stored(ws, job)
    return job


def detecting(ws: Workspace, space_id: str, **changes: object) -> Planned:
    return plan_detecting(ws, space_id, FEATURES, Terms(), **changes)  # type: ignore[arg-type]


def words(feature_id: int, content_id: int, content: Content) -> Tokens:
    """Tokens are words, and feature 1 is active on bombs alone."""
    ranges = [peak(content.text, word) for word in dict.fromkeys(content.text.split())]
    values = [3.0 if content.text[a:b] == "bomb" else 0.0 for a, b in ranges]
    return Tokens(content_id, content, ranges, np.array(values, np.float32))


def test_an_explanation_stands_beside_the_name_with_what_made_it(ws: Workspace, space_id: str, folder: Folder) -> None:
    with ws.database.transaction() as cursor:
        store.add_explanation(cursor, space_id, BOMB, method="keywords", author="k", text="bomb", at=now())
    explained(ws, space_id, folder)
    newest, keywords = store.explanations_of(ws.database, space_id, [BOMB])
    assert keywords.text == "bomb" and names_of(ws.database, space_id, [BOMB]) == {BOMB: "bomb"}
    assert (newest.method, newest.text, newest.verdict) == ("llm", "how a bomb is made", "yes")
    assert newest.model == newest.author == "scripted" and newest.version == VERSION
    assert newest.detail["reason"] == "because" and len(newest.detail["documents"]) == 15


def test_cannot_tell_is_a_state_that_is_not_verified_and_an_unreadable_answer_leaves_nothing(
    ws: Workspace, space_id: str, folder: Folder
) -> None:
    def say(question: Question) -> dict[str, str] | None:
        if "cake" in question.user:
            return None
        return {"explanation": " I cannot tell. "} if question.purpose == "explain" else None

    job = folder(plan_explaining(ws, space_id, [BOMB, CAKE], Terms()))  # type: ignore[arg-type]
    asker = Scripted(say)
    result = explain_job.work(job, asker)
    stored(ws, job)
    assert [question.purpose for question in asker.asked] == ["explain", "explain"]
    assert result["outcomes"] == {"explain: answered": 1, "explain: unreadable": 1}
    (only,) = store.explanations_of(ws.database, space_id, [BOMB, CAKE])
    assert (only.feature_id, only.verdict, only.text) == (BOMB, CANNOT_TELL, CANNOT_TELL)
    assert detecting(ws, space_id).n == 0, "nothing was said that could be judged"


def test_an_explanation_without_a_verdict_is_kept_unverified(ws: Workspace, space_id: str, folder: Folder) -> None:
    job = folder(plan_explaining(ws, space_id, [BOMB], Terms()))  # type: ignore[arg-type]
    explain_job.work(job, Scripted(lambda q: {"explanation": "bombs"} if q.purpose == "explain" else None))
    stored(ws, job)
    assert [each.verdict for each in store.explanations_of(ws.database, space_id, [BOMB])] == [None]


def test_a_plan_asks_what_its_job_asks(ws: Workspace, space_id: str, folder: Folder) -> None:
    plan = plan_explaining(ws, space_id, FEATURES, Terms())  # type: ignore[arg-type]
    asker = Scripted(explainer("how a bomb is made"))
    explain_job.work(folder(plan), asker)
    assert sorted(q.key for q in plan.questions) == sorted(q.key for q in asker.asked)
    assert all(question in asker.asked for question in plan.questions if question.purpose == "explain")
    explained(ws, space_id, folder)
    plan, asker = detecting(ws, space_id), Scripted(judge(lambda text: "bomb" in text))
    detect_job.work(folder(plan, "detect"), asker, None)
    assert plan.questions == asker.asked


@pytest.mark.parametrize("stop_after", [0, 1, 3, 4, 5])
def test_a_job_killed_anywhere_asks_nothing_twice(
    ws: Workspace, space_id: str, folder: Folder, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_job, "A_SHARD", 2)
    job = folder(plan_explaining(ws, space_id, FEATURES, Terms()))  # type: ignore[arg-type]
    asker = Scripted(explainer("bombs"), stop_after=stop_after)
    with pytest.raises(KeyboardInterrupt):
        explain_job.work(job, asker)
    asker.stop_after = None
    result = explain_job.work(JobFolder(job.root), asker)
    assert len(asker.asked) == len({(q.system, q.user) for q in asker.asked}) == 6
    assert result["verdicts"] == {"yes": 3} and len(job.shards()) == 2
    explain_job.work(JobFolder(job.root), Scripted(explainer("never asked"), stop_after=0))


@pytest.mark.parametrize("stop_after", [0, 15, 45])
def test_judging_killed_anywhere_asks_nothing_twice(
    ws: Workspace, space_id: str, folder: Folder, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_job, "A_SHARD", 1)
    explained(ws, space_id, folder)
    job = folder(detecting(ws, space_id))
    asker = Scripted(judge(lambda text: "bomb" in text), stop_after=stop_after)
    with pytest.raises(KeyboardInterrupt):
        detect_job.work(job, asker, None)
    asker.stop_after = None
    detect_job.work(JobFolder(job.root), asker, None)
    assert len(asker.asked) == 60
    stored(ws, job)
    assert len(store.scores_of(ws.database, space_id, FEATURES)) == 3


def test_a_cancelled_job_keeps_its_shards_and_says_nothing_more(
    ws: Workspace, space_id: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_job, "A_SHARD", 1)
    job = folder(plan_explaining(ws, space_id, FEATURES, Terms()))  # type: ignore[arg-type]
    (job.root / "cancel").touch()
    asker = Scripted(explainer("bombs"))
    assert explain_job.work(job, asker) == {} and len(job.shards()) == 1 and job.observed_cancel
    (job.root / "cancel").unlink()
    assert explain_job.work(job, asker)["n_features"] == 3 and len(asker.asked) == 6


def test_the_right_explanation_scores_one_and_its_misjudged_documents_are_kept(
    ws: Workspace, space_id: str, folder: Folder
) -> None:
    explained(ws, space_id, folder)
    job = folder(detecting(ws, space_id))
    detect_job.work(job, Scripted(judge(lambda text: "bomb" in text)), None)
    stored(ws, job)
    scores = {score.feature_id: score for score in store.scores_of(ws.database, space_id, FEATURES)}
    assert scores[BOMB].value == 1.0 and scores[CAKE].value is not None and scores[CAKE].value < 0.5
    assert scores[BOMB].judge == "scripted" and "split 0, 5 a fifth" in scores[BOMB].version
    items = store.score_items(ws.database, scores[CAKE].score_id)
    assert len(items) == 50 and any(item.said != item.fires for item in items)
    said = store.explanations_of(ws.database, space_id, [BOMB])[0]
    assert {item.content_id for item in store.score_items(ws.database, scores[BOMB].score_id)}.isdisjoint(
        said.detail["documents"]
    )


def test_a_job_that_is_not_answered_leaves_earlier_scores_in_force(
    ws: Workspace, space_id: str, folder: Folder
) -> None:
    explained(ws, space_id, folder)
    for name, asker in (("one", Scripted(judge(lambda text: "bomb" in text))), ("two", Scripted(lambda _: None))):
        job = folder(detecting(ws, space_id, again=True), name)
        detect_job.work(job, asker, None)
        stored(ws, job)
    newest = store.newest_scores(ws.database, space_id, ["detection"], versions(ws, space_id)).to_pylist()
    assert len(newest) == 3 and all(row["value"] is not None for row in newest)


def test_what_was_judged_is_judged_again_where_texts_were_read_anew_and_not_where_one_is_gone(
    ws: Workspace, space_id: str, folder: Folder
) -> None:
    explained(ws, space_id, folder)
    job = folder(detecting(ws, space_id))
    detect_job.work(job, Scripted(judge(lambda text: "bomb" in text)), None)
    stored(ws, job)
    assert detecting(ws, space_id).n == 0
    ws.database.rows("DELETE FROM sample WHERE sample_id = (SELECT max(sample_id) FROM sample)")
    recount(ws, space_id)
    assert detecting(ws, space_id).n == 0
    with ws.database.transaction() as cursor:
        set_meta(cursor, f"read_again.{space_id}", "once more")
    assert detecting(ws, space_id).n == 3


def test_fuzzing_tells_right_marks_from_wrong_ones(ws: Workspace, space_id: str, folder: Folder) -> None:
    explained(ws, space_id, folder, [BOMB])
    plan = plan_detecting(ws, space_id, [BOMB], Terms(), fuzz=True)  # type: ignore[arg-type]
    job = folder(plan)
    asker = Scripted(judge(lambda text: "⟦bomb⟧" in text or ("⟦" not in text and "bomb" in text)))
    detect_job.work(job, asker, words)
    stored(ws, job)
    scores = {score.protocol: score for score in store.scores_of(ws.database, space_id, [BOMB])}
    assert scores["fuzzing"].value == scores["detection"].value == 1.0
    assert (scores["fuzzing"].n_firing, scores["fuzzing"].n_silent) == (13, 12)
    fuzzed = [text for q in asker.asked if q.purpose == "fuzz" for text in data_of(q)]
    assert all(text.count("⟦") == 1 for text in fuzzed)


def test_what_was_said_or_judged_already_is_not_asked_again(ws: Workspace, space_id: str, folder: Folder) -> None:
    explained(ws, space_id, folder)
    plan = plan_explaining(ws, space_id, FEATURES, Terms())  # type: ignore[arg-type]
    assert plan.n == 0 and plan.left_out["explained by this model already"] == 3
    with pytest.raises(InputError, match="3 explained by this model already"):
        plan.start(ws)
    assert plan_explaining(ws, space_id, FEATURES, Terms(), again=True).n == 3  # type: ignore[arg-type]
    job = folder(detecting(ws, space_id, quick=True))
    detect_job.work(job, Scripted(judge(lambda _: True)), None)
    stored(ws, job)
    assert detecting(ws, space_id, quick=True).n == 0
    assert detecting(ws, space_id).n == 3 and detecting(ws, space_id, quick=True, fuzz=True).n == 3
    assert {score.n_firing for score in store.scores_of(ws.database, space_id, FEATURES)} == {10}


def test_a_feature_that_is_not_there_is_refused(ws: Workspace, space_id: str) -> None:
    with pytest.raises(InputError, match="no feature 99"):
        plan_explaining(ws, space_id, [1, 99], Terms())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "reply", "text"),
    [
        ("unreadable", "They ask about trains. They also", "They ask about trains."),
        ("cut off", "They ask about 2.5 trains! They ask about", "They ask about 2.5 trains!"),
        ("cut off", "They ask and ask and", None),
        ("unreadable", "The explanation is exactly: cannot tell.", CANNOT_TELL),
        ("unreadable", "Public transport that runs to a timetable.", None),
        ("unreadable", '{"explanation": ["a"]}. So.', None),
        ("refused", "I cannot help with that.", None),
        ("over budget", "", None),
    ],
    ids=range(8),
)
def test_of_prose_the_first_whole_sentence_is_the_explanation(outcome: Outcome, reply: str, text: str | None) -> None:
    assert read_explanation(Answer("explain/1", outcome, {}, reply, "hash")) == text
