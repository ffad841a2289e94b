"""A worker is known by its process id and the moment it was created, so a reused id is never taken for it.

At most one worker works in a folder: it holds the folder's lock from its first act to its end, and the operating system
gives the lock back whatever kills it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fac_core.jobs.journal import write_whole

if TYPE_CHECKING:
    import psutil

WORKER_MODULE = "fac_core.jobs.worker"
CREATE_TIME_TOLERANCE_S = 2.0  # the clock's origin moves a little when the time is set
_children: dict[int, subprocess.Popen[bytes]] = {}


def launch(folder: Path) -> None:
    """Start a worker on a job folder: own session, list arguments, output to the folder's log.

    Raises:
        OSError: no process can be started.
    """
    root = Path(__file__).resolve().parents[2]
    paths = [str(root), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        # two threads spinning for work on a shared machine slow each other down several times
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "TOKENIZERS_PARALLELISM": "false",
    }
    (folder / "pid.json").unlink(missing_ok=True)
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER_MODULE, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    _children[child.pid] = child
    write_pid(folder, child.pid)


def reap() -> None:
    """Let go of workers of ours that have ended."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            _children.pop(pid, None)


def write_pid(folder: Path, pid: int) -> None:
    """Note which process works in a folder; a process that has already gone leaves no note."""
    import psutil

    try:
        created = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        created = 0.0
    write_whole(folder / "pid.json", json.dumps({"pid": pid, "create_time": created}))


def worker_of(folder: Path) -> psutil.Process | None:
    """The living worker of a folder, or None: never started, gone, or its id now belongs to another program."""
    import psutil

    try:
        note = json.loads((folder / "pid.json").read_text(encoding="utf-8"))
        pid, created = int(note["pid"]), float(note["create_time"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    reap()
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) <= CREATE_TIME_TOLERANCE_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
