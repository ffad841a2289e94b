"""A stray quote costs the line it stands in, not the rest of the file: records are parsed strictly, one at a time,
and after a bad one reading goes on with the next line.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from fac_core.errors import InputError
from fac_core.samples.rows import MAX_LINE, Row, decode, lines

MAX_RECORD_LINES = 1000
"""Lines one quoted value may span."""
_DELIMITERS = ",;\t|"


class _Line(NamedTuple):
    number: int
    text: str
    problem: str | None


class _Record(NamedTuple):
    number: int
    raw: str
    delimiter: str
    cells: list[str]
    problem: str | None


def csv_rows(stream: io.BufferedReader, name: str, *, tab: bool) -> tuple[list[str], Iterator[Row]]:
    """Column names and rows; the first line names the columns.

    Raises:
        InputError: the first line cannot be read.
    """
    csv.field_size_limit(MAX_LINE)
    source = _Lines(stream)
    header = next(_records(source, "\t" if tab else None), None)
    if header is None:
        return [], iter(())
    if header.problem:
        raise InputError(f"The first line of {name} should name the columns, but it {header.problem}.")
    columns = _unique(header.cells)
    return columns, _rows(source, columns, header.delimiter)


def _rows(source: _Lines, columns: list[str], delimiter: str) -> Iterator[Row]:
    for number, raw, _, cells, problem in _records(source, delimiter):
        if problem is None and len(cells) != len(columns):
            problem = f"has {len(cells)} values, but the first line names {len(columns)} columns"
        yield Row(number, {} if problem else dict(zip(columns, cells, strict=True)), problem, raw)


class _Lines:
    """Decoded lines that can be given back."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._source = lines(stream)
        self._given_back: deque[_Line] = deque()

    def pull(self) -> _Line | None:
        """The next line, or None at the end."""
        if self._given_back:
            return self._given_back.popleft()
        found = next(self._source, None)
        return None if found is None else _Line(found[0], *decode(found[1], found[2]))

    def give_back(self, taken: list[_Line]) -> None:
        """Make lines that were pulled the next ones again."""
        self._given_back.extendleft(reversed(taken))


def _records(source: _Lines, delimiter: str | None) -> Iterator[_Record]:
    """Records in order; with `delimiter` None each is split at what it holds most of."""
    while (first := source.pull()) is not None:
        if not first.text.strip() and not first.problem:
            continue
        mark = delimiter or max(_DELIMITERS, key=first.text.count)
        if first.problem:
            yield _Record(first.number, first.text, mark, [], first.problem)
            continue
        taken = [first]
        try:
            cells = next(csv.reader(_feed(source, taken), delimiter=mark, strict=True))
        except csv.Error as error:
            source.give_back(taken[1:])
            # files of tabs are often written without any quoting, so there a quote is a character like others
            cells, problem = (first.text.split(mark), None) if mark == "\t" else ([], _explain(error))
            yield _Record(first.number, first.text, mark, cells, problem)
            continue
        problem = next((line.problem for line in taken if line.problem), None)
        yield _Record(first.number, "\n".join(line.text for line in taken), mark, cells, problem)


def _feed(source: _Lines, taken: list[_Line]) -> Iterator[str]:
    yield taken[0].text + "\n"
    while len(taken) < MAX_RECORD_LINES and (line := source.pull()) is not None:
        taken.append(line)
        yield line.text + "\n"


def _explain(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return "opens a quote that is never closed"
    if "new-line" in str(error):
        return "holds a line end of its own outside quotes"
    return "has a stray quote: inside a quoted value each quote must be doubled"


def _unique(names: list[str]) -> list[str]:
    """Column names that are neither empty nor repeated."""
    found: dict[str, None] = {}
    for position, name in enumerate(names, start=1):
        base = name.strip() or f"column {position}"
        candidate, number = base, 2
        while candidate in found:
            candidate, number = f"{base} ({number})", number + 1
        found[candidate] = None
    return list(found)
