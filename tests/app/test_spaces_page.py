"""A further feature space, added on Settings and chosen in the sidebar."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fac_core.feature_space import spaces
from fac_core.feature_space.health import acceptance
from fac_core.jobs import owner
from fac_core.workspace import Workspace
from tests.app.conftest import App, address
from tests.app.reading import said
from tests.tiny import BLOCK, make_tiny_sae

BAD = {
    "fvu": 9.0,
    "l0": 4.0,
    "n_tokens": 900,
    "truncated_texts": 0,
    "suspects": [{"what": "at the output of block 1", "fvu": 0.2, "l0": 4.0}],
}


def add(at: AppTest, backbone: object, sae: object, block: int | None) -> AppTest:
    """Fill the form in and send it."""
    at.text_input(key="space_backbone").set_value(str(backbone))
    at.text_input(key="space_sae").set_value(str(sae))
    if block is not None:
        at.number_input(key="space_block").set_value(block)
    next(button for button in at.form_submit_button if button.label == "Add").click().run()
    assert not at.exception, at.exception
    return at


@pytest.fixture
def saes(tmp_path: Path, tiny_backbone_folder: Path) -> tuple[Path, Path]:
    """Another SAE of the tiny model, and one of another width."""
    for name in ("other", "wide"):
        (tmp_path / name).mkdir()
    return (
        make_tiny_sae(tmp_path / "other", tiny_backbone_folder, seed=7),
        make_tiny_sae(tmp_path / "wide", tiny_backbone_folder, d_in=40),
    )


def test_what_does_not_fit_is_a_sentence_and_the_form_keeps_what_was_typed(
    app: App, filled_ws: Workspace, tiny_backbone_folder: Path, saes: tuple[Path, Path]
) -> None:
    other, wide = saes
    at = add(app("settings"), tiny_backbone_folder, wide, BLOCK)
    assert "reads vectors of width 40, but the model's residual stream has 32" in said(at)
    assert at.text_input(key="space_sae").value == str(wide)
    assert "Name the folder of the SAE" in said(add(at, tiny_backbone_folder, " ", BLOCK))
    assert "There is no model folder" in said(add(at, "/no where", other, BLOCK))
    assert len(spaces.spaces(filled_ws)) == 1
    assert "is added" in said(add(at, tiny_backbone_folder, other, BLOCK)), "mended, it goes through"
    assert len(spaces.spaces(filled_ws)) == 2


@pytest.mark.usefixtures("jobs_in_process")
def test_the_second_space_is_added_read_and_measured_and_the_sidebar_leads_back(
    app: App, filled_ws: Workspace, tiny_backbone_folder: Path, saes: tuple[Path, Path]
) -> None:
    at = add(app("settings"), tiny_backbone_folder, saes[0], None)  # the SAE says which block
    first, second = (space.space_id for space in spaces.spaces(filled_ws))
    assert address(at)["space"] == second == at.selectbox(key="_space_pick").value
    at.switch_page("pages/seed_set.py").run()
    assert "not read yet" in said(at)
    at.button(key="head_Seed set").click().run()
    while active := [job for job in owner.poll(filled_ws) if job.active]:
        assert owner.wait(filled_ws, active[0].job_id, timeout=200).state == "completed"
    at.run()
    assert "all texts are read" in said(at)
    at.switch_page("pages/coverage.py").run()
    assert not at.exception and address(at)["space"] == second
    at.selectbox(key="_space_pick").select(first).run()
    assert not at.exception and address(at)["space"] == first
    at.switch_page("pages/features.py").run()
    assert not at.exception and address(at)["space"] == first


@pytest.mark.parametrize("page", ["home", "seed_set", "features", "coverage", "synthesis", "review", "evaluation"])
def test_a_space_that_does_not_fit_is_marked_on_every_page(
    app: App, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fac_core.feature_space.health.measured_health", lambda ws, space_id: BAD)
    shown = said(app(page))
    assert "Do not trust the numbers in this feature space." in shown
    assert "It does better at the output of block 1" in shown


def test_the_mark_goes_when_somebody_says_why_the_space_is_used_all_the_same(
    app: App, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fac_core.feature_space.health.measured_health", lambda ws, space_id: BAD)
    (space,) = spaces.spaces(filled_ws)
    at = app("settings")
    at.text_input(key=f"accept_{space.space_id}").set_value("only a trial")
    next(button for button in at.form_submit_button if button.label == "Accept").click().run()
    assert not at.exception
    assert "Do not trust" not in said(at)
    assert acceptance(filled_ws, space.space_id) == "only a trial"
    assert "Do not trust" not in said(app("coverage"))
