"""The format of a file is known by its first bytes where they tell, so a wrong name cannot make a wrong reader run."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fac_core.errors import InputError
from fac_core.samples.reading_csv import csv_rows
from fac_core.samples.reading_json import json_rows
from fac_core.samples.reading_parquet import parquet_rows
from fac_core.samples.rows import Row, decode, lines, storable
from fac_core.samples.source import Source

FORMATS = "JSONL, CSV, TSV, Parquet, or TXT with one text a line (also packed with gzip or xz)"
HEAD_ROWS = 200
"""Rows looked at to guess columns."""
MAX_COLUMNS = 500
MAX_COLUMN_NAME = 200
"""A longer name, or one that cannot be stored, is nobody's column."""


@dataclass(frozen=True)
class Table:
    """An open file of rows."""

    format: str
    columns: list[str]
    head: list[Row]
    """The first rows, for guessing."""
    rows: Iterator[Row]
    """All rows, the first ones included; to be read once."""


@contextmanager
def open_table(source: Source) -> Iterator[Table]:
    """The rows of a source, streamed.

    Raises:
        InputError: unknown format, damaged, too large or without rows; also while reading.
    """
    kind = _kind(source)
    if kind == "Parquet":
        with parquet_rows(source) as (columns, rows):
            yield _table(source, kind, columns, rows)
        return
    with source.utf8() as stream:
        if kind in ("CSV", "TSV"):
            columns, rows = csv_rows(stream, source.name, tab=kind == "TSV")
            yield _table(source, kind, columns, rows)
        elif kind == "JSONL":
            yield _table(source, kind, None, json_rows(stream, source.name))
        else:
            yield _table(source, kind, ["text"], _text_rows(stream))


def _table(source: Source, kind: str, columns: list[str] | None, rows: Iterator[Row]) -> Table:
    head = list(itertools.islice(rows, HEAD_ROWS))
    if not head:
        raise InputError(f"{source.name} is empty: it has no rows.")
    if columns is None:
        columns = list(dict.fromkeys(key for row in head for key in row.values))
    columns = [column for column in columns if len(column) <= MAX_COLUMN_NAME and storable(column) == column]
    return Table(kind, columns[:MAX_COLUMNS], head, itertools.chain(head, rows))


def _kind(source: Source) -> str:
    """The format, by first bytes where they tell and else by the file's name."""
    head = source.head()
    if not head:
        raise InputError(f"{source.name} is empty.")
    endings = [ending for ending in source.name.lower().split(".")[1:] if ending not in ("gz", "xz")]
    ending = endings[-1] if endings else ""
    parquet = ending in ("parquet", "pq")
    # a text may begin with these letters, so the end of the file has to tell as well unless the name does
    if source.path is not None and head.startswith(b"PAR1") and (parquet or source.tail(4) == b"PAR1"):
        return "Parquet"
    match ending:
        case "jsonl" | "ndjson" | "json":
            return "JSONL"
        case "csv":
            return "CSV"
        case "tsv" | "tab":
            return "TSV"
        case "txt":
            return "TXT"
        case _ if parquet:
            raise InputError(f"{source.name} is not a Parquet file, whatever its name says.")
        case _:
            raise InputError(f"{source.name} is of no known format; bring {FORMATS}.")


def _text_rows(stream: io.BufferedReader) -> Iterator[Row]:
    number = 0
    for _, line, cut in lines(stream):
        text, problem = decode(line, cut)
        for piece in text.split("\r"):  # files of old Macs end lines with a carriage return alone
            number += 1
            if piece.strip():
                yield Row(number, {"text": piece}, problem, piece)
