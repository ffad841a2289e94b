"""Each sample asked for ends in exactly one outcome, and a failure to write is never mistaken for a feature that stays
silent.

Refused, cut off, unparsable and duplicate are decided from the text alone, before anything is scored; a hit is decided
by the extractor alone. A reply that should have held five samples and holds none counts five times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from fac_core.llm.json_reply import objects_in
from fac_core.synthesis.generator import Response, Style
from fac_core.synthesis.items import parse_continuation, parse_fields
from fac_core.synthesis.likeness import Index
from fac_core.synthesis.refusals import is_refusal, refused
from fac_core.tasks import Task

Outcome = Literal["hit", "no_activation", "refusal", "cut_off", "unparsable", "duplicate"]
OUTCOMES: tuple[Outcome, ...] = ("hit", "no_activation", "refusal", "cut_off", "unparsable", "duplicate")
SCORED: tuple[Outcome, ...] = ("hit", "no_activation")
RAW_LIMIT = 4000
"""Characters kept of a text that is no sample."""


@dataclass(frozen=True)
class Draft:
    """What became of one sample asked for, before scoring."""

    text: str
    """The sample's content, or the raw reply if it is none."""
    fields: dict[str, str]
    """Empty unless it is a sample."""
    failed: Outcome | None
    """Why it will not be scored; None if it will."""
    reason: str = ""


def drafts(task: Task, response: Response, style: Style, wanted: int) -> list[Draft]:
    """Exactly `wanted` drafts from one response."""
    whole = _of_whole(task, response)
    if whole is not None:
        return [whole] * wanted
    found = _continued(task, response) if style == "continuation" else _structured(task, response)
    return [*found, *[_lost(task, response)] * wanted][:wanted]


def without_duplicates(task: Task, found: list[Draft], known: Index, shown: Index) -> list[Draft]:
    """The drafts, those that repeat a known or shown text or an earlier draft marked; the others become known."""
    kept = []
    for draft in found:
        if draft.failed is None:
            content = task.content(draft.fields).text
            twin = shown.near(content) or known.near(content)
            if twin is None:
                known.add(content)
            else:
                draft = replace(draft, failed="duplicate", reason=f"like: {twin[:200]}")
        kept.append(draft)
    return kept


def _of_whole(task: Task, response: Response) -> Draft | None:
    """The draft that stands for a response without any sample in it."""
    raw = response.text[:RAW_LIMIT]
    if response.finish == "refusal":
        return Draft(raw, {}, "refusal", "the endpoint declined")
    if response.finish == "error":
        return Draft(raw, {}, "unparsable", str(response.usage.get("problem", "empty reply")))
    return None


def _continued(task: Task, response: Response) -> list[Draft]:
    fields = parse_continuation(task, response.text, whole=response.finish == "stop")
    if fields is None:
        return [_lost(task, response)]
    return [_checked(task, fields)]


def _structured(task: Task, response: Response) -> list[Draft]:
    found = []
    keys = task.generation.fields
    for value in objects_in(response.text, key=keys[0], bare=len(keys) == 1):
        fields = parse_fields(task, value)
        raw = str(value)[:RAW_LIMIT]
        found.append(Draft(raw, {}, "unparsable", "no sample") if fields is None else _checked(task, fields))
    return found


def _checked(task: Task, fields: dict[str, str]) -> Draft:
    text = task.content(fields).text
    if any(is_refusal(task, value) for value in fields.values()):
        return Draft(text, {}, "refusal", "the sample is a refusal")
    return Draft(text, fields, None)


def _lost(task: Task, response: Response) -> Draft:
    """A sample that was asked for and is not in the response."""
    raw = response.text[:RAW_LIMIT]
    if response.finish == "length":
        return Draft(raw, {}, "cut_off", "the token limit came first")
    if refused(task, response.text):
        return Draft(raw, {}, "refusal", "the reply is a refusal")
    return Draft(raw, {}, "unparsable", "no sample in the task's form")
