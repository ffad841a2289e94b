"""One bad JSON line costs that line alone, be it the first; a file that is one JSON array is read as its rows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
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
        yield from _array_or_lines(stream, name)
    else:
        yield from line_rows(lines(stream))


def line_rows(numbered: Iterable[tuple[int, bytes, bool]]) -> Iterator[Row]:
    """Rows of JSON lines, as from `rows.lines`; empty lines are none."""
    for number, line, cut in numbered:
        text, problem = decode(line, cut)
        if problem:
            yield Row(number, {}, problem, text)
        elif text.strip():
            value, problem = _parse(text)
            if problem is None and not isinstance(value, dict):
                problem = _no_row(value)
            yield Row(number, value if isinstance(value, dict) else {}, problem, text)


def _array_or_lines(stream: io.BufferedReader, name: str) -> Iterator[Row]:
    """Rows of a file that begins with a bracket: an array, or lines of which the first is bad."""
    number = 1
    while not (first := stream.readline(MAX_ARRAY + 1)).strip():
        number += 1
    whole = first
    value, problem = _parse_bytes(whole) if len(whole) <= MAX_ARRAY else (None, "")
    if problem is None:
        others = line_rows(lines(stream, number + 1))
        if (second := next(others, None)) is None:
            yield from _array(value)
        else:
            yield from line_rows([(number, first.rstrip(b"\r\n"), False)])
            yield second
            yield from others
        return
    whole += stream.read(max(0, MAX_ARRAY + 1 - len(whole)))
    if len(whole) > MAX_ARRAY:
        raise InputError(f"{name} begins as a JSON array of more than {MAX_ARRAY >> 20} MB; save it as JSONL.")
    value, problem = _parse_bytes(whole)
    if problem is None:
        yield from _array(value)
    elif _are_lines(whole):
        yield from line_rows(lines(io.BytesIO(whole), number))
    else:
        raise InputError(f"{name} {problem}.")


def _are_lines(text: bytes) -> bool:
    """Whether what is no array holds objects a line: the first line that is one does not go on with a comma."""
    for _, line, _ in lines(io.BytesIO(text)):
        line = line.strip()
        for candidate, alone in ((line, True), (line.removesuffix(b","), False)):
            if candidate[:1] == b"{" and isinstance(_parse_bytes(candidate)[0], dict):
                return alone
    return False


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


def _array(values: Any) -> Iterator[Row]:
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            yield Row(number, value)
        else:
            yield Row(number, {}, _no_row(value), json.dumps(value, ensure_ascii=False))


def _no_row(value: Any) -> str:
    return f"is {kind_of(value)}, not an object with named fields"


def _parse_bytes(text: bytes) -> tuple[Any, str | None]:
    decoded, problem = decode(text, False)
    return (None, problem) if problem else _parse(decoded)


def _parse(text: str) -> tuple[Any, str | None]:
    try:
        return json.loads(text), None
    except RecursionError:
        return None, "is nested too deeply"
    except json.JSONDecodeError as error:
        return None, f"is not valid JSON ({error.msg} at character {error.pos + 1})"
    except ValueError:  # a number of thousands of digits
        return None, "is not valid JSON (a number is too long)"
