"""A command that started a job waits for it and for what it starts in turn, and a stopped wait stops the job."""

from __future__ import annotations

import time
from contextlib import suppress

import typer

from fac_core.cli.context import Stopped
from fac_core.cli.show import is_terminal, say, short
from fac_core.jobs import owner
from fac_core.jobs.kinds import IN_BACKGROUND
from fac_core.jobs.owner import Job
from fac_core.workspace import Workspace

EVERY_S = 10.0
"""Between two lines of progress where it cannot be drawn over itself."""

STOPPING_S = 60.0
"""How long a command waits for a job to stop."""


def wait(ws: Workspace, job_id: str) -> Job:
    """Wait until a job has completed.

    Raises:
        Stopped: it failed, was cancelled or lost its worker; says how to go on.
    """
    bar = _Bar()
    try:
        job = owner.wait(ws, job_id, on_progress=bar.draw)
    except KeyboardInterrupt:
        stopped = stop(ws, job_id)
        bar.end()
        how = "Stopping" if stopped.active else "Stopped"
        say(f"{how}; what is finished is kept. Go on with: fac jobs resume {job_id}")
        raise
    bar.end()
    if job.state != "completed":
        reason = job.message or f"It is {job.state}."
        raise Stopped(f"{job.title}: {reason} Go on with: fac jobs resume {job_id}")
    return job


def stop(ws: Workspace, job_id: str) -> Job:
    """Ask a job to stop and wait a minute for it; a job that is slow to stop comes back as it stands.

    Raises:
        InputError: unknown job.
    """
    owner.cancel(ws, job_id)
    with suppress(TimeoutError):
        owner.wait(ws, job_id, timeout=STOPPING_S)
    return owner.get(ws, job_id)


def settle(ws: Workspace, *, background: bool = False) -> None:
    """Wait for every job of the project that is under way, follow-up jobs included; for those that nobody waits for
    only with `background`: they go on by themselves.

    Raises:
        Stopped: one of them did not complete.
    """
    owner.poll(ws)
    while active := [job for job in owner.active(ws) if background or job.kind not in IN_BACKGROUND]:
        wait(ws, active[0].job_id)


class _Bar:
    def __init__(self) -> None:
        self._said = 0.0
        self._drawn = False

    def draw(self, job: Job) -> None:
        share = job.done / job.total if job.total else 0.0
        eta = f", {job.eta_s:.0f} s left" if job.eta_s is not None and job.active else ""
        line = short(f"{job.title}: {share:.0%}{eta} {job.message if job.active else job.state}", 110)
        if is_terminal():
            typer.echo(f"\r\x1b[K{line}", nl=False, err=True)
            self._drawn = True
        elif time.monotonic() - self._said > EVERY_S or not job.active:
            self._said = time.monotonic()
            typer.echo(line, err=True)

    def end(self) -> None:
        if self._drawn:
            typer.echo("", err=True)
