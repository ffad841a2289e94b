"""On Settings: an SAE is trained on the project's texts, its card is read, it becomes a space beside the first."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fac_core.feature_space import spaces
from fac_core.feature_space.training import in_project
from fac_core.feature_space.training.trainer import StepStats
from fac_core.jobs import owner
from fac_core.jobs.folder import JobFolder
from fac_core.workspace import Workspace
from pages.ui import curves, theme
from tests.app.conftest import App, address
from tests.app.reading import drawn, said

SMALL = {"d_sae": 64, "k": 4, "samples": 1280, "batch": 64}


def fill(at: AppTest, backbone: object, name: str, block: int = 3, **numbers: int) -> AppTest:
    """Fill the form in and send it."""
    at.text_input(key="training_name").set_value(name)
    at.text_input(key="training_model").set_value(str(backbone))
    at.multiselect(key="training_texts").set_value(["anchor", "pool", "seed"])
    at.number_input(key="training_block").set_value(block)
    for field, value in {**SMALL, **numbers}.items():
        at.number_input(key=f"training_{field}_small").set_value(value)
    next(button for button in at.form_submit_button if button.label == "Train").click().run()
    assert not at.exception, at.exception
    return at


def settle(ws: Workspace) -> None:
    while active := [job for job in owner.poll(ws) if job.active]:
        assert owner.wait(ws, active[0].job_id, timeout=200).state == "completed"


@pytest.mark.usefixtures("jobs_in_process")
def test_an_sae_is_trained_used_as_a_second_space_and_compared_with_the_first(
    app: App, filled_ws: Workspace, tiny_backbone_folder: Path
) -> None:
    at = fill(app("settings"), tiny_backbone_folder, "Mine")
    settle(filled_ws)
    at.run()
    (sae,) = in_project.trained(filled_ws)
    figures = {metric.label: metric.value for metric in at.metric}
    assert figures["FVU"] == f"{sae.card['fvu']:.3f}" and {"L0", "Dead", "Silent on held-out", "Dense"} <= set(figures)
    assert "coverage_in_spaces" not in {frame.key for frame in at.dataframe}

    at.button(key="use_mine").click().run()
    assert not at.exception, at.exception
    second = spaces.spaces(filled_ws)[1].space_id
    assert address(at)["space"] == second
    settle(filled_ws)
    at.run()
    assert "It is the feature space you are looking at." in said(at)
    beside = next(frame.value for frame in at.dataframe if "FAC" in frame.value)
    assert list(beside["space"]) == [space.name for space in spaces.spaces(filled_ws)]
    assert list(beside["unread texts"]) == [0, 0] and all(beside["reads as it should"])

    at.button(key="compare_saes").click().run()
    settle(filled_ws)
    at.run()
    both = next(frame.value for frame in at.dataframe if "FVU" in frame.value)
    assert list(both["block"]) == [2, 3] and all(both["firing"] > 0)


@pytest.mark.usefixtures("jobs_in_process")
def test_what_cannot_be_trained_is_a_sentence_and_the_form_keeps_what_was_typed(
    app: App, filled_ws: Workspace, tiny_backbone_folder: Path
) -> None:
    at = fill(app("settings"), tiny_backbone_folder, "x", block=9)
    assert "has blocks 1 to 4" in said(at) and at.text_input(key="training_name").value == "x"
    assert "needs a name" in said(fill(at, tiny_backbone_folder, " "))
    assert "k and k_start can be at most d_sae" in said(fill(at, tiny_backbone_folder, "x", k=65))
    assert owner.jobs(filled_ws) == []


@pytest.mark.usefixtures("jobs_in_process")
def test_a_stopped_training_shows_its_curve_and_goes_on(
    app: App, filled_ws: Workspace, tiny_backbone_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, n_asked = JobFolder.cancelled, 0

    def at_the_sixteenth(folder: JobFolder) -> bool:
        nonlocal n_asked
        n_asked += 1
        if n_asked == 16:
            (folder.root / "cancel").touch()
        return asked(folder)

    monkeypatch.setattr(JobFolder, "cancelled", at_the_sixteenth)
    at = fill(app("settings"), tiny_backbone_folder, "Mine")
    job = in_project.latest_run(filled_ws)
    assert job is not None and owner.wait(filled_ws, job.job_id).state == "cancelled"
    at.run()
    assert "Train the SAE mine: cancelled" in drawn(at) and at.get("plotly_chart")
    at.button(key="training_resume").click().run()
    assert not at.exception
    settle(filled_ws)
    assert [sae.name for sae in in_project.trained(filled_ws)] == ["mine"]


def test_the_paper_preset_fills_the_form_with_the_papers_figures(app: App) -> None:
    at = app("settings")
    at.selectbox(key="training_preset").select("paper").run()
    assert not at.exception
    assert (at.number_input(key="training_d_sae_paper").value, at.number_input(key="training_k_paper").value) == (
        2**16,
        20,
    )


def test_the_curves_of_a_training_are_its_points() -> None:
    points = [StepStats(10, 0.8, 8.0, 0.0), StepStats(20, 0.4, 4.0, 0.25)]
    chart = curves.training(points, theme.palette())
    assert [list(trace.y) for trace in chart.data] == [[0.8, 0.4], [8.0, 4.0], [0.0, 0.25]]
    assert all(list(trace.x) == [10, 20] for trace in chart.data)
