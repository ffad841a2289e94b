"""An edited text is read by the same extractor as every other text before anyone can approve it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from fac_core.content import Content, normalise
from fac_core.errors import InputError
from fac_core.feature_space.extraction import activation_tables
from fac_core.feature_space.extractor import TextActivations, load_extractor
from fac_core.feature_space.spaces import space
from fac_core.review.candidates import Candidate
from fac_core.store import review as store
from fac_core.store.activations import insert_activations
from fac_core.store.datasets import add_contents
from fac_core.tasks import Task, load_task

if TYPE_CHECKING:
    import duckdb

    from fac_core.workspace import Workspace

MAX_CHARS = 100_000


class Edited(NamedTuple):
    """New fields for a candidate, read."""

    content: Content
    activations: TextActivations | None
    """None if the space has read this content before."""


def clean_fields(task: Task, fields: Mapping[str, str]) -> dict[str, str]:
    """Edited fields as they are kept: the task's own, normalised, without empty ones.

    Raises:
        InputError: a field that the task has not, one that is too long or holds a NUL character.
    """
    for name, text in fields.items():
        if name not in task.field_names:
            known = ", ".join(field.name for field in task.fields)
            raise InputError(f"There is no field {name[:40]!r}; the fields of a {task.title} sample are {known}.")
        if "\0" in text or len(text) > MAX_CHARS:
            raise InputError(f"The edited text must have at most {MAX_CHARS:,} characters and no NUL character.")
    return _normalised(task, {name: text.encode("utf-8", "replace").decode() for name, text in fields.items()})


def read_edit(ws: Workspace, candidate: Candidate, fields: dict[str, str]) -> Edited:
    """Check edited fields, cleaned, and read their content in the candidate's space.

    Raises:
        InputError: empty, unchanged, or no sample of the task.
        ModelError: the space's model cannot be loaded.
    """
    task = load_task(ws.task)
    content = task.content(fields)
    if not content.text:
        raise InputError("The edited text is empty; write a text, or reject the sample.")
    if (problem := task.check(fields)) is not None:
        raise InputError(f"The edited text is no {task.sample_word}: {problem.field} {problem.reason}.")
    if fields == _normalised(task, candidate.fields):
        raise InputError("The edited text is the same as before; change it, or approve the sample as it is.")
    with ws.database.cursor() as cursor:
        known = store.is_read(cursor, candidate.made.space_id, content.digest)
    if known:
        return Edited(content, None)
    extractor = load_extractor(space(ws, candidate.made.space_id).spec)
    return Edited(content, extractor.read_one(content))


def store_edit(cursor: duckdb.DuckDBPyConnection, candidate: Candidate, edited: Edited) -> tuple[int, float]:
    """Keep the content and its activations; returns (content_id, activation of the candidate's feature)."""
    space_id = candidate.made.space_id
    content_id = add_contents(cursor, {edited.content.digest: edited.content})[edited.content.digest]
    if edited.activations is not None:
        tables = activation_tables([(content_id, edited.activations)])
        insert_activations(cursor, space_id, tables["content_read"], tables["activation"])
    return content_id, store.value_in(cursor, space_id, content_id, candidate.feature_id)


def _normalised(task: Task, fields: Mapping[str, str]) -> dict[str, str]:
    return task.tidy({name: normalise(text) for name, text in fields.items()})
