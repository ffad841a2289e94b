"""A stray quote costs the line it stands in, and a quoted value keeps all its lines: which of the two it is, the lines
that follow tell.

A line inside a quoted value leaves it open, closes it, or breaks the rules of quoting, whatever came before it. A value
that is broken or open at the end of the file was begun by a stray quote: its first line is bad, the others are rows.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from fac_core.errors import InputError
from fac_core.samples.rows import MAX_LINE, Row, decode, lines, unique_names

MAX_AHEAD = 256 << 20
"""Bytes of memory for the lines looked at to find the end of a quoted value."""
_PER_LINE = 150
"""Bytes a line takes besides its own."""
_DELIMITERS = ",;\t|"


class _Line(NamedTuple):
    number: int
    data: bytes
    cut: bool


class _Record(NamedTuple):
    number: int
    raw: str
    delimiter: str
    cells: list[str]
    problem: str | None


class _Stray(NamedTuple):
    """What the search for the end of a quoted value came to: no value that is open before line `until` ends well."""

    until: int
    problem: str


def csv_rows(stream: io.BufferedReader, name: str, *, tab: bool) -> tuple[list[str], Iterator[Row]]:
    """Column names and rows; the first line names the columns.

    Raises:
        InputError: the first line cannot be read, or a quoted value has no end in sight; also while reading.
    """
    csv.field_size_limit(MAX_LINE)
    source = _Lines(stream, name)
    header = next(_records(source, "\t" if tab else None), None)
    if header is None:
        return [], iter(())
    if header.problem:
        raise InputError(f"The first line of {name} should name the columns, but it {header.problem}.")
    columns = unique_names(header.cells)
    return columns, _rows(source, columns, header.delimiter)


def _rows(source: _Lines, columns: list[str], delimiter: str) -> Iterator[Row]:
    for number, raw, _, cells, problem in _records(source, delimiter):
        if problem is None and len(cells) != len(columns):
            problem = f"has {len(cells)} values, but the first line names {len(columns)} columns"
        yield Row(number, {} if problem else dict(zip(columns, cells, strict=True)), problem, raw)


class _Lines:
    """Lines that can be given back."""

    def __init__(self, stream: io.BufferedReader, name: str) -> None:
        self.name = name
        self._source = lines(stream)
        self._given_back: deque[_Line] = deque()

    def pull(self) -> _Line | None:
        """The next line, or None at the end."""
        if self._given_back:
            return self._given_back.popleft()
        found = next(self._source, None)
        return None if found is None else _Line(*found)

    def give_back(self, taken: list[_Line]) -> None:
        """Make lines that were pulled the next ones again."""
        self._given_back.extendleft(reversed(taken))


def _records(source: _Lines, delimiter: str | None) -> Iterator[_Record]:
    """Records in order; with `delimiter` None each is split at what it holds most of."""
    stray = _Stray(0, "")
    while (first := source.pull()) is not None:
        text, problem = decode(first.data, first.cut)
        if not text.strip() and not problem:
            continue
        mark = delimiter or max(_DELIMITERS, key=text.count)
        cells, wrong = ([], None) if first.cut else _split(text, mark)
        if wrong == _OPEN:
            # lines that were looked at once tell the same about each value left open among them
            found = stray if first.number < stray.until else _rest(source, first, mark)
            if not isinstance(found, _Stray):
                yield _whole([first, *found], mark)
                continue
            stray, wrong = found, found.problem
        if wrong and mark == "\t":
            # files of tabs are often written without any quoting, so there a quote is a character like others
            cells, wrong = text.split(mark), None
        yield _Record(first.number, text, mark, cells, problem or wrong)


def _rest(source: _Lines, first: _Line, mark: str) -> list[_Line] | _Stray:
    """The other lines of a record whose first line leaves a quoted value open; none are taken if it is a stray quote.

    Raises:
        InputError: the value has no end within `MAX_AHEAD`.
    """
    taken: list[_Line] = []
    size = len(first.data)
    while (line := source.pull()) is not None:
        taken.append(line)
        size += len(line.data) + _PER_LINE
        if size > MAX_AHEAD:
            raise InputError(
                f"Row {first.number} of {source.name} opens a quote that is not closed within {MAX_AHEAD >> 20} MB; "
                "close it, or take the quote out."
            )
        wrong = _OPEN if line.cut or b'"' not in line.data else _split('"' + decode(line.data, False)[0], mark)[1]
        if wrong != _OPEN:
            break
    else:
        source.give_back(taken)
        return _Stray(sys.maxsize, _OPEN)
    if wrong:
        source.give_back(taken)
        return _Stray(line.number, wrong)
    return taken


def _whole(taken: list[_Line], mark: str) -> _Record:
    """The record of several lines."""
    decoded = [decode(line.data, line.cut) for line in taken]
    raw = "\n".join(text for text, _ in decoded)
    problem = next((problem for _, problem in decoded if problem), None)
    if sum(len(line.data) + 1 for line in taken) > MAX_LINE:
        problem = f"is longer than {MAX_LINE >> 20} MB"
    return _Record(taken[0].number, raw, mark, [] if problem else _split(raw, mark)[0], problem)


_OPEN = "opens a quote that is never closed"


def _split(text: str, mark: str) -> tuple[list[str], str | None]:
    """The values of a record, and what is wrong with it; `_OPEN` may only want further lines."""
    try:
        return next(csv.reader(io.StringIO(text + "\n", newline="\n"), delimiter=mark, strict=True)), None
    except csv.Error as error:
        if "unexpected end" in str(error):
            return [], _OPEN
        if "new-line" in str(error):
            return [], "holds a line end of its own outside quotes"
        return [], "has a stray quote: inside a quoted value each quote must be doubled"
