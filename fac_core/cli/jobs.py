"""`fac jobs`: what runs, ran, or can go on."""

from __future__ import annotations

from typing import Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project
from fac_core.cli.show import show, table

jobs = typer.Typer(help="List jobs, cancel them, let them go on.")
JobId = Annotated[str, typer.Argument(metavar="ID", help="Job, see `fac jobs`.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(jobs, name="jobs")


@jobs.callback(invoke_without_command=True)
def list_by_default(run: typer.Context, named: Project = None, as_json: Json = False) -> None:
    """List jobs, cancel them, let them go on."""
    if run.invoked_subcommand is None:
        list_all(named, as_json)


@jobs.command("list")
def list_all(named: Project = None, as_json: Json = False) -> None:
    """List the newest jobs."""
    from fac_core.jobs import owner

    with context.opened(named) as ws:
        found = owner.poll(ws)
    rows = [
        [each.job_id, each.state, f"{each.done / each.total:.0%}" if each.total else "", each.title, each.message]
        for each in found
    ]
    show(found, table(["id", "state", ">done", "what", "message"], rows) or ["There is no job yet."], as_json)


@jobs.command("wait")
def wait(named: Project = None) -> None:
    """Wait until no job is under way."""
    from fac_core.cli.waiting import settle

    with context.opened(named) as ws:
        settle(ws, background=True)
    typer.echo("No job is under way.")


@jobs.command("cancel")
def cancel(job_id: JobId, named: Project = None) -> None:
    """Ask a job to stop; what is finished is kept."""
    from fac_core.cli.waiting import stop

    with context.opened(named) as ws:
        job = stop(ws, job_id)
    typer.echo(f"{job.title}: {'has not stopped yet; see: fac jobs' if job.active else job.state}")


@jobs.command("resume")
def resume(
    job_id: JobId,
    wait: Annotated[bool, typer.Option(help="Wait until it has ended.")] = True,
    named: Project = None,
) -> None:
    """Go on with a job that was interrupted, cancelled or failed; what is finished is not done again."""
    from fac_core.cli.waiting import settle
    from fac_core.jobs import owner

    with context.opened(named) as ws:
        owner.resume(ws, job_id)
        if wait:
            settle(ws, background=True)
        job = owner.get(ws, job_id)
    typer.echo(f"{job.title}: {job.state}")
