"""Whatever a model puts around or does to its JSON, an object is taken only if it is whole: nothing is completed.

Servers ignore requests for structured output, models add fences, remarks, thoughts and trailing commas, and a token
limit cuts lists short. Each whole object in the reply still counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_THOUGHTS = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_STRING_OR_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)
_OPENING = re.compile(r"[\[{]")
MAX_CHARS = 200_000
"""A longer reply is nonsense and is cut, so that it costs no time."""
MAX_BROKEN = 300
"""Broken values entered before the rest of a reply is given up."""
MAX_DEPTH = 8


def objects_in(reply: str, key: str, *, bare: bool = False) -> list[dict[str, Any]]:
    """Whole JSON objects of a reply that have `key` (in any case), in order, wherever they stand.

    With `bare`, strings in a list, and objects there with one string under another name, count as that key's value.
    """
    text = _THOUGHTS.sub("", reply[:MAX_CHARS])
    text = _STRING_OR_COMMA.sub(lambda match: "" if match[0] == "," else match[0], text)
    return [found for value in _values(text) for found in _with_key(value, key, bare)]


def _values(text: str) -> Iterator[Any]:
    """JSON values in a text, outermost first; a broken one is entered, so that its whole parts are found."""
    decoder = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
    at = broken = 0
    while broken < MAX_BROKEN and (found := _OPENING.search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, found.start())
        except (json.JSONDecodeError, RecursionError):
            at = found.start() + 1
            broken += 1
        else:
            yield value


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
