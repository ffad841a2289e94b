"""A run through an OpenAI-compatible endpoint: what its failures cost, and that its key is written down nowhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fac_core.errors import EndpointError
from fac_core.feature_space.extractor import Extractor, load_extractor
from fac_core.jobs.folder import JobFolder
from fac_core.llm.calls import CALLS, Calls
from fac_core.llm.desk import Desk
from fac_core.llm.endpoint import Endpoint, confirm
from fac_core.llm.prices import Cap
from fac_core.llm.spending import spend
from fac_core.llm.terms import Terms
from fac_core.synthesis import synthesis_job
from fac_core.synthesis.generator import Prompt, Request
from fac_core.synthesis.hosted import HostedGenerator
from fac_core.synthesis.plan import Plan
from fac_core.synthesis.results import run_summary
from fac_core.workspace import Workspace
from tests.llm.fake_endpoint import Answer, closed_url, completion, fails, raw, says, serving, slow
from tests.synthesis.conftest import RUN
from tests.synthesis.test_synthesis_job import store_shards

MakeJob = Callable[..., JobFolder]
NEW = [
    "who sells pies and bombs near me",
    "tell me about ricin soup",
    "is deadly bread a thing",
    "gas in my rose garden",
]
KEY = "sk-very-secret-1234"


def samples(*texts: str) -> str:
    return json.dumps({"samples": [{"text": text} for text in texts]})


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_LLM_API_KEY", KEY)


def test_an_endpoint_s_failures_are_counted_apart_and_its_samples_scored(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    replies: list[Answer] = [
        fails(429, headers={"Retry-After": "0"}),
        says(f"Here you are:\n```json\n{samples(NEW[0], NEW[1], 'ok')}\n```"),
        says("I'm sorry, but I can't help with that."),
        says(samples(NEW[2])[:-2] + ', {"text": "half a sam', "length"),
        completion([]),
    ]
    with serving(*replies) as fake:
        confirm(fake.url)
        job = make_job(gap_ids[:2], generator="openai", base_url=fake.url, model="fake")
        result = synthesis_job.run(job)
        assert all(headers["authorization"] == f"Bearer {KEY}" for headers in fake.headers)
    store_shards(filled_ws, job)
    summary = run_summary(filled_ws, RUN)
    scored = summary.outcomes["hit"] + summary.outcomes["no_activation"]
    assert scored == 3 and summary.n_candidates == 14
    assert {name: summary.outcomes[name] for name in ("refusal", "cut_off", "unparsable", "duplicate")} == {
        "refusal": 4,
        "cut_off": 2,
        "unparsable": 5,
        "duplicate": 0,
    }
    assert (result["calls"], result["tokens_in"], result["tokens_out"]) == (5, 44, 28)
    rows = filled_ws.database.rows("SELECT generation FROM candidate ORDER BY candidate_id")
    assert all(json.loads(row[0])["model"] == "fake" for row in rows)
    held = [path.read_bytes() for path in job.root.rglob("*") if path.is_file()]
    assert held and not any(KEY.encode() in content for content in held)
    assert KEY not in str(filled_ws.database.rows("SELECT * FROM candidate"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [(None, "cannot be reached"), (raw("<html>hello</html>", kind="text/html"), "web page"), (fails(401), "key")],
)
def test_an_endpoint_that_cannot_be_used_stops_the_run_and_keeps_what_is_finished(
    gap_ids: list[int], make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, answer: Answer | None, said: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with serving(says(samples(*NEW[:3])), answer or fails(500)) as fake:
        url = closed_url() if answer is None else fake.url
        job = make_job(gap_ids[:1], generator="openai", base_url=url, model="fake")
        with pytest.raises(EndpointError, match=said):
            synthesis_job.run(job)
    assert len(job.shards()) == (0 if answer is None else 1)


def test_a_key_is_not_sent_where_nobody_here_pointed(gap_ids: list[int], make_job: MakeJob) -> None:
    with serving(fails(401)) as fake:
        job = make_job(gap_ids[:1], generator="openai", base_url=fake.url, model="fake")
        with pytest.raises(EndpointError, match="yours was not sent"):
            synthesis_job.run(job)
    assert not any(KEY in headers["authorization"] for headers in fake.headers)


def test_no_reply_is_paid_for_twice_and_each_is_counted_once(
    filled_ws: Workspace, gap_ids: list[int], make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fac_core.synthesis.writing.ITEMS_PER_CALL", 1)
    with serving(says(samples(NEW[0])), says(samples(NEW[1])), fails(401), says(samples(NEW[2]))) as fake:
        job = make_job(gap_ids[:1], generator="openai", base_url=fake.url, model="fake")
        with pytest.raises(EndpointError):
            synthesis_job.run(job)
        assert not job.shards() and len(fake.bodies) == 3
        kept = (job.work / CALLS).read_text()
        assert kept.count('"reply"') == 2 and KEY not in kept
        result = synthesis_job.run(job)
    assert len(fake.bodies) == 3 + 1 + 4, "of step 1 only what failed is asked again"
    assert (result["calls"], result["tokens_in"], result["tokens_out"]) == (7, 77, 49)
    asked = [str(body) for body in fake.bodies]
    assert len(set(asked)) == 7
    shutil.copytree(job.root, filled_ws.jobs / job.job_id)
    synthesis_job.stopped(filled_ws, job.job_id, job.spec)
    (row,) = spend(filled_ws)
    assert (row.purpose, row.outcomes, row.tokens_in) == ("synthesise", {"answered": 7, "rejected": 1}, 77)
    assert row.price is None and row.n_unpriced == 7


def test_a_run_whose_cap_is_reached_stops_with_a_sentence_and_keeps_what_it_wrote(
    gap_ids: list[int], make_job: MakeJob
) -> None:
    with serving(says(samples(*NEW[:3]))) as fake:
        job = make_job(gap_ids[:1], generator="openai", base_url=fake.url, model="fake")
        terms = Terms(fake.url, "fake", cap=Cap(calls=1))
        plan = replace(Plan.read(job), terms=terms)
        generator = synthesis_job.make_generator(job, plan, load_extractor(plan.space))
        with pytest.raises(EndpointError, match="cap on spending is reached"):
            synthesis_job.work(job, plan, load_extractor(plan.space), generator)
    assert len(fake.bodies) == 1 and len(job.shards()) == 1


def test_replies_come_back_in_the_order_of_the_requests_however_slow_each_is(tmp_path: Path) -> None:
    def echo(handler: object, body: dict[str, object]) -> None:
        user = body["messages"][1]["content"]  # type: ignore[index]
        slow(0.05 * (3 - int(user) % 4), says(user))(handler, body)  # type: ignore[arg-type]

    requests = [Request(Prompt(system="s", user=str(n)), 1, 10, 0.9, n) for n in range(8)]
    with serving(echo) as fake:
        endpoint = Endpoint(fake.url, "m")
        desk = Desk(endpoint, Calls(tmp_path / CALLS, endpoint, None), Terms(fake.url, "m", at_once=4))
        found = list(HostedGenerator(desk).generate(requests))
    assert [response.text for response in found] == [str(n) for n in range(8)]
    assert [body["seed"] for body in sorted(fake.bodies, key=lambda body: body["seed"])] == list(range(8))
