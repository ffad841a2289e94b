"""A generated text becomes a sample only if the task's own item can be read from it; nothing is filled in.

The same template writes an example into a prompt, tells a generator where an item ends, and takes the item apart again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fac_core.tasks import Task

_PLACE = re.compile(r"\{[a-z_0-9]+\}")
_NUMBERING = re.compile(
    r"^\s*(?:\(?\d{1,3}[.):]\s+|[-*•–]\s+|(?:user\s+)?(?:query|message|text)\s*(?:\d{1,3})?\s*:\s*)", re.I
)
_SENTENCE_END = re.compile(r"[.!?…](?=[\"'”’)]?(?:\s|$))[\"'”’)]?")
_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»"}
_CHOICE = re.compile(r"\s*\(?[A-Ha-h]\)?(?![A-Za-z])")
MIN_WORDS = 3
"""A shorter line is a heading or a slip, not a sample."""


def markers(template: str) -> list[str]:
    """The fixed pieces of an item before each field: ``["Question:", "Answer:"]``; empty strings on a plain list."""
    return [piece.strip() for piece in _PLACE.split(template)[:-1]]


def is_line(template: str) -> bool:
    """Whether an item is a bare line of text, so that a list of items is one line each."""
    return markers(template) == [""]


def split_item(template: str, item: str) -> list[str]:
    """The text after each marker of an item; shorter if a marker is missing."""
    found = []
    rest = item
    for marker, following in zip(markers(template), [*markers(template)[1:], None], strict=True):
        rest = rest.partition(marker)[2] if marker in rest else ""
        found.append(rest.partition(following)[0] if following else rest)
    return found


def list_item(task: Task, fields: Mapping[str, str]) -> str:
    """A sample as it stands on a list: on one line, or without the blank line that would end it."""
    if is_line(task.generation.item):
        return " ".join(task.item(fields).split())
    last = _last_field(task)
    shown = {name: re.sub(r"\n\s*\n", "\n", value.strip()) if name == last else value for name, value in fields.items()}
    return task.item(shown).strip()


def item_ended(template: str, text: str) -> bool:
    """Whether `text`, which continues a list after the first marker, holds a whole item and goes on beyond it."""
    return _end_of_item(template, text) is not None


def parse_continuation(task: Task, text: str, *, whole: bool) -> dict[str, str] | None:
    """Fields of the item at the start of a continuation; None if there is no item of the task.

    `whole` says that the item ended by itself; otherwise its last field is cut back to its last whole sentence.
    """
    template = task.generation.item
    end = _end_of_item(template, text)
    item = text if end is None else text[:end]
    if end is None and not whole:
        kept = _whole_sentences(item[_start_of_last(template, item) or 0 :])
        if kept is None or _start_of_last(template, item) is None:
            return None
        item = item[: _start_of_last(template, item)] + kept
    if is_line(template):
        item = clean_line(item)
    elif (choice := _start_of_last(template, item)) is not None and _last_is_choice(task):
        found = _CHOICE.match(item, choice)
        item = item[: found.end()] if found else item
    fields = task.parse_item(item)
    return None if fields is None or flaw(task.content(fields)) else fields


def parse_fields(task: Task, value: Mapping[str, object]) -> dict[str, str] | None:
    """Fields of one sample of a structured reply; None if it is no sample of the task."""
    named = {str(key).strip().casefold(): item for key, item in value.items()}
    raw = {name: named[name] for name in task.field_names if isinstance(named.get(name), str)}
    fields = task.tidy({name: str(text).strip() for name, text in raw.items()})
    if is_line(task.generation.item):
        fields = {name: clean_line(text) for name, text in fields.items()}
    return None if task.check(fields) or flaw(task.content(fields)) else fields


def clean_line(text: str) -> str:
    """A line without list numbering, markers and enclosing quotes."""
    line = " ".join(next((line for line in text.splitlines() if line.strip()), "").split())
    line = _NUMBERING.sub("", line, count=1).strip()
    if len(line) > 1 and _QUOTES.get(line[0]) == line[-1] and line[0] not in line[1:-1]:
        line = line[1:-1].strip()
    return line


def flaw(text: str) -> str | None:
    """Why a text cannot be anyone's sample: too short, broken characters, or the same words over and over."""
    words = re.findall(r"\w+", text.casefold())
    if len(words) < MIN_WORDS or not any(word[0].isalpha() for word in words):
        return "too short"
    if "\ufffd" in text or any(ord(char) < 32 and char not in "\n\t" for char in text):
        return "broken characters"
    if len(words) >= 6 and len(set(words)) < 0.5 * len(words) ** 0.9:
        return "repetitive"
    return None


def refused(task: Task, text: str) -> bool:
    """Whether a whole reply opens as a refusal."""
    return text.strip().replace("’", "'").casefold().startswith(task.refusal_markers)


_DECLINES = re.compile(
    r"\b(?:help|assist|comply|fulfil\w*|engage|provide|generate|create|write|produce|support|answer)\b"
    r".{0,40}\b(?:with (?:that|this)|requests?|such|content|information|instructions)\b"
)


def is_refusal(task: Task, text: str) -> bool:
    """Whether one sample is in truth a refusal: a person's own "I can't log in" is none."""
    return refused(task, text) and _DECLINES.search(text[:200].casefold()) is not None


def _end_of_item(template: str, text: str) -> int | None:
    if is_line(template):
        found = re.search(r"\S[^\n]*(\n)", text)
        return found.start(1) if found else None
    start = _start_of_last(template, text)
    if start is None:
        return None
    first = re.escape(markers(template)[0])
    found = re.compile(rf"\n[ \t]*\n|\n(?=[ \t]*{first})").search(text, _first_ink(text, start))
    return found.start() if found else None


def _start_of_last(template: str, text: str) -> int | None:
    """Where the last field begins; None if a marker before it is missing. The first marker may be absent."""
    at = 0
    for number, marker in enumerate(markers(template)):
        found = text.find(marker, at)
        if number == 0:
            at = len(marker) if found == 0 else 0
        elif found < 0:
            return None
        else:
            at = found + len(marker)
    return at


def _first_ink(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _whole_sentences(text: str) -> str | None:
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    if not ends or len(text[: ends[-1]].split()) < MIN_WORDS:
        return None
    return text[: ends[-1]]


def _last_field(task: Task) -> str:
    return str(_PLACE.findall(task.generation.item)[-1])[1:-1]


def _last_is_choice(task: Task) -> bool:
    last = _last_field(task)
    return any(field.name == last and field.choice_of for field in task.fields)
