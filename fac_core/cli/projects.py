"""`fac project`, `fac demo`, `fac delta`: where the other commands work."""

from __future__ import annotations

from typing import Annotated

import typer

from fac_core import workspace
from fac_core.cli import context
from fac_core.cli.context import Json, Project, SpaceName
from fac_core.cli.show import safe, show, table
from fac_core.tasks import load_task, task_ids

project = typer.Typer(no_args_is_help=True, help="Make, list and choose projects.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(project, name="project")
    app.command()(demo)
    app.command()(delta)


@project.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Any name.")],
    task: Annotated[str, typer.Option("--task", "-t", help=f"One of {', '.join(task_ids())}.")],
    as_json: Json = False,
) -> None:
    """Make a project and make it the current one."""
    ws = workspace.create(name, task)
    try:
        context.use(workspace.project_info(ws.root))
        value = {"name": ws.name, "task": ws.task, "folder": ws.root}
        show(value, [f"Project {safe(ws.name)} ({load_task(task).title}) in {ws.root}"], as_json)
    finally:
        ws.close()


@project.command("list")
def list_projects(as_json: Json = False) -> None:
    """List all projects."""
    found = workspace.list_projects()
    rows = [[info.name, info.task, "demo" if info.demo else "", str(info.folder)] for info in found]
    show(found, table(["name", "task", "", "folder"], rows) or ["There is no project yet."], as_json)


@project.command("use")
def use(name: Annotated[str, typer.Argument(help="Name or folder.")]) -> None:
    """Make a project the current one."""
    info = context.find(name)
    context.use(info)
    typer.echo(f"The current project is {safe(info.name)}.")


@project.command("show")
def show_project(named: Project = None, as_json: Json = False) -> None:
    """Show which project is the current one."""
    info = context.find(named)
    show(info, [f"{safe(info.name)} ({info.task}) in {info.folder}"], as_json)


def demo(
    demo_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="Demo to open; without it they are listed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Open a demo project (made the first time) and make it the current one."""
    from fac_core.cli.waiting import settle
    from fac_core.demo import demos, open_demo

    if demo_id is None:
        found = demos()
        rows = [[info.id, info.task, f"{info.title}: {info.card_text}"] for info in found]
        show(found, table(["id", "task", "what it is"], rows), as_json)
        return
    ws = open_demo(demo_id)
    try:
        context.use(workspace.project_info(ws.root))
        settle(ws)
        value = {"name": ws.name, "task": ws.task, "folder": ws.root}
        show(value, [f"Project {safe(ws.name)} in {ws.root}; see: fac coverage"], as_json)
    finally:
        ws.close()


def delta(
    value: Annotated[
        float | None, typer.Argument(help="New threshold, in steps of 0.25; without it, it is shown.")
    ] = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Show or set the project's activation threshold δ: a feature is active where it rises strictly above."""
    from fac_core.feature_space import spaces as verbs

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        if value is not None:
            verbs.set_delta(ws, space_id, value)
        now, usual = verbs.delta(ws, space_id), verbs.space(ws, space_id).default_delta
        show(context.where(ws, space_id, now), [f"δ = {now:g} (the space's calibrated default is {usual:g})"], as_json)
