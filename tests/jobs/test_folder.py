"""The files of a job: whole or absent, whatever happened to the process that wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.errors import InputError, StoreError
from fac_core.jobs import worker
from fac_core.jobs.folder import JobFolder, ending_in, shards_in
from fac_core.jobs.journal import append_event, read_journal, write_whole
from fac_core.jobs.kinds import KINDS, kind_module


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder.create(tmp_path / "20260101-000000", "count", {"n": 1}, {"input": pa.table({"a": [1, 2]})})


def test_a_folder_gives_back_what_was_put_in(folder: JobFolder) -> None:
    again = JobFolder(folder.root)
    assert (again.kind, again.spec, again.job_id) == ("count", {"n": 1}, "20260101-000000")
    assert again.input().to_pydict() == {"a": [1, 2]}
    with pytest.raises(StoreError, match=r"other\.parquet is missing"):
        again.input("other")


def test_a_file_that_arrow_cannot_read_is_a_sentence_whatever_its_error(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object, **__: object) -> pa.Table:
        raise pa.lib.ArrowNotImplementedError("Support for codec 'lzo' not built")

    monkeypatch.setattr("pyarrow.parquet.read_table", unreadable)
    with pytest.raises(StoreError, match="missing or damaged"):
        folder.input()


def test_a_folder_half_made_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        JobFolder.create(tmp_path / "20260101-000000", "count", {"n": object()}, {})
    assert not (tmp_path / "20260101-000000").exists()


def test_a_folder_without_a_spec_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no readable spec\.json"):
        _ = JobFolder(tmp_path).kind


@pytest.mark.parametrize("name", ["../out", "a/b", "", "a.b", "x" * 81, "a\n"])
def test_no_name_leads_out_of_the_folder(folder: JobFolder, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        folder.commit_shard(name, {})
    with pytest.raises(ValueError, match="not a name"):
        folder.commit_shard("fine", {name: pa.table({"a": [1]})})
    with pytest.raises(ValueError, match="not a name"):
        folder.input(name)


def test_a_shard_counts_once_it_is_in_the_journal_and_only_once(folder: JobFolder) -> None:
    folder.commit_shard("one", {"t": pa.table({"a": [1]}), "u": pa.table({"b": [2.5, 3.5]})}, {"note": 7})
    folder.commit_shard("one", {"t": pa.table({"a": [99]})})
    (folder.root / "shards" / "two.t.parquet").write_bytes(b"written, then killed before its line")
    again = JobFolder(folder.root)
    again.commit_shard("one", {"t": pa.table({"a": [99]})})
    shards = again.shards()
    assert list(shards) == ["one"]
    assert (shards["one"]["rows"], shards["one"]["extra"]) == ({"t": 1, "u": 2}, {"note": 7})
    tables = again.shard_tables(shards["one"])
    assert {name: table.to_pydict() for name, table in tables.items()} == {"t": {"a": [1]}, "u": {"b": [2.5, 3.5]}}


def test_the_last_start_decides_how_a_job_ended() -> None:
    started, failed, done = {"event": "started"}, {"event": "failed"}, {"event": "completed"}
    assert ending_in([]) is None
    assert ending_in([started]) is None
    assert ending_in([started, {"event": "shard", "name": "a"}, failed]) == failed
    assert ending_in([started, failed, started]) is None
    assert ending_in([started, failed, started, done]) == done


def test_a_shard_named_twice_counts_once() -> None:
    events = [{"event": "shard", "name": "a", "at": at} for at in (1, 2)]
    assert shards_in(events) == {"a": events[0]}


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers(), max_size=3), max_size=5), st.data())
def test_a_journal_torn_anywhere_keeps_all_lines_before_the_tear(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    for event in events:
        append_event(path, event)
    content = path.read_bytes() if events else b""
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    assert read_journal(path) == events[:whole]
    append_event(path, {"event": "next"})
    assert read_journal(path) == [*events[:whole], {"event": "next"}]


def test_a_damaged_line_in_the_middle_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for damaged in (b"\x00\xff", b"[1]"):
        path.write_bytes(b'{"event": "started"}\n' + damaged + b'\n{"event": "failed"}\n')
        with pytest.raises(StoreError, match=r"Line 2 of the journal .*journal\.jsonl"):
            read_journal(path)


def test_an_absent_journal_has_no_lines(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "journal.jsonl") == []


def test_replacing_a_file_leaves_nothing_beside_it(tmp_path: Path) -> None:
    for content in ("one", "two"):
        write_whole(tmp_path / "file.json", content)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file.json", "two")]


def test_progress_tells_the_time_left_from_the_rate_of_this_start(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 110.0, 110.1, 120.0])
    monkeypatch.setattr("fac_core.jobs.folder.time.time", lambda: next(clock))
    folder.progress(50, 100, "resumed here")
    assert folder.last_progress()["eta_s"] is None
    folder.progress(60, 100, "ten in ten seconds")
    assert folder.last_progress()["eta_s"] == 40
    folder.progress(61, 100, "too soon to tell again")
    assert folder.last_progress()["message"] == "ten in ten seconds"
    folder.progress(100, 100)
    assert folder.last_progress() == {"done": 100, "total": 100, "message": "", "eta_s": 0, "heartbeat": 120.0}


def test_progress_that_cannot_be_read_is_no_progress(folder: JobFolder) -> None:
    (folder.root / "progress.json").write_text("{")
    assert folder.last_progress()["done"] == 0


def test_a_worker_asked_to_work_on_a_finished_job_does_nothing(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "count", "tests.jobs.counting_kind")
    folder.append({"event": "completed", "result": {}})
    before = folder.events()
    assert worker.main([str(folder.root)]) == 0
    assert folder.events() == before


def test_a_folder_cannot_name_code(tmp_path: Path) -> None:
    folder = JobFolder.create(tmp_path / "evil", "os", {"module": "antigravity"}, {})
    assert worker.main([str(folder.root)]) == 1
    ending = ending_in(folder.events())
    assert ending is not None
    assert ending["message"] == "There is no kind of job called 'os'."
    with pytest.raises(InputError):
        kind_module("fac_core.jobs.worker")


def test_results_are_strict_json() -> None:
    value = {"a": [float("nan"), float("inf"), 1.5], 2: (None, "x")}
    assert json.dumps(worker.json_values(value), allow_nan=False) == '{"a": [null, null, 1.5], "2": [null, "x"]}'
