"""The app as a person meets it: the router, in the home folder of the test project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fac_core.workspace import Workspace
from pages.ui import router, services

ROOT = Path(__file__).resolve().parents[2]
App = Callable[..., AppTest]


class _NoPagesFolder(type(Path())):  # type: ignore[misc]
    """A path at which nothing is found."""

    def exists(self, **_: bool) -> bool:
        """Never."""
        return False


@pytest.fixture(autouse=True)
def _running_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has drawn a page before; nothing it keeps reaches the next test.

    Before its first page Streamlit takes a folder called `pages` for its own kind of app (see `pages.ui.router`), and
    AppTest would start anew from there at each run.
    """
    monkeypatch.setattr("streamlit.runtime.pages_manager.Path", _NoPagesFolder)
    router.process()["started"] = True
    yield
    services.open_folder.clear()
    services.open_demo.clear()


def address(at: AppTest) -> dict[str, str]:
    """The query part of the address on screen."""
    return {name: value if isinstance(value, str) else value[-1] for name, value in at.query_params.items()}


@pytest.fixture
def app(filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> App:
    """Opens the app on the project with texts that were read: `app("features", feature="3")`."""
    return opener(filled_ws, monkeypatch)


@pytest.fixture
def described_app(described_ws: Workspace, jobs_in_process: None, monkeypatch: pytest.MonkeyPatch) -> App:
    """The same with names, relevance and families."""
    return opener(described_ws, monkeypatch)


@pytest.fixture
def empty_app(ws_with_space: Workspace, monkeypatch: pytest.MonkeyPatch) -> App:
    """The app on a project without texts."""
    return opener(ws_with_space, monkeypatch)


def opener(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> App:
    """Opens the app on a project."""
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    monkeypatch.chdir(ROOT)

    def open_app(page: str = "home", **query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in query.items():
            at.query_params[name] = value
        if page != "home":
            at.switch_page(f"pages/{page}.py")
        at.run()
        assert not at.exception, at.exception
        return at

    return open_app
