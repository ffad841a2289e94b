"""Recipe in, SAE with an honest card out; stopped anywhere, it goes on where it was.

Three stages in one work folder: residual shards of the corpus, training with checkpoints, export and measurement on
held-out texts. The job kind ``train_sae`` and the command line call the same function. The SAE's folder also holds the
recipe and the curve; its card comes last, so a folder with a card is whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import FacError
from fac_core.feature_space import embedded
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.backbones import folder_of, resolve
from fac_core.feature_space.extractor import default_device
from fac_core.feature_space.sae_formats import load_sae
from fac_core.feature_space.space import EMBEDDED
from fac_core.feature_space.training.corpus import corpus_files
from fac_core.feature_space.training.export import export_saelens
from fac_core.feature_space.training.identity import claim, identity
from fac_core.feature_space.training.loop import CHECKPOINT, CURVE, train
from fac_core.feature_space.training.measure import measure
from fac_core.feature_space.training.reading import Reading, read_corpus, shards
from fac_core.feature_space.training.recipe import Recipe, make_recipe
from fac_core.feature_space.training.trainer import StepStats
from fac_core.jobs.journal import write_whole

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from fac_core.jobs.folder import JobFolder
    from fac_core.workspace import Workspace

Progress = Callable[[float, float, str], None]
FULL = 100.0
"""The progress of a finished run."""
READ_COST = 20
"""Reading a token takes about as long as training on this many (two cores, embedded model); for the progress only."""
CARD, RECIPE = "card.json", "recipe.json"
RESIDUALS = "residuals"


class Cancelled(FacError):
    """The person asked to stop; what was computed is kept."""


def train_sae(
    recipe: Recipe,
    data: Path,
    work: Path,
    out: Path,
    progress: Progress = lambda _done, _total, _message: None,
    max_steps: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train the recipe's SAE and write it to `out` in SAELens format with ``card.json``; returns the card.

    Args:
        recipe: what decides the outcome, see `Recipe`.
        data: folder the recipe's paths are relative to.
        work: folder for shards and checkpoints; kept, so that a second call resumes, of this run alone.
        out: folder for the SAE.
        progress: called with (done, total, message); total is FULL.
        max_steps: stop training early, for a smoke test.
        cancelled: polled between batches.

    Raises:
        InputError: corpus file unusable, too little text, or `work` holds another run.
        ModelError: backbone unusable.
        Cancelled: stopped on request.
    """
    progress(0, FULL, "Loading the model")
    model = resolve(recipe.space.backbone, recipe.space.revision)
    claim(work, identity(recipe, model.digest, data, corpus_files(recipe.corpus, data)))
    folder, device = folder_of(model.backbone, model.revision), default_device()
    backbone = Backbone.load(folder, recipe.space.block, dtype=recipe.space.dtype, device=device)
    residuals = work / RESIDUALS
    asked = sum(source.tokens for source in recipe.corpus.source) * 1000
    read_share = FULL * asked * READ_COST / (asked * READ_COST + recipe.training.samples)

    def reading(now: Reading) -> None:
        if cancelled():
            raise Cancelled("Reading was stopped; start it again to go on.")
        n_read = now.tokens + now.heldout
        progress(min(1.0, n_read / now.total) * read_share, FULL, f"read {n_read:,} of at most {now.total:,} tokens")

    read = read_corpus(recipe, backbone, data, residuals, reading)
    n_blocks, d_model = backbone.n_blocks, backbone.d_model
    del backbone  # its memory is the trainer's now

    def on_step(stats: StepStats, total: int) -> None:
        message = f"step {stats.step} of {total}: FVU {stats.fvu:.3f}, L0 {stats.l0:.1f}, dead {stats.dead_share:.1%}"
        progress(read_share + (FULL - read_share) * stats.step / total, FULL, message)

    done = train(
        recipe,
        shards(residuals, "train", read.n_blocks),
        work,
        on_step=on_step,
        cancelled=cancelled,
        max_steps=max_steps,
        device=device,
    )
    if cancelled():
        raise Cancelled("Training was stopped; start it again to go on from where it was.")
    (out / CARD).unlink(missing_ok=True)
    export_saelens(
        out,
        done.trainer.finish(),
        scale=done.scale,
        k=recipe.sae.k,
        metadata={
            "model_name": embedded.MODEL_ID if recipe.space.backbone == EMBEDDED else model.title,
            "hook_name": f"model.layers.{recipe.space.block - 1}",
            "hf_hook_name": f"model.layers.{recipe.space.block - 1}",
            "prepend_bos": True,
        },
    )
    card = {
        **_card(recipe, n_blocks, d_model, read.tokens, done.trainer.step, done.scale),
        "k": load_sae(out).sae.k,
        **_measured(out, shards(residuals, "heldout", read.n_blocks)),
        "dead_share": round(done.curve[-1].dead_share, 4),
        "training_minutes": round(done.seconds / 60, 1),
    }
    write_whole(out / RECIPE, recipe.model_dump_json(indent=2) + "\n")
    write_whole(out / CURVE, json.dumps([point._asdict() for point in done.curve]))
    write_whole(out / CARD, json.dumps(card, indent=2) + "\n")
    return card


def _card(
    recipe: Recipe, n_blocks: int, d_model: int, used: dict[str, list[int]], steps: int, scale: float
) -> dict[str, Any]:
    return {
        "backbone": embedded.MODEL_ID if recipe.space.backbone == EMBEDDED else recipe.space.backbone,
        "block": recipe.space.block,
        "n_blocks": n_blocks,
        "d_in": d_model,
        "kind": recipe.sae.kind,
        "d_sae": recipe.sae.d_sae,
        "trained_k": recipe.sae.k,
        "input_scale": scale,
        "steps": steps,
        "samples": steps * recipe.training.batch,
        "distinct_tokens": sum(train for train, _ in used.values()),
        "sources": {path: {"train": train, "heldout": held} for path, (train, held) in used.items()},
    }


def _measured(out: Path, heldout: list[NDArray[np.float16]]) -> dict[str, Any]:
    found = measure(out, heldout)
    return {
        "fvu": round(found.fvu, 4),
        "l0": round(found.l0, 3),
        "alive_share": round(found.alive_share, 4),
        "dense_share": round(found.dense_share, 5),
        "heldout_tokens": found.tokens,
        "positive_activation_quartiles": found.quartiles,
    }


def run(job: JobFolder) -> dict[str, Any]:
    """The job kind ``train_sae``: spec has ``recipe`` (its entries), ``out``, ``data`` (a folder, or None where the
    texts came as input tables) and optionally ``max_steps``. A finished job keeps its curve and nothing else."""
    spec = job.spec
    recipe = make_recipe(spec["recipe"])
    data = Path(spec["data"]) if spec["data"] else job.root / "input"
    card = train_sae(recipe, data, job.work, Path(spec["out"]), job.progress, spec["max_steps"], job.cancelled)
    shutil.rmtree(job.work / RESIDUALS, ignore_errors=True)
    (job.work / CHECKPOINT).unlink(missing_ok=True)
    return card


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """An SAE is a folder of files; nothing of it goes into the store."""


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """The SAE lies in the folder the spec names; it becomes a space when a person makes one of it."""
