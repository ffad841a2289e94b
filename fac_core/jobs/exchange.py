"""What workers on many machines read and write lies in one place that all of them see, and is whole or not there.

The place is a folder (a shared one, if there are several machines) or an object store, by fsspec URL. Where a person
names one, each job has a folder of its own in it.
"""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError
from fac_core.jobs.shards import write_table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Exchange:
    """A place for Parquet files, by their path within it."""

    url: str
    """A folder, or a URL that fsspec knows, such as s3://bucket/prefix."""

    def put(self, path: str, table: pa.Table) -> None:
        """Write a file; an object store shows it when it is whole, and a folder is made to.

        Raises:
            InputError: the place cannot be written.
            OSError: the disk is full.
        """
        from pyarrow import parquet

        if (folder := self._folder) is not None:
            write_table(folder / path, table)
            return
        whole = io.BytesIO()
        parquet.write_table(table, whole, compression="zstd")
        fs, root = self._fs()
        try:
            fs.makedirs(f"{root}/{path}".rpartition("/")[0], exist_ok=True)
            fs.pipe_file(f"{root}/{path}", whole.getvalue())
        except Exception as error:
            raise InputError(f"{self.url} cannot be written: {first_line(error)}.") from error

    def get(self, path: str) -> pa.Table | None:
        """A file's table, or None if there is no such file.

        Raises:
            InputError: the place cannot be read.
        """
        from pyarrow import parquet

        if (folder := self._folder) is not None:
            return parquet.read_table(folder / path) if (folder / path).is_file() else None
        fs, root = self._fs()
        try:
            return parquet.read_table(io.BytesIO(fs.cat_file(f"{root}/{path}")))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise InputError(f"{self.url} cannot be read: {first_line(error)}.") from error

    def take(self, path: str, to: Path) -> None:
        """Bring a file to a place of one's own, where it appears whole.

        Raises:
            InputError: it cannot be read.
        """
        if (folder := self._folder) is not None and folder.stat().st_dev == to.parent.stat().st_dev:
            (folder / path).replace(to)
            return
        if (table := self.get(path)) is None:
            raise InputError(f"{self.url} has lost the file {path}; resume the job.")
        write_table(to, table)

    def clear(self) -> None:
        """Remove the place with all that is in it."""
        if (folder := self._folder) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            return
        fs, root = self._fs()
        if fs.exists(root):
            fs.rm(root, recursive=True)

    @property
    def _folder(self) -> Path | None:
        """The place as a folder of this machine, or None."""
        plain = self.url.removeprefix("file://")
        return None if "://" in plain else Path(plain)

    def _fs(self) -> tuple[Any, str]:
        return file_system(self.url)


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and the path in it.

    Raises:
        InputError: no such protocol, or the package for it is not installed.
    """
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise InputError(f"{url[:200]} cannot be opened: {first_line(error)}.") from error
    return fs, str(path)


def first_line(error: Exception) -> str:
    """What an error of a library says, short enough for a sentence."""
    return (str(error).splitlines() or [""])[0][:200].rstrip(".!") or type(error).__name__
