"""The owner of the store is the only one that reads shards into it, and each shard enters once, whole.

A job's truth is its folder; the row in the store follows it. `poll` may be called by any thread at any time: one caller
does the work, the others get the list as it stands.
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from fac_core.errors import InputError, StoreError
from fac_core.jobs import process
from fac_core.jobs.folder import Inputs, JobFolder
from fac_core.jobs.follow import at_work, end, refresh, write_error
from fac_core.jobs.kinds import KINDS
from fac_core.store import jobs as store
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb

    from fac_core.store.database import Database

ACTIVE = {"queued", "running", "cancelling"}
RESUMABLE = {"interrupted", "failed", "cancelled"}

_locks: dict[Path, threading.RLock] = {}
_locks_guard = threading.Lock()
_cleared: WeakSet[Database] = WeakSet()


@dataclass(frozen=True)
class Job:
    """A job as people see it."""

    job_id: str
    kind: str
    title: str
    state: str
    """queued, running, cancelling, cancelled, failed, interrupted or completed."""
    done: float
    total: float
    message: str
    eta_s: float | None
    """Estimated seconds until it ends; None when unknown."""
    result: dict[str, Any] | None
    spec: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE

    @property
    def resumable(self) -> bool:
        """Whether `resume` makes sense."""
        return self.state in RESUMABLE


@contextmanager
def turn(ws: Workspace) -> Iterator[None]:
    """What begins, ends or follows work on a project takes turns; within a turn of one's own others may be nested."""
    with _lock(ws):
        yield


def start(
    ws: Workspace,
    kind: str,
    title: str,
    spec: dict[str, Any],
    inputs: Inputs | None = None,
    beside: Callable[[duckdb.DuckDBPyConnection], None] = lambda _: None,
) -> str:
    """Start a job in a process of its own; returns its id, which sorts by time.

    A job of the same kind and spec that is queued or running is not started again: its id is returned. `beside` writes
    rows that belong to a new job, in the transaction that notes it. Of an input that comes as one table after the other
    only one is in memory.

    Raises:
        InputError: unknown kind.
        StoreError: the job folder cannot be written; nothing is left of the job.
    """
    if kind not in KINDS:
        raise InputError(f"There is no kind of job called {kind!r}.")
    spec = json.loads(json.dumps(spec))
    with turn(ws):
        for row in store.active_jobs(ws.database):
            if row.kind == kind and row.spec == spec and row.state != "cancelling":
                return row.job_id
        at = now()
        job_id = f"{at:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"
        try:
            folder = JobFolder.create(ws.jobs / job_id, kind, spec, inputs or {})
            with ws.database.transaction() as cursor:
                store.insert_job(cursor, job_id, kind, title, spec, at)
                beside(cursor)
        except BaseException as error:
            for name in (job_id, f".{job_id}"):
                shutil.rmtree(ws.jobs / name, ignore_errors=True)
            if isinstance(error, OSError):
                raise StoreError(write_error(ws.jobs, error)) from error
            raise
        _launch(ws, folder)
        return job_id


def resume(ws: Workspace, job_id: str) -> None:
    """Go on with a job that was interrupted, failed or cancelled; finished shards are kept.

    Raises:
        InputError: unknown job, one that is active or completed, or one whose folder is gone.
    """
    with turn(ws):
        row = _row(ws, job_id)
        if row.state in ACTIVE:
            return
        if row.state not in RESUMABLE:
            raise InputError(f"The job “{row.title}” is {row.state} and cannot be resumed.")
        folder = JobFolder(ws.jobs / job_id)
        if not (folder.root / "spec.json").is_file():
            raise InputError(f"The folder of the job “{row.title}” is gone; start the job again.")
        (folder.root / "cancel").unlink(missing_ok=True)
        with ws.database.transaction() as cursor:
            store.queue_again(cursor, job_id)
        _launch(ws, folder)


def cancel(ws: Workspace, job_id: str) -> None:
    """Ask a job to stop; what it has finished is kept and `resume` goes on from there.

    A living worker is stopped whatever was noted about its job.

    Raises:
        InputError: unknown job.
    """
    with turn(ws):
        row = _row(ws, job_id)
        if row.state in ACTIVE or at_work(JobFolder(ws.jobs / job_id)) is not None:
            (ws.jobs / job_id).mkdir(parents=True, exist_ok=True)
            (ws.jobs / job_id / "cancel").touch()
            with ws.database.transaction() as cursor:
                store.set_running(cursor, job_id, "cancelling", now())
        elif row.state == "interrupted":
            with ws.database.transaction() as cursor:
                store.end_job(cursor, job_id, "cancelled", "", now())


def poll(ws: Workspace) -> list[Job]:
    """Bring the store up to date with the job folders: new shards, ends, lost workers; returns the newest jobs."""
    lock = _lock(ws)
    if lock.acquire(blocking=False):
        try:
            process.reap()
            _clear_unborn(ws)
            for row in store.active_jobs(ws.database):
                refresh(ws, row)
        finally:
            lock.release()
    return jobs(ws)


def jobs(ws: Workspace, limit: int = 20) -> list[Job]:
    """The newest jobs first, with the progress of those that run."""
    return [_job(ws, row) for row in store.job_rows(ws.database, limit)]


def active(ws: Workspace) -> list[Job]:
    """All jobs that have not ended, oldest first."""
    return [_job(ws, row) for row in store.active_jobs(ws.database)]


def get(ws: Workspace, job_id: str) -> Job:
    """One job.

    Raises:
        InputError: unknown job.
    """
    return _job(ws, _row(ws, job_id))


def wait(
    ws: Workspace, job_id: str, timeout: float | None = None, on_progress: Callable[[Job], None] | None = None
) -> Job:
    """Poll until a job has ended in whatever way; for the command line and tests.

    Raises:
        InputError: unknown job.
        TimeoutError: it has not ended in `timeout` seconds.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        poll(ws)
        job = get(ws, job_id)
        if on_progress is not None:
            on_progress(job)
        if not job.active:
            return job
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(f"job {job_id} is still {job.state} after {timeout} s")
        time.sleep(0.1)


def _launch(ws: Workspace, folder: JobFolder) -> None:
    try:
        folder.append({"event": "started"})
        process.launch(folder.root)
    except OSError as error:
        end(ws, folder, "failed", f"The worker process could not be started: {error.strerror or error}.")


def _clear_unborn(ws: Workspace) -> None:
    """Once for each opening of a project, remove folders of jobs whose making was cut short: never noted nor started.

    A folder with a journal has been worked on and stays, whatever became of its row.
    """
    if ws.database in _cleared:
        return
    _cleared.add(ws.database)
    known = store.job_ids(ws.database)
    for folder in ws.jobs.iterdir() if ws.jobs.is_dir() else ():
        unborn = folder.name not in known and not (folder / "journal.jsonl").exists()
        if unborn and (folder.name.startswith(".") or (folder / "spec.json").is_file()):
            shutil.rmtree(folder, ignore_errors=True)


def _row(ws: Workspace, job_id: str) -> store.JobRow:
    row = store.job_row(ws.database, job_id)
    if row is None:
        raise InputError(f"There is no job {job_id} in this project.")
    return row


def _job(ws: Workspace, row: store.JobRow) -> Job:
    done, total, message, eta = row.done, row.total, row.message, None
    if row.state in ACTIVE:
        progress = JobFolder(ws.jobs / row.job_id).last_progress()
        done, total, message, eta = progress["done"], progress["total"], progress["message"], progress["eta_s"]
    return Job(
        job_id=row.job_id,
        kind=row.kind,
        title=row.title,
        state=row.state,
        done=done,
        total=total,
        message=message,
        eta_s=eta,
        result=row.result,
        spec=row.spec,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _lock(ws: Workspace) -> threading.RLock:
    with _locks_guard:
        return _locks.setdefault(ws.root, threading.RLock())
