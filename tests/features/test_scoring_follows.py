"""Explanations are scored by themselves once they stand, once for each state, and not against a person's will."""

from __future__ import annotations

import pytest

from fac_core.errors import InputError
from fac_core.features import description, encoder, score_job, split
from fac_core.features.asked import explain_job
from fac_core.features.naming import rename
from fac_core.features.refresh import refresh
from fac_core.features.trust import badges
from fac_core.jobs import owner, worker
from fac_core.jobs.folder import JobFolder
from fac_core.store import explanations as store
from fac_core.workspace import Workspace, now
from tests.features.test_scoring import ABOUT_FRUIT, corpus
from tests.planted import plant

pytestmark = pytest.mark.usefixtures("scoring_follows")


@pytest.fixture
def planted(ws: Workspace, monkeypatch: pytest.MonkeyPatch, jobs_in_process: None) -> tuple[Workspace, str]:
    """Features of fruit and tools, nothing described yet."""
    monkeypatch.setattr(encoder, "WHEEL", "no-such-package-at-all")
    return ws, plant(ws, corpus())


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are started and their workers do not get their turn yet."""
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)


def settled(ws: Workspace) -> list[str]:
    """Let jobs end; kinds of all, oldest first."""
    while any(job.active for job in owner.poll(ws)):
        pass
    return [job.kind for job in reversed(owner.jobs(ws))]


def test_a_description_is_followed_by_scores_once(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    refresh(ws, space)
    assert settled(ws) == ["describe", "score"] and badges(ws, space)[ABOUT_FRUIT] == "high"
    refresh(ws, space, force=True)
    assert settled(ws) == ["describe", "score", "describe"], "there is nothing new to score"


def test_a_features_own_score_is_written_once_a_version(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    refresh(ws, space, wait=True)
    settled(ws)
    score_job.start_scoring(ws, space, anew=True)
    settled(ws)
    score_job.score_text(ws, space, ABOUT_FRUIT, store.explanations_of(ws.database, space, [ABOUT_FRUIT])[0][0])
    protocols = [score.protocol for score in store.scores_of(ws.database, space, [ABOUT_FRUIT])]
    assert sorted(protocols) == ["embedding", "embedding", "embedding", "intruder"]


def test_what_is_described_without_a_job_is_followed_too(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    refresh(ws, space, wait=True)
    assert settled(ws) == ["score"] and score_job.unscored(ws, space).num_rows == 0


def test_what_was_said_while_scores_were_made_is_scored_after_them(
    planted: tuple[Workspace, str], unhurried: None
) -> None:
    ws, space = planted
    refresh(ws, space, wait=True)
    (first,) = owner.active(ws)
    rename(ws, space, ABOUT_FRUIT, "names of fruit", "ana")
    assert score_job.follow(ws, space) is None, "one at a time"
    worker.main([str(ws.jobs / first.job_id)])
    owner.poll(ws)
    (second,) = owner.active(ws)
    assert JobFolder(ws.jobs / second.job_id).input("explanation").column("text").to_pylist() == ["names of fruit"]


def test_a_scoring_that_a_person_stopped_comes_back_only_for_something_new(
    planted: tuple[Workspace, str], unhurried: None
) -> None:
    ws, space = planted
    refresh(ws, space, wait=True)
    (job,) = owner.active(ws)
    owner.cancel(ws, job.job_id)
    worker.main([str(ws.jobs / job.job_id)])
    assert [each.state for each in owner.poll(ws)] == ["cancelled"]
    assert score_job.follow(ws, space) is None
    rename(ws, space, ABOUT_FRUIT, "names of fruit", "ana")
    assert score_job.follow(ws, space) is not None


def test_what_a_model_said_is_scored_when_it_has_come_in(planted: tuple[Workspace, str], unhurried: None) -> None:
    ws, space = planted
    with ws.database.transaction() as cursor:
        said = {"method": store.LLM, "author": "m", "model": "m", "text": "names of fruit", "at": now()}
        store.add_explanation(cursor, space, ABOUT_FRUIT, **said)
    explain_job.finalise(ws, "a job", {"space_id": space}, {})
    (job,) = owner.active(ws)
    assert job.kind == "score"


def test_an_outdated_description_is_made_anew_before_anything_is_scored(
    planted: tuple[Workspace, str], unhurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = planted
    monkeypatch.setattr(description, "is_current", lambda *_: False)
    refresh(ws, space, wait=True)
    assert [job.kind for job in owner.active(ws)] == ["describe"]


def test_names_that_saw_what_is_scored_on_are_made_anew_before_they_are_scored(
    planted: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = planted
    refresh(ws, space, wait=True)
    settled(ws)
    monkeypatch.setattr(split, "REVISION", split.REVISION + 1)
    (keywords,) = store.explanations_of(ws.database, space, [ABOUT_FRUIT])
    with pytest.raises(InputError, match="makes the keywords anew"):
        score_job.score_text(ws, space, ABOUT_FRUIT, keywords.explanation_id)
    job_id = score_job.start_scoring(ws, space)
    assert job_id is not None and owner.get(ws, job_id).kind == "describe"
    assert settled(ws) == ["score", "describe", "score"] and badges(ws, space)[ABOUT_FRUIT] == "high"
    assert score_job.start_scoring(ws, space) is None


def test_scoring_gives_way_to_every_other_kind(planted: tuple[Workspace, str], unhurried: None) -> None:
    ws, space = planted
    describing = str(refresh(ws, space))
    scoring = str(owner.start(ws, "score", "Score", {"space_id": space}))
    patience = {each: worker.niceness(JobFolder(ws.jobs / each)) for each in (describing, scoring)}
    assert patience[scoring] > patience[describing] > 0
