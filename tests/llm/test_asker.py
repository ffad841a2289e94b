"""Many questions to a scripted endpoint: what comes of each, what is kept, and what is not asked again."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from fac_core.errors import EndpointError
from fac_core.llm.asker import EndpointAsker
from fac_core.llm.calls import CALLS, Calls, request_hash
from fac_core.llm.client import Ending, Reply
from fac_core.llm.endpoint import Endpoint
from fac_core.llm.prices import Cap
from tests.llm.conftest import MakeDesk, question
from tests.llm.fake_endpoint import Answer, closed_url, completion, fails, says, serving, slow

YES = '{"rating": "Yes", "score": 3}'


@pytest.mark.parametrize(
    ("answers", "outcome", "value"),
    [
        ([says(YES)], "answered", {"rating": "Yes", "score": 3}),
        ([says(f"Sure!\n```json\n{YES}\n```")], "answered", {"rating": "Yes", "score": 3}),
        ([says('{"Rating": "yes.", "score": "3", "why": "it is"}')], "answered", {"rating": "Yes", "score": 3}),
        ([says('{"rating": "Perha', "length")], "cut off", {}),
        ([says(YES + " and", "length")], "answered", {"rating": "Yes", "score": 3}),
        ([says(None, refusal="I can't.")], "refused", {}),
        ([says("I'm sorry, but I can't help with that.")], "refused", {}),
        ([says(None, "content_filter")], "filtered", {}),
        ([fails(400, "blocked", code="content_filter")], "filtered", {}),
        ([says('{"rating": "Perhaps"}')], "unreadable", {}),
        ([says("It is even."), says(YES)], "answered", {"rating": "Yes", "score": 3}),
        ([completion([]), says(YES)], "answered", {"rating": "Yes", "score": 3}),
    ],
    ids=range(12),
)
def test_each_end_of_a_question_is_its_own_outcome(
    make_desk: MakeDesk, answers: list[Answer], outcome: str, value: dict[str, Any]
) -> None:
    with serving(*answers) as fake:
        (answer,) = EndpointAsker(make_desk(fake.url)).answers([question()])
        n_asked = len(fake.bodies)
        (again,) = EndpointAsker(make_desk(fake.url)).answers([question()])
        n_again = len(fake.bodies) - n_asked
    assert (answer.outcome, answer.value) == (outcome, value)
    assert answer == again and n_again == 0


def test_an_unreadable_reply_is_asked_for_once_more_with_the_schema_in_words(make_desk: MakeDesk) -> None:
    with serving(says("Well.")) as fake:
        desk = make_desk(fake.url)
        (answer,) = EndpointAsker(desk).answers([question()])
    assert (answer.outcome, len(fake.bodies)) == ("unreadable", 2)
    first, second = (body["messages"][1]["content"] for body in fake.bodies)
    assert second.startswith(first) and '"rating"' in second and '"rating"' not in first
    assert sorted(each.again for each in desk.calls.attempts.values()) == [False, True]


def test_what_is_asked_twice_at_the_same_time_is_paid_once(make_desk: MakeDesk) -> None:
    with serving(slow(0.1, says(YES))) as fake:
        asked = [question(key=str(n)) for n in range(6)]
        found = list(EndpointAsker(make_desk(fake.url)).answers(asked))
    assert {answer.key for answer in found} == set("012345") and len(fake.bodies) == 1


def test_a_reply_of_an_earlier_job_answers_the_same_question(make_desk: MakeDesk) -> None:
    with serving(says(YES)) as fake:
        first = make_desk(fake.url, job="one")
        list(EndpointAsker(first).answers([question(n) for n in range(3)]))
        earlier = (Path(first.calls._path),)
        second = make_desk(fake.url, job="two", earlier=earlier)
        found = list(EndpointAsker(second).answers([question(n) for n in range(4)]))
    assert len(fake.bodies) == 4 and all(answer.outcome == "answered" for answer in found)
    assert len(second.calls.attempts) == 1


def test_a_cancelled_job_asks_nothing_more_and_keeps_what_came_in(make_desk: MakeDesk) -> None:
    stop = threading.Event()
    with serving(says(YES)) as fake:
        desk = make_desk(fake.url, cancelled=stop.is_set)
        answers = EndpointAsker(desk).answers(question(n) for n in range(1000))
        next(answers)
        stop.set()
        n = 1 + len(list(answers))
    assert n <= len(fake.bodies) < 40
    assert all(each.outcome == "answered" for each in desk.calls.attempts.values())


def test_a_question_that_fails_alone_costs_only_itself(make_desk: MakeDesk) -> None:
    def answer(handler: Any, body: dict[str, Any]) -> None:
        (fails(413, "too long") if "Is 3" in str(body) else says(YES))(handler, body)

    with serving(answer) as fake:
        found = list(EndpointAsker(make_desk(fake.url)).answers(question(n) for n in range(8)))
    assert {a.key: a.outcome for a in found} == {f"q{n}": "rejected" if n == 3 else "answered" for n in range(8)}


@pytest.mark.parametrize("n", [1, 4, 30])
@pytest.mark.parametrize("status", [400, 413, 422])
def test_questions_that_are_all_rejected_end_as_such_with_the_words_of_the_service(
    make_desk: MakeDesk, n: int, status: int
) -> None:
    with serving(fails(status, "the prompt is too long for this model")) as fake:
        desk = make_desk(fake.url)
        found = list(EndpointAsker(desk).answers(question(number) for number in range(n)))
    assert {(answer.key, answer.outcome) for answer in found} == {(f"q{number}", "rejected") for number in range(n)}
    assert all(f"error {status}: the prompt is too long for this model." in answer.text for answer in found)
    assert not any(each.billed for each in desk.calls.attempts.values())


@pytest.mark.parametrize(
    ("status", "said", "sentence"),
    [
        (400, "The model `fake` does not exist.", "knows no model 'fake'"),
        (400, "Invalid model name passed in model=fake", "knows no model 'fake'"),
        (404, "no", "knows no model 'fake'"),
        (400, "API key not valid. Please pass a valid API key.", "does not accept the key"),
        (422, "Missing API key", "does not accept the key"),
        (401, "no", "does not accept the key"),
    ],
)
def test_wrong_settings_stop_the_job_at_once_and_are_no_rejection_of_its_questions(
    make_desk: MakeDesk, status: int, said: str, sentence: str
) -> None:
    with serving(fails(status, said)) as fake:
        desk = make_desk(fake.url, at_once=1)
        with pytest.raises(EndpointError, match=sentence):
            list(EndpointAsker(desk).answers(question(n) for n in range(20)))
        n_asked = len(fake.bodies)
        fake.script[:] = [says(YES)]  # the settings were mended
        found = list(EndpointAsker(make_desk(fake.url)).answers(question(n) for n in range(20)))
    assert n_asked <= 3 and [answer.outcome for answer in found] == ["answered"] * 20


def test_replies_that_cannot_be_read_are_asked_for_anew_where_that_is_wanted(make_desk: MakeDesk) -> None:
    def answer(handler: Any, body: dict[str, Any]) -> None:
        said = body["messages"][1]["content"]
        first = {"Is 0": "Well.", "Is 1": YES, "Is 2": "Well."}[said[:4]]
        says(YES if "Is 2" in said and "schema" in said else first)(handler, body)

    asked = [question(n) for n in range(3)]
    with serving(answer) as fake:
        one = make_desk(fake.url, job="one")
        list(EndpointAsker(one).answers(asked))
        earlier = (Path(one.calls._path),)
        outcomes = {}
        for job, anew in (("two", False), ("three", True), ("three", True)):  # the last is a resume
            before = len(fake.bodies)
            desk = make_desk(fake.url, job=job, earlier=earlier, anew=anew)
            found = {answer.key: answer.outcome for answer in EndpointAsker(desk).answers(asked)}
            outcomes[job, len(outcomes)] = (len(fake.bodies) - before, found["q0"], found["q1"], found["q2"])
        fake.script[:] = [says(YES)]
        desk = make_desk(fake.url, job="four", earlier=earlier, anew=True)
        (mended,) = EndpointAsker(desk).answers(asked[:1])
    unread = ("unreadable", "answered", "answered")
    assert list(outcomes.values()) == [(0, *unread), (2, *unread), (0, *unread)]
    assert mended.outcome == "answered"


@pytest.mark.parametrize("status", [401, 500], ids=["at once", "after some"])
def test_an_endpoint_that_cannot_be_used_stops_the_job_with_its_sentence(make_desk: MakeDesk, status: int) -> None:
    with serving(says(YES), fails(status)) as fake:
        desk = make_desk(fake.url, at_once=1, attempts=1)
        found = []
        with pytest.raises(EndpointError, match=fake.url):
            for answer in EndpointAsker(desk).answers(question(n) for n in range(50)):
                found.append(answer)
    assert [answer.key for answer in found] == ["q0"] and len(fake.bodies) < 12
    assert desk.calls.reply(found[0].request_hash) is not None


def test_an_endpoint_that_is_down_fails_no_question_for_good(make_desk: MakeDesk) -> None:
    desk = make_desk(closed_url(), attempts=1)
    with pytest.raises(EndpointError, match="cannot be reached"):
        list(EndpointAsker(desk).answers([question()]))
    assert [each.billed for each in desk.calls.attempts.values()] == [False]


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

    reply = Reply("\ud800 text", "length", {"calls": 2})
    calls = Calls(tmp_path / CALLS, here, None)
    attempt = calls.planned(name, "judge", bytes_in=1, most_in=1, most_out=1)
    calls.begin(attempt)
    calls.end(attempt, Ending("cut off", True, reply))
    assert "key one" not in (tmp_path / CALLS).read_text()
    with (tmp_path / CALLS).open("ab") as torn:
        torn.write(b'{"attempt": {"half')
    again = Calls(tmp_path / CALLS, here, None)
    assert again.reply(name) == reply and again.reply("other") is None


def test_a_cap_in_calls_is_never_passed_by_many_threads(make_desk: MakeDesk) -> None:
    with serving(slow(0.01, says(YES))) as fake:
        desk = make_desk(fake.url, cap=Cap(calls=10), at_once=16)
        found = list(EndpointAsker(desk).answers(question(n) for n in range(40)))
    outcomes = [answer.outcome for answer in found]
    assert (len(fake.bodies), outcomes.count("answered"), outcomes.count("over budget")) == (10, 10, 30)


def test_answers_of_a_schema_stay_json_values(make_desk: MakeDesk) -> None:
    with serving(says('<think>maybe {"rating": "No"}</think>' + YES)) as fake:
        (answer,) = EndpointAsker(make_desk(fake.url)).answers([question()])
    assert json.loads(json.dumps(answer.value)) == {"rating": "Yes", "score": 3}


def test_a_service_that_answers_in_turn_is_asked_less_at_once_when_a_question_times_out(make_desk: MakeDesk) -> None:
    with serving(slow(0.6, says(YES)), says(YES)) as fake:
        desk = make_desk(fake.url, at_once=4, timeout_s=0.2)
        found = list(EndpointAsker(desk).answers([question()]))
        assert [answer.outcome for answer in found] == ["answered"] and desk.client._pace.limit < 4
