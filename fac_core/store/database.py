"""One process owns the store, and each use takes its own cursor.

A second process gets a sentence instead of a lock error, as does whoever runs out of disk or memory; a store written
by a newer version is left alone, and a transaction either commits whole or leaves nothing. A connection shared between
threads returns other threads' rows (DuckDB, measured), so the connection itself never leaves this class.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from fac_core.errors import StoreError
from fac_core.store.migrations import MIGRATIONS, apply

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY_LIMIT = "2.5GB"
"""Of DuckDB; what it holds beside that and Python itself keep the process under 4 GB."""
CHECKPOINT_AT = "128MB"
"""Log from which on it is written into the store: at DuckDB's 16 MB every sixth shard would wait for that."""
Parameters = list[Any] | dict[str, Any]
_open_stores: dict[Path, Database] = {}
_open_lock = threading.Lock()


class Database:
    """The project's DuckDB file, opened by this process."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection
        self.write_lock = threading.RLock()

    @classmethod
    def open(cls, path: Path) -> Database:
        """The store at `path`, created and migrated as needed; the same object for every caller in this process.

        Raises:
            StoreError: another process has it open, it is newer than this version, damaged, or not writable.
        """
        path = path.resolve()
        with _open_lock:
            if path not in _open_stores:
                _open_stores[path] = cls(path, _connect(path))
                try:
                    _migrate(_open_stores[path])
                except BaseException:
                    _open_stores.pop(path)._connection.close()
                    raise
            return _open_stores[path]

    def close(self) -> None:
        """Release the file; the next `open` starts afresh."""
        with _open_lock:
            _open_stores.pop(self.path, None)
            self._connection.close()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own for reading.

        Raises:
            StoreError: the disk or the memory does not suffice, or the store was closed meanwhile; also in its use.
        """
        try:
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()
        except duckdb.Error as error:
            if (sentence := _sentence(error, self.path)) is not None:
                raise StoreError(sentence) from error
            raise

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor inside one transaction: committed at the end, rolled back on any exception.

        Writers of this process take turns, so that two threads changing one row cannot conflict. Transactions do not
        nest: one opened inside another is a second one, which neither sees nor shares the fate of the first.

        Raises:
            StoreError: as for `cursor`.
        """
        with self.write_lock, self.cursor() as cursor:
            cursor.begin()
            try:
                yield cursor
                cursor.commit()
            except BaseException:
                with suppress(duckdb.Error):  # the failing statement or commit may have ended the transaction
                    cursor.rollback()
                raise

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.cursor() as cursor:
            return cursor.execute(sql, parameters or []).fetchall()

    def one(self, sql: str, parameters: Parameters | None = None) -> tuple[Any, ...] | None:
        """First row of a query, or None."""
        with self.cursor() as cursor:
            return cursor.execute(sql, parameters or []).fetchone()

    def arrow(self, sql: str, parameters: Parameters | None = None) -> pa.Table:
        """A SELECT's result as an Arrow table."""
        with self.cursor() as cursor:
            return cursor.sql(sql, params=parameters or []).to_arrow_table()

    def dicts(self, sql: str, parameters: Parameters | None = None) -> list[dict[str, Any]]:
        """All rows of a SELECT as dictionaries."""
        rows: list[dict[str, Any]] = self.arrow(sql, parameters).to_pylist()
        return rows


def get_meta(database: Database, key: str, default: str = "") -> str:
    """A value of the `meta` table."""
    row = database.one("SELECT value FROM meta WHERE key = ?", [key])
    return default if row is None else str(row[0])


def set_meta(cursor: duckdb.DuckDBPyConnection, key: str, value: str) -> None:
    """Set a value of the `meta` table inside a transaction."""
    cursor.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value])


def data_version(database: Database) -> int:
    """Counter of changes to samples, activations, relevance or decisions; caches and derived tables key on it."""
    return int(get_meta(database, "data_version", "0"))


def bump_data_version(cursor: duckdb.DuckDBPyConnection) -> None:
    """Note, inside a transaction, that derived numbers may have changed."""
    cursor.execute(
        "INSERT INTO meta VALUES ('data_version', '1') "
        "ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS BIGINT) + 1 AS VARCHAR)"
    )


def _sentence(error: duckdb.Error, path: Path) -> str | None:
    """What a person can do about an error; None if it is a defect of ours."""
    # a full disk shows as an IOException while writing and as a TransactionException while committing
    if "no space left" in str(error).lower():
        return f"The disk holding {path} is full; free some space and try again, nothing was changed."
    match error:
        case duckdb.OutOfMemoryException():
            return (
                f"The project {path.parent} needs more memory for this than the {MEMORY_LIMIT} it may take, or more "
                "room on the disk; free some space on the disk, or work with fewer samples."
            )
        case duckdb.IOException():
            return f"The project store {path} cannot be read or written: {_first_line(error)}; check the disk it is on."
        case duckdb.FatalException():
            return f"The project store {path} has failed: {_first_line(error)}; start FAC Explorer again."
        case duckdb.ConnectionException():
            return f"The project {path.parent} was closed meanwhile; open it again."
        case _:
            return None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".!") if str(error) else type(error).__name__


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(
            str(path), config={"memory_limit": MEMORY_LIMIT, "checkpoint_threshold": CHECKPOINT_AT}
        )
    except (duckdb.Error, OSError) as error:
        text = str(error)
        if isinstance(error, duckdb.IOException) and text.startswith("IO Error: Could not set lock on file"):
            holder = re.search(r"Conflicting lock is held in .*\(PID (\d+)\)", text)
            who = f" (process {holder[1]})" if holder else ""
            raise StoreError(
                f"Another FAC Explorer{who} has the project {path.parent} open; close it there and try again."
            ) from error
        raise StoreError(f"The project store {path} cannot be opened: {_first_line(error)}.") from error
    # user data never reaches SQL as code; these two lines bound what a mistake there could do
    folder = str(path.parent).replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{folder}']")
    connection.execute("SET enable_external_access = false")
    return connection


def _migrate(database: Database) -> None:
    exists = database.one("SELECT 1 FROM information_schema.tables WHERE table_name = 'meta'")
    have = int(get_meta(database, "schema_version", "0")) if exists else 0
    if have > len(MIGRATIONS):
        raise StoreError(
            f"The project {database.path.parent} was written by a newer FAC Explorer (schema {have}, this version "
            f"knows {len(MIGRATIONS)}); update FAC Explorer to open it."
        )
    copy = None
    if 0 < have < len(MIGRATIONS):
        with database.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        copy = database.path.with_suffix(f".v{have}.bak")
        _copy(database.path, copy)
    for number, script in enumerate(MIGRATIONS[have:], start=have + 1):
        try:
            with database.transaction() as cursor:
                apply(cursor, script)
                set_meta(cursor, "schema_version", str(number))
        except duckdb.Error as error:
            raise StoreError(
                f"The project store {database.path} cannot be brought to schema {number} of this FAC Explorer: "
                f"{_first_line(error)}{f'; {copy.name} beside it holds it as it was' if copy else ''}."
            ) from error


def _copy(store: Path, copy: Path) -> None:
    try:
        shutil.copy2(store, copy)
    except OSError as error:
        with suppress(OSError):
            copy.unlink()
        raise StoreError(
            f"The project store {store} is of an older FAC Explorer and cannot be copied to {copy.name} before it is "
            f"brought up to date: {error.strerror or error}; it was left as it was."
        ) from error
