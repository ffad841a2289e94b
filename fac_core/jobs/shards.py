"""A shard's file appears under its name only when it is whole and on disk, whoever writes it and however often.

A worker, or one of many on other machines, writes the files; a line in the journal makes them count.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


def checked(name: str) -> str:
    """The name, if it may be part of a file's name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a file of a job: {name!r}")
    return name


def shard_file(name: str, table: str) -> str:
    """Name of the file that holds one table of a shard."""
    return f"{checked(name)}.{checked(table)}.parquet"


def write_shard(folder: Path, name: str, tables: dict[str, pa.Table]) -> dict[str, int]:
    """Write a shard's tables as files; returns the rows of each. What another attempt has left is replaced.

    Raises:
        OSError: the disk is full or not writable.
    """
    for table_name, table in tables.items():
        write_table(folder / shard_file(name, table_name), table)
    return {table_name: table.num_rows for table_name, table in tables.items()}


def write_table(path: Path, table: pa.Table) -> None:
    """Replace a Parquet file in one step: a reader sees the old one or the new, never half of it.

    Raises:
        OSError: the disk is full or not writable.
    """
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    # two machines may write the same file, and may have processes of the same id
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        parquet.write_table(table, temporary, compression="zstd")
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
