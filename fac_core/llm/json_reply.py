"""Whatever a model puts around or does to its JSON, an object is taken only if it is whole: nothing is completed.

Servers ignore requests for structured output, models add fences, remarks, thoughts and trailing commas, and a token
limit cuts lists short. Each whole object in the reply still counts.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

_THOUGHTS = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_STRING_OR_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)
_OPENING = re.compile(r"[\[{]")
MEND_CHARS = 20_000
"""A value with trailing commas is mended within so many characters from where it opens."""
MAX_CHARS = 200_000
"""A longer reply is nonsense and is cut, so that it costs no time."""
_DECODER = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
MAX_BROKEN = 300
"""Broken values entered before the rest of a reply is given up."""
MAX_DEPTH = 8
_SINGLE_QUOTED = re.compile(r"\{[^{}]{0,2000}'[^{}]{0,2000}\}")
"""A flat object with single quotes somewhere."""


def objects_in(reply: str, key: str, *, bare: bool = False) -> list[dict[str, Any]]:
    """Whole JSON objects of a reply that have `key` (in any case), in order, wherever they stand.

    With `bare`, strings in a list, and objects there with one string under another name, count as that key's value.
    """
    return [found for value in values_in(reply) for found in _with_key(value, key, bare)]


def values_in(reply: str) -> Iterator[Any]:
    """Whole JSON values of a reply, outermost first, in order, after the thoughts that come before them."""
    yield from _values(without_thoughts(reply[:MAX_CHARS]))


def python_objects_in(reply: str) -> Iterator[dict[Any, Any]]:
    """Whole objects that are written as a Python literal, in single quotes, in order; none that is long."""
    text = without_thoughts(reply[:MAX_CHARS])
    for found in _SINGLE_QUOTED.finditer(text):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a backslash that escapes nothing
            try:
                value = ast.literal_eval(found[0])
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
        if isinstance(value, dict):
            yield value


def without_thoughts(text: str) -> str:
    """A reply from the end of the thoughts before its first value; a later one may be part of a sample."""
    at = 0
    while (thought := _THOUGHTS.search(text, at)) is not None:
        opening = _OPENING.search(text, at)
        if opening is not None and opening.start() < thought.start():
            break
        at = thought.end()
    return text[at:]


def _values(text: str) -> Iterator[Any]:
    """JSON values in a text, outermost first; a broken one is entered, so that its whole parts are found."""
    at = broken = 0
    while broken < MAX_BROKEN and (found := _OPENING.search(text, at)) is not None:
        value, at = _value_at(text, found.start())
        if value is None:
            broken += 1
        else:
            yield value


def _value_at(text: str, start: int) -> tuple[Any, int]:
    """The value that opens at a place and where it ends; None and the next place if it is broken."""
    try:
        return _DECODER.raw_decode(text, start)
    except (json.JSONDecodeError, RecursionError):
        pass
    # strings are told apart from the opening on: quotes before it say nothing about it
    cut: list[int] = []
    mended, last = "", start
    for match in _STRING_OR_COMMA.finditer(text, start, start + MEND_CHARS):
        if match[0] == ",":
            mended += text[last : match.start()]
            cut.append(len(mended))
            last = match.end()
    if cut:
        try:
            value, end = _DECODER.raw_decode(mended + text[last : start + MEND_CHARS])
        except (json.JSONDecodeError, RecursionError):
            pass
        else:
            return value, start + end + bisect_left(cut, end)
    return None, start + 1


def _with_key(value: Any, key: str, bare: bool, depth: int = 0) -> Iterator[dict[str, Any]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        if any(str(name).strip().casefold() == key.casefold() for name in value):
            yield value
            return
        for item in value.values():
            yield from _with_key(item, key, bare, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _with_key(_named(item, key) if bare else item, key, bare, depth + 1)


def _named(item: Any, key: str) -> Any:
    """A bare list item under its key."""
    if isinstance(item, dict) and len(item) == 1 and isinstance(only := next(iter(item.values())), str):
        return {key: only}
    return {key: item} if isinstance(item, str) else item
