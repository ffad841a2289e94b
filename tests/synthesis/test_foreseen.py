"""What a run will take is said before it starts, and the ledger says the same afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from fac_core.errors import InputError
from fac_core.feature_space.space import SpaceSpec
from fac_core.jobs import owner
from fac_core.llm.prices import Price, set_price
from fac_core.llm.spending import spend
from fac_core.store.llm import Spend
from fac_core.synthesis.foreseen import foresee
from fac_core.synthesis.runs import RunSettings, runs, start_run
from fac_core.workspace import Workspace
from tests.llm.fake_endpoint import closed_url, raw, serving
from tests.synthesis.conftest import DELTA, firing

ASKING = RunSettings(generator="openai", model="fake", n_step1=6, n_step2=10, use_pool=False)
PRICE = Price(1.0, 4.0)


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("FAC_LLM_BASE_URL", "FAC_LLM_MODEL", "FAC_LLM_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield


def writes(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """As many short samples as were asked for, billed by length as a tokenizer would, a third thought of beforehand."""
    system, user = (message["content"] for message in body["messages"])
    n = int(system.split("that holds ")[1].split()[0])
    text = json.dumps({"samples": [{"text": f"text {number} about pies {body['seed']}"} for number in range(n)]})
    usage = {"prompt_tokens": len(system + user) // 4 + 9, "completion_tokens": len(text) // 3}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    told = {"id": "x", "object": "chat.completion", "created": 1, "model": "fake", "choices": [choice]}
    raw(json.dumps({**told, "usage": {**usage, "total_tokens": sum(usage.values())}}))(handler, body)


def spent(ws: Workspace, space_id: str, settings: RunSettings, features: list[int]) -> Spend:
    """What the ledger says of a run that was carried out."""
    start_run(ws, space_id, DELTA, settings, features)
    job = owner.wait(ws, str(runs(ws)[0].job_id), timeout=200)
    assert job.state == "completed", job.message
    (found,) = spend(ws, job.job_id)
    return found


@pytest.mark.usefixtures("jobs_in_process")
def test_with_history_the_ledger_ends_within_a_fifth_of_what_was_said(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]
) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    set_price(ws, "fake", PRICE)
    with serving(writes) as fake:
        settings = replace(ASKING, base_url=fake.url)
        blind = foresee(ws, space_id, DELTA, settings, gap_ids[:2]).asking
        assert blind is not None and blind.calls == 8 and not fake.bodies
        first = spent(ws, space_id, settings, gap_ids[:2])
        again = foresee(ws, space_id, DELTA, settings, gap_ids[:2]).asking
        assert again is not None and (again.calls, again.n_cached) == (8, 0), "a run asks anew"
        said = foresee(ws, space_id, DELTA, replace(settings, seed=1), gap_ids[1:3]).asking
        told = spent(ws, space_id, replace(settings, seed=1), gap_ids[1:3])
    assert blind.calls == first.n_attempts == told.n_attempts
    assert blind.money_range and first.price and blind.money_range[0] <= first.price <= blind.money_range[1]
    assert blind.tokens_out < sum(8 * [2000]) and "up to about" not in blind.sentence
    assert said is not None and said.money is not None and told.price
    assert abs(said.tokens_in / told.tokens_in - 1) < 0.2 and abs(said.tokens_out / told.tokens_out - 1) < 0.2
    assert abs(said.money / told.price - 1) < 0.2


@pytest.mark.usefixtures("jobs_in_process")
def test_the_questions_foreseen_in_step_1_are_those_that_are_put(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_core.llm.estimate import estimate

    foreseen: list[str] = []

    def noted(ws: Workspace, terms: Any, questions: Any, *, afresh: bool) -> Any:
        foreseen.extend(question.user for question in questions)
        return estimate(ws, terms, questions, afresh=afresh)

    monkeypatch.setattr("fac_core.synthesis.foreseen.estimate", noted)
    with serving(writes) as fake:
        settings = replace(ASKING, base_url=fake.url, n_step2=0)
        foresee(filled_ws, tiny_spec.space_id, DELTA, settings, gap_ids[:2])
        spent(filled_ws, tiny_spec.space_id, settings, gap_ids[:2])
        assert sorted(foreseen) == sorted(body["messages"][1]["content"] for body in fake.bodies)


def test_nothing_is_foreseen_for_what_the_pool_closes(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]
) -> None:
    ws, space_id, in_pool = filled_ws, tiny_spec.space_id, firing(filled_ws, tiny_spec.space_id, "pool")
    there = [feature for feature in gap_ids if feature in in_pool][:2]
    absent = [feature for feature in gap_ids if feature not in in_pool][:1]
    settings = replace(ASKING, base_url=closed_url(), use_pool=True)
    found = foresee(ws, space_id, DELTA, settings, [*there, *absent])
    assert (found.n_features, found.n_found, found.asking and found.asking.n_questions) == (1, len(there), 4)
    assert f"Real samples of the pool close {len(there)} feature" in found.sentence
    assert "nothing is written" in foresee(ws, space_id, DELTA, settings, there).sentence
    assert not runs(ws)


def test_the_local_model_costs_nothing_and_its_time_is_that_of_finished_runs(
    filled_ws: Workspace, tiny_spec: SpaceSpec, gap_ids: list[int]
) -> None:
    local, space_id = RunSettings(use_pool=False), tiny_spec.space_id
    said = foresee(filled_ws, space_id, DELTA, local, gap_ids[:3]).sentence
    assert said == "48 samples for 3 features, about 38 s on this machine, no cost."
    with filled_ws.database.transaction() as cursor:
        result = json.dumps({"generator": "local", "seconds": 100.0, "written_now": 10})
        cursor.execute(
            "INSERT INTO job SELECT 'j', 'synthesise', 't', 'completed', 1, 1, '', '{}', ?, now()::TIMESTAMP, NULL, NULL",
            [result],
        )
    assert "about 8 min" in foresee(filled_ws, space_id, DELTA, local, gap_ids[:3]).sentence


def test_what_cannot_be_started_is_not_foreseen(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    with pytest.raises(InputError, match="work list is empty"):
        foresee(filled_ws, tiny_spec.space_id, DELTA, ASKING)
    with pytest.raises(InputError, match="address and model"):
        foresee(filled_ws, tiny_spec.space_id, DELTA, ASKING, [1])
