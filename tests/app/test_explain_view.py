"""Asking a model from a page: what it costs is seen first, and a page never asks by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from fac_core.coverage import worklist
from fac_core.jobs import owner
from fac_core.llm.endpoint import set_endpoint
from fac_core.store import explanations as store
from fac_core.workspace import Workspace
from tests.app.reading import said
from tests.cli.test_cli_explain import answer
from tests.features.asked.conftest import BOMB, CAKE, samples
from tests.llm.fake_endpoint import closed_url, says, serving
from tests.planted import plant

PAGE = """
import streamlit as st
st.session_state["_framed"] = True
from pages.ui import explain_view, services
explain_view.show(services.here(), st.session_state.get("filtered", ()))
"""
Open = Callable[..., AppTest]


@pytest.fixture
def planted(ws: Workspace) -> str:
    """The planted space with two features on the work list."""
    space_id = plant(ws, samples())
    worklist.add(ws, space_id, [BOMB, CAKE], "test")
    return space_id


@pytest.fixture
def open_view(ws: Workspace, planted: str, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the view by itself."""
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))

    def make(**state: object) -> AppTest:
        at = AppTest.from_string(PAGE, default_timeout=60)
        at.query_params["project"] = ws.root.name
        for name, value in state.items():
            at.session_state[name] = value
        at.run()
        assert not at.exception, at.exception
        return at

    return make


def pressed(at: AppTest, key: str) -> AppTest:
    """A button was pressed."""
    at.button(key=key).click().run()
    assert not at.exception, at.exception
    return at


@pytest.mark.usefixtures("jobs_in_process")
def test_the_cost_is_seen_then_features_are_explained_then_judged(ws: Workspace, planted: str, open_view: Open) -> None:
    with serving(answer) as endpoint:
        set_endpoint(ws, endpoint.url, "fake")
        at = open_view()
        assert not [button for button in at.button if button.key == "asked_start"]
        pressed(at, "asked_look")
        assert metrics(at)["Calls"] == "4" and not endpoint.bodies
        assert at.button(key="asked_start").label == "Explain 2 features"
        at.number_input(key="asked_cost_cap_tokens").set_value(1_000_000).run()
        pressed(at, "asked_start")
        owner.poll(ws)
        at.run()
        assert len(endpoint.bodies) == 4
        assert owner.jobs(ws)[0].spec["terms"]["cap"] == [None, 1_000_000, None]
        at.segmented_control(key="asked_kind").set_value("detect").run()
        at.toggle(key="asked_quick").set_value(True).run()
        pressed(pressed(at, "asked_look"), "asked_start")
        owner.poll(ws)
    scores = store.scores_of(ws.database, planted, [BOMB, CAKE])
    assert {score.feature_id for score in scores} == {BOMB, CAKE}


@pytest.mark.usefixtures("jobs_in_process")
def test_what_came_to_nothing_is_told_and_asked_for_anew_by_the_switch(ws: Workspace, open_view: Open) -> None:
    with serving(says("Well well well"), says("Well.", "length")) as endpoint:
        set_endpoint(ws, endpoint.url, "fake")
        at = pressed(pressed(open_view(), "asked_look"), "asked_start")
        owner.poll(ws)
        result = owner.jobs(ws)[0].result
        at.run()
        n_asked = len(endpoint.bodies)
        endpoint.script[:] = [answer]
        assert result is not None and not at.exception
        at.toggle(key="asked_again").set_value(True).run()
        pressed(pressed(at, "asked_look"), "asked_start")
        owner.poll(ws)
    assert len(endpoint.bodies) > n_asked and owner.jobs(ws)[0].result["outcomes"]["verify: answered"] == 2  # type: ignore[index]


def test_another_choice_takes_the_preview_away(ws: Workspace, open_view: Open) -> None:
    set_endpoint(ws, closed_url(), "fake")
    at = pressed(open_view(), "asked_look")
    assert metrics(at)
    at.number_input(key="asked_top").set_value(1).run()
    assert not metrics(at)


def test_features_that_the_filters_leave_are_offered_where_there_are_filters(ws: Workspace, open_view: Open) -> None:
    set_endpoint(ws, closed_url(), "fake")
    assert "filter" not in at_options(open_view())
    at = open_view(filtered=(CAKE,))
    at.selectbox(key="asked_features").select("those the filters leave").run()
    assert metrics(pressed(at, "asked_look"))["Calls"] == "2"


def test_without_an_endpoint_it_says_what_to_do(open_view: Open) -> None:
    at = pressed(open_view(), "asked_look")
    shown = " ".join(str(each.value) for each in [*at.error, *at.warning, *at.info])
    assert "Set the endpoint's address and model" in shown + said(at)


def at_options(at: AppTest) -> str:
    return " ".join(at.selectbox(key="asked_features").options)


def metrics(at: AppTest) -> dict[str, str]:
    return {each.label: str(each.value) for each in at.metric}


def test_the_work_list_is_the_one_of_now(ws: Workspace, planted: str, open_view: Open) -> None:
    set_endpoint(ws, closed_url(), "fake")
    at = pressed(open_view(), "asked_look")
    assert at.button(key="asked_start").label == "Explain 2 features"
    worklist.remove(ws, planted, [BOMB])
    assert pressed(at.run(), "asked_look").button(key="asked_start").label == "Explain 1 feature"
