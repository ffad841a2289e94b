"""A task is data: everything task-specific is said in one TOML file, and no code asks for a task's name.

Each file holds the rubric, the sample's fields, which of them are read as content, the labels and the words for
generation. Five lie in this folder; those that a person makes lie in the person's own (`custom`) and read the same way.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from fac_core.errors import InputError
from fac_core.home import home
from fac_core.tasks.reading import parse, read_toml
from fac_core.tasks.task import Conversation, Field, Generation, Labels, Problem, Task

__all__ = [
    "Conversation",
    "Field",
    "Generation",
    "Labels",
    "Problem",
    "Task",
    "TaskMissing",
    "faults",
    "is_custom",
    "load_task",
    "task_ids",
]


class TaskMissing(InputError):
    """There is no task of that id."""


_FOLDER = Path(__file__).parent
_SHARED = "_shared.toml"


def task_ids() -> list[str]:
    """Ids of all tasks that can be used, in the order people see them: the five, then a person's own."""
    own = [path.stem for path in custom_files() if _fault(path) is None]
    return [*_built_in(), *own]


def load_task(task_id: str) -> Task:
    """The task of that id.

    Raises:
        TaskMissing: there is no such task.
        InputError: its file has a fault.
    """
    if task_id in _built_in():
        return _read(_FOLDER / f"{task_id}.toml", 0, 0)
    own = next((path for path in custom_files() if path.stem == task_id), None)
    if own is None:
        raise TaskMissing(
            f"There is no task {task_id[:60]!r}; there is {', '.join(task_ids())}. A task of your own is a file in "
            f"{custom_folder()}: put it back, or bring back the copy that a project made with it keeps, with: fac task "
            "restore"
        )
    return _read_now(own)


def is_custom(task_id: str) -> bool:
    """Whether a person made the task."""
    return task_id not in _built_in()


def faults() -> list[str]:
    """What is wrong with those of a person's task files that cannot be used, one sentence each."""
    return [fault for path in custom_files() if (fault := _fault(path)) is not None]


def custom_folder() -> Path:
    """Where the tasks lie that a person made."""
    return home() / "tasks"


def custom_files() -> list[Path]:
    """Files of a person's own tasks, by id; one that is called as one of the five is none."""
    found = sorted(custom_folder().glob("[a-z]*.toml"))
    return [path for path in found if path.stem not in _built_in()]


def shared() -> dict[str, Any]:
    """What all tasks share."""
    return read_toml(_FOLDER / _SHARED)


@cache
def _built_in() -> list[str]:
    positions = {path.stem: read_toml(path)["position"] for path in _FOLDER.glob("[!_]*.toml")}
    return sorted(positions, key=lambda task_id: (positions[task_id], task_id))


def _fault(path: Path) -> str | None:
    try:
        _read_now(path)
    except InputError as error:
        return str(error)
    return None


def _read_now(path: Path) -> Task:
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(f"The task file {path} cannot be read: {error.strerror or error}.") from error
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, mtime_ns: int, size: int) -> Task:
    """The task of a file in the state that its time and size tell."""
    return parse(path.stem, read_toml(path), shared(), f"The task file {path}")
