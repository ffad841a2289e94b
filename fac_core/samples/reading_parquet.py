"""Parquet is read batch by batch, and a cell that has no value is a `BadCell`, which costs its row where it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError
from fac_core.samples.rows import BadCell, Row, unique_names
from fac_core.samples.source import MAX_UNPACKED, Source

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1024


@contextmanager
def parquet_rows(source: Source) -> Iterator[tuple[list[str], Iterator[Row]]]:
    """Column names and rows.

    Raises:
        InputError: damaged, or larger than may be unpacked; also while reading.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with source.raw() as file:
        try:
            parquet = pq.ParquetFile(file)
            columns = unique_names(parquet.schema_arrow.names)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{source.name} is no readable Parquet file; write it again.") from error
        groups = range(parquet.metadata.num_row_groups)
        if sum(parquet.metadata.row_group(i).total_byte_size for i in groups) > MAX_UNPACKED:
            raise InputError(
                f"{source.name} unpacks to more than {MAX_UNPACKED >> 30} GB; split it into smaller files."
            )
        yield columns, _rows(parquet, columns, source.name)


def _rows(parquet: pa.parquet.ParquetFile, columns: list[str], name: str) -> Iterator[Row]:
    yield from batch_rows(parquet.iter_batches(batch_size=BATCH), columns, name)


def batch_rows(batches: Iterable[pa.RecordBatch], columns: list[str], name: str) -> Iterator[Row]:
    """Rows of the batches of a file, numbered from 1.

    Raises:
        InputError: the file is damaged.
    """
    import pyarrow as pa

    number = 0
    try:
        for batch in batches:
            for cells in zip(*map(_cells, batch.columns), strict=True):
                number += 1
                yield Row(number, dict(zip(columns, cells, strict=True)))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{name} is damaged after row {number}; write it again.") from error


def _cells(column: pa.Array) -> list[Any]:
    """The values of a column; all at once, or each for itself where one has none."""
    try:
        values: list[Any] = column.to_pylist()
    except _NO_VALUE:
        values = [_cell(scalar) for scalar in column]
    return values


def _cell(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return BadCell("holds text that is not valid UTF-8")
    except _NO_VALUE:
        return BadCell("holds a value that cannot be read, such as a date out of range")


# invalid text, nanoseconds, unknown time zones and Arrow's own errors are a ValueError
_NO_VALUE = (ValueError, OverflowError)
