"""`fac extract`: from texts to features, on this machine or on a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project, SpaceName
from fac_core.cli.data import pairs
from fac_core.cli.show import plural, safe, show
from fac_core.errors import InputError
from fac_core.feature_space.engines import Engine
from fac_core.tasks import load_task
from fac_core.workspace import Workspace

_ON_RAY = "On a Ray cluster"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(extract)


def extract(
    again: Annotated[
        bool, typer.Option("--again", help="Read what was read before once more, and say what that changes.")
    ] = False,
    pool: Annotated[
        str | None,
        typer.Option(
            help="Read a pool too large to import where it lies: a Parquet or JSONL file, a folder or a pattern, as a "
            "path or an fsspec URL. Its counts and top examples are kept."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the pool (default: the file's).")] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="FIELD=COLUMN: which column of the pool fills a field.")
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=1, help="Texts of the pool kept for each feature (default: 20, fewer in a large SAE)."),
    ] = None,
    part: Annotated[int | None, typer.Option(min=1, help="Texts of a part of the pool.")] = None,
    engine: Annotated[str, typer.Option(help="local or ray.")] = "local",
    address: Annotated[
        str, typer.Option(help=f"{_ON_RAY}: host:port or auto (default: Ray is started on this machine).")
    ] = "",
    folder: Annotated[
        str, typer.Option(help=f"{_ON_RAY}: folder or fsspec URL that all its machines see (default: the project's).")
    ] = "",
    actors: Annotated[int, typer.Option(min=0, help=f"{_ON_RAY}: copies of the model (default: what fits).")] = 0,
    cpus: Annotated[float, typer.Option(help=f"{_ON_RAY}: CPU cores of each copy.")] = 1.0,
    gpus: Annotated[
        float | None, typer.Option(help=f"{_ON_RAY}: GPUs of each copy (default: 1 where there are any).")
    ] = None,
    space: SpaceName = None,
    wait: Annotated[bool, typer.Option(help="Wait until everything is read and described.")] = True,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Read every text that has not been read yet, then describe the features where that changes anything.

    With --pool, read a pool that stays where it is.
    """
    reading = Engine(engine, address, folder, actors, cpus, gpus)
    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        if pool is not None:
            if again:
                raise InputError("A pool is read once in a space; --again is for texts of the project.")
            _read_pool(ws, space_id, pool, name, field or [], examples, part, reading, wait, as_json)
            return
        if name or field or examples or part:
            raise InputError("--name, --field, --examples and --part belong to --pool.")
        _read_texts(ws, space_id, again, reading, wait, as_json)


def _read_texts(ws: Workspace, space_id: str, again: bool, engine: Engine, wait: bool, as_json: bool) -> None:
    from fac_core.cli.waiting import settle
    from fac_core.feature_space.extraction import n_unread
    from fac_core.feature_space.health import health as health_of
    from fac_core.feature_space.rereading import last_rereading, start_rereading
    from fac_core.features.refresh import bring_up_to_date

    unread = n_unread(ws, space_id)
    job_id = (start_rereading(ws, space_id, engine=engine) if again else None) or bring_up_to_date(ws, space_id, engine)
    if wait:
        settle(ws)
    health = health_of(ws, space_id)
    changed = last_rereading(ws, space_id) if again and wait else None
    said = "" if unread or again else "Everything was read before. "
    said += "" if job_id is None else "Done." if wait else f"Started: {job_id}"
    value = {"job_id": job_id, "space_id": space_id, "health": health, "again": changed}
    lines = [said.strip(), *([changed.sentence] if changed else []), *([safe(health.sentence)] if health else [])]
    show(value, lines, as_json)


def _read_pool(
    ws: Workspace,
    space_id: str,
    url: str,
    name: str | None,
    field: list[str],
    examples: int | None,
    part: int | None,
    engine: Engine,
    wait: bool,
    as_json: bool,
) -> None:
    from fac_core.cli.waiting import settle
    from fac_core.feature_space.pool import guess_mapping, start_pool
    from fac_core.jobs import owner
    from fac_core.samples.datasets import list_datasets
    from fac_core.samples.pool_files import PART_ROWS

    mapping = None
    if field:
        mapping = guess_mapping(ws, url)
        mapping.fields.update(pairs(field, {known.name for known in load_task(ws.task).fields}))
    job_id = start_pool(
        ws,
        space_id,
        url,
        name=name,
        mapping=mapping,
        n_examples=examples,
        part_rows=part or PART_ROWS,
        engine=engine,
    )
    if not wait:
        show({"job_id": job_id, "space_id": space_id}, [f"Started: {job_id}"], as_json)
        return
    settle(ws)
    result = owner.get(ws, job_id).result or {}
    spec = owner.get(ws, job_id).spec
    kept = next(each for each in list_datasets(ws) if each.dataset_id == spec["dataset"]["dataset_id"])
    lines = [f"{plural(result['n_samples'], 'text')} read as {kept.role} set {safe(kept.name)} ({kept.dataset_id})."]
    lines.append(kept.kept_in_words)
    if result["n_bad"]:
        lines.append(f"{plural(result['n_bad'], 'bad row')} set aside, see: fac quarantine {kept.dataset_id}")
    show({"job_id": job_id, "space_id": space_id, "dataset": kept, "health": result["health"]}, lines, as_json)
