"""`fac train-sae`: repeat a recipe, or train on a project's texts. Stopped anywhere, a recipe goes on where it was with
the same command and a project's job with `fac jobs resume`; a changed recipe does not.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fac_core.cli import context
from fac_core.cli.context import Json
from fac_core.cli.show import is_terminal, show
from fac_core.errors import InputError

EVERY_S = 10.0
SHAPE, OPTIMISATION = ("kind", "d_sae", "k"), ("samples", "batch")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("train-sae")(train_sae)


def train_sae(
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Recipe file (TOML); without one, a project's texts are read.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder that the recipe's paths are relative to.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the SAE and its card.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset", help="small or paper: what the recipe leaves out of [sae] and [training] (default: small)."
        ),
    ] = None,
    smoke: Annotated[int | None, typer.Option("--smoke", min=1, help="Stop after this many steps.")] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            "--work", help="Folder for activations and checkpoints (default: OUT.work); kept, for this run alone."
        ),
    ] = None,
    job_of: Annotated[
        str | None,
        typer.Option(
            "--project", "-p", help="With --recipe: run it as a job of this project instead of in this terminal."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="On a project's texts: name of the SAE.")] = None,
    model: Annotated[
        str, typer.Option("--model", help="On a project's texts: embedded, a folder, or owner/model.")
    ] = "embedded",
    revision: Annotated[str, typer.Option("--revision", help="Commit, tag or branch of a model on the Hub.")] = "",
    block: Annotated[
        int | None, typer.Option("--block", "-b", min=1, help="Block whose output is read, from 1 (default: half).")
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", help="Name, id or role; several times (default: all but held-out sets)."),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens", min=1, help="Tokens read in all (default: 200,000).")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="topk, batchtopk or jumprelu.")] = None,
    d_sae: Annotated[int | None, typer.Option("--d-sae", help="Features.")] = None,
    k: Annotated[int | None, typer.Option("--k", help="Active features a token.")] = None,
    samples: Annotated[int | None, typer.Option("--samples", help="Activations shown, with repetition.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Activations a step.")] = None,
    as_json: Json = False,
) -> None:
    """Train an SAE and write it in SAELens format with its card: by a recipe, or on a project's texts (--name)."""
    chosen = {"kind": kind, "d_sae": d_sae, "k": k, "samples": samples, "batch": batch}
    if recipe is None:
        if not name:
            raise InputError("Name a recipe with --recipe, or an SAE to train on a project's texts with --name.")
        if data or out or work:
            raise InputError("--data, --out and --work belong to --recipe; an SAE of a project lies in its folder.")
        space = {"backbone": model, "revision": revision, "block": block}
        card, where = _on_project(job_of, name, preset, space, chosen, dataset, tokens, smoke)
    else:
        if data is None or out is None:
            raise InputError("A recipe needs --data, the folder of its texts, and --out, the folder of the SAE.")
        where = out.absolute()
        card = _by_recipe(recipe.absolute(), data.absolute(), where, preset, chosen, smoke, work, job_of)
    lines = [
        f"SAE in {where}: FVU {card['fvu']:.3f}, L0 {card['l0']:.1f}, {card['alive_share']:.1%} of features alive on "
        "held-out texts"
    ]
    show({"out": where, "card": card}, lines, as_json)


def _by_recipe(
    path: Path,
    data: Path,
    out: Path,
    preset: str | None,
    chosen: dict[str, Any],
    smoke: int | None,
    work: Path | None,
    job_of: str | None,
) -> dict[str, Any]:
    from fac_core.feature_space.training.job import train_sae as train
    from fac_core.feature_space.training.presets import load_preset
    from fac_core.feature_space.training.recipe import load_recipe, make_recipe, merged

    for there, what in ((path, "recipe"), (data, "data folder")):
        if not there.exists():
            raise InputError(f"There is no {what} {there}.")
    recipe = load_recipe(path, load_preset(preset).entries if preset else None)
    recipe = make_recipe(merged(recipe.model_dump(exclude_unset=True), _entries(chosen)), f"The recipe {path}")
    if job_of:
        from fac_core.jobs import owner

        with context.opened(job_of) as ws:
            spec = {"recipe": recipe.model_dump(mode="json"), "data": str(data), "out": str(out), "max_steps": smoke}
            return _waited(ws, owner.start(ws, "train_sae", f"Train an SAE by {path.name}", spec))
    return train(recipe, data, (work or out.with_name(f"{out.name}.work")).absolute(), out, _progress(), smoke)


def _on_project(
    named: str | None,
    name: str,
    preset: str | None,
    space: dict[str, Any],
    chosen: dict[str, Any],
    datasets: list[str] | None,
    tokens: int | None,
    smoke: int | None,
) -> tuple[dict[str, Any], Path]:
    from fac_core.feature_space.training.in_project import MAX_TOKENS, readable, start_training
    from fac_core.feature_space.training.presets import SMALL, load_preset
    from fac_core.feature_space.training.recipe import JUMPRELU, merged
    from fac_core.jobs import owner

    entries = merged(load_preset(preset or SMALL).entries, _entries(chosen) | {"space": space})
    if chosen["kind"] == JUMPRELU:
        entries["sae"].pop("k_start", None)
    with context.opened(named or os.environ.get("FAC_PROJECT")) as ws:
        there = readable(ws)
        wanted = set(datasets or [each.dataset_id for each in there])
        found = [each for each in there if wanted & {each.dataset_id, each.name, each.role}]
        said = {word for each in found for word in (each.dataset_id, each.name, each.role)}
        if unknown := sorted(wanted - said):
            raise InputError(f"This project has no dataset {unknown[0]!r} to train on; list them with: fac datasets")
        job_id = start_training(
            ws,
            name,
            entries,
            [each.dataset_id for each in found],
            max_tokens=tokens or MAX_TOKENS,
            max_steps=smoke,
        )
        card = _waited(ws, job_id)
        return card, Path(owner.get(ws, job_id).spec["out"])


def _entries(chosen: dict[str, Any]) -> dict[str, Any]:
    parts = {"sae": SHAPE, "training": OPTIMISATION}
    return {
        part: {name: chosen[name] for name in names if chosen[name] is not None}
        for part, names in parts.items()
        if any(chosen[name] is not None for name in names)
    }


def _waited(ws: Any, job_id: str) -> dict[str, Any]:
    from fac_core.cli.waiting import wait

    return wait(ws, job_id).result or {}


def _progress() -> Any:
    said = 0.0

    def progress(done: float, total: float, message: str) -> None:
        nonlocal said
        line = f"{done / total:.0%} {message}"
        if is_terminal():
            typer.echo(f"\r\x1b[K{line}", nl=done >= total, err=True)
        elif done >= total or time.monotonic() - said > EVERY_S:
            said = time.monotonic()
            typer.echo(line, err=True)

    return progress
