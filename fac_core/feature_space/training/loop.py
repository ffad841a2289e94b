"""A run that was stopped anywhere continues from its last checkpoint and shows the remaining samples in the same order.

Shards stay on disk; each epoch is one seeded permutation of all rows, gathered batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import InputError
from fac_core.feature_space.training.recipe import Recipe
from fac_core.feature_space.training.topk_trainer import StepStats, TopKTrainer

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINT = "checkpoint.safetensors"


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


def train(
    recipe: Recipe,
    shards: list[NDArray[np.float16]],
    folder: Path,
    *,
    on_step: Callable[[StepStats, int], None] = lambda _stats, _total: None,
    cancelled: Callable[[], bool] = lambda: False,
    max_steps: int | None = None,
) -> tuple[TopKTrainer, float]:
    """Train (or go on training) the recipe's SAE; returns the trainer and the input scale.

    Raises:
        InputError: fewer activations than one batch.
    """
    import torch
    from safetensors.torch import load_file, save_file

    training = recipe.training
    activations = Activations(shards, training.batch, training.seed)
    if len(activations) < training.batch:
        raise InputError(
            f"The corpus gave {len(activations)} activations, fewer than one batch of {training.batch}; "
            "add texts or make the batch smaller."
        )
    scale = mean_norm_scale(activations)

    def batch(step: int) -> Tensor:
        return torch.from_numpy(activations.step_rows(step)) * scale

    trainer = TopKTrainer.start(recipe.sae, training, batch(0))
    checkpoint = folder / CHECKPOINT
    if checkpoint.is_file():
        trainer.load_state(load_file(str(checkpoint)))
    last = min(trainer.n_steps, max_steps or trainer.n_steps)
    while trainer.step < last and not cancelled():
        on_step(trainer.train_step(batch(trainer.step)), last)
        if trainer.step % training.checkpoint_steps == 0 or trainer.step == last:
            temporary = checkpoint.with_suffix(".tmp")
            save_file(trainer.state(), str(temporary))
            temporary.replace(checkpoint)
    return trainer, scale
