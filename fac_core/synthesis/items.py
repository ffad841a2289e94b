"""A generated text becomes a sample only if the task's own item can be read from it; nothing is filled in.

The same template writes an example into a prompt, tells a generator where an item ends, and takes the item apart again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from fac_core.synthesis.likeness import UNSPACED, UNSPACED_RUN, words
from fac_core.tasks import Task

_PLACE = re.compile(r"\{[a-z_0-9]+\}")
_NUMBERING = re.compile(
    r"\s*(?:"
    # "7. how" and "(7) how" count; "2) or not 2" and "1: nil" may be what someone says, "2) Or" is not
    r"(?:\d{1,3}\.|\(\d{1,3}\))\s+(?=[^\W\d_]|[\"“'‘«])|\d{1,3}[):]\s+(?=[A-Z]|[\"“'‘«])|"
    r"[-*•–]\s+(?=[^\W\d_]|[\"“'‘«])|"
    # "text: my friend" is an order; a label is capitalised, numbered or a user's
    r"(?:(?i:user\s+(?:query|message|text)|(?:query|message|text)\s*(?=\d))|Query|Message|Text)\s*\d{0,3}\s*:\s*)"
)
_SENTENCE_END = re.compile(r"(?:[.!?…؟۔।](?=[\"'”’)]?(?:\s|$))|[。！？｡])[\"'”’)」』）]?")
_QUOTES = {'"': '"', "“": "”", "'": "'", "‘": "’", "«": "»"}
_CHOICE = re.compile(r"\s*\(?[A-Ha-h]\)?(?![A-Za-z])")
MIN_WORDS = 3
"""A shorter line is a heading or a slip, not a sample."""
MIN_CHARS = 4
"""The same for scripts that put no space between words."""


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
    return None if fields is None or flaw(task.content(fields).text) else fields


def parse_fields(task: Task, value: Mapping[str, object]) -> dict[str, str] | None:
    """Fields of one sample of a structured reply; None if it is no sample of the task."""
    named = {str(key).strip().casefold(): item for key, item in value.items()}
    raw = {name: named[name] for name in task.field_names if isinstance(named.get(name), str)}
    fields = task.tidy({name: str(text).strip() for name, text in raw.items()})
    if is_line(task.generation.item):
        fields = {name: clean_line(text) for name, text in fields.items()}
    return None if task.check(fields) or flaw(task.content(fields).text) else fields


def clean_line(text: str) -> str:
    """A line without list numbering, markers and enclosing quotes."""
    line = " ".join(next((line for line in text.splitlines() if line.strip()), "").split())
    line = line[match.end() :].strip() if (match := _NUMBERING.match(line)) else line
    if len(line) > 1 and _QUOTES.get(line[0]) == line[-1] and line[0] not in line[1:-1]:
        line = line[1:-1].strip()
    return line


def flaw(text: str) -> str | None:
    """Why a text cannot be anyone's sample: too short, broken characters, or the same words over and over."""
    found = words(text)
    if too_short(text) or not any(word[0].isalpha() for word in found):
        return "too short"
    if "\ufffd" in text or any(ord(char) < 32 and char not in "\n\t" for char in text):
        return "broken characters"
    # single characters come back in any text, pairs of them do not
    spaced = [word for word in found if not UNSPACED.match(word)]
    found = spaced + [one + other for run in UNSPACED_RUN.findall(text) for one, other in pairwise(run)]
    if len(found) >= 6 and len(set(found)) < 0.5 * len(found) ** 0.9:
        return "repetitive"
    return None


def too_short(text: str) -> bool:
    """Whether a text has too few words, or characters of a script without spaces, to be a sample."""
    found = words(text)
    unspaced = sum(UNSPACED.match(word) is not None for word in found)
    return (len(found) - unspaced) / MIN_WORDS + unspaced / MIN_CHARS < 1


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
    if not ends or too_short(text[: ends[-1]]):
        return None
    return text[: ends[-1]]


def _last_field(task: Task) -> str:
    return str(_PLACE.findall(task.generation.item)[-1])[1:-1]


def _last_is_choice(task: Task) -> bool:
    last = _last_field(task)
    return any(field.name == last and field.choice_of for field in task.fields)
