"""The store follows a job's folder: each committed shard enters it once, whole, and an end is noted after the rows.

Called by one thread at a time for a project. Whatever happened to the worker or to an earlier owner, looking again at
the folder gives the same rows.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import FacError, StoreError
from fac_core.jobs import process
from fac_core.jobs.folder import JobFolder, ending_in, shards_in
from fac_core.jobs.journal import Event
from fac_core.jobs.kinds import kind_module, stopped
from fac_core.jobs.worker import defect, disk_full
from fac_core.store import jobs as store
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import psutil

INGEST_BUDGET_S = 1.0
"""A poll stops reading shards into the store after this time and leaves the rest to the next."""
STARTING_S = 30.0
"""How long a started worker may take until its process is known."""
CANCEL_GRACE_S = 20.0
"""How long a worker may take to stop by itself before its process is ended."""
LOST = "The worker process is gone; resume continues after the last finished part."

logger = logging.getLogger(__name__)


def refresh(ws: Workspace, row: store.JobRow) -> None:
    """Follow one job's folder."""
    folder = JobFolder(ws.jobs / row.job_id)
    try:
        # the process first: one that ends between the two looks has left its ending in the journal
        worker = process.worker_of(folder.root)
        events = folder.outline()
        complete = _ingest(ws, row, folder, events)
        ending = ending_in(events)
        if ending is None and worker is not None:
            _note_running(ws, row, folder, worker)
        elif not complete or (ending is None and _starting(folder, events)):
            return
        elif ending is None:
            asked = (folder.root / "cancel").exists()
            stopped(row.kind, ws, row.job_id, row.spec)
            end(ws, folder, "cancelled" if asked else "interrupted", row.message if asked else LOST)
        elif ending["event"] == "completed":
            kind_module(row.kind).finalise(ws, row.job_id, row.spec, ending["result"])
            end(ws, folder, "completed", "", ending["result"])
            for part in ("input", "shards"):
                shutil.rmtree(folder.root / part, ignore_errors=True)
        else:
            stopped(row.kind, ws, row.job_id, row.spec)
            end(ws, folder, ending["event"], ending.get("message", row.message))
    except FacError as error:
        _give_up(ws, row, folder, str(error))
    except OSError as error:
        _give_up(ws, row, folder, write_error(folder.root, error))
    except Exception as error:
        # the boundary: a defect in one job must not take down the page of another
        if at_work(folder) is None or not (folder.root / "cancel").exists():  # told once, not at each poll
            logger.exception("job %s", row.job_id)
            with folder.log.open("a", encoding="utf-8") as log:
                traceback.print_exception(error, file=log)
        _give_up(ws, row, folder, defect(folder.root, error))


def at_work(folder: JobFolder) -> psutil.Process | None:
    """The living worker of a job that has not told its end."""
    try:
        ended = ending_in(folder.outline()) is not None
    except StoreError:
        ended = False
    return None if ended else process.worker_of(folder.root)


def _give_up(ws: Workspace, row: store.JobRow, folder: JobFolder, message: str) -> None:
    """Fail a job whose results cannot be taken in; a worker at work is stopped first and followed until it is gone."""
    worker = at_work(folder)
    if worker is None:
        end(ws, folder, "failed", message)
        return
    cancel_file = folder.root / "cancel"
    if not cancel_file.exists():  # its age says how long the worker has had to stop
        cancel_file.touch()
    _note_running(ws, row, folder, worker, message)


def _ingest(ws: Workspace, row: store.JobRow, folder: JobFolder, events: list[Event]) -> bool:
    """Read committed shards into the store, each in one transaction; True when none is left."""
    shards = shards_in(events)
    known = store.ingested_shards(ws.database, row.job_id)
    waiting = [shard for name, shard in shards.items() if name not in known]
    until = time.monotonic() + INGEST_BUDGET_S
    for shard in waiting:
        if time.monotonic() > until:
            return False
        tables = folder.shard_tables(shard)
        with ws.database.transaction() as cursor:
            n_rows = sum(table.num_rows for table in tables.values())
            if store.record_shard(cursor, row.job_id, shard["name"], n_rows, now()):
                kind_module(row.kind).ingest(cursor, row.job_id, row.spec, shard["name"], tables)
    return True


def _note_running(
    ws: Workspace, row: store.JobRow, folder: JobFolder, worker: psutil.Process, message: str = ""
) -> None:
    """Note that a worker is at work, or to be stopped for the reason in `message`; one that does not stop is ended."""
    cancel_file = folder.root / "cancel"
    asked = cancel_file.exists()
    if asked and time.time() - cancel_file.stat().st_mtime > CANCEL_GRACE_S:
        worker.terminate()
    state = "cancelling" if asked else "running"
    if state != row.state or message not in {"", row.message}:
        with ws.database.transaction() as cursor:
            store.set_running(cursor, row.job_id, state, now(), message)


def _starting(folder: JobFolder, events: list[Event]) -> bool:
    """Whether a worker was started a moment ago and its process is not known yet."""
    started = next((event for event in reversed(events) if event.get("event") == "started"), None)
    fresh = started is not None and time.time() - float(started["at"]) < STARTING_S
    return fresh and not (folder.root / "pid.json").exists()


def end(ws: Workspace, folder: JobFolder, state: str, message: str, result: dict[str, Any] | None = None) -> None:
    progress = folder.last_progress()
    with ws.database.transaction() as cursor:
        store.end_job(
            cursor,
            folder.job_id,
            state,
            message,
            now(),
            done=progress["done"],
            total=progress["total"],
            result=result,
        )


def write_error(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return disk_full(path)
    return f"The folder {path} cannot be read or written: {error.strerror or error}."
