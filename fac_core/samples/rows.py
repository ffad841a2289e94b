"""Every row of a file comes out with the number a person finds it by, good or bad, in order, none merged or lost.

Numbers are lines of the file as an editor counts them; for Parquet and JSON arrays they are positions, from 1.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MAX_LINE = 16 << 20
"""Bytes of one line; a longer one is a bad row and is not kept in memory."""
_SHOWN = 1000
_MAX_RAW = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row as brought."""

    number: int
    values: dict[str, Any]
    problem: str | None = None
    """Why the row could not be taken apart, worded to follow "row 7 ..."."""
    text: str | None = None

    @property
    def raw(self) -> str:
        """The row for a person to mend: its own characters, or its values as JSON."""
        return self.text if self.text is not None else json.dumps(self.values, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class BadCell:
    """What stands for the value of a cell that has none."""

    reason: str
    """Worded to follow the column's name."""

    def __str__(self) -> str:
        return f"({self.reason})"


def lines(stream: io.BufferedIOBase, first: int = 1) -> Iterator[tuple[int, bytes, bool]]:
    """(number, line without its end, whether it was longer than `MAX_LINE` and cut)."""
    for number in itertools.count(first):
        line = stream.readline(MAX_LINE)
        if not line:
            return
        cut = len(line) == MAX_LINE and not line.endswith(b"\n")
        while cut and (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
            pass
        yield number, line[:_SHOWN] if cut else line.rstrip(b"\r\n"), cut


def decode(line: bytes, cut: bool) -> tuple[str, str | None]:
    """A line as text, and what is wrong with it."""
    if cut:
        return line.decode("utf-8", "replace"), f"is longer than {MAX_LINE >> 20} MB"
    try:
        return line.decode("utf-8"), None
    except UnicodeDecodeError as error:
        where = f"byte 0x{line[error.start]:02x} at position {error.start + 1}"
        return line.decode("utf-8", "backslashreplace"), f"is not valid UTF-8 ({where}); save the file as UTF-8"


def storable(text: str) -> str:
    """Any text as valid Unicode without NUL; what is not valid is shown as an escape."""
    whole = text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\u0000")
    return whole if len(whole) <= _MAX_RAW else whole[:_MAX_RAW] + "… (cut)"


def unique_names(names: Sequence[str]) -> list[str]:
    """Column names that are neither empty nor repeated."""
    found: dict[str, None] = {}
    numbers: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        candidate = base = name.strip() or f"column {position}"
        while candidate in found:
            numbers[base] = numbers.get(base, 1) + 1
            candidate = f"{base} ({numbers[base]})"
        found[candidate] = None
    return list(found)
