"""Explaining and judging from the terminal, at an endpoint in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from fac_core.coverage import worklist
from fac_core.llm.prices import Price, set_price
from fac_core.workspace import Workspace
from tests.cli.conftest import Ran
from tests.features.asked.conftest import BOMB, CAKE, samples
from tests.llm.fake_endpoint import fails, says, serving
from tests.planted import plant

Fac = Callable[..., Ran]


def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Explains everything as bombs, and sees bombs where the word stands."""
    user = body["messages"][-1]["content"]
    block = user.split("<data>\n", 1)[1].split("\n</data>", 1)[0].split("\n")
    if "Passages:" in user:
        said = {"reason": "it does", "verdict": "yes"} if "Description:" in user else {"explanation": "making a bomb"}
    else:
        said = {str(n): "yes" if "bomb" in line else "no" for n, line in enumerate(block, start=1)}
    says(json.dumps(said))(handler, body)


@pytest.fixture
def planted(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """The planted space, its two features on the work list, in the project that commands mean."""
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    space_id = plant(ws, samples(), neighbours=[(BOMB, CAKE, 0.8)])
    worklist.add(ws, space_id, [BOMB, CAKE], "test")
    set_price(ws, "fake", Price(1.0, 2.0))
    ws.close()
    return space_id


@pytest.mark.usefixtures("planted", "jobs_in_process")
def test_features_are_explained_and_judged_and_a_dry_run_asks_nothing(fac: Fac) -> None:
    with serving(answer) as endpoint:
        at = ("--base-url", endpoint.url, "--model", "fake", "--json")
        dry = fac("explain", "--dry-run", *at)
        assert dry.code == 0 and dry.json["n"] == 2 and not endpoint.bodies
        assert sum(each["n_questions"] for each in dry.json["estimate"]["purposes"]) == 4
        done = fac("explain", *at)
        assert done.code == 0, done.err
        assert {each["text"] for each in done.json["explanations"]} == {"making a bomb"} and len(endpoint.bodies) == 4
        calls = [
            sum(each["n_questions"] for each in fac("detect", "--dry-run", *at, *how).json["estimate"]["purposes"])
            for how in ((), ("--no-fuzz",), ("--features", f"{BOMB},{CAKE}"))
        ]
        assert calls[0] > calls[1] == calls[2], "features of the work list are fuzzed unless it is said not to"
        scored = fac("detect", "--quick", "--no-fuzz", *at)
        assert scored.code == 0, scored.err
        by_feature = {each["explanation"]["feature_id"]: each["scores"]["detection"] for each in scored.json["judged"]}
        assert by_feature[BOMB]["value"] == 1.0 and by_feature[CAKE]["value"] < 0.5
        assert len(endpoint.bodies) == 4 + 2 * 8
        again = fac("explain", *at)
    assert again.code == 1 and "2 explained by this model already" in again.err


@pytest.mark.usefixtures("planted", "jobs_in_process")
def test_a_cap_is_kept_and_what_it_left_out_is_counted(fac: Fac) -> None:
    with serving(answer) as endpoint:
        at = ("--base-url", endpoint.url, "--model", "fake")
        ran = fac("explain", "--cap-tokens", 1, *at)
        assert ran.code == 0, ran.err
        assert "0 of 2 features explained" in ran.out and not endpoint.bodies
        assert fac("explain", *at).code == 0


def test_what_came_to_nothing_is_said_and_asked_for_anew_where_that_is_wanted(
    planted: str, jobs_in_process: None, fac: Fac
) -> None:
    def half(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        verifies = "Description:" in body["messages"][-1]["content"]
        (says("Perhaps they do") if verifies else answer)(handler, body)

    with serving(half) as endpoint:
        at = ("--base-url", endpoint.url, "--model", "fake")
        ran = fac("explain", *at)
        assert ran.code == 0 and "not verified" in ran.out
        assert "explain: 2 answered as asked" in ran.err and "verify: 2 unreadable both times" in ran.err
        assert "2 replies are not what was asked for" in ran.err and "--again" in ran.err
        n_asked = len(endpoint.bodies)
        endpoint.script[:] = [answer]
        dry = fac("explain", "--again", "--dry-run", "--json", *at)
        cached = {each["purpose"]: each["n_cached"] for each in dry.json["estimate"]["purposes"]}
        assert cached == {"explain": 2, "verify": 0}
        again = fac("explain", "--again", *at)
        assert again.code == 0 and "yes" in again.out and "not verified" not in again.out
        assert len(endpoint.bodies) == n_asked + 2, "what was answered well was not asked anew"
        dry = fac("explain", "--again", "--dry-run", "--json", *at)
    assert [each["n_cached"] for each in dry.json["estimate"]["purposes"]] == [2, 2]


def test_what_the_service_says_of_questions_that_it_rejects_is_said_once(
    planted: str, jobs_in_process: None, fac: Fac
) -> None:
    with serving(fails(400, "a prompt has at most 10 tokens")) as endpoint:
        ran = fac("explain", "--base-url", endpoint.url, "--model", "fake")
    assert ran.code == 0 and "0 of 2 features explained" in ran.out and "explain: 2 rejected" in ran.err
    assert ran.err.count("a prompt has at most 10 tokens") == 1


@pytest.mark.usefixtures("planted", "jobs_in_process")
def test_what_another_model_said_is_no_result_of_this_one(fac: Fac) -> None:
    of = ("--features", f"{BOMB},{CAKE}")
    with serving(answer) as endpoint:
        at = ("--base-url", endpoint.url, "--model", "fake")
        for command in (("explain",), ("detect", "--quick"), ("rate",)):
            assert fac(*command, *of, *at).code == 0
        endpoint.script[:] = [fails(400, "not \x1b[31mthese \u202e words")]
        told = {}
        for command in (("explain",), ("detect", "--quick"), ("rate",)):
            told[command[0]] = fac(*command, *of, "--base-url", endpoint.url, "--model", "other", "--json")
            assert "not ?[31mthese ? words" in told[command[0]].err
    assert told["explain"].json["explanations"] == [] and told["detect"].json["judged"] == []
    assert told["rate"].json["ratings"] == {}


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("explain", "--features", "everything"), "There are no features 'everything'"),
        (("detect", "--of", "nobody"), "There are no explanations of 'nobody'"),
        (("explain", "--features", "99"), "no feature 99"),
        (("explain", "--base-url", ""), "Set the endpoint's address and model"),
    ],
    ids=["choice", "explanations", "feature", "endpoint"],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(fac: Fac, arguments: tuple[str, ...], why: str) -> None:
    at = () if "--base-url" in arguments else ("--base-url", "http://127.0.0.1:9/v1", "--model", "fake")
    ran = fac(*arguments, *at)
    assert ran.code == 1 and why in ran.err and "Traceback" not in ran.err
