"""A page never sees an exception of ours: a `FacError` becomes its one sentence, on the page and in every callback.

This is also the only place that decides which project and feature space a session looks at. Both live in the URL, and
a project is opened once per process, whoever asks.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import streamlit as st

from fac_core import workspace
from fac_core.coverage.measure import Coverage, aims, coverage
from fac_core.errors import FacError, InputError
from fac_core.feature_space import spaces
from fac_core.feature_space.spaces import Space
from fac_core.features import naming
from fac_core.jobs import owner
from fac_core.tasks import Task, load_task
from fac_core.workspace import Workspace
from pages.ui import router

P = ParamSpec("P")
R = TypeVar("R")

FIRST_DEMO = "toxicity"


class PageDone(Exception):
    """The page has said all there is to say; `st.stop` would also keep the job bar from being drawn."""


@dataclass(frozen=True)
class Here:
    """What a session looks at."""

    ws: Workspace
    task: Task
    space: Space | None
    delta: float
    """Activation threshold in use; an activation counts above it."""

    @property
    def space_id(self) -> str:
        """Id of the feature space, empty without one."""
        return self.space.space_id if self.space else ""

    @property
    def version(self) -> int:
        """Counter of changes to the data; numbers shown go with it."""
        return self.ws.data_version

    @property
    def veiled(self) -> bool:
        """Whether sample texts are veiled until someone lifts the veil for the project."""
        return self.task.sensitive and self.ws.setting("veil", "on") == "on"

    @property
    def reviewer(self) -> str:
        """Name that decisions and names of features are signed with."""
        return str(st.session_state.get("_reviewer") or self.ws.setting("reviewer") or "curator")


# --- where the session is ---


def arrive(page_name: str) -> None:
    """Note which page is drawn; a link to another page drops the parts of the address, going back does too."""
    st.session_state["_arrived"] = st.session_state.get("_page") != page_name
    st.session_state["_page"] = page_name


def follow(name: str, *, keep: bool = True) -> str | None:
    """The session's value of an address part: what the URL says when a person changed it, else what we last wrote.

    With `keep` off, a part that vanished from the URL while its page stayed is gone: the person went back.
    """
    said = st.query_params.get(name)
    if said is not None or not (keep or st.session_state.get("_arrived", True)):
        st.session_state[f"_at_{name}"] = said
    value: str | None = st.session_state.get(f"_at_{name}")
    return value


def go(name: str, value: str | None) -> None:
    """Change an address part, in the session and in the URL."""
    st.session_state[f"_at_{name}"] = value
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def move(**to: str | None) -> None:
    """Change project or feature space; the feature, its scores, its sets and the job of the one that is left are none
    of the other's.
    """
    left = ("feature", "documents", "f_family", "f_theme", "f_cluster", "f_asked")
    for name, value in {**to, **dict.fromkeys(left)}.items():
        go(name, value)


@st.cache_resource(show_spinner=False)
def open_folder(folder: str) -> Workspace:
    """A project, opened once per process; jobs whose worker is gone are noted as interrupted."""
    ws = workspace.open_project(Path(folder))
    owner.poll(ws)
    return ws


@st.cache_resource(show_spinner="Opening the demo …")
def open_demo(demo_id: str) -> Workspace:
    """A demo project, made the first time; sessions that ask at the same time wait for the one that makes it."""
    from fac_core.demo import open_demo as make

    ws = make(demo_id)
    owner.poll(ws)
    return ws


def last_used() -> workspace.ProjectInfo | None:
    """The project whose store changed last."""

    def used(info: workspace.ProjectInfo) -> float:
        store = info.folder / "project.duckdb"
        return store.stat().st_mtime if store.exists() else 0.0

    return max(workspace.list_projects(), key=used, default=None)


def current_workspace() -> Workspace:
    """The session's project.

    Raises:
        FacError: it is gone or cannot be opened.
    """
    infos = {info.folder.name: info for info in workspace.list_projects()}
    name = follow("project")
    if name not in infos:
        raise InputError("This project is not there any more; choose another at the top left.")
    go("project", name)
    made_from = infos[name].demo
    return open_demo(made_from) if made_from else open_folder(str(infos[name].folder))


def ask_for_demo(demo_id: str) -> None:
    """Have a demo opened before the page is next drawn."""
    st.session_state["_demo_wanted"] = demo_id


def settle() -> None:
    """Decide which project the session looks at before anything is drawn: a demo that was asked for, at the very first
    start the first demo (both take a moment and say so), else the one of the URL or the one last used.

    Raises:
        FacError: it cannot be opened.
    """
    wanted = st.session_state.pop("_demo_wanted", None)
    recent = last_used()
    if wanted is None and recent is not None:
        if follow("project") not in {info.folder.name for info in workspace.list_projects()}:
            go("project", recent.folder.name)
        return
    slot = st.empty()
    with slot.container():
        st.title("Opening the demo", anchor=False)
        st.text("Its texts and their activations come in and its features are described; this happens once.")
        with st.spinner("A few seconds …", show_time=True):
            ws = open_demo(wanted or FIRST_DEMO)
    slot.empty()
    move(project=ws.root.name, space=None)


def current_space(ws: Workspace) -> Space | None:
    """The session's feature space: as the URL says, else the project's; None if there is none."""
    chosen = follow("space")
    return next((space for space in spaces.spaces(ws) if space.space_id == chosen), None) or spaces.current(ws)


def here() -> Here:
    """What this session looks at, read afresh.

    Raises:
        FacError: the project cannot be opened.
    """
    router.need_frame()
    ws = current_workspace()
    space = current_space(ws)
    return Here(ws, load_task(ws.task), space, spaces.delta(ws, space.space_id) if space else 0.0)


# --- errors and messages ---


def say(text: str, kind: str = "done") -> None:
    """A message for the next time a page is drawn: kind 'done', 'note', 'warning' or 'error'."""
    st.session_state.setdefault("_said", []).append((kind, text))


def said() -> list[tuple[str, str]]:
    """The waiting messages, each given out once."""
    return list(st.session_state.pop("_said", []))


@contextmanager
def page() -> Iterator[None]:
    """Run a page or a fragment: a `FacError` is shown as its sentence, `PageDone` ends it."""
    from pages.ui import chrome

    try:
        yield
    except PageDone:
        pass
    except FacError as error:
        chrome.notice(str(error), "error")


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """A callback whose `FacError` is shown as its sentence when the page is next drawn."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return function(*args, **kwargs)
        except FacError as error:
            say(str(error), "error")
            return None

    return run


# --- numbers and files ---


@st.cache_data(show_spinner=False, max_entries=200)
def _cached(name: str, root: str, version: int, args: tuple[Any, ...], _call: Callable[[], Any]) -> Any:
    return _call()


def cached(function: Callable[..., R], at: Here, *args: Any, beside: tuple[Any, ...] = (), **kwargs: Any) -> R:
    """`function(ws, *args, **kwargs)`, computed once per project, data version, names and arguments (hashable, small).

    `beside` is what the answer depends on that is none of these.
    """
    settings = (at.ws.setting("relevance_mode"), at.task.rubric_version, naming.newest(at.ws, at.space_id), beside)
    key = (*args, *sorted(kwargs.items()), *settings)
    name = f"{function.__module__}.{function.__qualname__}"
    result: R = _cached(name, str(at.ws.root), at.version, key, lambda: function(at.ws, *args, **kwargs))
    return result


def coverage_now(at: Here) -> Coverage:
    """Coverage in the session's space at its δ."""
    return cached(coverage, at, at.space_id, at.delta, beside=aims(at.ws, at.space_id))


@st.cache_resource(show_spinner=False)
def _upload_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fac-upload-")


def upload_to_file(content: bytes) -> Path:
    """Uploaded bytes as a file under a name of ours; the person's file name never becomes a path."""
    path = Path(_upload_folder().name) / hashlib.sha256(content).hexdigest()
    if not path.exists():
        path.write_bytes(content)
    return path
