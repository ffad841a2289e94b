"""A row becomes a sample or a quarantined row with field and reason; there is no third way and no silent repair.

What is accepted can be stored and read as it stands: valid Unicode, no NUL, text where text is expected.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from fac_core.content import Content
from fac_core.samples.mapping import Mapping, conversations
from fac_core.samples.reading_json import kind_of
from fac_core.samples.rows import BadCell, Row, storable
from fac_core.tasks import Task
from fac_core.tasks.transcript import divide, is_messages, write

MAX_TEXT = 1_000_000
"""Characters of one value."""


@dataclass(frozen=True, slots=True)
class ParsedSample:
    """A good row."""

    row_number: int
    external_id: str | None
    fields: dict[str, str]
    label: str | None
    meta: dict[str, str]
    content: Content
    contrast: Content | None


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A bad row: kept apart, with what is needed to find and mend it."""

    row_number: int
    field: str | None
    """Field or column at fault; None if the row as a whole is."""
    reason: str
    """Worded to follow the field's name, or "row 7"."""
    raw: str

    def sentence(self) -> str:
        """The whole complaint."""
        return f"row {self.row_number}{f': {self.field}' if self.field else ''} {self.reason}"


class _Unusable(Exception):
    """Why a value cannot be used; never leaves this module."""


class RowParser:
    """Turns the rows of one file into samples; remembers the ids it has seen."""

    def __init__(self, task: Task, mapping: Mapping) -> None:
        self._task, self._mapping = task, mapping
        self._talk, self._talks = task.conversation, conversations(task, mapping)
        self._ids: dict[str, int] = {}

    def parse(self, row: Row) -> ParsedSample | QuarantinedRow:
        """The sample of a row, or why there is none."""
        if row.problem:
            return quarantined(row, None, row.problem)
        values: dict[str, str] = {}
        column: str | None = None
        try:
            for name, column in self._mapping.fields.items():
                values[name] = self._value(name, row.values.get(column))
            column = self._mapping.label
            label = word_of(row.values.get(column)) if column else None
            column = self._mapping.id
            external_id = word_of(row.values.get(column)) if column else None
        except _Unusable as error:
            return quarantined(row, column, str(error))
        fields = self._task.tidy(values)
        if problem := self._task.check(fields):
            return quarantined(row, self._mapping.fields.get(problem.field, problem.field), problem.reason)
        if external_id is not None:
            first = self._ids.setdefault(external_id, row.number)
            if first != row.number:
                return quarantined(row, self._mapping.id, f"repeats the id of row {first}")
        content, contrast = self._task.content(fields), self._task.contrast(fields)
        meta = {column: text for column in self._mapping.meta if (text := group_of(row.values.get(column)))}
        return ParsedSample(row.number, external_id, fields, label, meta, content, contrast)

    def _value(self, field: str, value: Any) -> str:
        """A field's value; a conversation is divided between its two fields."""
        talk = self._talk
        if talk is None or self._talks is None or field not in (talk.asked, talk.answered):
            return text_of(value)
        if value is None or isinstance(value, BadCell | float):
            return text_of(value)
        try:
            return text_of(divide(value)[field == talk.answered])
        except ValueError as error:
            raise _Unusable(str(error)) from error


def quarantined(row: Row, field: str | None, reason: str) -> QuarantinedRow:
    """A bad row, its characters made storable."""
    return QuarantinedRow(row.number, field, reason, storable(row.raw))


def text_of(value: Any) -> str:
    """A text value; empty if there is none.

    Raises:
        _Unusable: it is no text, or cannot be stored or read.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, BadCell):
        raise _Unusable(value.reason)
    if is_messages(value):
        try:
            value = write(value)
        except ValueError as error:
            raise _Unusable(str(error)) from error
    if not isinstance(value, str):
        raise _Unusable(f"is {kind_of(value)}, where text is expected")
    if len(value) > MAX_TEXT:
        raise _Unusable(f"is longer than {MAX_TEXT:,} characters")
    if "\x00" in value:
        raise _Unusable("holds a NUL character")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise _Unusable("holds half of a surrogate pair, which is no character")
    return value


def word_of(value: Any) -> str | None:
    """A label or an id as text; None if empty.

    Raises:
        _Unusable: nested or binary, or cannot be stored.
    """
    match value:
        case None:
            return None
        case BadCell():
            raise _Unusable(value.reason)
        case bool():
            return "true" if value else "false"
        case float() if math.isnan(value):
            return None
        case float() if value.is_integer():
            return str(int(value))
        case list() | dict() | bytes():
            raise _Unusable(f"is {kind_of(value)}, where one value is expected")
        case str():
            return text_of(value).strip() or None
        case _:
            return str(value)


def group_of(value: Any) -> str:
    """A further column's value as text, whatever it is; empty if there is none. It never costs a row."""
    try:
        return word_of(value) or ""
    except _Unusable:
        if isinstance(value, BadCell):
            return str(value)
        return storable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
