"""Asking a model from a page: what it costs is seen first, and a page never asks by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from fac_core.coverage import worklist
from fac_core.features import naming
from fac_core.features.asked.results import asked_about, unchecked
from fac_core.features.asked.starting import plan_detecting
from fac_core.jobs import owner
from fac_core.llm.endpoint import set_endpoint
from fac_core.llm.terms import Terms
from fac_core.store import explanations as store
from fac_core.workspace import Workspace
from tests.app.reading import drawn, said
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
        assert at.toggle(key="asked_fuzz_listed").value, "features of the work list are to be written for"
        at.toggle(key="asked_fuzz_listed").set_value(False).run()
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


@pytest.mark.usefixtures("jobs_in_process")
def test_what_came_of_a_job_is_shown_with_its_cost_and_its_features_until_it_is_dismissed(
    ws: Workspace, open_view: Open
) -> None:
    with serving(answer) as endpoint:
        set_endpoint(ws, endpoint.url, "fake")
        at = pressed(pressed(open_view(), "asked_look"), "asked_start")
        owner.poll(ws)
        at = open_view()
    shown = drawn(at)
    assert "Explain 2 features: completed" in shown and "2 borne out by the verifier" in shown
    assert "verify: 2 answered as asked" in shown and "cost: unpriced, 44 tokens in and 28 out in 4 attempts" in shown
    job = owner.jobs(ws)[0]
    assert asked_about(job) == sorted([BOMB, CAKE])
    pressed(at, "asked_became_0_show")
    assert at.query_params["f_asked"] == job.job_id
    assert "2 borne out" not in drawn(pressed(at, "asked_became_0_dismiss"))
    assert "2 borne out" not in drawn(open_view())


@pytest.mark.usefixtures("planted", "jobs_in_process")
def test_the_page_is_drawn_anew_when_a_job_was_started_or_ended_elsewhere(ws: Workspace, open_view: Open) -> None:
    def stale() -> None:
        import streamlit as st

        from pages.ui import explain_view, services

        st.session_state["_framed"] = True
        n = st.session_state["n_drawn"] = st.session_state.get("n_drawn", 0) + 1
        here = services.here()
        explain_view.follow(here, ("an earlier job", "cancelled") if n == 1 else explain_view.standing(None))

    at = AppTest.from_function(stale, default_timeout=60)
    at.query_params["project"] = ws.root.name
    at.run()
    assert not at.exception and at.session_state["n_drawn"] == 2


def test_what_is_asked_about_first_is_what_holds_features_and_an_empty_choice_says_why(
    ws: Workspace, planted: str, open_view: Open
) -> None:
    worklist.remove(ws, planted, [BOMB, CAKE])
    at = open_view()
    first = at.selectbox(key="asked_features").value
    assert first != "worklist" and not at.button(key="asked_look").disabled
    at.selectbox(key="asked_features").select("worklist").run()
    assert "The work list is empty" in said(at) and at.button(key="asked_look").disabled


def test_what_is_asked_is_in_the_address(ws: Workspace, planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    at = AppTest.from_string(PAGE, default_timeout=60)
    for name, value in {
        "project": ws.root.name,
        "asked_kind": "judge explanations",
        "asked_features": "all that have a name",
        "asked_which": "the feature's name",
        "asked_top": "7",
    }.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception and at.segmented_control(key="asked_kind").value == "detect"
    assert at.selectbox(key="asked_features").value == "named" and at.selectbox(key="asked_which").value == "name"
    assert at.number_input(key="asked_top").value == 7 and not at.toggle(key="asked_fuzz").value


@pytest.mark.usefixtures("jobs_in_process")
def test_features_of_the_work_list_whose_names_no_model_judged_are_counted(ws: Workspace, planted: str) -> None:
    naming.rename(ws, planted, BOMB, "making a bomb", "test")
    assert unchecked(ws, planted) == [BOMB], "one without a name has nothing to be judged"
    with serving(answer) as endpoint:
        plan = plan_detecting(ws, planted, [BOMB], Terms(endpoint.url, "fake"), which="name", quick=True)
        plan.start(ws)
        owner.poll(ws)
    assert unchecked(ws, planted) == []
