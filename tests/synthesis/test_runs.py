"""From the work list to candidates in review, through a real worker process with the local model and with an endpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fac_core.coverage import worklist
from fac_core.coverage.setcover import Pick, set_cover
from fac_core.errors import InputError, StoreError
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.spaces import MAX_DELTA
from fac_core.jobs import owner
from fac_core.review.decisions import decide
from fac_core.synthesis.find import find_in_pool
from fac_core.synthesis.runs import RunSettings, run_summary, run_table, runs, start_run
from fac_core.workspace import Workspace
from tests.synthesis.conftest import DELTA, firing
from tests.tiny import labelled_rows

SMALL = RunSettings(n_step1=2, n_step2=2, use_pool=False)


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("FAC_LLM_BASE_URL", "FAC_LLM_MODEL", "FAC_LLM_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield


def candidates(ws: Workspace, columns: str = "candidate_id, target_feature, outcome, text") -> list[tuple[Any, ...]]:
    return ws.database.rows(f"SELECT {columns} FROM candidate ORDER BY candidate_id")


@pytest.mark.heavy
def test_the_local_model_writes_and_scores_for_the_work_list_in_a_worker_process(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]
) -> None:
    ws = filled_ws
    worklist.add(ws, tiny_spec.space_id, gap_ids[:2], "test")
    run_id = start_run(ws, tiny_spec.space_id, DELTA, SMALL)
    (run,) = runs(ws)
    assert run.run_id == run_id and run.n_targets == 2 and run.state in owner.ACTIVE and run.job_id is not None
    job = owner.wait(ws, run.job_id, timeout=280)
    assert job.state == "completed", job.message
    assert runs(ws)[0].state == "completed"
    assert (job.result or {})["n"] == len(candidates(ws)) == 8
    assert [row.attempts for row in run_table(ws, run_id)] == [4, 4]


def test_real_samples_are_found_before_any_are_written(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]
) -> None:
    ws, in_pool = filled_ws, firing(filled_ws, tiny_spec.space_id, "pool")
    there = [feature for feature in gap_ids if feature in in_pool][:3]
    assert there
    run_id = start_run(ws, tiny_spec.space_id, DELTA, RunSettings(), there)
    (run,) = runs(ws)
    assert run.job_id is None and run.state == "completed"
    table = run_table(ws, run_id)
    assert all(row.closed and row.attempts == 0 and row.best_value > DELTA for row in table)
    summary = run_summary(ws, run_id)
    assert summary.own_hit_rate is None and summary.n_found == len(candidates(ws)) <= len(there)
    assert summary.n_candidates == 0 and summary.n_closed == len(there)
    labels = {row["text"]: row["label"] for row in labelled_rows("pool")}
    for text, label, origin, outcome, rank in candidates(ws, "text, label, origin, outcome, rank"):
        assert (label, origin, outcome, rank) == (labels[text], "pool", "hit", 1)


def pool_only(ws: Workspace, space_id: str, gap_ids: list[int], n_texts: int) -> list[int]:
    """Gaps that at least `n_texts` texts of the pool close."""
    in_pool = firing(ws, space_id, "pool")
    return [feature for feature in gap_ids if len(in_pool.get(feature, ())) >= n_texts]


def test_a_pool_sample_becomes_a_candidate_once(filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]) -> None:
    first = find_in_pool(filled_ws, tiny_spec.space_id, DELTA, gap_ids)
    assert first == len(candidates(filled_ws)) > 0
    assert find_in_pool(filled_ws, tiny_spec.space_id, DELTA, gap_ids) == 0
    assert len(candidates(filled_ws)) == first and len(runs(filled_ws)) == 1
    assert find_in_pool(filled_ws, tiny_spec.space_id, MAX_DELTA, gap_ids) == 0


def test_two_that_search_at_once_find_each_sample_once(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_leisure(*args: Any, **more: Any) -> list[Pick]:
        picks = set_cover(*args, **more)
        time.sleep(0.2)
        return picks

    monkeypatch.setattr("fac_core.synthesis.find.set_cover", at_leisure)
    ws, space_id = filled_ws, tiny_spec.space_id
    with ThreadPoolExecutor(2) as pool:
        added = list(pool.map(lambda _: find_in_pool(ws, space_id, DELTA, gap_ids), range(2)))
    contents = [row[0] for row in candidates(ws, "content_id")]
    assert sum(added) == len(contents) == len(set(contents)) and 0 in added


def test_a_rejected_sample_makes_room_for_the_next_and_an_approved_one_does_not(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]
) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    (feature, *_) = pool_only(ws, space_id, gap_ids, 2)
    texts = firing(ws, space_id, "pool")[feature]
    assert find_in_pool(ws, space_id, DELTA, [feature]) == 1
    decide(ws, candidates(ws)[0][0], "me", "approve", revision=0)
    assert find_in_pool(ws, space_id, DELTA, [feature]) == 0
    for n in range(1, len(texts) + 1):
        waiting = candidates(ws)[-1][0]
        assert len(candidates(ws)) == n and find_in_pool(ws, space_id, DELTA, [feature]) == 0
        decide(ws, waiting, "me", "reject", revision=int(n == 1))
        assert find_in_pool(ws, space_id, DELTA, [feature]) == (n < len(texts))
    assert {row[3] for row in candidates(ws)} == set(texts), "every text of the pool that closes it had its turn"


@pytest.mark.usefixtures("jobs_in_process")
def test_nothing_is_written_for_what_was_just_found(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]
) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    there = pool_only(ws, space_id, gap_ids, 1)[:2]
    absent = [feature for feature in gap_ids if feature not in firing(ws, space_id, "pool")][:1]
    assert there and absent
    assert find_in_pool(ws, space_id, DELTA, [*there, *absent]) >= 1
    assert run_summary(ws, runs(ws)[0].run_id).open == [(absent[0], "the pool had no further text that activates it")]
    small = RunSettings(n_step1=1, n_step2=0)
    run_id = start_run(ws, space_id, DELTA, small, [*there, *absent])
    owner.wait(ws, str(runs(ws)[0].job_id), timeout=200)
    assert [(row.feature_id, row.attempts) for row in run_table(ws, run_id)] == [(absent[0], 1)]
    with pytest.raises(InputError, match="found before close all of these features"):
        start_run(ws, space_id, DELTA, small, there)
    for (candidate_id,) in ws.database.rows("SELECT candidate_id FROM candidate WHERE origin = 'pool'"):
        decide(ws, candidate_id, "me", "reject", revision=0)
    again = start_run(ws, space_id, DELTA, small, there)
    assert {row.feature_id for row in run_table(ws, again)} == set(there)


@pytest.mark.parametrize("delta", [-1.0, float("nan"), 0.3, float("inf"), 1e6])
def test_a_threshold_that_is_no_step_is_refused(filled_ws: Workspace, tiny_spec: SpaceSpec, delta: float) -> None:
    for verb in (
        lambda: find_in_pool(filled_ws, tiny_spec.space_id, delta, [1]),
        lambda: start_run(filled_ws, tiny_spec.space_id, delta, SMALL, [1]),
    ):
        with pytest.raises(InputError, match=r"multiple of 0\.25"):
            verb()
    assert not runs(filled_ws)


@pytest.mark.parametrize("feature", [64, -1, 99999999999])
def test_a_feature_that_the_space_does_not_have_is_named(
    filled_ws: Workspace, tiny_spec: SpaceSpec, feature: int
) -> None:
    for verb in (
        lambda: find_in_pool(filled_ws, tiny_spec.space_id, DELTA, [feature]),
        lambda: start_run(filled_ws, tiny_spec.space_id, DELTA, SMALL, [feature]),
    ):
        with pytest.raises(InputError, match=f"no feature {feature}"):
            verb()


def test_a_run_whose_job_cannot_be_made_leaves_nothing(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]
) -> None:
    filled_ws.jobs.write_text("a file in the way")
    with pytest.raises(StoreError, match="cannot be read or written"):
        start_run(filled_ws, tiny_spec.space_id, DELTA, RunSettings(), gap_ids)
    assert not runs(filled_ws) and not candidates(filled_ws)


def test_a_run_whose_worker_cannot_be_started_can_be_resumed(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(_: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("fac_core.jobs.process.launch", no_process)
    start_run(filled_ws, tiny_spec.space_id, DELTA, SMALL, gap_ids[:1])
    (run,) = runs(filled_ws)
    assert run.state == "failed" and owner.get(filled_ws, str(run.job_id)).resumable


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (RunSettings(n_step1=0), "n_step1"),
        (RunSettings(temperature=9.0), "temperature"),
        (RunSettings(steering=float("nan")), "steering"),
        (RunSettings(generator="magic"), "no generator"),  # type: ignore[arg-type]
        (RunSettings(generator="openai"), "address and model"),
        (RunSettings(generator="openai", base_url="nonsense", model="m"), "web address"),
        (RunSettings(generator="openai", base_url="http://host/v1?api-key=x", model="m"), "must be plain"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_written(
    filled_ws: Workspace, tiny_spec: SpaceSpec, settings: RunSettings, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        start_run(filled_ws, tiny_spec.space_id, DELTA, settings, [1])
    assert not runs(filled_ws)


def test_an_empty_work_list_and_an_unknown_run_are_named(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    with pytest.raises(InputError, match="work list is empty"):
        start_run(filled_ws, tiny_spec.space_id, DELTA, SMALL)
    for verb in (run_table, run_summary):
        with pytest.raises(InputError, match="no run 'nowhere'"):
            verb(filled_ws, "nowhere")
