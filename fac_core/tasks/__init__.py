"""A task is data: everything task-specific is said in one TOML file of this folder, and no code asks for a task's name.

Each file holds the rubric, the sample's fields, which of them are read as content, the labels and the words for
generation. Adding a file adds a task.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from fac_core.content import USER
from fac_core.errors import InputError
from fac_core.tasks.task import Conversation, Field, Generation, Labels, Problem, Task

__all__ = ["Conversation", "Field", "Generation", "Labels", "Problem", "Task", "load_task", "task_ids"]

_FOLDER = Path(__file__).parent
_SHARED = "_shared.toml"


@cache
def task_ids() -> list[str]:
    """Ids of all tasks, in the order people see them."""
    positions = {path.stem: _read(path)["position"] for path in _FOLDER.glob("*.toml") if path.name != _SHARED}
    return sorted(positions, key=lambda task_id: (positions[task_id], task_id))


@cache
def load_task(task_id: str) -> Task:
    """The task of that id.

    Raises:
        InputError: there is no such task.
    """
    if task_id not in task_ids():
        raise InputError(f"There is no task {task_id[:60]!r}; choose one of {', '.join(task_ids())}.")
    said = _read(_FOLDER / f"{task_id}.toml")
    shared = _read(_FOLDER / _SHARED)
    fields = [
        Field(
            name=name,
            required=field.get("required", False),
            description=field["description"],
            aliases=tuple(field.get("aliases", ())),
            choice_of=field.get("choice_of"),
            role=field.get("role", USER),
        )
        for name, field in said["fields"].items()
    ]
    labels = said.get("labels")
    generation, conversation = said["generation"], said.get("conversation")
    return Task(
        id=task_id,
        title=said["title"],
        description=said["description"],
        sample_word=said["sample_word"],
        sample_words=said["sample_words"],
        sensitive=said["sensitive"],
        metric=said["metric"],
        rubric=tuple(said["rubric"]),
        fields=tuple(fields),
        content_parts=tuple(said["content"]),
        contrast_parts=tuple(said.get("contrast", ())),
        roles=tuple(said["roles"]),
        relevance=said["relevance"],
        labels=None if labels is None else Labels(**{key: _tuple(value) for key, value in labels.items()}),
        generation=Generation(**{key: _tuple(value) for key, value in generation.items()}),
        refusal_markers=tuple(shared["refusal_markers"]),
        id_aliases=tuple(shared["id_aliases"]),
        conversation=Conversation(**{key: _tuple(value) for key, value in conversation.items()})
        if conversation
        else None,
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
