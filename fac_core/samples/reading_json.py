"""One bad JSON line costs that line alone; a file that is one JSON array is read as its rows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

from fac_core.errors import InputError
from fac_core.samples.rows import Row, decode, lines

MAX_ARRAY = 256 << 20
"""Bytes of a JSON array, which has to be held in memory whole."""


def json_rows(stream: io.BufferedReader, name: str) -> Iterator[Row]:
    """Rows of a JSONL file or of a JSON array of objects.

    Raises:
        InputError: an array that is too large or not valid JSON.
    """
    if stream.peek(1).lstrip()[:1] == b"[":
        yield from _array(stream, name)
        return
    for number, line, cut in lines(stream):
        text, problem = decode(line, cut)
        if problem:
            yield Row(number, {}, problem, text)
        elif text.strip():
            value, problem = _parse(text)
            if problem is None and not isinstance(value, dict):
                problem = f"is {kind_of(value)}, not an object with named fields"
            yield Row(number, value if isinstance(value, dict) else {}, problem, text)


def kind_of(value: Any) -> str:
    """What a value is, in a person's words."""
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case dict():
            return "nested JSON"
        case None:
            return "empty"
        case bytes():
            return "binary data"
        case _:
            return f"of type {type(value).__name__}"


def _array(stream: io.BufferedReader, name: str) -> Iterator[Row]:
    text = stream.read(MAX_ARRAY + 1)
    if len(text) > MAX_ARRAY:
        raise InputError(f"{name} is one JSON array of more than {MAX_ARRAY >> 20} MB; save it as JSONL.")
    decoded, problem = decode(text, False)
    if not problem:
        values, problem = _parse(decoded)
    if problem:
        raise InputError(f"{name} {problem}.")
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            yield Row(number, value)
        else:
            shown = json.dumps(value, ensure_ascii=False)
            yield Row(number, {}, f"is {kind_of(value)}, not an object with named fields", shown)


def _parse(text: str) -> tuple[Any, str | None]:
    try:
        return json.loads(text), None
    except RecursionError:
        return None, "is nested too deeply"
    except json.JSONDecodeError as error:
        return None, f"is not valid JSON ({error.msg} at character {error.pos + 1})"
    except ValueError:  # a number of thousands of digits
        return None, "is not valid JSON (a number is too long)"
