"""``python -m fac_core.jobs.worker FOLDER``: do one job, once, and say in its journal how it ended.

Every way out leaves an ending in the journal except a kill, and a kill leaves the shards that were committed.
"""

from __future__ import annotations

import errno
import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from fac_core.errors import FacError, StoreError
from fac_core.jobs.folder import JobFolder, ending_in
from fac_core.jobs.kinds import IN_BACKGROUND, kind_module
from fac_core.jobs.process import write_pid


def main(arguments: list[str]) -> int:
    """Work on the folder named by the only argument; 0 when the job has an ending that is not a failure."""
    job = JobFolder(Path(arguments[0]))
    with FileLock(job.root / "worker.lock"):
        write_pid(job.root, os.getpid())
        if ending_in(job.outline()) is not None:
            return 0
        return _work(job)


def _work(job: JobFolder) -> int:
    try:
        result = kind_module(job.kind).run(job)
        if job.observed_cancel:
            job.append({"event": "cancelled"})
        else:
            job.append({"event": "completed", "result": json_values(result)})
    except FacError as error:
        if job.observed_cancel:  # some stop by raising
            job.append({"event": "cancelled"})
            return 0
        job.append({"event": "failed", "message": str(error)})
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            _defect(job, error)
            raise
        # the journal needs a few bytes of the same disk; without them the job shows as interrupted
        job.append({"event": "failed", "message": disk_full(job.root)})
        return 1
    except Exception as error:
        _defect(job, error)
        raise  # the traceback goes to the log
    return 0


def niceness(job: JobFolder) -> int:
    """How far a worker gives way: the page a person is looking at goes first, then what a person waits for."""
    with suppress(StoreError):  # a folder that cannot be read is the work's to tell
        return 19 if job.kind in IN_BACKGROUND else 5
    return 5


def disk_full(path: Path) -> str:
    """The sentence for a full disk."""
    return f"The disk holding {path} is full; free some space and resume, what was finished is kept."


def defect(folder: Path, error: Exception) -> str:
    """The sentence for a defect of ours."""
    return f"Something went wrong in our code: {type(error).__name__}; the log is in {folder}."


def _defect(job: JobFolder, error: Exception) -> None:
    job.append({"event": "failed", "message": defect(job.root, error)})


def json_values(value: Any) -> Any:
    """The value with numbers that are not numbers as null, since JSON has none."""
    if isinstance(value, dict):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(niceness(JobFolder(Path(sys.argv[1]))))
    sys.exit(main(sys.argv[1:]))
