"""`fac space`: in which model's features a project measures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project, SpaceName
from fac_core.cli.show import safe, say, show, table
from fac_core.errors import InputError

if TYPE_CHECKING:
    from fac_core.feature_space.needs import Needs

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


@space.command("presets")
def list_presets(as_json: Json = False) -> None:
    """List published pairs of a model and an SAE, with what each has to download and under which licence."""
    from fac_core.feature_space import hub
    from fac_core.feature_space.presets import presets

    def access(gated: bool | None) -> str:
        return {True: ", gated", False: "", None: ", perhaps gated"}[gated]

    found = presets()
    rows = [
        [
            each.id,
            str(each.block or ""),
            f"{each.d_sae:,}",
            hub.size(each.model_bytes + each.sae_bytes) if each.model_bytes else "",
            f"{each.model_licence}{access(each.model_gated)}",
            f"{each.sae_licence or 'unknown'}{access(each.sae_gated)}",
            each.title,
        ]
        for each in found
    ]
    refused = [f"{each.id} cannot be used: {each.refused}." for each in found if each.refused]
    heads = ["preset", ">block", ">features", ">download, about", "licence of the model", "of the SAE", "what it is"]
    show(found, [*table(heads, rows), *refused, "Add one with: fac space add --preset NAME"], as_json)


@space.command("add")
def add(
    backbone: Annotated[
        str | None,
        typer.Argument(
            help="embedded, a local model folder, a GGUF file, or a model on the Hugging Face Hub (owner/model, or "
            "owner/model:file.gguf)."
        ),
    ] = None,
    sae: Annotated[
        str | None,
        typer.Argument(
            help="Folder or file of the SAE, or its place on the Hub (owner/repository:folder): SAELens, Gemma Scope, "
            "Llama Scope, sparsify, dictionary_learning or the paper's."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A published pair instead; see: fac space presets")] = None,
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
    sae_revision: Annotated[str | None, typer.Option(help="The same of the SAE.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the space (default: model, block and SAE).")] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="The model computes in float32, bfloat16, float16, or auto: the faster of the first two here "
            "(default: the preset's, or float32)."
        ),
    ] = None,
    max_length: Annotated[int, typer.Option(help="Tokens read of a text.")] = 512,
    topk: Annotated[
        bool, typer.Option("--topk/--no-topk", help="Read a Top-K SAE with its Top-K, or as the paper's code does.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download without asking.")] = False,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Add a feature space: a model, and an SAE that was trained on the output of one of its blocks.

    What has to be downloaded, how much and under which licence is said first, and nothing starts unasked. Texts are
    then read with `fac extract --space`; other spaces and what was read in them stay as they are.
    """
    from fac_core.feature_space import needs
    from fac_core.feature_space.adding import add_space
    from fac_core.feature_space.hooks import block_of
    from fac_core.feature_space.presets import preset as preset_of
    from fac_core.feature_space.spaces import space as space_of

    with context.opened(named) as ws:
        chosen = preset_of(preset) if preset else None
        if chosen and (backbone or sae):
            raise InputError("Name a preset, or a model and an SAE, not both.")
        if chosen:
            backbone, sae = chosen.model, chosen.sae_place
        if not backbone or not sae:
            raise InputError("Name a model and an SAE, or a preset (fac space presets).")
        dtype = dtype or (chosen.dtype if chosen else "float32")
        if chosen and not revision and not sae_revision:
            takes = needs.of_preset(chosen, dtype)
        else:
            takes = needs.of_choice(
                backbone, sae, revision=revision or "", sae_revision=sae_revision or "", dtype=dtype
            )
        if chosen and chosen.caveat:
            say(chosen.caveat)
        _agreed(takes, yes)
        space_id = add_space(
            ws,
            backbone,
            sae,
            block=block_of(block) if block else chosen.block if chosen else None,
            revision=revision,
            sae_revision=sae_revision,
            name=name,
            dtype=dtype,
            max_length=max_length,
            apply_topk=topk,
            declared=chosen.declared if chosen else None,
        )
        added = space_of(ws, space_id)
    lines = [
        f"{safe(added.name)} is the space {space_id}: {added.spec.hook_in_words()}, {added.d_sae:,} features.",
        f"Read the texts in it with: fac extract --space {space_id}",
    ]
    value = {"space_id": space_id, "name": added.name, "revision": added.spec.revision, "card": added.card}
    show(value, lines, as_json)


def _agreed(takes: Needs, yes: bool) -> None:
    """Say what a space takes, and go on only if the person wants it downloaded.

    Raises:
        InputError: it does not fit on the disk, or nobody agreed.
    """
    if takes.asks:
        for line in takes.lines:
            say(line)
    if takes.warning:
        say(takes.warning)
    takes.check_room()
    if not takes.asks or yes:
        return
    if not sys.stdin.isatty():
        raise InputError("Nothing was downloaded; add --yes to start.")
    if not typer.confirm("Download?", err=True):
        raise InputError("Nothing was downloaded.")


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
