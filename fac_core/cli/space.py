"""`fac space`: in which model's features a project measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project, SpaceName
from fac_core.cli.show import safe, show, table

space = typer.Typer(help="List the project's feature spaces, add one, choose one.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(space, name="space")


@space.callback(invoke_without_command=True)
def list_by_default(run: typer.Context, named: Project = None, as_json: Json = False) -> None:
    """List the project's feature spaces, add one, choose one."""
    if run.invoked_subcommand is None:
        list_all(named, as_json)


@space.command("list")
def list_all(named: Project = None, as_json: Json = False) -> None:
    """List the project's feature spaces; * marks the one that commands mean."""
    from fac_core.feature_space import spaces

    with context.opened(named) as ws:
        current = context.space_of(ws, None)
        found = [(each, spaces.delta(ws, each.space_id)) for each in spaces.spaces(ws)]
    rows = [
        [
            "*" if each.space_id == current else "",
            each.space_id,
            f"{each.d_sae:,}",
            f"{delta:g}",
            each.spec.hook_in_words(),
            each.name,
        ]
        for each, delta in found
    ]
    value = [
        {
            "space_id": each.space_id,
            "current": each.space_id == current,
            "name": each.name,
            "backbone": each.spec.backbone,
            "revision": each.spec.revision,
            "sae": each.spec.sae,
            "reads": each.spec.hook_in_words(),
            "d_sae": each.d_sae,
            "k": each.spec.k,
            "default_delta": each.default_delta,
            "delta": delta,
        }
        for each, delta in found
    ]
    show(value, table(["", "id", ">features", ">δ", "reads", "name"], rows), as_json)


@space.command("add")
def add(
    backbone: Annotated[
        str, typer.Argument(help="embedded, a local model folder, or a model on the Hugging Face Hub (owner/model).")
    ],
    sae: Annotated[
        Path,
        typer.Argument(
            help="Folder of the SAE: SAELens, Gemma Scope, Llama Scope, sparsify, dictionary_learning or the paper's."
        ),
    ],
    block: Annotated[
        str | None,
        typer.Option(
            "--block",
            "-b",
            help="The SAE reads the output of this block, counted from 1, or a name such as blocks.14.hook_resid_post "
            "(default: the place that the SAE's files name).",
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch on the Hub (default: main, as it is now).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the space (default: model, block and SAE).")] = None,
    dtype: Annotated[str, typer.Option(help="The model computes in float32, bfloat16 or float16.")] = "float32",
    max_length: Annotated[int, typer.Option(help="Tokens read of a text.")] = 512,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Add a feature space: a model, and an SAE that was trained on the output of one of its blocks.

    Its texts are then read with `fac extract --space`; other spaces and what was read in them stay as they are.
    """
    from fac_core.feature_space.adding import add_space
    from fac_core.feature_space.hooks import block_of
    from fac_core.feature_space.spaces import space as space_of

    with context.opened(named) as ws:
        space_id = add_space(
            ws,
            backbone,
            sae,
            block=None if block is None else block_of(block),
            revision=revision,
            name=name,
            dtype=dtype,
            max_length=max_length,
        )
        added = space_of(ws, space_id)
    lines = [
        f"{safe(added.name)} is the space {space_id}: {added.spec.hook_in_words()}, {added.d_sae:,} features.",
        f"Read the texts in it with: fac extract --space {space_id}",
    ]
    value = {"space_id": space_id, "name": added.name, "revision": added.spec.revision, "card": added.card}
    show(value, lines, as_json)


@space.command("accept")
def accept(
    reason: Annotated[str, typer.Argument(help="Why it is used although its SAE does not fit; empty to take it back.")],
    space: SpaceName = None,
    named: Project = None,
) -> None:
    """Use a space although its SAE does not read these texts as its card says."""
    from fac_core.feature_space import health

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        health.accept(ws, space_id, reason)
        typer.echo("It is no longer marked." if reason.strip() else "It is marked wherever it does not fit.")


@space.command("use")
def use(space: Annotated[str, typer.Argument(help="Feature space: id or name.")], named: Project = None) -> None:
    """Make a space the one that commands and the app mean where none is named."""
    from fac_core.feature_space import spaces

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        spaces.choose(ws, space_id)
        typer.echo(f"The project now works in {safe(spaces.space(ws, space_id).name)} ({space_id}).")
