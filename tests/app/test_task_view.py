"""A project whose task is gone opens on every page, says what is missing, and has it back in one click."""

from __future__ import annotations

from pathlib import Path

import pytest

from fac_core import workspace
from fac_core.feature_space import spaces
from fac_core.feature_space.space import SpaceSpec
from fac_core.tasks import custom_folder
from fac_core.tasks.custom import add_task, set_rubric
from fac_core.workspace import Workspace
from pages.ui import router
from tests.app.conftest import App, opener
from tests.app.reading import said
from tests.tasks.test_custom import NEW

PAGES = [name for name, _, _ in router._PAGES]


@pytest.fixture
def own(tmp_path: Path, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, App, Path]:
    """A project with a task of a person's own, the app on it, and the task's file."""
    monkeypatch.setenv("FAC_HOME", str(tmp_path / "projects"))
    ws = workspace.create("Mail", add_task(NEW))
    spaces.register_space(ws, tiny_spec, {}, 1.0)
    return ws, opener(ws, monkeypatch), custom_folder() / f"{ws.task}.toml"


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_without_the_task_and_brings_it_back(own: tuple[Workspace, App, Path], page: str) -> None:
    _, app, path = own
    text = path.read_bytes()
    path.unlink()
    at = app(page)
    assert f"{path} is gone" in said(at)
    at.button(key="task_restore").click().run()
    assert not at.exception and path.read_bytes() == text
    assert "is gone" not in said(at) and said(at)


def test_what_comes_back_is_the_task_as_the_app_last_saw_it(own: tuple[Workspace, App, Path]) -> None:
    ws, app, path = own
    at = app("settings")
    set_rubric(ws.task, ["The text begs."])
    at.run()
    text = path.read_bytes()
    path.unlink()
    at.run()
    assert not at.exception and "is gone" in said(at)
    at.button(key="task_restore").click().run()
    assert path.read_bytes() == text and f"The task {ws.task} is back, in {path}" in said(at)
