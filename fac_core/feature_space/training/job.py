"""Recipe in, SAE with an honest card out; stopped anywhere, it goes on where it was.

Three stages in one work folder: residual shards of the corpus, training with checkpoints, export and measurement on
held-out texts. The job kind ``train_sae`` and the command line call the same function.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import FacError
from fac_core.feature_space import embedded
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.backbones import folder_of, resolve
from fac_core.feature_space.space import EMBEDDED
from fac_core.feature_space.training.corpus import corpus_files
from fac_core.feature_space.training.export import export_saelens
from fac_core.feature_space.training.identity import claim, identity
from fac_core.feature_space.training.loop import train
from fac_core.feature_space.training.measure import measure
from fac_core.feature_space.training.reading import Reading, read_corpus, shards
from fac_core.feature_space.training.recipe import Recipe, load_recipe
from fac_core.feature_space.training.topk_trainer import StepStats

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from fac_core.jobs.folder import JobFolder
    from fac_core.workspace import Workspace

Progress = Callable[[float, float, str], None]
READ_SHARE = 0.5  # of the progress bar; the rest is training


class Cancelled(FacError):
    """The person asked to stop; what was computed is kept."""


def train_sae(
    recipe_path: Path,
    data: Path,
    work: Path,
    out: Path,
    progress: Progress = lambda _done, _total, _message: None,
    max_steps: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train the recipe's SAE and write it to `out` in SAELens format with ``card.json``; returns the card.

    Args:
        recipe_path: TOML file, see `Recipe`.
        data: folder the recipe's paths are relative to.
        work: folder for shards and checkpoints; kept, so that a second call resumes, of this run alone.
        out: folder for the SAE.
        progress: called with (done, total, message); total is 1.
        max_steps: stop training early, for a smoke test.
        cancelled: polled between batches.

    Raises:
        InputError: recipe or corpus file unusable, too little text, or `work` holds another run.
        ModelError: backbone unusable.
        Cancelled: stopped on request.
    """
    recipe = load_recipe(recipe_path)
    model = resolve(recipe.space.backbone, recipe.space.revision)
    claim(work, identity(recipe, model.digest, data, corpus_files(recipe.corpus, data)))
    backbone = Backbone.load(folder_of(model.backbone, model.revision), recipe.space.block)
    residuals = work / "residuals"

    def reading(now: Reading) -> None:
        if cancelled():
            raise Cancelled("Reading was stopped; start it again to go on.")
        n_read = now.tokens + now.heldout
        progress(min(1.0, n_read / now.total) * READ_SHARE, 1, f"read {n_read:,} of at most {now.total:,} tokens")

    read = read_corpus(recipe, backbone, data, residuals, reading)

    def on_step(stats: StepStats, total: int) -> None:
        message = f"step {stats.step} of {total}: FVU {stats.fvu:.3f}, dead {stats.dead_share:.1%}"
        progress(READ_SHARE + (1 - READ_SHARE) * stats.step / total, 1, message)

    done = train(
        recipe,
        shards(residuals, "train", read.n_blocks),
        work,
        on_step=on_step,
        cancelled=cancelled,
        max_steps=max_steps,
    )
    trainer = done.trainer
    if cancelled():
        raise Cancelled("Training was stopped; start it again to go on from the last checkpoint.")
    export_saelens(
        out,
        w_enc=trainer.w_enc,
        b_enc=trainer.b_enc,
        w_dec=trainer.w_dec,
        b_dec=trainer.b_dec,
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
        **_card(recipe, backbone, read.tokens, trainer.step, done.scale),
        **_measured(out, shards(residuals, "heldout", read.n_blocks)),
        "training_minutes": round(done.seconds / 60, 1),
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return card


def _card(recipe: Recipe, backbone: Backbone, used: dict[str, list[int]], steps: int, scale: float) -> dict[str, Any]:
    return {
        "backbone": embedded.MODEL_ID if recipe.space.backbone == EMBEDDED else recipe.space.backbone,
        "block": recipe.space.block,
        "n_blocks": backbone.n_blocks,
        "d_in": backbone.d_model,
        "d_sae": recipe.sae.d_sae,
        "k": recipe.sae.k,
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
    """The job kind ``train_sae``: spec has ``recipe``, ``data``, ``out`` and optionally ``max_steps``."""
    spec = job.spec
    return train_sae(
        Path(spec["recipe"]),
        Path(spec["data"]),
        job.work,
        Path(spec["out"]),
        job.progress,
        spec.get("max_steps"),
        job.cancelled,
    )


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """An SAE is a folder of files; nothing of it goes into the store."""


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """The SAE lies in the folder the spec names; it becomes a space when a person makes one of it."""
