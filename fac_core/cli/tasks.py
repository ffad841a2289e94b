"""`fac task`: the tasks there are, and tasks of one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project
from fac_core.cli.show import safe, say, show, table
from fac_core.tasks import faults, is_custom, load_task, task_ids
from fac_core.tasks.custom import NewTask, add_task, formats, set_rubric

task = typer.Typer(no_args_is_help=True, help="List tasks, and make your own.")
Rubric = Annotated[
    list[str],
    typer.Option("--rubric", "-r", help="A criterion, any of which makes a feature relevant; give it several times."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(task, name="task")


@task.command("list")
def list_tasks(as_json: Json = False) -> None:
    """List all tasks."""
    found = [load_task(task_id) for task_id in task_ids()]
    rows = [[each.id, "yours" if is_custom(each.id) else "", each.relevance, each.title] for each in found]
    for fault in faults():
        say(fault)
    value = [
        {"id": each.id, "title": each.title, "custom": is_custom(each.id), "relevance": each.relevance}
        for each in found
    ]
    show(value, table(["task", "", "by", "title"], rows), as_json)


@task.command("show")
def show_task(
    task_id: Annotated[str, typer.Argument(metavar="TASK", help="Id of the task.")], as_json: Json = False
) -> None:
    """Show a task's rubric, fields and labels."""
    found = load_task(task_id)
    fields = [f"  {field.name}{' *' if field.required else ''}: {safe(field.description)}" for field in found.fields]
    labels = found.labels
    lines = [
        f"{found.id}: {safe(found.title)}. {safe(found.description)}",
        f"rubric (version {found.rubric_version}):",
        *(f"  {number}. {safe(line)}" for number, line in enumerate(found.rubric, start=1)),
        f"fields of a {safe(found.sample_word)}:",
        *fields,
    ]
    if labels is not None:
        others = ", ".join(labels.negative) or "any other label"
        lines.append(safe(f"label: {', '.join(labels.positive)} against {others}"))
    show({"task": found, "rubric_version": found.rubric_version}, lines, as_json)


@task.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Short, in any script; the task's id is made of it.")],
    rubric: Rubric,
    about: Annotated[str, typer.Option("--about", "-a", help="One sentence: what the task is.")],
    title: Annotated[str, typer.Option(help="How people see it (default: the name).")] = "",
    form: Annotated[str, typer.Option("--format", "-f", help=f"One of {', '.join(formats())}.")] = "text",
    label: Annotated[str, typer.Option(help="Column of the label, for text and instruction.")] = "",
    positive: Annotated[
        list[str] | None, typer.Option(help="Label of samples that show what the task is about; several times.")
    ] = None,
    negative: Annotated[
        list[str] | None, typer.Option(help="Label of the others (default: any other label); several times.")
    ] = None,
    sensitive: Annotated[bool, typer.Option("--sensitive", help="Veil texts until someone lifts the veil.")] = False,
    as_json: Json = False,
) -> None:
    """Make a task of your own; it can be used at once: fac project create NAME --task ID."""
    task_id = add_task(
        NewTask(name, title, about, tuple(rubric), form, label, tuple(positive or ()), tuple(negative or ()), sensitive)
    )
    show(
        {"id": task_id},
        [f"Task {task_id}; make a project of it with: fac project create NAME --task {task_id}"],
        as_json,
    )


@task.command("rubric")
def rubric(
    task_id: Annotated[str, typer.Argument(metavar="TASK", help="Id of a task of your own.")],
    lines: Rubric,
    as_json: Json = False,
) -> None:
    """Give a task of your own another rubric; ratings against the old one stay and count no more."""
    found = set_rubric(task_id, lines)
    show(
        {"id": found.id, "rubric_version": found.rubric_version},
        [f"The rubric of {found.id} is now version {found.rubric_version}."],
        as_json,
    )


@task.command("restore")
def restore(named: Project = None, as_json: Json = False) -> None:
    """Bring back the file of the project's task, where it is gone, as it was when the project was last used."""
    with context.opened(named) as ws:
        path = ws.restore_task()
        show({"id": ws.task, "file": str(path)}, [f"The task {safe(ws.task)} is back, in {path}."], as_json)
