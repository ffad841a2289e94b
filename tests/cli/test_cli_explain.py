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
from tests.llm.fake_endpoint import says, serving
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
        scored = fac("detect", "--quick", *at)
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
