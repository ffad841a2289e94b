"""A file that a person wrote is changed only where a value stands: every other line stays byte for byte.

The places are found by a scan of keys, values and tables; what comes out is for the caller to compare with what it was
to say. In a list over several lines the entries that stay keep their lines, and with them the comments there.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

_STRING = r'"""(?:\\.|[^\\])*?"""(?:"{0,2})|' r"'''.*?'''(?:'{0,2})|" r'"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'"
_TOKEN = re.compile(rf"(?P<text>{_STRING})|(?P<comment>#[^\n]*)|(?P<open>[\[{{])|(?P<close>[\]}}])|.", re.DOTALL)
_PART = r'(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*')"
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_BARE_END = re.compile(r"[\n#]|\Z")


class Place(NamedTuple):
    """Where a value stands, and its whole name."""

    name: tuple[str, ...]
    start: int
    end: int


def places(text: str) -> Iterator[Place]:
    """Every value that has a key outside of inline tables, in order; ends early at what it cannot make out."""
    at, table = 0, tuple[str, ...]()
    while (at := _after(_BLANK, text, at)) < len(text):
        header = re.match(r"\[\[?[ \t]*", text[at:])
        if header is not None:
            at += header.end()
        if (key := _KEY.match(text, at)) is None:
            return
        name, at = _name(key[0]), key.end()
        if header is not None:
            table, at = name, _after(re.compile(r"[ \t]*\]\]?"), text, at)
            continue
        equals = re.compile(r"[ \t]*=[ \t]*").match(text, at)
        if equals is None:
            return
        end = _value_end(text, equals.end())
        yield Place((*table, *name), equals.end(), end)
        at = end


def with_list(text: str, name: tuple[str, ...], values: Sequence[str]) -> str | None:
    """The file with another list of strings under a name; None if there is no such place."""
    place = next((each for each in places(text) if each.name == name), None)
    if place is None:
        return None
    old = text[place.start : place.end]
    new = (_edited_list(old, values) if "\n" in old else None) or f"[{', '.join(map(string, values))}]"
    return text[: place.start] + new + text[place.end :]


def with_part(text: str, name: tuple[str, ...], before: str, after: str) -> str | None:
    """The file with one part of a string under a name replaced; None if there is no such place."""
    place = next((each for each in places(text) if each.name == name), None)
    if place is None:
        return None
    old = text[place.start : place.end]
    wanted = _read(old).replace(before, after)
    tried = [old.replace(written(before), written(after)) for written in (_in_lines, _in_crlf_lines, _on_one_line)]
    new = next((each for each in tried if each != old and _read(each) == wanted), string(wanted))
    return text[: place.start] + new + text[place.end :]


def string(value: str) -> str:
    """A string on one line."""
    # a JSON string reads the same in TOML but for the one control that JSON leaves bare
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _edited_list(old: str, values: Sequence[str]) -> str | None:
    """A list over several lines with other entries; those that stay keep their lines. None where it is no such list."""
    found = [match for match in _TOKEN.finditer(old, 1) if match["text"]]
    head = re.match(r"\[[ \t]*(?:#[^\n]*)?\r?\n", old)
    if head is None or not found:
        return None
    at, kept = head.end(), []
    for match in found:
        rest = re.compile(r"[ \t]*(,?)[ \t]*(?:#[^\n\r]*)?(?:\r?\n)?").match(old, match.end())
        assert rest is not None
        comma = "" if rest[1] else ","
        kept.append(old[at : match.end()] + comma + old[match.end() : rest.end()])
        at = rest.end()
    indent = re.match(r"[ \t]*", old[head.end() :])
    line_end = "\r\n" if head[0].endswith("\r\n") else "\n"
    lines: list[str] = []
    before = [_read(match[0]) for match in found]
    for kind, low, high, first, last in SequenceMatcher(None, before, list(values), autojunk=False).get_opcodes():
        if kind == "equal":
            lines += kept[low:high]
        else:
            lines += [f"{indent[0] if indent else ''}{string(value)},{line_end}" for value in values[first:last]]
    return head[0] + "".join(lines) + old[at:]


def _value_end(text: str, start: int) -> int:
    depth = 0
    for match in _TOKEN.finditer(text, start):
        if match["open"]:
            depth += 1
        elif match["close"]:
            depth -= 1
        if depth == 0 and (match["text"] or match["close"]):
            return match.end()
        if depth == 0:
            break
    bare = _BARE_END.search(text, start)
    return bare.start() if bare else len(text)


def _name(key: str) -> tuple[str, ...]:
    parts = re.findall(_PART, key)
    return tuple(_read(part) if part[0] in "\"'" else part for part in parts)


def _read(value: str) -> str:
    """What a string says; empty where it is none."""
    try:
        return str(tomllib.loads(f"value = {value}")["value"])
    except ValueError:
        return ""


def _in_lines(said: str) -> str:
    """A part of a string over several lines as it is written there."""
    return "\n".join(string(line)[1:-1].replace('\\"', '"') for line in said.split("\n"))


def _in_crlf_lines(said: str) -> str:
    return _in_lines(said).replace("\n", "\r\n")


def _on_one_line(said: str) -> str:
    return string(said)[1:-1]


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
