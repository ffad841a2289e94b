"""`fac train-sae`: repeat a recipe. Stopped anywhere, the same command goes on where it was; a changed one does not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fac_core.cli import context
from fac_core.cli.context import Json
from fac_core.cli.show import is_terminal, show
from fac_core.errors import InputError

EVERY_S = 10.0


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("train-sae")(train_sae)


def train_sae(
    recipe: Annotated[Path, typer.Option("--recipe", help="Recipe file (TOML).")],
    data: Annotated[Path, typer.Option("--data", help="Folder that the recipe's paths are relative to.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the SAE and its card.")],
    smoke: Annotated[int | None, typer.Option("--smoke", min=1, help="Stop after this many steps.")] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            "--work", help="Folder for activations and checkpoints (default: OUT.work); kept, for this run alone."
        ),
    ] = None,
    job_of: Annotated[
        str | None, typer.Option("--project", "-p", help="Run it as a job of this project instead of in this terminal.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train an SAE as a recipe says and write it in SAELens format with its card."""
    recipe, data, out = recipe.absolute(), data.absolute(), out.absolute()
    for path, what in ((recipe, "recipe"), (data, "data folder")):
        if not path.exists():
            raise InputError(f"There is no {what} {path}.")
    card = _as_job(job_of, recipe, data, out, smoke) if job_of else _here(recipe, data, out, smoke, work)
    lines = [f"SAE in {out}: FVU {card['fvu']:.3f}, L0 {card['l0']:.1f}, {card['alive_share']:.1%} of features alive"]
    show({"out": out, "card": card}, lines, as_json)


def _here(recipe: Path, data: Path, out: Path, smoke: int | None, work: Path | None) -> dict[str, Any]:
    from fac_core.feature_space.training.job import train_sae as train

    folder = (work or out.with_name(f"{out.name}.work")).absolute()
    said = 0.0

    def progress(done: float, total: float, message: str) -> None:
        nonlocal said
        line = f"{done / total:.0%} {message}"
        if is_terminal():
            typer.echo(f"\r\x1b[K{line}", nl=done >= total, err=True)
        elif done >= total or time.monotonic() - said > EVERY_S:
            said = time.monotonic()
            typer.echo(line, err=True)

    return train(recipe, data, folder, out, progress, smoke)


def _as_job(named: str, recipe: Path, data: Path, out: Path, smoke: int | None) -> dict[str, Any]:
    from fac_core.cli.waiting import wait
    from fac_core.jobs import owner

    with context.opened(named) as ws:
        spec = {"recipe": str(recipe), "data": str(data), "out": str(out), "max_steps": smoke}
        job = wait(ws, owner.start(ws, "train_sae", f"Train an SAE by {recipe.name}", spec))
    return job.result or {}
