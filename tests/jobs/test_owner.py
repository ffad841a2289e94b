"""What the owner makes of a job's folder, for every way a job can end."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fac_core import workspace
from fac_core.errors import InputError, StoreError
from fac_core.jobs import follow, owner, process
from fac_core.jobs.folder import JobFolder
from fac_core.jobs.kinds import KINDS
from fac_core.workspace import Workspace


@pytest.fixture(autouse=True)
def _counting_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "count", "tests.jobs.counting_kind")
    monkeypatch.setattr(process, "WORKER_MODULE", "tests.jobs.worker_with_test_kinds")


def _spec(**more: Any) -> dict[str, Any]:
    return {"n": 3, "rows": 2, **more}


def _numbers(ws: Workspace) -> list[int]:
    return [row[0] for row in ws.database.rows("SELECT row_number FROM quarantine ORDER BY ALL")]


def _until(condition: Any, seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_goes_from_folder_to_store_in_a_process_of_its_own(ws: Workspace) -> None:
    seen = []
    job_id = owner.start(ws, "count", "Count to six", _spec(sleep=0.3), {"input": pa.table({"a": [1]})})
    assert owner.get(ws, job_id).state == "queued"
    assert json.loads((ws.jobs / job_id / "pid.json").read_text())["pid"] != os.getpid()
    job = owner.wait(ws, job_id, timeout=60, on_progress=seen.append)
    assert [job.state, job.done, job.total, job.eta_s] == ["completed", 3, 3, None]
    assert job.result == {"sum": 3, "nan": None}, "JSON has no NaN"
    assert {view.state for view in seen} <= {"queued", "running", "completed"}
    assert _numbers(ws) == [0, 1, 2, 3, 4, 5]
    assert ws.setting(f"finalised.{job_id}") == "3"
    assert job.created_at <= job.started_at <= job.ended_at
    assert not (ws.jobs / job_id / "shards").exists(), "what is in the store is not kept twice"
    with pytest.raises(InputError, match="completed and cannot be resumed"):
        owner.resume(ws, job_id)


def test_a_kind_that_stops_by_raising_is_cancelled_all_the_same(ws: Workspace) -> None:
    job_id = owner.start(ws, "count", "Count", _spec(hold_at=1, fail="stop"))
    _until(lambda: owner.poll(ws) and _numbers(ws))
    owner.cancel(ws, job_id)
    assert owner.wait(ws, job_id, timeout=200).state == "cancelled"


@pytest.mark.usefixtures("jobs_in_process")
class TestEndings:
    """Each way a job can end, without the time a process takes to start."""

    def test_a_problem_of_the_person_is_told_in_its_own_words_and_resume_keeps_what_is_done(
        self, ws: Workspace
    ) -> None:
        job_id = owner.start(ws, "count", "Count", _spec(fail="person", fail_at=2))
        job = owner.wait(ws, job_id, timeout=200)
        assert (job.state, job.message) == ("failed", "The file is empty; choose another.")
        assert ws.setting(f"stopped.{job_id}") == "1", "what there is of a job that stopped is made use of"
        assert _numbers(ws) == [0, 1, 2, 3]
        (ws.jobs / job_id / "work" / "mended").touch()
        owner.resume(ws, job_id)
        assert owner.wait(ws, job_id, timeout=200).state == "completed"
        assert _numbers(ws) == [0, 1, 2, 3, 4, 5]

    @pytest.mark.parametrize("fail", ["defect", "ingest"])
    def test_a_defect_names_itself_and_the_log(self, ws: Workspace, fail: str) -> None:
        job = owner.wait(ws, owner.start(ws, "count", "Count", _spec(fail=fail, fail_at=2)), timeout=200)
        folder = ws.jobs / job.job_id
        assert job.state == "failed"
        assert job.message == f"Something went wrong in our code: RuntimeError; the log is in {folder}."
        if fail == "ingest":
            assert "a defect while storing" in (folder / "log.txt").read_text()
            assert _numbers(ws) == [], "a shard is stored whole or not at all"

    def test_a_full_disk_is_told_in_a_sentence(self, ws: Workspace) -> None:
        job = owner.wait(ws, owner.start(ws, "count", "Count", _spec(fail="disk", fail_at=0)), timeout=200)
        assert job.state == "failed"
        assert job.resumable
        assert job.message.startswith("The disk holding ")
        assert "resume" in job.message

    def test_a_problem_found_while_finishing_fails_the_job(self, ws: Workspace) -> None:
        job = owner.wait(ws, owner.start(ws, "count", "Count", _spec(fail="finalise")), timeout=200)
        assert (job.state, job.message) == ("failed", "Nothing can be made of this.")

    def test_the_same_work_done_again_is_a_new_job_with_a_later_id(self, ws: Workspace) -> None:
        first = owner.start(ws, "count", "Count", _spec())
        assert owner.start(ws, "count", "Count", _spec()) == first, "still active"
        owner.wait(ws, first, timeout=200)
        second = owner.start(ws, "count", "Count", _spec())
        assert second > first
        owner.wait(ws, second, timeout=200)
        assert [job.job_id for job in owner.jobs(ws)] == [second, first]

    def test_polling_again_changes_nothing(self, ws: Workspace) -> None:
        owner.wait(ws, owner.start(ws, "count", "Count", _spec()), timeout=200)
        before = owner.jobs(ws)
        assert owner.poll(ws) == before
        assert _numbers(ws) == [0, 1, 2, 3, 4, 5]

    def test_a_crash_after_the_last_shard_and_before_the_end_is_made_up_for(
        self, ws: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = owner.start(ws, "count", "Count", _spec())

        def killed(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("tests.jobs.counting_kind.finalise", killed)
            with pytest.raises(KeyboardInterrupt):
                owner.poll(ws)
        assert owner.get(ws, job_id).active
        assert owner.wait(ws, job_id, timeout=200).state == "completed"
        assert _numbers(ws) == [0, 1, 2, 3, 4, 5]

    def test_a_damaged_shard_fails_the_job_and_names_the_file(self, ws: Workspace) -> None:
        job_id = owner.start(ws, "count", "Count", _spec())
        (ws.jobs / job_id / "shards" / "part-0001.counted.parquet").write_bytes(b"half")
        job = owner.wait(ws, job_id, timeout=200)
        assert job.state == "failed"
        assert "part-0001.counted.parquet is missing or damaged" in job.message

    def test_many_shards_are_stored_over_several_polls_and_the_page_stays_quick(
        self, ws: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(follow, "INGEST_BUDGET_S", 0.0)
        job_id = owner.start(ws, "count", "Count", _spec())
        owner.poll(ws)
        assert owner.get(ws, job_id).active
        monkeypatch.setattr(follow, "INGEST_BUDGET_S", 1.0)
        assert owner.wait(ws, job_id, timeout=200).state == "completed"

    def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(
        self, ws: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ws.jobs.write_text("a file in the way")
        with pytest.raises(StoreError, match="cannot be read or written"):
            owner.start(ws, "count", "Count", _spec())
        assert owner.jobs(ws) == []

    def test_several_sessions_poll_at_once_and_each_shard_is_stored_once(self, ws: Workspace) -> None:
        owner.start(ws, "count", "Count", _spec(n=30))
        threads = [threading.Thread(target=owner.poll, args=(ws,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        owner.wait(ws, owner.jobs(ws)[0].job_id, timeout=200)
        assert _numbers(ws) == list(range(60))


def test_unknown_kinds_and_jobs_are_refused(ws: Workspace) -> None:
    with pytest.raises(InputError, match="no kind of job"):
        owner.start(ws, "os.system", "Nonsense", {})
    for verb in (owner.get, owner.cancel, owner.resume):
        with pytest.raises(InputError, match="no job"):
            verb(ws, "20260101-nothing")


def test_cancel_stops_between_shards_and_resume_goes_on(ws: Workspace) -> None:
    job_id = owner.start(ws, "count", "Count", _spec(n=5, hold_at=3))
    _until(lambda: owner.poll(ws) and len(_numbers(ws)) == 6)
    owner.cancel(ws, job_id)
    assert owner.get(ws, job_id).state == "cancelling"
    assert owner.wait(ws, job_id, timeout=200).state == "cancelled"
    assert _numbers(ws) == list(range(6)) and ws.setting(f"stopped.{job_id}") == "1"
    (ws.jobs / job_id / "work" / "mended").touch()
    owner.resume(ws, job_id)
    assert owner.wait(ws, job_id, timeout=200).state == "completed"
    assert _numbers(ws) == list(range(10))


def test_a_worker_that_does_not_stop_is_ended(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "CANCEL_GRACE_S", 0.0)
    job_id = owner.start(ws, "count", "Count", _spec(n=400, sleep=0.1, ignore_cancel=True))
    _until(lambda: owner.poll(ws)[0].state == "running")
    owner.cancel(ws, job_id)
    assert owner.wait(ws, job_id, timeout=200).state == "cancelled"


def _worker(ws: Workspace, job_id: str) -> Any:
    return process.worker_of(ws.jobs / job_id)


def test_a_worker_whose_results_cannot_be_stored_is_stopped_before_its_job_has_failed(ws: Workspace) -> None:
    job_id = owner.start(ws, "count", "Count", _spec(n=4000, sleep=0.05, fail="ingest"))
    _until(lambda: owner.poll(ws)[0].state == "cancelling")
    job = owner.wait(ws, job_id, timeout=200)
    assert (job.state, job.resumable) == ("failed", True) and "RuntimeError" in job.message
    _until(lambda: _worker(ws, job_id) is None)
    assert (ws.jobs / job_id / "log.txt").read_text().count("Traceback") <= 2, "told once, not at each poll"


def test_a_fault_in_storing_that_has_gone_by_the_end_still_says_why_the_job_stopped(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = owner.start(ws, "count", "Count", _spec(n=4000, sleep=0.05))
    with monkeypatch.context() as patched:
        patched.setattr(follow.store, "record_shard", lambda *_: (_ for _ in ()).throw(StoreError("The disk is full.")))
        _until(lambda: owner.poll(ws)[0].state == "cancelling")
    job = owner.wait(ws, job_id, timeout=200)
    assert (job.state, job.message) == ("cancelled", "The disk is full.")
    assert _numbers(ws) == list(range(2 * len(JobFolder(ws.jobs / job_id).shards())))


def test_a_living_worker_can_be_stopped_whatever_was_noted_about_its_job(ws: Workspace) -> None:
    job_id = owner.start(ws, "count", "Count", _spec(n=4000, sleep=0.05))
    _until(lambda: owner.poll(ws)[0].state == "running")
    with ws.database.transaction() as cursor:
        follow.store.end_job(cursor, job_id, "failed", "", owner.now())
    assert _worker(ws, job_id) is not None
    owner.cancel(ws, job_id)
    assert owner.wait(ws, job_id, timeout=200).state == "cancelled"
    _until(lambda: _worker(ws, job_id) is None)


@pytest.mark.usefixtures("jobs_in_process")
def test_a_job_that_could_not_be_noted_leaves_no_folder(ws: Workspace) -> None:
    def full(_: Any) -> None:
        raise StoreError("The disk is full.")

    with pytest.raises(StoreError):
        owner.start(ws, "count", "Count", _spec(), beside=full)
    assert owner.jobs(ws) == [] and list(ws.jobs.iterdir()) == []


@pytest.mark.usefixtures("jobs_in_process")
def test_folders_of_jobs_whose_making_was_cut_short_are_cleared_at_the_next_opening(ws: Workspace) -> None:
    job_id = owner.start(ws, "count", "Count", _spec())
    owner.wait(ws, job_id, timeout=200)
    JobFolder.create(ws.jobs / "20260101-000000-unborn", "count", _spec(), {"input": pa.table({"a": [1]})})
    (ws.jobs / ".20260101-000001-half" / "input").mkdir(parents=True)
    started = JobFolder.create(ws.jobs / "20260101-000002-started", "count", _spec(), {})
    started.append({"event": "started"})
    root = ws.root
    ws.close()
    again = workspace.open_project(root)
    owner.poll(again)
    assert sorted(path.name for path in again.jobs.iterdir()) == sorted([job_id, started.job_id])
    again.close()


@pytest.mark.usefixtures("jobs_in_process")
def test_every_job_that_has_not_ended_is_known_however_many_came_after(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(process, "launch", lambda folder: None)
        first = owner.start(ws, "count", "Count", _spec())
    for n in range(25):
        with ws.database.transaction() as cursor:
            follow.store.insert_job(cursor, f"9{n:02d}", "count", "Count", {"n": n}, owner.now())
            follow.store.end_job(cursor, f"9{n:02d}", "completed", "", owner.now())
    assert first not in [job.job_id for job in owner.jobs(ws)]
    assert [job.job_id for job in owner.active(ws)] == [first]


def test_a_job_whose_process_id_was_given_to_another_program_is_lost(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "launch", lambda folder: process.write_pid(folder, os.getpid()))
    job_id = owner.start(ws, "count", "Count", _spec())
    owner.poll(ws)
    assert owner.get(ws, job_id).state == "running", "this process stands for the worker"
    note = ws.jobs / job_id / "pid.json"
    note.write_text(json.dumps({"pid": os.getpid(), "create_time": 12345.0}))
    job = owner.wait(ws, job_id, timeout=200)
    assert (job.state, job.message) == ("interrupted", follow.LOST)
    assert ws.setting(f"stopped.{job_id}") == "1"
    owner.cancel(ws, job_id)
    assert owner.get(ws, job_id).state == "cancelled"


def test_a_worker_that_was_started_a_moment_ago_is_given_time(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "launch", lambda folder: None)
    job_id = owner.start(ws, "count", "Count", _spec())
    owner.poll(ws)
    assert owner.get(ws, job_id).state == "queued"
    monkeypatch.setattr(follow, "STARTING_S", 0.0)
    owner.poll(ws)
    assert owner.get(ws, job_id).state == "interrupted"


def test_a_job_whose_folder_is_gone_says_so(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "launch", lambda folder: None)
    job_id = owner.start(ws, "count", "Count", _spec())
    (ws.jobs / job_id).rename(ws.root / "elsewhere")
    assert owner.wait(ws, job_id, timeout=200).state == "interrupted"
    with pytest.raises(InputError, match=r"folder of the job .* is gone"):
        owner.resume(ws, job_id)


def test_two_workers_never_work_in_one_folder(ws: Workspace) -> None:
    job_id = owner.start(ws, "count", "Count", _spec(n=10, sleep=0.05))
    for _ in range(2):
        process.launch(ws.jobs / job_id)
    assert owner.wait(ws, job_id, timeout=200).state == "completed"
    shards = [event["name"] for event in JobFolder(ws.jobs / job_id).events() if event["event"] == "shard"]
    assert shards == sorted(set(shards))
    assert _numbers(ws) == list(range(20))


def test_starting_python_finds_our_code_from_any_folder(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "psutil.py").write_text("raise SystemExit('a file of the working folder was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert owner.wait(ws, owner.start(ws, "count", "Count", _spec()), timeout=200).state == "completed"
