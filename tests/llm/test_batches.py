"""A batch is handed in once, found again after a restart, and its answers are the same as those of single calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fac_core.errors import EndpointError
from fac_core.llm.batches import BatchAsker
from fac_core.llm.calls import Calls
from fac_core.llm.prices import Cap, Price
from tests.llm.conftest import MakeDesk, question
from tests.llm.fake_batches import FakeBatches, serving_batches
from tests.llm.fake_endpoint import closed_url

PRICE = Price(1.0, 2.0)


def said(text: str | None, finish: str = "stop", **message: Any) -> tuple[int, dict[str, Any]]:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    return 200, {"choices": [choice], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}


def reply(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    asked = body["messages"][1]["content"]
    match int(asked.split()[1]):
        case 1:
            return said(None, refusal="No.")
        case 2:
            return said('{"rating": "Yes"}' if "schema" in asked else "Well, yes.")
        case 3:
            return 400, {"error": {"message": "blocked", "code": "content_filter"}}
        case 4:
            return None
        case 5:
            return 429, {"error": {"message": "slow down"}}
        case _:
            return said('{"rating": "No"}')


EXPECTED = {"q1": "refused", "q3": "filtered", "q4": "failed", "q5": "failed"}


def outcomes(asker: BatchAsker, n: int = 12) -> dict[str, str]:
    return {answer.key: answer.outcome for answer in asker.answers([question(number) for number in range(n)])}


def test_answers_of_a_batch_are_told_apart_like_those_of_single_calls(make_desk: MakeDesk) -> None:
    with serving_batches(FakeBatches(reply)) as fake:
        desk = make_desk(fake.url, price=PRICE)
        found = outcomes(BatchAsker(desk, poll_s=0.01))
        assert found == {f"q{n}": EXPECTED.get(f"q{n}", "answered") for n in range(12)}
        n_batches = len(fake.batches)
        again = make_desk(fake.url, price=PRICE)
        assert next(BatchAsker(again, poll_s=0.01).answers([question(0)])).value == {"rating": "No"}
        assert len(fake.batches) == n_batches == 3, "all, then what was unreadable or not answered, then that once more"
    asked = Counter(body["messages"][1]["content"] for body in fake.asked)
    assert max(n for text, n in asked.items() if " 4 " not in text and " 5 " not in text) == 1
    settled = desk.calls.attempts.values()
    assert not any(each.assumed for each in settled) and desk.budget.money == pytest.approx(10 * PRICE.of(11, 7))


@pytest.mark.parametrize("noted", [True, False], ids=["its id was noted", "its id was not noted"])
def test_a_batch_goes_on_while_its_worker_is_gone(make_desk: MakeDesk, noted: bool) -> None:
    with serving_batches(FakeBatches(reply, polls=3)) as fake:
        stopped = make_desk(fake.url, cancelled=lambda: bool(fake.batches))
        assert outcomes(BatchAsker(stopped, poll_s=0.01)) == {}
        path = stopped.calls._path
        if not noted:
            lines = path.read_bytes().splitlines(keepends=True)
            path.write_bytes(b"".join(line for line in lines if b'"id": "batch-0"' not in line))
        assert make_desk(fake.url).budget.calls == 12, "what is under way counts as spent"
        found = outcomes(BatchAsker(make_desk(fake.url), poll_s=0.01))
        assert found["q0"] == "answered" and len(found) == 12
        handed_in = [len(content.splitlines()) for name, content in fake.files.items() if name.startswith("file")]
    assert handed_in == [12, 3, 2, 2], "the first is not handed in again"


def test_a_batch_that_never_came_to_the_service_is_handed_in_again(make_desk: MakeDesk) -> None:
    down = make_desk(closed_url(), attempts=1)
    with pytest.raises(EndpointError):
        list(BatchAsker(down).answers([question()]))
    assert [each.billed for each in down.calls.attempts.values()] == [False]


def test_an_expired_batch_keeps_what_it_answered_and_asks_the_rest_again(make_desk: MakeDesk) -> None:
    first = True

    def half(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        return said('{"rating": "No"}') if not first or int(body["messages"][1]["content"].split()[1]) < 6 else None

    with serving_batches(FakeBatches(half)) as fake:
        fake.status = "expired"
        answers = BatchAsker(make_desk(fake.url), poll_s=0.01).answers([question(n) for n in range(12)])
        found = [next(answers)]
        first = False
        found += answers
    assert {answer.outcome for answer in found} == {"answered"} and len(found) == 12
    assert len(fake.asked) == 18


def test_a_setting_that_the_service_does_not_take_is_left_out_of_the_next_batch(make_desk: MakeDesk) -> None:
    def strict(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "max_tokens" in body:
            return 400, {"error": {"message": "Use 'max_completion_tokens' instead of 'max_tokens'."}}
        return said('{"rating": "No"}')

    with serving_batches(FakeBatches(strict)) as fake:
        assert set(outcomes(BatchAsker(make_desk(fake.url), poll_s=0.01), 3).values()) == {"answered"}
    assert [body.get("max_completion_tokens") for body in fake.asked] == [None] * 3 + [50] * 3


def test_a_question_that_the_service_rejects_is_not_handed_in_again(make_desk: MakeDesk) -> None:
    def reply(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 400, {"error": {"message": "the prompt is too long"}}

    with serving_batches(FakeBatches(reply)) as fake:
        found = list(BatchAsker(make_desk(fake.url), poll_s=0.01).answers([question(0), question(1)]))
        n = len(fake.batches)
    assert [answer.outcome for answer in found] == ["rejected"] * 2 and n == 1
    assert all("error 400: the prompt is too long." in answer.text for answer in found)


def test_a_batch_keeps_within_the_cap(make_desk: MakeDesk) -> None:
    with serving_batches(FakeBatches(reply)) as fake:
        found = Counter(outcomes(BatchAsker(make_desk(fake.url, cap=Cap(calls=2)), poll_s=0.01)).values())
    assert len(fake.asked) == 2 and found["over budget"] == 10


def test_an_endpoint_without_batches_says_so_and_costs_nothing(make_desk: MakeDesk) -> None:
    fake = FakeBatches(reply)
    fake.absent = True
    with serving_batches(fake):
        desk = make_desk(fake.url)
        with pytest.raises(EndpointError, match="start without one"):
            list(BatchAsker(desk).answers([question()]))
    assert not any(each.billed for each in Calls(desk.calls._path, desk.endpoint, None).attempts.values())
