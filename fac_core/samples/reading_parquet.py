"""Parquet is read batch by batch, and a cell that is no valid text costs its row alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fac_core.errors import InputError
from fac_core.samples.rows import Row
from fac_core.samples.source import MAX_UNPACKED, Source

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1024


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
            columns = list(dict.fromkeys(parquet.schema_arrow.names))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{source.name} is no readable Parquet file; write it again.") from error
        groups = range(parquet.metadata.num_row_groups)
        if sum(parquet.metadata.row_group(i).total_byte_size for i in groups) > MAX_UNPACKED:
            raise InputError(
                f"{source.name} unpacks to more than {MAX_UNPACKED >> 30} GB; split it into smaller files."
            )
        yield columns, _rows(parquet, source.name)


def _rows(parquet: pa.parquet.ParquetFile, name: str) -> Iterator[Row]:
    import pyarrow as pa

    number = 0
    try:
        for batch in parquet.iter_batches(batch_size=_BATCH):
            for row in _batch_rows(batch):
                number += 1
                yield Row(number, row[0], row[1])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{name} is damaged after row {number}; write it again.") from error


def _batch_rows(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, object], str | None]]:
    try:
        for values in batch.to_pylist():
            yield values, None
    except UnicodeDecodeError:
        for position in range(batch.num_rows):
            try:
                yield batch.slice(position, 1).to_pylist()[0], None
            except UnicodeDecodeError:
                yield {}, "holds text that is not valid UTF-8"
