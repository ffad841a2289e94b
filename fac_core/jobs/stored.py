"""Of an input that lies in row groups only those are in memory that are asked for, however many rows it has.

Whoever makes a job hands its input over in pieces, and each piece becomes row groups as it comes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 1024
"""Rows of a row group: what is in memory beside the rows that are asked for, so it counts in long texts."""


def write_pieces(path: Path, pieces: Iterable[pa.Table]) -> None:
    """Write tables of one schema below each other as one Parquet file; the first may be empty, but must be there.

    Raises:
        OSError: the disk is full or not writable.
    """
    from pyarrow import parquet

    writer = None
    try:
        for piece in pieces:
            if writer is None:
                writer = parquet.ParquetWriter(path, piece.schema, compression="zstd")
            writer.write_table(piece, row_group_size=GROUP)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise ValueError(f"no table for {path.name}, so its columns are unknown")


class StoredRows:
    """The rows of a Parquet file, some at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        return self._begins[-1]

    def slice(self, begin: int, size: int) -> pa.Table:
        """At most `size` rows from a place on.

        Raises:
            StoreError: the file is missing or damaged.
        """
        first = bisect_right(self._begins, begin) - 1
        last = bisect_left(self._begins, begin + size, hi=len(self._begins) - 1)
        return self._groups(range(first, last)).slice(begin - self._begins[first], size)

    def between(self, column: str, low: int, high: int) -> pa.Table:
        """All rows whose value of a column of whole numbers lies from `low` to `high`.

        Raises:
            StoreError: the file is missing or damaged.
        """
        import pyarrow.compute as pc

        place = self._file.schema_arrow.get_field_index(column)
        groups = [number for number in range(self._file.num_row_groups) if self._may_hold(number, place, low, high)]
        found = self._groups(groups)
        return found.filter(pc.and_(pc.greater_equal(found[column], low), pc.less_equal(found[column], high)))

    def _may_hold(self, group: int, place: int, low: int, high: int) -> bool:
        said = self._file.metadata.row_group(group).column(place).statistics
        return said is None or not said.has_min_max or (said.min <= high and said.max >= low)

    def _groups(self, numbers: Iterable[int]) -> pa.Table:
        with self._worded():
            return self._file.read_row_groups(list(numbers))

    @cached_property
    def _begins(self) -> list[int]:
        """Place of each row group's first row, and the number of rows."""
        about = self._file.metadata
        sizes = (about.row_group(number).num_rows for number in range(about.num_row_groups))
        return list(accumulate(sizes, initial=0))

    @cached_property
    def _file(self) -> Any:
        from pyarrow import parquet

        with self._worded():
            return parquet.ParquetFile(self.path)

    @contextmanager
    def _worded(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise StoreError(
                f"The file {self.path} is missing or damaged; delete the job and start it again."
            ) from error
