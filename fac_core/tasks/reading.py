"""A task file either gives a whole task or one sentence about its first fault; nothing half-read leaves this module."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from fac_core.content import USER
from fac_core.errors import InputError
from fac_core.tasks.task import OPTION_SUFFIX, Conversation, Field, Generation, Labels, Task
from fac_core.tasks.template import names

METHODS = ("label", "contrast")
ROLES = ("user", "assistant", "system")


def read_toml(path: Path) -> dict[str, Any]:
    """What a file says.

    Raises:
        InputError: it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"The task file {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 alike, or tables within tables without end
        raise InputError(f"The task file {path} is no TOML: {' '.join(str(error).split())}.") from error


def parse(task_id: str, said: dict[str, Any], shared: dict[str, Any], where: str) -> Task:
    """The task that a file says; `where` begins the sentence about a fault.

    Raises:
        InputError: something is missing, of the wrong kind, or names a field that is not there.
    """
    asked = _Asked(said, where)
    fields = tuple(_field(name, _Asked(field, f"{where}, field {name},")) for name, field in asked.tables("fields"))
    generation = _Asked(asked.table("generation"), f"{where}, [generation],")
    talk = None if "conversation" not in said else _Asked(asked.table("conversation"), f"{where}, [conversation],")
    labels = None if "labels" not in said else _Asked(asked.table("labels"), f"{where}, [labels],")
    task = Task(
        id=task_id,
        title=asked.text("title"),
        description=asked.text("description"),
        sample_word=asked.text("sample_word"),
        sample_words=asked.text("sample_words"),
        sensitive=bool(said.get("sensitive", False)),
        metric=asked.text("metric"),
        rubric=asked.texts("rubric"),
        fields=fields,
        content_parts=asked.texts("content"),
        contrast_parts=asked.texts("contrast", ()),
        roles=asked.texts("roles"),
        relevance=asked.text("relevance"),
        labels=None
        if labels is None
        else Labels(labels.texts("aliases"), _words(labels.texts("positive")), _words(labels.texts("negative", ()))),
        generation=Generation(
            heading=generation.text("heading"),
            item=generation.text("item"),
            fields=generation.texts("fields"),
            system=generation.text("system"),
            step1=generation.text("step1"),
            step2=generation.text("step2"),
            max_tokens=generation.number("max_tokens"),
            label=generation.text("label") if "label" in generation.said else None,
        ),
        refusal_markers=tuple(shared["refusal_markers"]),
        id_aliases=tuple(shared["id_aliases"]),
        conversation=None
        if talk is None
        else Conversation(talk.text("asked"), talk.text("answered"), talk.texts("aliases")),
    )
    _check(task, where)
    return task


def _field(name: str, asked: _Asked) -> Field:
    return Field(
        name=name,
        required=bool(asked.said.get("required", False)),
        description=asked.text("description"),
        aliases=asked.texts("aliases", ()),
        choice_of=asked.text("choice_of") if "choice_of" in asked.said else None,
        role=asked.text("role") if "role" in asked.said else USER,
    )


def _words(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels as they are compared."""
    return tuple(label.strip().casefold() for label in labels)


def _check(task: Task, where: str) -> None:
    known = task.field_names
    for what, given, allowed in (
        ("a relevance", (task.relevance,), METHODS),
        ("a role", (*task.roles, *(field.role for field in task.fields)), ROLES),
        ("content", [part.removesuffix(OPTION_SUFFIX) for part in task.content_parts], known),
        ("a contrast", [part.removesuffix(OPTION_SUFFIX) for part in task.contrast_parts], known),
        ("a choice", [field.choice_of for field in task.fields if field.choice_of], known),
        ("generated fields", task.generation.fields, known),
        ("a conversation", (task.conversation.asked, task.conversation.answered) if task.conversation else (), known),
        ("an item", names(task.generation.item), known),
    ):
        for name in given:
            if name not in allowed:
                raise InputError(f"{where} names {what} {name[:60]!r}; there is {', '.join(sorted(allowed))}.")
    if task.relevance == METHODS[0] and task.labels is None:
        raise InputError(f"{where} is tested by its labels and has no [labels].")
    if task.relevance == METHODS[1] and not task.contrast_parts:
        raise InputError(f"{where} is tested by contrasts and has no contrast.")


class _Asked:
    """Values of a table, each of the kind that is asked for."""

    def __init__(self, said: Any, where: str) -> None:
        if not isinstance(said, dict):
            raise InputError(f"{where} is no table.")
        self.said, self._where = said, where

    def text(self, name: str) -> str:
        value = self.said.get(name)
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{self._where} needs a text as {name!r}.")
        return value

    def number(self, name: str) -> int:
        value = self.said.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"{self._where} needs a whole number above 0 as {name!r}.")
        return value

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        value = self.said.get(name, default)
        good = isinstance(value, list | tuple) and all(isinstance(one, str) and one.strip() for one in value)
        if not good or (not value and default is None):
            raise InputError(f"{self._where} needs a list of texts as {name!r}.")
        return tuple(value or ())

    def table(self, name: str) -> dict[str, Any]:
        value = self.said.get(name)
        if not isinstance(value, dict) or not value:
            raise InputError(f"{self._where} needs a table [{name}].")
        return value

    def tables(self, name: str) -> list[tuple[str, Any]]:
        return list(self.table(name).items())
