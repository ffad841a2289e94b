"""What a person gets from an endpoint that is slow, limited, broken, mistaken or gone; over the real client library."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from fac_core.errors import EndpointError
from fac_core.llm.client import ChatClient, Reply
from fac_core.llm.endpoint import Endpoint
from tests.llm.fake_endpoint import (
    closed_url,
    completion,
    drops,
    fails,
    raw,
    says,
    serving,
    slow,
)

SCHEMA = {"type": "object", "properties": {"samples": {"type": "array"}}}
KEY = "sk-very-secret-1234"


@pytest.fixture
def waits() -> list[float]:
    """Pauses the client made; none of them is waited for."""
    return []


def ask(url: str, waits: list[float], *, timeout_s: float = 5.0, **changes: Any) -> Reply:
    client = ChatClient(Endpoint(url, "fake", KEY), timeout_s=timeout_s, sleep=waits.append, attempts=3)
    return client.ask(
        "be brief", "hello", **{"max_tokens": 20, "temperature": 0.9, "seed": 3, "schema": SCHEMA, **changes}
    )


def sentence_of(url: str, waits: list[float], **changes: Any) -> str:
    with pytest.raises(EndpointError) as caught:
        ask(url, waits, **changes)
    text = str(caught.value)
    assert KEY not in text and "\n" not in text and text.endswith(".")
    return text


def test_an_answer_comes_back_with_its_usage_and_the_request_carries_everything(waits: list[float]) -> None:
    with serving(says("[1]")) as fake:
        assert ask(fake.url, waits) == Reply("[1]", "stop", {"calls": 1, "tokens_in": 11, "tokens_out": 7})
    body = fake.bodies[0]
    assert body["model"] == "fake" and body["max_tokens"] == 20 and body["seed"] == 3 and body["temperature"] == 0.9
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert fake.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_rate_limit_is_waited_out_as_long_as_the_server_says(waits: list[float]) -> None:
    with serving(fails(429, headers={"Retry-After": "7"}), says("ok")) as fake:
        reply = ask(fake.url, waits)
    assert (reply.text, reply.usage["calls"]) == ("ok", 2)
    assert len(waits) == 1 and 7 <= waits[0] < 7.5


def test_a_server_error_is_tried_again_with_growing_pauses(waits: list[float]) -> None:
    with serving(fails(500), fails(503), says("ok")) as fake:
        assert ask(fake.url, waits).usage["calls"] == 3
    assert waits[0] < waits[1]


def test_only_our_own_layer_repeats_calls(waits: list[float]) -> None:
    with serving(fails(500)) as fake:
        assert "error 500 (3 attempts)" in sentence_of(fake.url, waits)
        assert len(fake.bodies) == 3


def test_a_limit_that_would_take_longer_than_a_minute_ends_the_call(waits: list[float]) -> None:
    with serving(fails(429, headers={"Retry-After": "3600"})) as fake:
        assert "limits the rate" in sentence_of(fake.url, waits)
        assert len(fake.bodies) == 1 and not waits


def test_a_used_up_quota_is_not_tried_again(waits: list[float]) -> None:
    with serving(fails(429, "You exceeded your quota", code="insufficient_quota")) as fake:
        assert "quota is used up" in sentence_of(fake.url, waits)
        assert len(fake.bodies) == 1


def test_a_slow_endpoint_is_given_up_after_the_time_out(waits: list[float]) -> None:
    with serving(slow(0.6, says("late"))) as fake:
        assert "did not answer in time" in sentence_of(fake.url, waits, timeout_s=0.1)


def test_a_slow_answer_is_followed_by_a_quick_one(waits: list[float]) -> None:
    with serving(slow(0.6, says("late")), says("quick")) as fake:
        assert ask(fake.url, waits, timeout_s=0.2).text == "quick"


def test_a_line_cut_in_the_middle_of_an_answer_is_tried_again(waits: list[float]) -> None:
    with serving(drops, says("whole")) as fake:
        assert ask(fake.url, waits).text == "whole"


def test_an_endpoint_that_is_down_is_named_with_what_to_do(waits: list[float]) -> None:
    url = closed_url()
    text = sentence_of(url, waits)
    assert url in text and "cannot be reached" in text


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_web_page_in_place_of_an_answer_is_recognised(waits: list[float], kind: str) -> None:
    with serving(raw("<!doctype html><title>Welcome</title>", kind=kind)) as fake:
        assert "check its address" in sentence_of(fake.url, waits)


def test_a_broken_json_body_is_tried_again_and_then_named(waits: list[float]) -> None:
    with serving(raw('{"id": "x", "choices": [')) as fake:
        assert "not JSON" in sentence_of(fake.url, waits)
        assert len(fake.bodies) == 3


@pytest.mark.parametrize("counted", [-100_000, 0, 10**30, "many", 2.5])
def test_a_count_of_tokens_that_cannot_be_is_not_believed(waits: list[float], counted: Any) -> None:
    body: dict[str, Any] = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "usage": {"prompt_tokens": counted},
    }
    body["choices"] = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a \ud83d"}}]
    with serving(raw(json.dumps(body))) as fake:
        reply = ask(fake.url, waits)
    assert "tokens_in" not in reply.usage and reply.text == "a ?", "the most it can be counts, and halves are undone"


@pytest.mark.parametrize("choices", [[], None, "nonsense", [None], [{}]])
def test_a_reply_without_choices_holds_nothing(waits: list[float], choices: Any) -> None:
    with serving(completion(choices)) as fake:
        reply = ask(fake.url, waits)
    assert (reply.text, reply.finish) == ("", "error")


@pytest.mark.parametrize(
    ("answer", "finish"),
    [
        (says("half a", "length"), "length"),
        (says(None, "content_filter"), "filter"),
        (says(None, refusal="I can't help with that."), "refusal"),
        (says("   "), "error"),
        (fails(400, "blocked by policy", code="content_filter"), "filter"),
    ],
)
def test_cut_off_refused_and_empty_are_three_different_ends(waits: list[float], answer: Any, finish: str) -> None:
    with serving(answer) as fake:
        assert ask(fake.url, waits).finish == finish


@pytest.mark.parametrize(("status", "said"), [(401, "key"), (403, "key"), (404, "no model"), (400, "too long")])
def test_what_cannot_succeed_is_not_tried_again(waits: list[float], status: int, said: str) -> None:
    with serving(fails(status, f"prompt too long for {KEY}")) as fake:
        assert said in sentence_of(fake.url, waits)
        assert len(fake.bodies) == 1 and not waits


def test_a_server_without_structured_output_is_asked_without_it_from_then_on(waits: list[float]) -> None:
    with serving(fails(400, "response_format is not supported"), says("a"), says("b")) as fake:
        client = ChatClient(Endpoint(fake.url, "fake"), sleep=waits.append)
        for expected in ("a", "b"):
            assert client.ask("s", "u", max_tokens=5, temperature=1.0, schema=SCHEMA).text == expected
    assert ["response_format" in body for body in fake.bodies] == [True, False, False]
    assert not waits


def test_calls_under_way_together_each_learn_that_a_setting_is_not_taken(waits: list[float]) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    both = Barrier(2, timeout=60)

    def strict(handler: Any, body: dict[str, Any]) -> None:
        if "response_format" in body:
            both.wait()
            fails(400, "response_format is not supported")(handler, body)
        else:
            says("ok")(handler, body)

    with serving(strict) as fake:
        client = ChatClient(Endpoint(fake.url, "fake"), sleep=waits.append)
        with ThreadPoolExecutor(2) as pool:
            told = pool.map(lambda n: client.ask("s", str(n), max_tokens=5, temperature=1.0, schema=SCHEMA), range(2))
            assert [reply.text for reply in told] == ["ok", "ok"]
    assert sorted("response_format" in body for body in fake.bodies) == [False, False, True, True]


def test_newer_names_of_settings_are_learnt_from_the_rejection(waits: list[float]) -> None:
    told = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    with serving(fails(400, told), fails(400, "'temperature' does not support 0.9"), says("ok")) as fake:
        assert ask(fake.url, waits).text == "ok"
    assert "max_tokens" not in fake.bodies[2] and fake.bodies[2]["max_completion_tokens"] == 20
    assert "temperature" not in fake.bodies[2]


def test_the_key_is_in_no_log_and_no_representation(waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(fails(500), says("ok")) as fake:
        ask(fake.url, waits)
        endpoint = Endpoint(fake.url, "fake", KEY)
        assert KEY not in repr(endpoint) and KEY not in repr(endpoint.without_key())
    assert KEY not in caplog.text


def test_answers_of_an_endpoint_are_never_mixed_up_between_threads(waits: list[float]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def echo(handler: Any, body: dict[str, Any]) -> None:
        says(body["messages"][1]["content"])(handler, body)

    with serving(echo) as fake:
        client = ChatClient(Endpoint(fake.url, "fake"), sleep=waits.append)
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(lambda n: client.ask("s", str(n), max_tokens=5, temperature=1.0).text, range(24)))
    assert told == [str(n) for n in range(24)]
