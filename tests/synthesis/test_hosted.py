"""A run through an OpenAI-compatible endpoint: what its failures cost, and that its key is written down nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fac_core.errors import EndpointError
from fac_core.feature_space.extractor import Extractor
from fac_core.jobs.folder import JobFolder
from fac_core.llm.client import ChatClient, Reply
from fac_core.llm.endpoint import Endpoint, confirm
from fac_core.llm.ledger import Ledger, request_hash
from fac_core.synthesis import synthesis_job
from fac_core.synthesis.generator import Prompt, Request
from fac_core.synthesis.hosted import HostedGenerator
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
    gap_ids: list[int], make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fac_core.synthesis.writing.ITEMS_PER_CALL", 1)
    with serving(says(samples(NEW[0])), says(samples(NEW[1])), fails(401), says(samples(NEW[2]))) as fake:
        job = make_job(gap_ids[:1], generator="openai", base_url=fake.url, model="fake")
        with pytest.raises(EndpointError):
            synthesis_job.run(job)
        assert not job.shards() and len(fake.bodies) == 3
        kept = (job.work / synthesis_job.REPLIES).read_text()
        assert kept.count("\n") == 2 and KEY not in kept
        result = synthesis_job.run(job)
    assert len(fake.bodies) == 3 + 1 + 4, "of step 1 only what failed is asked again"
    assert (result["calls"], result["tokens_in"], result["tokens_out"]) == (7, 77, 49)
    asked = [str(body) for body in fake.bodies]
    assert len(set(asked)) == 7 and not (job.work / synthesis_job.REPLIES).exists()


def test_a_reply_is_kept_under_everything_that_decides_it(tmp_path: Path) -> None:
    here = Endpoint("http://h/v1", "m", "key one")
    asked = {"system": "s", "user": "u", "max_tokens": 9, "temperature": 0.9, "seed": 1, "schema": {"type": "object"}}
    name = request_hash(here, asked)
    assert name == request_hash(Endpoint("http://h/v1", "m", "key two"), asked), "whose key it was decides nothing"
    others = [{**asked, key: value} for key, value in (("system", "t"), ("user", "v"), ("max_tokens", 8), ("seed", 2))]
    others += [{**asked, "temperature": 0.8}, {**asked, "schema": {}}]
    names = {request_hash(here, other) for other in others}
    names |= {request_hash(Endpoint(*place), asked) for place in (("http://g/v1", "m"), ("http://h/v1", "n"))}
    assert len(names | {name}) == 9
    Ledger(tmp_path / "replies.jsonl").put(name, Reply("\ud800 text", "length", {"calls": 2}))
    with (tmp_path / "replies.jsonl").open("ab") as torn:
        torn.write(b'{"request_hash": "half')
    again = Ledger(tmp_path / "replies.jsonl")
    assert again.get(name) == Reply("\ud800 text", "length", {"calls": 2}) and again.get("other") is None


def test_replies_come_back_in_the_order_of_the_requests_however_slow_each_is() -> None:
    def echo(handler: object, body: dict[str, object]) -> None:
        user = body["messages"][1]["content"]  # type: ignore[index]
        slow(0.05 * (3 - int(user) % 4), says(user))(handler, body)  # type: ignore[arg-type]

    requests = [Request(Prompt(system="s", user=str(n)), 1, 10, 0.9, n) for n in range(8)]
    with serving(echo) as fake:
        found = list(HostedGenerator(ChatClient(Endpoint(fake.url, "m"))).generate(requests))
    assert [response.text for response in found] == [str(n) for n in range(8)]
    assert [body["seed"] for body in sorted(fake.bodies, key=lambda body: body["seed"])] == list(range(8))
