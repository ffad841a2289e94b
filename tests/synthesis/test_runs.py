"""From the work list to candidates in review, through a real worker process with the local model and with an endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fac_core.coverage import worklist
from fac_core.errors import InputError
from fac_core.feature_space.space import SpaceSpec
from fac_core.jobs import owner
from fac_core.synthesis.find import find_in_pool
from fac_core.synthesis.runs import RunSettings, estimate, run_summary, run_table, runs, start_run
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


def test_a_pool_sample_becomes_a_candidate_once(filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]) -> None:
    first = find_in_pool(filled_ws, tiny_spec.space_id, DELTA, gap_ids)
    assert first == len(candidates(filled_ws)) > 0
    assert find_in_pool(filled_ws, tiny_spec.space_id, DELTA, gap_ids) == 0
    assert len(candidates(filled_ws)) == first and len(runs(filled_ws)) == 1
    assert find_in_pool(filled_ws, tiny_spec.space_id, 1e6, gap_ids) == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (RunSettings(n_step1=0), "n_step1"),
        (RunSettings(temperature=9.0), "temperature"),
        (RunSettings(steering=float("nan")), "steering"),
        (RunSettings(generator="magic"), "no generator"),  # type: ignore[arg-type]
        (RunSettings(generator="openai"), "address and model"),
        (RunSettings(generator="openai", base_url="nonsense", model="m"), "web address"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_written(
    filled_ws: Workspace, tiny_spec: SpaceSpec, settings: RunSettings, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        start_run(filled_ws, tiny_spec.space_id, DELTA, settings, [1])
    assert not runs(filled_ws)


def test_an_empty_work_list_and_an_unknown_feature_or_run_are_named(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    with pytest.raises(InputError, match="work list is empty"):
        start_run(filled_ws, tiny_spec.space_id, DELTA, SMALL)
    with pytest.raises(InputError, match="no feature 64"):
        start_run(filled_ws, tiny_spec.space_id, DELTA, SMALL, [64])
    for verb in (run_table, run_summary):
        with pytest.raises(InputError, match="no run 'nowhere'"):
            verb(filled_ws, "nowhere")


def test_the_estimate_counts_samples_calls_and_tokens_and_names_no_price(filled_ws: Workspace) -> None:
    assert estimate(filled_ws, 10, RunSettings()).startswith("160 samples for 10 features, about 2 min")
    asked = estimate(filled_ws, 10, RunSettings(generator="openai", base_url="http://h/v1", model="m"))
    assert "in 40 calls" in asked and "unpriced" in asked and "tokens in" in asked


def test_the_estimate_learns_from_finished_runs(filled_ws: Workspace) -> None:
    with filled_ws.database.transaction() as cursor:
        result = json.dumps({"generator": "local", "seconds": 100.0, "written_now": 10})
        cursor.execute(
            "INSERT INTO job SELECT 'j', 'synthesise', 't', 'completed', 1, 1, '', '{}', ?, now()::TIMESTAMP, NULL, NULL",
            [result],
        )
    assert "about 27 min" in estimate(filled_ws, 10, RunSettings())
