"""A mapping says which column fills which field of the task; it is guessed from names, shown, and the person's to mend.

Guessing never decides silently: what no column was found for stays open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fac_core.errors import InputError
from fac_core.samples.rows import Row
from fac_core.tasks import Task
from fac_core.tasks.transcript import is_conversation

MAX_META = 50
_LONG = 200
"""Characters, on average, above which a column is text and not a group of samples."""


@dataclass
class Mapping:
    """Which columns of a file are brought, and as what."""

    fields: dict[str, str] = field(default_factory=dict)
    """Field of the task → column; a column of conversations stands under both fields it is divided into."""
    label: str | None = None
    id: str | None = None
    meta: list[str] = field(default_factory=list)
    """Columns kept with the sample, to group by."""


def guess(task: Task, columns: Sequence[str], head: Sequence[Row]) -> Mapping:
    """The likeliest mapping by the columns' names; with one text field and no name that fits, the longest column.

    Where no column answers, conversations are divided, however their column is called.
    """
    found = Mapping()
    open_columns = list(columns)

    def take(aliases: Sequence[str]) -> str | None:
        for alias in aliases:
            for column in open_columns:
                if _plain(column) == _plain(alias):
                    open_columns.remove(column)
                    return column
        return None

    lengths = {column: _mean_length(column, head) for column in columns}
    for known in task.fields:
        if column := take([known.name, *known.aliases]):
            found.fields[known.name] = column
    talk = task.conversation
    if talk is not None and talk.answered not in found.fields:
        talks = [column for column in open_columns if _are_conversations(column, head)]
        names = {_plain(alias): place for place, alias in enumerate(talk.aliases)}
        if talks:
            chosen = min(talks, key=lambda column: names.get(_plain(column), len(names)))
            open_columns.remove(chosen)
            if talk.asked in found.fields:
                open_columns.append(found.fields[talk.asked])  # the conversation begins with it
            found.fields |= {talk.asked: chosen, talk.answered: chosen}
    if task.labels is not None:
        found.label = take(task.labels.aliases)
    found.id = take(task.id_aliases)
    required = [known.name for known in task.fields if known.required]
    if len(required) == 1 and required[0] not in found.fields:
        texts = [column for column in open_columns if lengths[column] > 0]
        if texts:
            found.fields[required[0]] = max(texts, key=lengths.__getitem__)
            open_columns.remove(found.fields[required[0]])
    found.meta = [c for c in open_columns if lengths[c] <= _LONG][:MAX_META]
    return found


def conversations(task: Task, mapping: Mapping) -> str | None:
    """The column that is divided into what was asked and the last answer; None if there is none."""
    if (talk := task.conversation) is None:
        return None
    column = mapping.fields.get(talk.asked)
    return column if column == mapping.fields.get(talk.answered) else None


def missing_fields(task: Task, mapping: Mapping) -> list[str]:
    """Required fields that no column is chosen for, where the task cannot fill them in itself."""
    missing = [known.name for known in task.fields if known.required and not mapping.fields.get(known.name)]
    choices = [known.name for known in task.fields if known.choice_of]
    if len(choices) == 2 and len(set(missing) & set(choices)) == 1:
        missing = [name for name in missing if name not in choices]
    return missing


def check(task: Task, mapping: Mapping, columns: Sequence[str], name: str) -> None:
    """Refuse a mapping that cannot give samples of the task.

    Raises:
        InputError: a required field without column, or a column that the file does not have.
    """
    there = ", ".join(column[:40] for column in columns[:12])
    used = [*mapping.fields.values(), mapping.label, mapping.id, *mapping.meta]
    for column in used:
        if column and column not in columns:
            raise InputError(f"{name} has no column {column[:60]!r}; its columns are {there}.")
    if missing := missing_fields(task, mapping):
        raise InputError(
            f"No column of {name} is chosen for {' and '.join(missing)} of the task {task.title}; "
            f"choose one of {there}."
        )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _are_conversations(column: str, head: Sequence[Row]) -> bool:
    """Whether most values of a column are conversations; a bad row is no reason to look away."""
    values = [value for row in head if (value := row.values.get(column)) is not None]
    return 2 * sum(map(is_conversation, values)) > len(values)


def _mean_length(column: str, head: Sequence[Row]) -> float:
    texts = [value for row in head if isinstance(value := row.values.get(column), str)]
    return sum(map(len, texts)) / len(texts) if texts else 0.0
