"""The store under several threads, several processes, other versions and a full disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from fac_core.content import form_hash
from fac_core.errors import StoreError
from fac_core.store import migrations
from fac_core.store.database import Database, bump_data_version, data_version, get_meta, set_meta


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it's a project; DROP TABLE" / "project.duckdb"


@pytest.fixture
def database(path: Path) -> Database:
    return Database.open(path)


def test_opening_twice_gives_the_same_object(database: Database, path: Path) -> None:
    assert Database.open(path) is database
    assert get_meta(database, "schema_version") == str(len(migrations.MIGRATIONS))
    database.close()
    again = Database.open(path)
    assert again is not database
    again.close()


def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    with database.transaction() as cursor:
        set_meta(cursor, "kept", "yes")
    with pytest.raises(ZeroDivisionError), database.transaction() as cursor:
        set_meta(cursor, "lost", "yes")
        _ = 1 / 0
    with pytest.raises(duckdb.ConstraintException), database.transaction() as cursor:
        set_meta(cursor, "lost", "yes")
        cursor.execute("INSERT INTO meta VALUES ('kept', 'again')")
    assert (get_meta(database, "kept"), get_meta(database, "lost", "absent")) == ("yes", "absent")


def test_rows_of_a_table_can_be_replaced_in_one_transaction(database: Database) -> None:
    with database.transaction() as cursor:
        set_meta(cursor, "a", "1")
    with database.transaction() as cursor:
        cursor.execute("DELETE FROM meta WHERE key = 'a'")
        cursor.execute("INSERT INTO meta VALUES ('a', '2')")
    assert get_meta(database, "a") == "2"


def test_queries_come_as_rows_dictionaries_and_arrow(database: Database) -> None:
    sql = "SELECT ? AS a, unnest(?) AS b ORDER BY b"
    assert database.rows(sql, ["x", [2, 1]]) == [("x", 1), ("x", 2)]
    assert database.dicts(sql, ["x", [2, 1]]) == [{"a": "x", "b": 1}, {"a": "x", "b": 2}]
    assert isinstance(database.arrow(sql, ["x", [1]]), pa.Table)
    assert database.one("SELECT 1 WHERE false") is None


def test_eight_threads_get_their_own_rows(database: Database) -> None:
    wrong: list[object] = []

    def ask(number: int) -> None:
        for step in range(60):
            value = number * 1000 + step
            if database.rows("SELECT ?, sum(range) FROM range(?)", [value, value + 1]) != [
                (value, value * (value + 1) // 2)
            ]:
                wrong.append(value)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_eight_threads_changing_one_row_take_turns(database: Database) -> None:
    def bump() -> None:
        for _ in range(10):
            with database.transaction() as cursor:
                bump_data_version(cursor)

    threads = [threading.Thread(target=bump) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert data_version(database) == 80


def test_a_second_process_is_told_who_has_the_project(database: Database, path: Path) -> None:
    script = (
        "import pathlib, sys\nfrom fac_core.errors import StoreError\nfrom fac_core.store.database import Database\n"
        "try:\n    Database.open(pathlib.Path(sys.argv[1]))\nexcept StoreError as error:\n    print(error)"
    )
    second = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        check=True,
    )
    assert second.stdout.startswith("Another FAC Explorer (process ")
    assert str(path.parent) in second.stdout
    assert second.stdout.count("\n") == 1


def test_a_store_of_a_newer_version_is_left_alone(database: Database, path: Path) -> None:
    with database.transaction() as cursor:
        set_meta(cursor, "schema_version", "99")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer FAC Explorer .*schema 99.*update"):
        Database.open(path)
    assert path.read_bytes() == before


def test_an_older_store_is_migrated_and_its_old_file_kept(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.close()
    known = len(migrations.MIGRATIONS)
    steps = [*migrations.MIGRATIONS, "CREATE TABLE later (a INTEGER); INSERT INTO later VALUES (1);"]
    monkeypatch.setattr("fac_core.store.database.MIGRATIONS", steps)
    again = Database.open(path)
    assert again.rows("SELECT a FROM later") == [(1,)]
    assert get_meta(again, "schema_version") == str(known + 1)
    again.close()
    assert path.with_suffix(f".v{known}.bak").is_file()
    monkeypatch.setattr("fac_core.store.database.MIGRATIONS", [*steps, "CREATE TABLE x (a INTEGER); SELECT nonsense;"])
    with pytest.raises(
        StoreError, match=rf"to schema {known + 2} of .*: Binder Error.*; project\.v{known + 1}\.bak beside"
    ):
        Database.open(path)
    assert path.with_suffix(f".v{known + 1}.bak").is_file()
    monkeypatch.setattr("fac_core.store.database.MIGRATIONS", steps)
    whole = Database.open(path)
    assert whole.rows("SELECT 1 FROM information_schema.tables WHERE table_name = 'x'") == []
    whole.close()


def test_the_hashes_of_an_older_store_are_written_at_once_however_many_steps_they_were_made_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Counting:
        """A cursor that counts what goes through all texts."""

        updates = 0

        def __getattr__(self, name: str) -> object:
            return getattr(cursor, name)

        def execute(self, query: str, *given: object) -> object:
            self.updates += query.startswith("UPDATE content")
            return cursor.execute(query, *given)

    monkeypatch.setattr(migrations, "_AT_ONCE", 3)
    cursor = duckdb.connect()
    for step in migrations.MIGRATIONS[:6]:
        migrations.apply(cursor, step)
    cursor.execute("INSERT INTO content (content_id, content_hash, text) SELECT i, i, 'Text ' || i FROM range(10) t(i)")
    counting = Counting()
    migrations.apply(counting, migrations.MIGRATIONS[6])  # type: ignore[arg-type]
    assert counting.updates == 1
    assert cursor.execute("SELECT count(DISTINCT form_hash) FROM content").fetchall() == [(10,)]


def test_texts_of_an_older_store_get_the_hash_of_their_normal_form(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_AT_ONCE", 3)
    with monkeypatch.context() as patch:
        patch.setattr("fac_core.store.database.MIGRATIONS", migrations.MIGRATIONS[:6])
        older = Database.open(path)
        with older.transaction() as cursor:
            texts = ["Straße", "STRASSE", "two  words", "Two words", "other", "", "a\u00a0b"]
            cursor.executemany(
                "INSERT INTO content VALUES (?, ?, ?, NULL)", [[i, str(i), t] for i, t in enumerate(texts)]
            )
        older.close()
    found = Database.open(path).rows("SELECT form_hash FROM content ORDER BY content_id")
    assert [form for (form,) in found] == [form_hash(text) for text in texts]
    assert found[0] == found[1] and found[2] == found[3] and len(set(found)) == 5


def test_an_older_store_that_cannot_be_copied_is_left_as_it_was(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.close()
    known, before = len(migrations.MIGRATIONS), path.read_bytes()
    monkeypatch.setattr(
        "fac_core.store.database.MIGRATIONS", [*migrations.MIGRATIONS, "CREATE TABLE later (a INTEGER)"]
    )

    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", full)
        with pytest.raises(
            StoreError, match=r"cannot be copied to project\.v\d+\.bak .*: No space left .* as it was\."
        ):
            Database.open(path)
    assert (path.read_bytes(), [*path.parent.glob("*.bak")]) == (before, [])
    again = Database.open(path)
    assert get_meta(again, "schema_version") == str(known + 1)
    again.close()


def test_a_damaged_store_is_not_taken_for_one_in_use_by_the_name_of_its_folder(tmp_path: Path) -> None:
    for folder in ("lockpicking", "Could not set lock on file", "Conflicting lock is held in x (PID 1)"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "project.duckdb").write_bytes(b"not a database" * 500)
        with pytest.raises(StoreError, match=r"cannot be opened: .*not a valid DuckDB"):
            Database.open(tmp_path / folder / "project.duckdb")


def test_a_file_that_is_no_store_and_a_folder_that_cannot_be_made_are_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "project.duckdb").write_bytes(b"not a database" * 500)
    with pytest.raises(StoreError, match=r"cannot be opened: .*not a valid DuckDB"):
        Database.open(tmp_path / "project.duckdb")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be opened"):
        Database.open(tmp_path / "file" / "project.duckdb")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY meta TO '/tmp/fac-should-not-exist.csv'",
        "ATTACH '/tmp/fac-should-not-exist.duckdb'",
        "SET enable_external_access = true",
        "INSTALL fts",
    ],
)
def test_sql_reaches_no_file_outside_the_project(database: Database, sql: str) -> None:
    with pytest.raises(duckdb.Error, match=r"disabled by configuration|Cannot enable external access"):
        database.rows(sql)


def test_a_full_disk_is_told_in_a_sentence_and_nothing_is_half_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = 'TransactionContext Error: Failed to commit: Could not write file "x.wal": No space left on device'

    class Full:
        """A cursor whose disk is full at the moment of the commit."""

        def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
            self.cursor = cursor

        def commit(self) -> None:
            self.cursor.rollback()
            raise duckdb.TransactionException(message)

        def __getattr__(self, name: str) -> object:
            return getattr(self.cursor, name)

    connection = database._connection

    class Connection:
        def cursor(self) -> Full:
            return Full(connection.cursor())

    monkeypatch.setattr(database, "_connection", Connection())
    with (
        pytest.raises(StoreError, match=r"disk holding .* is full; .* nothing was changed"),
        database.transaction() as c,
    ):
        set_meta(c, "lost", "yes")
    monkeypatch.undo()
    assert get_meta(database, "lost", "absent") == "absent"


def test_a_question_too_large_for_the_memory_is_told_in_a_sentence(database: Database) -> None:
    with database.transaction() as cursor:
        cursor.execute("SET memory_limit = '10MB'")
    large = "SELECT list(range) FROM range(5000000)"
    for ask in (database.rows, database.one, database.arrow, database.dicts):
        with pytest.raises(StoreError, match=r"needs more memory .*; free some space .* or work with fewer samples\."):
            ask(large)
    with pytest.raises(StoreError, match="needs more memory"), database.transaction() as cursor:
        set_meta(cursor, "lost", "yes")
        cursor.execute(large).fetchall()
    assert get_meta(database, "lost", "absent") == "absent"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (duckdb.IOException("IO Error: Could not write file x: No space left on device"), "is full; free some space"),
        (
            duckdb.IOException("IO Error: Could not read from file"),
            "cannot be read or written: IO Error: Could not read",
        ),
        (duckdb.FatalException("FATAL Error: invalidated.\nmore"), "has failed: FATAL Error: invalidated; start FAC"),
    ],
)
def test_what_goes_wrong_while_reading_is_told_in_a_sentence(
    database: Database, path: Path, error: duckdb.Error, sentence: str
) -> None:
    with pytest.raises(StoreError, match=sentence) as caught, database.cursor():
        raise error
    assert str(path) in str(caught.value) and str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_thread_that_comes_after_the_store_was_closed_is_told_so(database: Database) -> None:
    with pytest.raises(StoreError, match="was closed meanwhile; open it again"), database.transaction() as cursor:
        set_meta(cursor, "lost", "yes")
        database.close()
    with pytest.raises(StoreError, match="was closed meanwhile; open it again"):
        database.rows("SELECT 1")
    again = Database.open(database.path)
    assert get_meta(again, "lost", "absent") == "absent"
    again.close()


def test_a_mistake_of_ours_stays_one(database: Database) -> None:
    with pytest.raises(duckdb.ParserException):
        database.rows("SELEC 1")
    with pytest.raises(duckdb.CatalogException), database.transaction() as cursor:
        cursor.execute("SELECT * FROM nowhere")


_ON_A_SMALL_DISK = """
import subprocess, sys
from pathlib import Path
import pyarrow as pa
from fac_core.content import form_hash
from fac_core.errors import StoreError
from fac_core.store.database import Database, get_meta, set_meta

disk = Path(sys.argv[1])
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True).returncode:
    sys.exit(77)
database = Database.open(disk / "project.duckdb")
with database.transaction() as cursor:
    set_meta(cursor, "kept", "yes")
many = range(40_000)
table = pa.table({"key": [f"k{n}" for n in many], "value": [f"{n * 7919 % 10007:060d}" for n in many]})
try:
    with database.transaction() as cursor:
        cursor.register("incoming", table)
        cursor.execute("INSERT INTO meta SELECT key, value FROM incoming")
except StoreError as error:
    print(error)
assert get_meta(database, "kept") == "yes"
database.close()
again = Database.open(disk / "project.duckdb")
print(get_meta(again, "kept"), get_meta(again, "k1", "absent"))
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a small disk")
def test_a_really_full_disk_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    ran = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", _ON_A_SMALL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip("a small disk of our own is not allowed here")
    assert ran.returncode == 0, ran.stderr
    sentence, kept = ran.stdout.splitlines()
    assert "is full; free some space" in sentence
    assert kept == "yes absent"


def test_names_of_themes_become_names_of_rows_and_explain_no_feature_any_more(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = next(i for i, step in enumerate(migrations.MIGRATIONS) if "CREATE TABLE row_name" in str(step))
    monkeypatch.setattr("fac_core.store.database.MIGRATIONS", migrations.MIGRATIONS[:number])
    older = Database.open(path)
    with older.transaction() as cursor:
        for event, (method, text) in enumerate([("theme", "old"), ("theme", "new"), ("keywords", "kept")]):
            cursor.execute(
                "INSERT INTO explanation (event_id, space_id, feature_id, method, author, text, created_at) "
                "VALUES (?, 'a', 3, ?, 'x', ?, now())",
                [event, method, text],
            )
    older.close()
    monkeypatch.setattr("fac_core.store.database.MIGRATIONS", migrations.MIGRATIONS)
    again = Database.open(path)
    assert again.rows("SELECT * FROM row_name") == [("a", "theme", 3, "new")]
    assert again.rows("SELECT text FROM explanation") == [("kept",)]
    again.close()
