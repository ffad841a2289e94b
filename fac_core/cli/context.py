"""Which project and which feature space a command means: the one named, else the current one, and never a guess
between several.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fac_core import workspace
from fac_core.errors import FacError, InputError, StoreError
from fac_core.workspace import ProjectInfo, Workspace

CURRENT = "current"
"""File in the home folder that names the project last made or chosen."""

Project = Annotated[
    str | None,
    typer.Option(
        "--project", "-p", envvar="FAC_PROJECT", help="Project: its name or folder (default: the current one)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SpaceName = Annotated[str | None, typer.Option("--space", help="Feature space: id or name (default: the current one).")]
Delta = Annotated[
    float | None,
    typer.Option("--delta", "-d", help="Activation threshold δ, in steps of 0.25 (default: the project's)."),
]
RowsBy = Annotated[
    str,
    typer.Option("--rows-by", help="Rows of features: theme (what fires together) or cluster (of decoder directions)."),
]
Reviewer = Annotated[
    str | None, typer.Option("--reviewer", envvar="FAC_REVIEWER", help="Your name (default: the project's setting).")
]


class Stopped(FacError):
    """A job that a command waited for did not complete."""


def find(named: str | None) -> ProjectInfo:
    """The project a command means.

    Raises:
        InputError: no such project, several with that name, or none named where there are several.
    """
    if named:
        return _named(named)
    known = workspace.list_projects()
    if (current := _current()) is not None:
        return current
    if len(known) == 1:
        return known[0]
    if not known:
        raise InputError("There is no project yet; make one with: fac project create NAME --task TASK")
    names = ", ".join(repr(info.name) for info in known[:8])
    raise InputError(f"Name a project with --project, or choose one with `fac project use NAME`; there are {names}.")


def use(info: ProjectInfo) -> None:
    """Make a project the one that later commands mean."""
    try:
        workspace.home().mkdir(parents=True, exist_ok=True)
        home = workspace.home().resolve()
        # by its place in the home, so that the home can be moved
        folder = info.folder.relative_to(home) if info.folder.is_relative_to(home) else info.folder
        (home / CURRENT).write_text(f"{folder}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The folder {workspace.home()} cannot be written: {error.strerror or error}.") from error


@contextmanager
def opened(named: str | None) -> Iterator[Workspace]:
    """The project, open while the command runs; results of jobs that ended meanwhile are taken in first."""
    from fac_core.jobs import owner

    ws = workspace.open_project(find(named).folder)
    try:
        owner.poll(ws)
        yield ws
    finally:
        ws.close()


def space_of(ws: Workspace, named: str | None) -> str:
    """Id of the feature space a command means; a project without one gets the embedded one.

    Raises:
        InputError: no such space.
        ModelError: the embedded space is missing.
    """
    from fac_core.feature_space import spaces

    if named:
        found = [each for each in spaces.spaces(ws) if named in (each.space_id, each.name)]
        if not found:
            raise InputError(f"This project has no feature space {named!r}; list them with: fac space list")
        return found[0].space_id
    current = spaces.current(ws)
    return current.space_id if current else spaces.ensure_embedded(ws)


def delta_of(ws: Workspace, space_id: str, given: float | None) -> float:
    """The threshold a command means."""
    from fac_core.feature_space import spaces

    return spaces.delta(ws, space_id) if given is None else given


def reviewer_of(ws: Workspace, given: str | None) -> str:
    """The name decisions are signed with."""
    return given or ws.setting("reviewer") or "curator"


def where(ws: Workspace, space_id: str, delta: float) -> dict[str, Any]:
    """What every number of a command was measured in."""
    return {"project": ws.name, "space_id": space_id, "delta": delta}


def _named(named: str) -> ProjectInfo:
    if (Path(named) / workspace.PROJECT_FILE).is_file():
        return workspace.project_info(Path(named))
    known = workspace.list_projects()
    found = [info for info in known if named in (info.name, info.folder.name)]
    if not found:
        raise InputError(f"There is no project {named!r}; list them with: fac project list")
    if len(found) > 1:
        raise InputError(f"Several projects are called {named!r}; name the folder, such as {found[0].folder.name}.")
    return found[0]


def _current() -> ProjectInfo | None:
    try:
        named = (workspace.home() / CURRENT).read_text(encoding="utf-8").strip()
        return workspace.project_info(workspace.home() / named) if named else None
    except (OSError, UnicodeDecodeError, InputError):
        return None
