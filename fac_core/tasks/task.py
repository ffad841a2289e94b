"""One sample has one content, made from its fields by its task alone: the seed, the anchor and a candidate with the
same fields are read as the same characters, said by the same roles.

The contrast is the same item answered the other way; it is read for relevance only (method §4).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fac_core.content import SEPARATOR, USER, Content, Turn, normalise
from fac_core.errors import InputError
from fac_core.tasks.choices import mark, options
from fac_core.tasks.template import fill, names, repeated_separator, split
from fac_core.tasks.transcript import Said, cut

OPTION_SUFFIX = "_option"


@dataclass(frozen=True)
class Field:
    """One field of a sample."""

    name: str
    required: bool
    description: str
    """One phrase for people."""
    aliases: tuple[str, ...]
    """Column names it is guessed from, most likely first; compared without case, spaces and punctuation."""
    choice_of: str | None = None
    """Field whose text lists the choices, "(A) ... (B) ...", that this field names one of."""
    role: str = USER
    """Who says it; a field that holds a transcript says so itself."""


@dataclass(frozen=True)
class Labels:
    """What a sample's label can say; a label is kept as brought and only read through `Task.polarity`."""

    aliases: tuple[str, ...]
    """Column names it is guessed from."""
    positive: tuple[str, ...]
    """Values that say the sample shows what the task is about; the first is the task's own word."""
    negative: tuple[str, ...]
    """Empty: every other value."""


@dataclass(frozen=True)
class Conversation:
    """The two fields that a column of whole conversations fills."""

    asked: str
    """Field of what comes before the last answer."""
    answered: str
    """Field of the last answer."""
    aliases: tuple[str, ...]
    """Names of such a column, most likely first."""


@dataclass(frozen=True)
class Generation:
    """The task's words for generators. Placeholders: ``{feature}``, ``{examples}``, ``{good}``, ``{bad}``, ``{n}``."""

    heading: str
    """Heads the list of samples that a small model continues."""
    item: str
    """One sample on that list, with the task's fields as placeholders."""
    fields: tuple[str, ...]
    """Fields an instructed model writes for one sample, as keys of a JSON object."""
    system: str
    """Rules of an instructed model."""
    step1: str
    """Asks for ``{n}`` samples on which the feature fires."""
    step2: str
    """The same, given a sample on which it fires and one on which it does not."""
    max_tokens: int
    """Enough for one sample."""
    label: str | None = None
    """Label of a generated sample."""


class Problem(NamedTuple):
    """Why a sample cannot be used."""

    field: str
    reason: str


@dataclass(frozen=True)
class Task:
    """One of the project's tasks."""

    id: str
    title: str
    description: str
    """One sentence."""
    sample_word: str
    """What people call one sample."""
    sample_words: str
    sensitive: bool
    """Whether sample texts are veiled until a person lifts the veil."""
    metric: str
    """Name of the downstream metric (method §8)."""
    rubric: tuple[str, ...]
    """Criteria of task relevance, any of which suffices (method §4)."""
    fields: tuple[Field, ...]
    content_parts: tuple[str, ...]
    """Fields read as content, joined by a blank line; ``x_option`` stands for the text of the choice named by x."""
    contrast_parts: tuple[str, ...]
    roles: tuple[str, ...]
    """Roles whose turns count for coverage; turns of the system are not read unless they do."""
    relevance: str
    """``label``: positive against negative samples; ``contrast``: a sample's content against its contrast."""
    labels: Labels | None
    generation: Generation
    refusal_markers: tuple[str, ...]
    """Lower-case openings by which a refusal is known."""
    id_aliases: tuple[str, ...]
    conversation: Conversation | None = None
    """None where no field can be told from the rest of a conversation."""

    @property
    def field_names(self) -> frozenset[str]:
        """Names of all fields."""
        return frozenset(field.name for field in self.fields)

    @property
    def label_words(self) -> tuple[str, ...]:
        """The task's own words for a positive and for a negative label; empty if its samples have no label."""
        if self.labels is None:
            return ()
        first = self.labels.positive[0]
        return first, self.labels.negative[0] if self.labels.negative else f"not {first}"

    @property
    def rubric_version(self) -> str:
        """Digest of all that a judge of relevance is told of the task; another one is another rubric."""
        told = json.dumps([self.title, self.description, self.rubric])
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def content(self, fields: Mapping[str, str]) -> Content:
        """What is read for coverage."""
        return self._join(self.content_parts, fields)

    def contrast(self, fields: Mapping[str, str]) -> Content | None:
        """The same item answered the other way; None where the task has none or the sample lacks it."""
        if not self.contrast_parts or not self._part(self.contrast_parts[-1], fields).strip():
            return None
        return self._join(self.contrast_parts, fields)

    def polarity(self, label: str | None) -> bool | None:
        """Whether a label says that the sample shows what the task is about; None if it says neither."""
        if label is None or self.labels is None:
            return None
        word = label.strip().casefold()
        if word in self.labels.positive:
            return True
        return False if word in self.labels.negative or (word and not self.labels.negative) else None

    def tidy(self, fields: Mapping[str, str]) -> dict[str, str]:
        """The task's own fields without empty ones; choices as ``(A)``, the second of two filled in."""
        kept = {field.name: fields[field.name] for field in self.fields if fields.get(field.name, "").strip()}
        choices = [field for field in self.fields if field.choice_of]
        for field in choices:
            if field.name in kept:
                kept[field.name] = mark(kept[field.name]) or kept[field.name].strip()
        missing = [field for field in choices if field.name not in kept]
        if len(choices) == 2 and len(missing) == 1:
            left = set(options(kept.get(missing[0].choice_of or "", ""))) - {
                kept[f.name] for f in choices if f.name in kept
            }
            if len(left) == 1:
                kept[missing[0].name] = left.pop()
        return kept

    def check(self, fields: Mapping[str, str]) -> Problem | None:
        """The first reason why tidy fields are no sample of this task."""
        named: dict[str, str] = {}
        for field in self.fields:
            value = fields.get(field.name, "")
            if field.required and not value.strip():
                return Problem(field.name, "is missing or empty")
            if field.choice_of and value:
                found = options(fields.get(field.choice_of, ""))
                if not found:
                    return Problem(field.choice_of, "lists no choices written as (A) ... (B) ...")
                if value not in found:
                    return Problem(field.name, f"names no choice of {field.choice_of}, which lists {', '.join(found)}")
                if value in named:
                    return Problem(field.name, f"names the same choice as {named[value]}")
                named[value] = field.name
        if self.contrast_parts and self.contrast(fields) == self.content(fields):
            return Problem(
                self.contrast_parts[-1].removesuffix(OPTION_SUFFIX), "gives the same answer as the other one"
            )
        if (turns := self.content(fields).turns) and not any(turn.counts for turn in turns):
            whose = " or ".join(self.roles)
            return Problem(self.content_parts[0].removesuffix(OPTION_SUFFIX), f"holds no turn of the {whose}")
        return None

    def item(self, fields: Mapping[str, str]) -> str:
        """One sample as it stands on the list that a small model continues."""
        return fill(self.generation.item, fields)

    def parse_item(self, text: str) -> dict[str, str] | None:
        """Inverse of `item` for generated text; None if that is no sample of this task."""
        found = split(self.generation.item, text)
        if found is None:
            return None
        fields = self.tidy(found)
        return None if self.check(fields) else fields

    def fields_of_edited(self, item: str, before: Mapping[str, str]) -> dict[str, str]:
        """Fields of an item that a person rewrote; of those `before` only the ones that an item does not show stay.

        Raises:
            InputError: the text has not the item's form, or a separator occurs more than once.
        """
        template = self.generation.item
        if (twice := repeated_separator(template, item)) is not None:
            raise InputError(
                f"The edited text holds {twice!r} more than once, so its fields cannot be told apart; "
                "change them one by one."
            )
        found = split(template, item)
        if found is None:
            form = " / ".join(template.splitlines())
            raise InputError(f"The edited text is no {self.sample_word}; keep its form: {form}")
        return self.tidy(
            {name: text for name, text in before.items() if name not in names(template)} | self.tidy(found)
        )

    def _join(self, parts: tuple[str, ...], fields: Mapping[str, str]) -> Content:
        """The parts below each other; neighbours that one role says are one turn."""
        text, turns = "", list[Turn]()
        for part in parts:
            said = normalise(self._part(part, fields))
            if not said:
                continue
            found = cut(said)
            if found and text and said[found[0].start : found[0].end] == text:
                text, turns = "", []  # the transcript repeats what stands before it
            at = len(text) + len(SEPARATOR) if text else 0
            text = f"{text}{SEPARATOR}{said}" if text else said
            for role, start, end in found or [Said(self._role(part), 0, len(said))]:
                turns = _with(turns, Turn(role, at + start, at + end, role in self.roles), whole=found is None)
        return Content.of(text, turns)

    def _role(self, part: str) -> str:
        name = part.removesuffix(OPTION_SUFFIX)
        return next((field.role for field in self.fields if field.name == name), USER)

    def _part(self, part: str, fields: Mapping[str, str]) -> str:
        if part in fields or not part.endswith(OPTION_SUFFIX):
            return fields.get(part, "")
        name = part.removesuffix(OPTION_SUFFIX)
        choice_of = next((field.choice_of for field in self.fields if field.name == name), None)
        return options(fields.get(choice_of or "", "")).get(mark(fields.get(name, "")) or "", "")


def _with(turns: list[Turn], turn: Turn, *, whole: bool) -> list[Turn]:
    """The turns with one more; a part that is `whole` goes on with what the same role said in the part before."""
    if whole and turns and turns[-1].role == turn.role:
        return [*turns[:-1], turns[-1]._replace(end=turn.end)]
    return [*turns, turn]
