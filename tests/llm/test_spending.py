"""The ledger is what the journals say, once, and what is foreseen speaks the same language."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from fac_core.jobs.folder import JobFolder
from fac_core.llm.asker import EndpointAsker
from fac_core.llm.batches import BatchAsker
from fac_core.llm.calls import CALLS
from fac_core.llm.estimate import estimate
from fac_core.llm.pace import AT_ONCE
from fac_core.llm.prices import Price, set_price
from fac_core.llm.spending import Spend, spend, take_in
from fac_core.llm.terms import Terms, make_asker, make_terms
from fac_core.workspace import Workspace
from tests.llm.conftest import question
from tests.llm.fake_endpoint import drops, fails, raw, says, serving

YES = '{"rating": "Yes"}'


def job(ws: Workspace, name: str) -> JobFolder:
    return JobFolder.create(ws.jobs / name, "test", {}, {})


def test_attempts_are_in_the_ledger_once_however_often_it_looks(ws: Workspace) -> None:
    with serving(fails(429, headers={"Retry-After": "0"}), says("Well."), says(YES), says(YES), fails(413)) as fake:
        terms = Terms(fake.url, "fake", at_once=1)
        asker = make_asker(job(ws, "one"), terms)
        path = ws.jobs / "one" / "work" / CALLS
        for _ in asker.answers([question(0), question(1, purpose="explain"), question(2)]):
            take_in(ws, "one")  # while it runs
    with path.open("ab") as torn:
        torn.write(b'{"attempt": {"half')
    expected = [
        Spend("explain", "fake", 1, {"answered": 1}, 11, 7, None, 1, 0),
        Spend("judge", "fake", 4, {"answered": 1, "limited": 1, "rejected": 1, "unreadable": 1}, 22, 14, None, 2, 0),
    ]
    assert spend(ws) == spend(ws, "one") == expected and spend(ws, "two") == []


def test_a_price_is_that_of_the_time_of_the_call_and_unknown_is_never_zero(ws: Workspace) -> None:
    with serving(says(YES)) as fake:
        for number, price in enumerate([None, Price(1.0, 2.0), Price(100.0, 200.0)]):
            set_price(ws, "fake", price)
            terms = make_terms(ws, base_url=fake.url, model="fake")
            list(make_asker(job(ws, f"job{number}"), terms).answers([question(number)]))
    (row,) = spend(ws)
    assert row.price == pytest.approx(101 * Price(1.0, 2.0).of(11, 7)) and row.n_unpriced == 1
    assert ws.database.rows("SELECT count(*) FROM llm_call WHERE price IS NULL") == [(1,)]


def test_a_call_that_may_have_been_billed_counts_in_full(ws: Workspace) -> None:
    with serving(drops, says(YES)) as fake:
        terms = Terms(fake.url, "fake", Price(1.0, 2.0))
        list(make_asker(job(ws, "one"), terms).answers([question()]))
    (row,) = spend(ws)
    assert row.outcomes == {"answered": 1, "failed": 1} and row.n_assumed == 1
    assert row.tokens_out == 7 + question().max_tokens and row.price is not None and row.price > 100e-6


def test_what_is_foreseen_is_what_the_ledger_says_afterwards(ws: Workspace) -> None:
    rng = random.Random(1)

    def model(handler: Any, body: dict[str, Any]) -> None:
        asked = body["messages"][1]["content"]
        own = random.Random(asked)  # whichever thread asks first
        usage = {"prompt_tokens": 9 + len(asked) // 5, "completion_tokens": own.randint(20, 40), "total_tokens": 0}
        text = "Well." if "required" not in asked and own.random() < 0.2 else YES
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        raw(json.dumps({"choices": [choice], "usage": usage}))(handler, body)

    first = [question(n, user=f"Is {n} even? " + "word " * rng.randint(5, 60)) for n in range(40)]
    then = [question(n, user=f"Is {n} even? " + "word " * rng.randint(5, 60)) for n in range(100, 180)]
    with serving(model) as fake:
        set_price(ws, "fake", Price(1.0, 2.0))
        terms = make_terms(ws, base_url=fake.url, model="fake")
        blind = estimate(ws, terms, first)
        assert blind.calls == 40 and "at most all that is allowed" in blind.purposes[0].how
        assert f"up to about {40 * 50:,} out" in blind.sentence and blind.money_range is not None
        list(make_asker(job(ws, "one"), terms).answers(first))
        foreseen = estimate(ws, terms, [*first, *then, *then])
        assert (foreseen.n_questions, foreseen.n_cached) == (200, 120) and "up to" not in foreseen.sentence
        other = estimate(ws, terms, [each._replace(purpose="verify") for each in then])
        assert other.calls == foreseen.calls, "how often it has to be asked once more is known from its other questions"
        assert other.out_words == f"up to about {other.tokens_out:,}"
        n_before = len(fake.bodies)
        list(make_asker(job(ws, "two"), terms).answers([*first, *then, *then]))
        n_calls = len(fake.bodies) - n_before
    (row,) = spend(ws, "two")
    assert row.n_attempts == n_calls and foreseen.calls == pytest.approx(n_calls, rel=0.2)
    assert foreseen.tokens_in == pytest.approx(row.tokens_in, rel=0.2)
    assert foreseen.tokens_out == pytest.approx(row.tokens_out, rel=0.2)
    assert foreseen.money == pytest.approx(row.price, rel=0.2) and foreseen.money_range is not None
    assert row.price is not None and foreseen.money_range[0] < row.price < foreseen.money_range[1]
    assert "answered before and free" in foreseen.sentence


def test_nothing_to_ask_costs_nothing(ws: Workspace) -> None:
    terms = Terms("http://127.0.0.1:1/v1", "fake")
    assert estimate(ws, terms, []).calls == 0 and list(make_asker(job(ws, "one"), terms).answers([])) == []


def test_questions_to_a_model_that_lies_here_are_counted_with_its_tokenizer(
    ws: Workspace, tiny_backbone_folder: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(tiny_backbone_folder))
    terms = Terms("http://127.0.0.1:1/v1", str(tiny_backbone_folder))
    asked = question(user="how do i make bread <|im_end|>")
    messages = [{"role": "system", "content": asked.system}, {"role": "user", "content": asked.user}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert estimate(ws, terms, [asked]).tokens_in == len(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_the_server_of_the_app_is_asked_one_question_at_a_time(ws: Workspace, tmp_path: Path) -> None:
    served = tmp_path / "served" / "model"
    served.mkdir(parents=True)
    url = "http://127.0.0.1:8765/v1"
    assert make_terms(ws, base_url=url, model=str(served)).at_once == AT_ONCE
    (tmp_path / "served" / "log.txt").touch()
    assert make_terms(ws, base_url=url, model=str(served)).at_once == 1
    assert make_terms(ws, base_url="http://elsewhere:8765/v1", model=str(served)).at_once == AT_ONCE


def test_the_asker_of_a_job_is_the_one_its_terms_name(ws: Workspace) -> None:
    folder = job(ws, "one")
    assert isinstance(make_asker(folder, Terms("http://h/v1", "m")), EndpointAsker)
    assert isinstance(make_asker(folder, Terms("http://h/v1", "m", batch=True)), BatchAsker)
