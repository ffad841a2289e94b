"""The coverage page: δ moves everything at once, gaps are picked by hand, and no address can break it."""

from __future__ import annotations

from typing import Any

import pytest

from fac_core.coverage import worklist
from fac_core.coverage.gaps import gaps
from fac_core.coverage.measure import coverage
from fac_core.feature_space import spaces
from fac_core.features import description
from fac_core.jobs import owner
from fac_core.store.database import bump_data_version, data_version
from fac_core.store.held import mark_profile_only
from fac_core.workspace import Workspace
from pages.ui import theme
from tests.app.conftest import App, opener
from tests.app.reading import said
from tests.planted import Planted, plant


@pytest.fixture
def space_id(tiny_spec: Any) -> str:
    return str(tiny_spec.space_id)


def test_fac_and_missing_hit_rate_are_two_numbers(app: App, filled_ws: Workspace, space_id: str) -> None:
    worklist.add(filled_ws, space_id, [1, 2], "test")
    at = app("coverage")
    figures = {metric.label: metric.value for metric in at.metric}
    cov = coverage(filled_ws, space_id, spaces.delta(filled_ws, space_id))
    assert figures["FAC"] == f"{cov.fac:.3f}"
    assert figures["missing_hit_rate"] == f"{cov.missing_hit_rate:.3f}"
    assert f"{cov.low:.3f}–{cov.high:.3f}" in said(at)
    assert "0 of 2 features aimed at" in said(at)
    version = filled_ws.data_version
    worklist.add(filled_ws, space_id, [3], "test")
    assert "0 of 3 features aimed at" in said(at.run()) and filled_ws.data_version == version


def test_moving_the_slider_moves_the_numbers_and_the_whole_project(
    app: App, filled_ws: Workspace, space_id: str
) -> None:
    at = app("coverage")
    before = at.metric[0].value
    at.slider(key="delta").set_value(2.0).run()
    assert not at.exception
    assert at.metric[0].value == f"{coverage(filled_ws, space_id, 2.0).fac:.3f}" != before
    assert spaces.delta(filled_ws, space_id) == 2.0
    assert "delta" not in at.query_params, "an address without δ means the project's"
    at.switch_page("pages/home.py").run()
    at.switch_page("pages/coverage.py").run()
    assert at.slider(key="delta").value == 2.0


def test_a_link_with_another_threshold_is_looked_at_and_taken_over_only_on_request(
    app: App, filled_ws: Workspace, space_id: str
) -> None:
    own = spaces.delta(filled_ws, space_id)
    at = app("coverage", delta="2.5")
    assert at.slider(key="delta").value == 2.5
    assert at.metric[0].value == f"{coverage(filled_ws, space_id, 2.5).fac:.3f}"
    assert spaces.delta(filled_ws, space_id) == own
    at.button(key="delta_take").click().run()
    assert spaces.delta(filled_ws, space_id) == 2.5
    assert not [button for button in at.button if button.key == "delta_take"]


def test_a_threshold_set_elsewhere_is_followed(app: App, filled_ws: Workspace, space_id: str) -> None:
    at = app("coverage")
    spaces.set_delta(filled_ws, space_id, 1.5)
    at.run()
    assert at.slider(key="delta").value == 1.5


def test_families_of_another_threshold_are_called_so_until_they_are_made_anew(
    described_app: App, filled_ws: Workspace, space_id: str
) -> None:
    at = described_app("coverage")
    assert not [button for button in at.button if button.key == "describe_anew"]
    at.slider(key="delta").set_value(2.0).run()
    assert "Families and themes are those at δ = 1." in said(at)
    at.button(key="describe_anew").click().run()
    owner.poll(filled_ws)
    at.run()
    assert "Families and themes" not in said(at)
    made = description.made(filled_ws, space_id)
    assert made is not None and made.delta == 2.0


@pytest.mark.parametrize("said_in_url", ["nan", "abc", "99999", "-4", "1.13", "", "<b>"])
def test_an_impossible_threshold_in_the_address_gives_a_usable_page(app: App, said_in_url: str) -> None:
    at = app("coverage", delta=said_in_url)
    assert at.metric[0].label == "FAC"


@pytest.mark.parametrize(
    "query",
    [
        {"view": "nowhere"},
        {"by": "no column"},
        {"measure": "x"},
        {"states": "x"},
        {"rows": "maybe"},
        {"rows_by": "x"},
        {"collapse": "1"},
    ],
)
def test_any_other_nonsense_in_the_address_gives_the_default_view(app: App, query: dict[str, str]) -> None:
    at = app("coverage", **query)
    assert at.tabs[0].label == "Heatmap"


@pytest.mark.parametrize("view", ["Heatmap", "Map", "List", "Richness"])
def test_each_view_draws(described_app: App, view: str) -> None:
    at = described_app("coverage", view=view)
    assert not at.exception
    words = said(at)
    expected = {"Heatmap": "Rows are families", "Map": "map", "List": "beyond chance", "Richness": "Endless samples"}
    assert expected[view] in words or "No feature is in these states" in words


def test_the_first_gaps_go_into_the_work_list_once(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    # each of 15 features fires in a twentieth of the anchor, and in none of 80 seed samples
    anchor = [Planted("anchor", f"anchor {i}", {i % 20: 4.0} if i % 20 < 15 else {20: 4.0}) for i in range(200)]
    seed = [Planted("seed", f"seed {i}", {20: 4.0}) for i in range(80)]
    space_id = plant(ws, [*anchor, *seed])
    found = gaps(ws, space_id, 1.0)
    assert len(found) == 15
    at = opener(ws, monkeypatch)("coverage", view="List")
    at.button(key="list_first").click().run()
    assert "10 features added to the work list" in said(at)
    listed = worklist.in_worklist(ws, space_id)
    assert sorted(listed) == sorted(gap.feature_id for gap in found[:10])


def test_where_only_counts_of_the_anchor_are_kept_the_list_says_what_it_cannot_know(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor = [Planted("anchor", f"anchor {i}", {i % 20: 4.0}) for i in range(200)]
    seed = [Planted("seed", f"seed {i}", {20: 4.0}) for i in range(80)]
    plant(ws, [*anchor, *seed])
    at = opener(ws, monkeypatch)("coverage", view="List")
    assert "beyond chance, which come first" in said(at) and "fires beside it" not in said(at)
    with ws.database.transaction() as cursor:
        mark_profile_only(cursor, "anchor")
        bump_data_version(cursor)
    assert "“by chance” rests there on how often a feature fires" in said(at.run())


def test_ticked_gaps_go_into_the_work_list(app: App, filled_ws: Workspace, space_id: str) -> None:
    spaces.set_delta(filled_ws, space_id, 0.0)
    found = gaps(filled_ws, space_id, 0.0, collapse=False, states=("undersampled", "missing", "covered"))
    at = app("coverage", view="List", states="missing,undersampled,covered")
    at.pills(key="states").set_value(["missing", "undersampled", "covered"])
    at.toggle(key="collapse").set_value(False).run()
    key = theme.of_rows(f"gaps_{space_id}_0_{data_version(filled_ws.database)}", [gap.feature_id for gap in found])
    at.session_state[key] = {"selection": {"rows": [0, 2], "columns": [], "cells": []}}
    at.run()
    at.button(key="list_add").click().run()
    assert not at.exception
    assert sorted(worklist.in_worklist(filled_ws, space_id)) == sorted([found[0].feature_id, found[2].feature_id])


def test_a_project_without_texts_says_what_it_needs(empty_app: App) -> None:
    at = empty_app("coverage")
    assert "needs a seed set and an anchor set" in said(at)


def test_texts_that_were_not_read_are_asked_for(empty_app: App, ws_with_space: Workspace) -> None:
    from tests.tiny import add_dataset

    for role in ("seed", "anchor"):
        add_dataset(ws_with_space, role)
    at = empty_app("coverage")
    assert "have not been read" in said(at)


def test_the_next_step_can_be_taken_from_a_view_that_lives_in_the_address(
    app: App, filled_ws: Workspace, space_id: str
) -> None:
    found = gaps(filled_ws, space_id, 1.0, states=("missing", "undersampled"))
    worklist.add(filled_ws, space_id, found[0].members, "test")
    at = app("coverage", view="List", delta="1.0")
    at.button(key="head_Coverage").click().run()
    assert not at.exception
    assert at.title[0].value == "Synthesis"
