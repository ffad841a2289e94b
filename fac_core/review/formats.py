"""What is written is read back as it was by strict readers; only a guarded CSV cell differs, and those are counted.

JSON lines: UTF-8, no NaN, no character that some readers take for a line end. CSV: a text that a spreadsheet would run
as a formula gets an apostrophe in front, and so does one that begins like a guarded cell: where apostrophes and the
start of a formula come first, taking one apostrophe off always gives the text.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError
from fac_core.review.rows import PROVENANCE

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
_LINE_ENDS = {"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085", "\x7f": "\\u007f"}
_SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BREAKS = ("\t", "\r", "\n")


def write(format: str, path: Path, rows: Sequence[Row], columns: Sequence[str], *, guard: bool) -> int:
    """Write rows in one of FORMATS; returns how many cells were guarded.

    Raises:
        InputError: no such format.
        OSError: the file cannot be written.
    """
    if format not in FORMATS:
        raise InputError(f"There is no export format {format!r}; choose one of {', '.join(FORMATS)}.")
    return FORMATS[format](path, rows, columns, guard)


def n_rows(path: Path) -> int | None:
    """Rows of a file that `write` made; None if it is no such file."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if path.suffix == ".parquet":
            return int(parquet.read_metadata(path).num_rows)
    except pa.ArrowException:
        return None
    with path.open("rb") as handle:
        if path.suffix == ".jsonl":
            return sum(1 for _ in handle)
        if path.suffix != ".csv":
            return None
        rows, inside = -1, False  # the first row holds the names
        for line in handle:
            inside ^= bool(line.count(b'"') % 2)  # a line end inside quotes ends no row
            rows += not inside
    return rows


def json_line(row: Row) -> str:
    """One row as strict JSON on one line, whatever a reader takes for a line end."""
    line = json.dumps(row, ensure_ascii=False, allow_nan=False)
    for character, escaped in _LINE_ENDS.items():
        line = line.replace(character, escaped)
    return line


def guarded(text: str) -> str:
    """The text as a spreadsheet cell that is no formula."""
    return f"'{text}" if _runs(text.lstrip("'")) else text


def _runs(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula, which white space and marks without ink do not prevent."""
    unseen = next((at for at, char in enumerate(text) if not _is_unseen(char)), len(text))
    return text.lstrip(" ").startswith(_BREAKS) or text.startswith(_SIGNS, unseen)


def _is_unseen(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) in ("Cc", "Cf", "Zs", "Zl", "Zp")


def _jsonl(path: Path, rows: Sequence[Row], columns: Sequence[str], guard: bool) -> int:
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(json_line(row) + "\n" for row in rows)
    return 0


def _parquet(path: Path, rows: Sequence[Row], columns: Sequence[str], guard: bool) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(list(rows), schema=_schema(columns)), path, compression="zstd")
    return 0


def _schema(columns: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    provenance = pa.struct([(name, kinds[kind]) for name, kind in PROVENANCE.items()])
    return pa.schema([(name, provenance if name == "provenance" else pa.string()) for name in columns])


def _csv(path: Path, rows: Sequence[Row], columns: Sequence[str], guard: bool) -> int:
    n_guarded = 0
    flat = [name for name in columns if name != "provenance"]
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_ALL)
        writer.writerow([*flat, *(f"provenance_{name}" for name in PROVENANCE)])
        for row in rows:
            cells = [row[name] for name in flat] + [row["provenance"][name] for name in PROVENANCE]
            safe = [guarded(cell) if guard and isinstance(cell, str) else cell for cell in cells]
            n_guarded += sum(before is not after for before, after in zip(cells, safe, strict=True))
            writer.writerow(safe)
    return n_guarded


FORMATS: dict[str, Callable[[Path, Sequence[Row], Sequence[str], bool], int]] = {
    "jsonl": _jsonl,
    "parquet": _parquet,
    "csv": _csv,
}
"""Writers by name, which is also the file's suffix."""
