"""A run that was stopped anywhere continues from its last checkpoint and shows the remaining samples in the same order.

One that is asked to stop leaves a checkpoint of its last step. Curve and time are kept in the checkpoint, so they are
of all its steps, whatever session took them; the curve also lies beside it while the run goes on, for people to watch.

Shards stay on disk, mapped into memory; each epoch is one seeded permutation of all rows (8 bytes a row), gathered
batch by batch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import InputError
from fac_core.feature_space.training.recipe import Recipe
from fac_core.feature_space.training.trainer import Schedule, StepStats, Trainer, start_trainer
from fac_core.jobs.journal import write_whole

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINT = "checkpoint.safetensors"
CURVE = "curve.json"
CURVE_EVERY = 10
"""Steps between two points of the curve."""
CURVE_S = 1.0
"""Seconds between two writings of the curve while the run goes on."""


class Trained(NamedTuple):
    """A run as far as it went."""

    trainer: Trainer
    scale: float
    """Factor on the residual stream."""
    curve: list[StepStats]
    seconds: float
    """Time of its steps, over all sessions."""


class Activations:
    """Rows of several residual shards as one array that is never whole in memory."""

    def __init__(self, shards: list[NDArray[np.float16]], batch: int, seed: int) -> None:
        self.shards = shards
        self.starts = np.cumsum([0, *map(len, shards)])
        self.batch = batch
        self.seed = seed
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def rows(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows by global index, as float32 [n, d_in], in ascending order of index."""
        index = np.sort(index)
        cuts = np.searchsorted(index, self.starts)
        parts = [
            shard[index[a:b] - start]
            for shard, start, a, b in zip(self.shards, self.starts, cuts, cuts[1:], strict=False)
            if b > a
        ]
        return np.concatenate(parts).astype(np.float32)

    def step_rows(self, step: int) -> NDArray[np.float32]:
        """The batch of a step: the same whenever and wherever it is asked for."""
        per_epoch = len(self) // self.batch
        epoch, place = divmod(step, per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self))
        return self.rows(self._order[place * self.batch : (place + 1) * self.batch])


def mean_norm_scale(activations: Activations) -> float:
    """Factor that brings the mean norm to sqrt(d_in), estimated on up to 20,000 rows."""
    index = np.random.default_rng(0).choice(len(activations), min(20_000, len(activations)), replace=False)
    x = activations.rows(index)
    return float(np.sqrt(x.shape[1]) / np.linalg.norm(x, axis=1).mean())


def read_curve(folder: Path) -> list[StepStats]:
    """The curve of the run in a folder as far as it was written; empty before its first point."""
    try:
        return [StepStats(**point) for point in json.loads((folder / CURVE).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def train(
    recipe: Recipe,
    shards: list[NDArray[np.float16]],
    folder: Path,
    *,
    on_step: Callable[[StepStats, int], None] = lambda _stats, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
    max_steps: int | None = None,
    device: str = "cpu",
) -> Trained:
    """Train (or go on training) the recipe's SAE on `device`; its curve is also in `folder`, as CURVE.

    Raises:
        InputError: fewer activations than one batch.
    """
    import torch
    from safetensors.torch import load_file

    training = recipe.training
    activations = Activations(shards, training.batch, training.seed)
    if len(activations) < training.batch:
        raise InputError(
            f"The corpus gave {len(activations)} activations, fewer than one batch of {training.batch}; "
            "add texts or make the batch smaller."
        )
    scale = mean_norm_scale(activations)

    def batch(step: int) -> Tensor:
        return torch.from_numpy(activations.step_rows(step)).to(device) * scale

    trainer = start_trainer(recipe.sae, training, batch(0))
    checkpoint = folder / CHECKPOINT
    curve: list[StepStats] = []
    before = 0.0
    if checkpoint.is_file():
        state = load_file(str(checkpoint))
        trainer.load_state(state)
        curve = [StepStats(int(step), *rest) for step, *rest in state["curve"].tolist()]
        before = float(state["seconds"])
    kept, n_steps = trainer.step, Schedule(recipe.sae, training).n_steps
    last = min(n_steps, max_steps or n_steps)
    started = shown = time.monotonic()

    def keep() -> None:
        nonlocal kept
        kept = trainer.step
        _save(checkpoint, trainer, curve, before + time.monotonic() - started)
        _write_curve(folder, curve)

    while trainer.step < last and not cancelled():
        stats = trainer.train_step(batch(trainer.step))
        if stats.step % CURVE_EVERY == 0 or stats.step == last:
            curve.append(stats)
        on_step(stats, last)
        if trainer.step % training.checkpoint_steps == 0 or trainer.step == last:
            keep()
        elif time.monotonic() - shown > CURVE_S:
            shown = time.monotonic()
            _write_curve(folder, curve)
    if trainer.step > kept:  # asked to stop
        keep()
    return Trained(trainer, scale, curve, before + time.monotonic() - started)


def _save(checkpoint: Path, trainer: Trainer, curve: Sequence[StepStats], seconds: float) -> None:
    import torch
    from safetensors.torch import save_file

    beside = {
        "curve": torch.tensor(curve, dtype=torch.float64).reshape(-1, len(StepStats._fields)),
        "seconds": torch.tensor(seconds, dtype=torch.float64),
    }
    temporary = checkpoint.with_suffix(".tmp")
    save_file({name: tensor.contiguous() for name, tensor in (trainer.state() | beside).items()}, str(temporary))
    temporary.replace(checkpoint)


def _write_curve(folder: Path, curve: Sequence[StepStats]) -> None:
    write_whole(folder / CURVE, json.dumps([point._asdict() for point in curve]))
