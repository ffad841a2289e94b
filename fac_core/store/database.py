"""One process owns the store, and each use takes its own cursor.

A second process gets a sentence instead of a lock error, a store written by a newer version is left alone, and a
transaction either commits whole or leaves nothing. A connection shared between threads returns other threads' rows
(DuckDB, measured), so the connection itself never leaves this class.
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
from fac_core.store.migrations import MIGRATIONS

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY_LIMIT = "4GB"
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
        """A cursor of its own for reading."""
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor inside one transaction: committed at the end, rolled back on any exception.

        Writers of this process take turns, so that two threads changing one row cannot conflict. Transactions do not
        nest: one opened inside another is a second one, which neither sees nor shares the fate of the first.

        Raises:
            StoreError: the disk is full.
        """
        with self.write_lock, self.cursor() as cursor:
            cursor.begin()
            try:
                yield cursor
                cursor.commit()
            except BaseException as error:
                with suppress(duckdb.Error):  # the failing statement or commit may have ended the transaction
                    cursor.rollback()
                # a full disk shows as an IOException while writing and as a TransactionException while committing
                if isinstance(error, duckdb.Error) and "no space left" in str(error).lower():
                    raise StoreError(
                        f"The disk holding {self.path} is full; free some space and try again, nothing was changed."
                    ) from error
                raise

    def rows(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.cursor() as cursor:
            return cursor.execute(sql, parameters or []).fetchall()

    def one(self, sql: str, parameters: list[Any] | None = None) -> tuple[Any, ...] | None:
        """First row of a query, or None."""
        with self.cursor() as cursor:
            return cursor.execute(sql, parameters or []).fetchone()

    def arrow(self, sql: str, parameters: list[Any] | None = None) -> pa.Table:
        """A SELECT's result as an Arrow table."""
        with self.cursor() as cursor:
            return cursor.sql(sql, params=parameters or []).to_arrow_table()

    def dicts(self, sql: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
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


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(str(path), config={"memory_limit": MEMORY_LIMIT})
    except duckdb.IOException as error:
        text = str(error)
        if "lock" in text.lower():
            holder = re.search(r"PID (\d+)", text)
            who = f" (process {holder[1]})" if holder else ""
            raise StoreError(
                f"Another FAC Explorer{who} has the project {path.parent} open; close it there and try again."
            ) from error
        raise StoreError(f"The project store {path} cannot be opened: {text.splitlines()[0]}") from error
    except (duckdb.Error, OSError) as error:
        raise StoreError(f"The project store {path} cannot be opened: {str(error).splitlines()[0]}") from error
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
    if 0 < have < len(MIGRATIONS):
        with database.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        shutil.copy2(database.path, database.path.with_suffix(f".v{have}.bak"))
    for number, script in enumerate(MIGRATIONS[have:], start=have + 1):
        with database.transaction() as cursor:
            cursor.execute(script)
            set_meta(cursor, "schema_version", str(number))
