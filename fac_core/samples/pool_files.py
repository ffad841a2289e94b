"""A pool on disk or in an object store is cut into parts before anything is read, and each row is in just one part.

Parts of Parquet files are stretches of rows, those of JSON lines stretches of bytes: a line belongs to the part in
which it begins. A packed file is one part, since nobody can begin to unpack in its middle.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any, NamedTuple, cast

from fac_core.errors import InputError
from fac_core.jobs.exchange import file_system, first_line
from fac_core.samples.reading_json import line_rows
from fac_core.samples.reading_parquet import BATCH, batch_rows
from fac_core.samples.rows import MAX_LINE, Row, lines

PARQUET, JSONL, PACKED = "parquet", "jsonl", "packed jsonl"
_ENDINGS = {
    ".parquet": PARQUET,
    ".pq": PARQUET,
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".jsonl.gz": PACKED,
    ".ndjson.gz": PACKED,
}
PART_ROWS = 16_384
PART_BYTES = 16 << 20
HEAD_ROWS = 200
_FEW = 0.5
"""A row group is cut where the part would otherwise grow by more than this share."""


@dataclass(frozen=True)
class Part:
    """A stretch of one file."""

    path: str
    """Path or URL of the file."""
    kind: str
    """`PARQUET`, `JSONL` or `PACKED`."""
    begin: int
    """First row or byte."""
    end: int
    """The one after the last."""


class Pool(NamedTuple):
    """The files of a pool."""

    parts: list[Part]
    n_rows: int | None
    """Rows, where the files say so without being read (Parquet)."""
    sha256: str
    """Of the files' names, sizes and rows: texts are too many to be hashed before they are read."""


def plan(url: str, part_rows: int = PART_ROWS, part_bytes: int = PART_BYTES) -> Pool:
    """The parts of a file, of all Parquet or JSONL files in a folder, or of those that match a pattern.

    Raises:
        InputError: there are none, or they cannot be read.
    """
    fs, files = _files(url)
    parts: list[Part] = []
    n_rows: int | None = 0
    digest = hashlib.sha256()
    for path, size, kind in files:
        begins = [0, size]
        if kind == PARQUET:
            groups = _row_groups(fs, path)
            begins = list(_cuts(groups, part_rows))
            n_rows = None if n_rows is None else n_rows + sum(groups)
        else:
            n_rows = None
            if kind == JSONL:
                begins = [*range(0, size, part_bytes), size]
        where = _address(fs, path)
        parts += [Part(where, kind, a, b) for a, b in itertools.pairwise(begins) if b > a]
        digest.update(json.dumps([path.rpartition("/")[2], size, begins[-1]]).encode())
    if not parts:
        raise InputError(f"The files of {url[:200]} are empty.")
    return Pool(parts, n_rows, digest.hexdigest())


def head(parts: list[Part]) -> tuple[list[str], list[Row]]:
    """Columns and first rows, for guessing.

    Raises:
        InputError: the first file is damaged.
    """
    first = parts[0]
    if first.kind == PARQUET:
        with _open(first) as file, _parquet(file, first.path) as parquet:
            columns = list(parquet.schema_arrow.names)
        return columns, list(itertools.islice(read_part(first, columns), HEAD_ROWS))
    rows = list(itertools.islice(read_part(first, []), HEAD_ROWS))
    return list(dict.fromkeys(key for row in rows for key in row.values)), rows


def read_part(part: Part, columns: list[str]) -> Iterator[Row]:
    """Rows of a part, numbered from 1 within it; of a Parquet file only some columns.

    Raises:
        InputError: the file is gone or damaged.
    """
    with _open(part) as file:
        if part.kind == PARQUET:
            yield from _parquet_rows(file, part, columns)
        elif part.kind == JSONL:
            yield from line_rows(lines(io.BytesIO(_stretch(file, part))))
        else:
            yield from _unpacked(file, part)


def as_row(part: Part) -> dict[str, Any]:
    """A part as a row of a table; `Part(**row)` is the way back."""
    return asdict(part)


def _files(url: str) -> tuple[Any, list[tuple[str, int, str]]]:
    """(path, bytes, kind) of each file, by path."""
    fs, root = file_system(url)
    try:
        if any(char in url for char in "*?["):
            found = fs.glob(root, detail=True)
        elif fs.isdir(root):
            found = fs.find(root, detail=True)
        else:
            found = {root: fs.info(root)}
    except FileNotFoundError as error:
        raise InputError(f"There is no file or folder {url[:200]}.") from error
    except Exception as error:
        raise InputError(f"{url[:200]} cannot be read: {first_line(error)}.") from error
    files = [
        (path, int(info["size"]), kind)
        for path, info in sorted(found.items())
        if info.get("type") == "file" and (kind := _kind(path)) is not None
    ]
    if not files:
        raise InputError(f"There is no Parquet or JSONL file (.parquet, .jsonl, .jsonl.gz) in {url[:200]}.")
    if len({kind == PARQUET for *_, kind in files}) > 1:
        raise InputError(f"{url[:200]} holds Parquet and JSONL files; name a pattern that matches one kind.")
    return fs, files


def _kind(path: str) -> str | None:
    name = path.rpartition("/")[2].lower()
    if name.startswith((".", "_")):  # what other tools leave beside the data
        return None
    return next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)


def _address(fs: Any, path: str) -> str:
    """Where any machine finds a file."""
    return path if "file" in fs.protocol else str(fs.unstrip_protocol(path))


def _row_groups(fs: Any, path: str) -> list[int]:
    with fs.open(path, "rb") as file, _parquet(file, path) as parquet:
        metadata = parquet.metadata
        return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def _cuts(groups: list[int], part_rows: int) -> Iterator[int]:
    """Rows at which parts begin, and the end: at the borders of row groups, and within those that are too large."""
    yield 0
    begin = end = 0
    for size in groups:
        if end > begin and end + size - begin > part_rows * (1 + _FEW):
            yield end
            begin = end
        end += size
        while end - begin > part_rows * (1 + _FEW):
            begin += part_rows
            yield begin
    if end > begin:
        yield end


@contextmanager
def _open(part: Part) -> Iterator[IO[bytes]]:
    fs, path = file_system(part.path)
    try:
        file = fs.open(path, "rb")
    except Exception as error:
        raise InputError(f"{part.path} cannot be read: {first_line(error)}.") from error
    with file:
        yield file


@contextmanager
def _parquet(file: IO[bytes], path: str) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        opened = parquet.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file; write it again.") from error
    yield opened


def _parquet_rows(file: IO[bytes], part: Part, columns: list[str]) -> Iterator[Row]:
    with _parquet(file, part.path) as parquet:
        if lacking := [column for column in columns if column not in parquet.schema_arrow.names]:
            raise InputError(f"{part.path} has no column {lacking[0][:60]!r}, which other files of the pool have.")
        groups: list[int] = []
        place = skip = 0
        for number in range(parquet.metadata.num_row_groups):
            size = parquet.metadata.row_group(number).num_rows
            if place < part.end and place + size > part.begin:
                skip = part.begin - place if not groups else skip
                groups.append(number)
            place += size
        batches = parquet.iter_batches(batch_size=BATCH, row_groups=groups, columns=columns)
        yield from batch_rows(_between(batches, skip, part.end - part.begin), columns, part.path)


def _between(batches: Iterator[Any], skip: int, size: int) -> Iterator[Any]:
    """`size` rows of the batches after the first `skip`."""
    for batch in batches:
        if skip < batch.num_rows and size > 0:
            piece = batch.slice(skip, size)
            size -= piece.num_rows
            yield piece
        skip = max(0, skip - batch.num_rows)
        if size <= 0:
            return


def _stretch(file: IO[bytes], part: Part) -> bytes:
    """The lines that begin in a part, whole."""
    if part.begin:
        file.seek(part.begin - 1)
        _finish_line(file)  # begins before the part, unless all of it is the line feed of the line before
    begin = file.tell()
    if begin >= part.end:
        return b""
    whole = file.read(part.end - begin)
    return whole if whole.endswith(b"\n") else whole + _finish_line(file)


def _finish_line(file: IO[bytes]) -> bytes:
    """The rest of a line; of one that is too long for a row, as much as shows that."""
    rest = file.readline(MAX_LINE)
    while rest and not rest.endswith(b"\n") and (more := file.readline(MAX_LINE)):
        rest = rest[-MAX_LINE:] + more
    return rest


def _unpacked(file: IO[bytes], part: Part) -> Iterator[Row]:
    import gzip
    import zlib

    try:
        yield from line_rows(lines(cast(io.BufferedIOBase, gzip.GzipFile(fileobj=file))))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{part.path} is damaged or cut off and cannot be unpacked; pack it again.") from error
