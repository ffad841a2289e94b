"""What a terminal shows of untrusted text is text: no control character or writing direction of it takes effect.

With ``--json`` every command prints one JSON document to stdout and nothing else; messages go to stderr.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
# joins what must stay together in emoji and in Arabic, Persian or Indic words
_JOINERS = {"\u200c", "\u200d"}


def safe(text: str) -> str:
    """The text with line ends, controls and direction marks written out."""
    return "".join(char if _plain(char) else _escaped(char) for char in text)


def short(text: str, width: int) -> str:
    """The text on one line of at most `width` characters."""
    line = safe(" ".join(text.split()))
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"


def jsonable(value: Any) -> Any:
    """Dataclasses, named tuples, paths, times and numpy values as JSON values; NaN becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return jsonable(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds") + "Z"
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def show(value: Any, lines: Iterable[str], as_json: bool) -> None:
    """Print a result: as JSON, or as the given lines."""
    if as_json:
        typer.echo(json.dumps(jsonable(value), indent=2, allow_nan=False))
    else:
        for line in lines:
            typer.echo(line)


def say(text: str) -> None:
    """A message beside the result, on stderr."""
    typer.echo(safe(text), err=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], wide: int | None = None) -> list[str]:
    """Lines of a table; numbers are right-aligned by their column's head beginning with ``>``.

    The column `wide` (default: the last) is cut to what is left of the terminal's width.
    """
    titles = [head.removeprefix(">") for head in heads]
    cells = [[safe(" ".join(cell.split())) for cell in row] for row in rows]
    if not cells:
        return []
    wide = len(heads) - 1 if wide is None else wide
    widths = [max(len(row[i]) for row in [titles, *cells]) for i in range(len(heads))]
    left = shutil.get_terminal_size((120, 24)).columns - sum(widths) + widths[wide] - 2 * (len(heads) - 1)
    widths[wide] = min(widths[wide], max(20, left))

    def line(row: Sequence[str]) -> str:
        shown = [short(cell, width) for cell, width in zip(row, widths, strict=True)]
        pairs = zip(heads, shown, widths, strict=True)
        return "  ".join(c.rjust(w) if head.startswith(">") else c.ljust(w) for head, c, w in pairs).rstrip()

    return [line(titles), *(line(row) for row in cells)]


def plural(n: int, noun: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def is_terminal() -> bool:
    """Whether progress can be drawn over itself."""
    return sys.stderr.isatty()


def _plain(char: str) -> bool:
    return unicodedata.category(char) not in _HIDDEN or char in _JOINERS


def _escaped(char: str) -> str:
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char)
    return named or (f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}")
