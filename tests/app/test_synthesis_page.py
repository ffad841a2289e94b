"""Synthesis: the work list as tickets, the pool before anything is written, one run at a time, and what it became."""

from __future__ import annotations

from typing import Any

import pytest

from fac_core.coverage import worklist
from fac_core.coverage.gaps import gaps
from fac_core.feature_space import spaces
from fac_core.features.naming import rename
from fac_core.jobs import owner
from fac_core.llm.endpoint import set_endpoint
from fac_core.review.queue import counts
from fac_core.synthesis.foreseen import foresee
from fac_core.synthesis.runs import RunSettings, TargetRow, run_table, runs
from fac_core.workspace import Workspace
from pages.ui import run_view
from tests.app.conftest import App
from tests.app.reading import drawn, said
from tests.llm.fake_endpoint import closed_url


@pytest.fixture
def space_id(tiny_spec: Any) -> str:
    return str(tiny_spec.space_id)


@pytest.fixture
def listed(filled_ws: Workspace, space_id: str) -> list[int]:
    """Open features on the work list, at a δ where the tiny space has some."""
    for delta in (1.0, 0.5, 1.5, 2.0, 0.0):
        spaces.set_delta(filled_ws, space_id, delta)
        found = gaps(filled_ws, space_id, delta, collapse=False, states=("missing", "undersampled"))[:4]
        if len(found) >= 2:
            break
    ids = [gap.feature_id for gap in found]
    worklist.add(filled_ws, space_id, ids, "test")
    return ids


def test_an_empty_work_list_teaches_where_to_pick(app: App) -> None:
    at = app("synthesis")
    assert "stand here as tickets" in said(at)


def test_each_feature_is_a_ticket_that_can_be_taken_off(
    app: App, filled_ws: Workspace, space_id: str, listed: list[int]
) -> None:
    at = app("synthesis")
    assert {f"off_{feature}" for feature in listed} <= {button.key for button in at.button}
    at.button(key=f"off_{listed[0]}").click().run()
    assert not at.exception
    assert set(worklist.in_worklist(filled_ws, space_id)) == set(listed[1:])


def test_the_estimate_follows_the_settings_before_anything_starts(
    app: App, filled_ws: Workspace, space_id: str, listed: list[int]
) -> None:
    delta, at = spaces.delta(filled_ws, space_id), app("synthesis")
    assert foresee(filled_ws, space_id, delta, RunSettings()).sentence in said(at)
    at.number_input(key="n_step2").set_value(0).run()
    assert foresee(filled_ws, space_id, delta, RunSettings(n_step2=0)).sentence in said(at)
    assert at.slider(key="steering").value == 0.5


def test_an_endpoint_s_calls_and_tokens_are_seen_before_the_start_and_can_be_capped(
    app: App, filled_ws: Workspace, space_id: str, listed: list[int]
) -> None:
    set_endpoint(filled_ws, closed_url(), "fake")
    at = app("synthesis")
    at.segmented_control(key="generator").set_value("openai").run()
    settings = RunSettings(generator="openai")
    assert foresee(filled_ws, space_id, spaces.delta(filled_ws, space_id), settings).sentence in said(at)
    assert "tokens in" in said(at) and "unpriced" in said(at)
    at.number_input(key="run_cap_tokens").set_value(1000).run()
    assert not at.exception and at.number_input(key="run_cap_tokens").value == 1000


def test_an_endpoint_that_is_not_set_up_is_one_sentence(app: App, filled_ws: Workspace, listed: list[int]) -> None:
    at = app("synthesis")
    at.segmented_control(key="generator").set_value("openai").run()
    assert "Set the endpoint's address and model" in said(at)
    at.button(key="start_run").click().run()
    assert not at.exception
    assert runs(filled_ws) == []


def test_the_pool_is_searched_and_what_it_has_waits_for_review(
    app: App, filled_ws: Workspace, space_id: str, listed: list[int]
) -> None:
    at = app("synthesis")
    at.button(key="find").click().run()
    assert not at.exception
    n = counts(filled_ws, space_id).pending
    if n:
        assert f"of the pool now {'waits' if n == 1 else 'wait'} for review" in said(at)
        assert [run.generator for run in runs(filled_ws)] == ["pool"]
    else:
        assert "no further text" in said(at)
    at.button(key="find").click().run()
    assert counts(filled_ws, space_id).pending == n


def test_a_run_shows_each_feature_and_what_stayed_open(
    app: App, filled_ws: Workspace, space_id: str, listed: list[int], jobs_in_process: None
) -> None:
    at = app("synthesis")
    for key, value in (("n_step1", 2), ("n_step2", 1)):
        at.number_input(key=key).set_value(value).run()
    at.button(key="start_run").click().run()
    assert not at.exception
    owner.poll(filled_ws)
    at.run()
    assert not at.exception
    made = runs(filled_ws)
    assert len(made) == 1
    shown = drawn(at).replace("\\u00b7", "·")
    assert all(f"· {row.feature_id}" in shown for row in run_table(filled_ws, made[0].run_id))
    if any(not row.closed for row in run_table(filled_ws, made[0].run_id)):
        assert any("What stayed open" in head.value for head in at.subheader)


@pytest.mark.parametrize("run", ["no-such-run", "<img>", "' OR 1=1"])
def test_an_unknown_run_in_the_address_is_passed_over(app: App, listed: list[int], run: str) -> None:
    assert not app("synthesis", run=run).exception


def test_a_bullet_says_closed_open_or_waiting_in_words() -> None:
    def row(**changed: Any) -> TargetRow:
        values: dict[str, Any] = {
            "feature_id": 7, "name": "", "attempts": 5, "best_value": 4.0, "delta": 2.0, "outcomes": {"hit": 1},
            "closed": True, "best_text": "text",
        }  # fmt: skip
        return TargetRow(**{**values, **changed})

    closed = run_view.bullet(row(), 8.0)
    assert (closed.state, closed.share, closed.tick) == ("● closed", 0.5, 0.25)
    assert run_view.bullet(row(closed=False, best_value=1.0), 8.0).state == "○ open"
    waits = run_view.bullet(row(closed=False, best_value=0.0, attempts=0, outcomes={}, best_text=""), 8.0)
    assert (waits.state, waits.value, list(waits.counts)) == ("waits", "nothing yet", [])
    assert "no name yet" in waits.name


def test_names_of_the_work_list_that_no_model_judged_are_one_press_from_the_form(
    app: App, filled_ws: Workspace, space_id: str, listed: list[int]
) -> None:
    assert "check_listed" not in {button.key for button in app("synthesis").button}, "nothing is called anything"
    rename(filled_ws, space_id, listed[0], "a name", "test")
    at = app("synthesis")
    assert at.button(key="check_listed").label == "Check 1 explanation"
    at.button(key="check_listed").click().run()
    assert not at.exception and at.segmented_control(key="asked_kind").value == "detect"
    assert at.selectbox(key="asked_features").value == "worklist" and at.selectbox(key="asked_which").value == "name"
    assert at.toggle(key="asked_fuzz_listed").value
