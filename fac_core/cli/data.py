"""`fac import`, `fac datasets`, `fac quarantine`: what the curator brings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project
from fac_core.cli.show import plural, safe, say, short, show, table
from fac_core.errors import InputError
from fac_core.tasks import load_task
from fac_core.workspace import Workspace

SHOWN_BAD_ROWS = 5
datasets = typer.Typer(help="List the project's data sets, and change them.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("import")(import_file)
    app.add_typer(datasets, name="datasets")
    app.command()(quarantine)


def import_file(
    file: Annotated[Path, typer.Argument(help="JSONL (.gz, .xz), CSV, TSV, Parquet, or text with one sample a line.")],
    role: Annotated[str, typer.Option("--role", "-r", help="seed, anchor, pool, holdout or synthetic.")],
    name: Annotated[str | None, typer.Option(help="Name of the data set (default: the file's).")] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="FIELD=COLUMN: which column fills a field of the task.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="Column of the label.")] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column of the rows' ids.")] = None,
    meta: Annotated[list[str] | None, typer.Option("--meta", help="Column to keep, to group by (repeatable).")] = None,
    preview_only: Annotated[
        bool, typer.Option("--preview", help="Show how the file would be read; import nothing.")
    ] = False,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Import a file as seed, anchor, pool, holdout or synthetic set.

    Columns are guessed from their names; --field, --label, --id and --meta change the guess. Bad rows are set aside
    with number, field and reason, and the rest is imported whole or not at all.
    """
    from fac_core.samples.importing import import_dataset
    from fac_core.samples.preview import preview

    with context.opened(named) as ws:
        task = load_task(ws.task)
        changed = bool(field or label or id_column or meta)
        seen = preview(file, file.name, task) if changed or preview_only else None
        mapping = seen.mapping if seen else None
        if mapping is not None and changed:
            mapping.fields.update(pairs(field or [], {known.name for known in task.fields}))
            mapping.label = label or mapping.label
            mapping.id = id_column or mapping.id
            taken = {*mapping.fields.values(), mapping.label, mapping.id}
            mapping.meta = [column for column in meta or mapping.meta if column not in taken]
        if preview_only:
            seen = preview(file, file.name, task, mapping)
            heads = list(seen.rows[0]) if seen.rows else []
            shown = table(heads, [[row.get(head, "") for head in heads] for row in seen.rows]) if heads else []
            fills = [f"{field} ← {safe(column)}" for field, column in seen.mapping.fields.items()]
            title = f"{seen.format}, {plural(seen.n_rows, 'row')}; {', '.join(fills)}"
            show(seen, [title, *shown, *map(safe, seen.warnings)], as_json)
            return
        done = import_dataset(ws, file, file.name, role, name, mapping)
        lines = [
            f"{plural(done.n_rows, 'sample')} imported as {done.role} set {safe(done.name)} ({done.dataset_id}); "
            f"{plural(done.n_exact_duplicates, 'exact duplicate')}, {plural(done.n_near_duplicates, 'near duplicate')}"
        ]
        if done.n_quarantined:
            lines.append(f"{plural(done.n_quarantined, 'bad row')} set aside, see: fac quarantine {done.dataset_id}")
            lines += [
                f"  row {row.row_number}: {safe(row.field or 'the row')} {safe(row.reason)}: {short(row.raw, 80)}"
                for row in done.quarantine[:SHOWN_BAD_ROWS]
            ]
        show(done, [*lines, *map(safe, done.warnings)], as_json)
        _follow(ws)


@datasets.callback(invoke_without_command=True)
def list_by_default(run: typer.Context, named: Project = None, as_json: Json = False) -> None:
    """List the project's data sets, and change them."""
    if run.invoked_subcommand is None:
        list_all(named, as_json)


@datasets.command("list")
def list_all(named: Project = None, as_json: Json = False) -> None:
    """List the project's data sets."""
    from fac_core.samples.datasets import list_datasets

    with context.opened(named) as ws:
        found = list_datasets(ws)
    rows = [
        [f.dataset_id, f.role, f"{f.n_rows:,}", f"{f.n_quarantined:,}", "deleted" if f.deleted_at else "", f.name]
        for f in found
    ]
    show(found, table(["id", "role", ">samples", ">bad rows", "", "name"], rows) or ["There is no data set."], as_json)


@datasets.command("role")
def role(dataset_id: str, role: str, named: Project = None) -> None:
    """Give a data set another role."""
    from fac_core.samples.datasets import set_role

    with context.opened(named) as ws:
        set_role(ws, dataset_id, role)
        _follow(ws)
    typer.echo(f"{safe(dataset_id)} is now a {role} set.")


@datasets.command("delete")
def delete(dataset_id: str, named: Project = None) -> None:
    """Take a data set out of everything; `restore` brings it back."""
    from fac_core.samples.datasets import delete_dataset

    with context.opened(named) as ws:
        delete_dataset(ws, dataset_id)
        _follow(ws)
    typer.echo(f"{safe(dataset_id)} is out; bring it back with: fac datasets restore {safe(dataset_id)}")


@datasets.command("restore")
def restore(dataset_id: str, named: Project = None) -> None:
    """Bring a deleted data set back."""
    from fac_core.samples.datasets import restore_dataset

    with context.opened(named) as ws:
        restore_dataset(ws, dataset_id)
        _follow(ws)
    typer.echo(f"{safe(dataset_id)} is back.")


def quarantine(
    dataset_id: Annotated[str, typer.Argument(help="Id of the data set, see `fac datasets`.")], named: Project = None
) -> None:
    """Write the bad rows of a data set to stdout as JSON lines: number, field, reason, row."""
    from fac_core.samples.importing import quarantine_jsonl

    with context.opened(named) as ws:
        rows = quarantine_jsonl(ws, dataset_id)
    if not rows:
        say("There is no bad row.")
    sys.stdout.write(rows.decode("utf-8"))


def _follow(ws: Workspace) -> None:
    """Let what is known of features follow the data sets, so that the next command tells the truth."""
    from fac_core.cli.waiting import settle
    from fac_core.features.refresh import follow_datasets

    if follow_datasets(ws):
        settle(ws)


def pairs(given: list[str], known: set[str]) -> dict[str, str]:
    """FIELD=COLUMN options.

    Raises:
        InputError: an option without "=", or a field that the task does not have.
    """
    found = {}
    for pair in given:
        name, equals, column = pair.partition("=")
        if not equals or not column:
            raise InputError(f"--field takes FIELD=COLUMN, not {pair[:60]!r}.")
        if name not in known:
            raise InputError(f"The task has no field {name[:60]!r}; its fields are {', '.join(sorted(known))}.")
        found[name] = column
    return found
