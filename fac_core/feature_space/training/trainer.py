"""Trainers are the same to the loop: a step on a batch, a state that resumes it exactly, a dictionary at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from fac_core.feature_space.training.recipe import TOPK, SaePart, TrainingPart

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class StepStats(NamedTuple):
    """What one step shows a person."""

    step: int
    fvu: float
    """On the step's own batch, before the update."""
    l0: float
    dead_share: float


class Dictionary(NamedTuple):
    """What was trained, in the units of the scaled vectors."""

    w_enc: Tensor
    """[d_sae, d_in]"""
    b_enc: Tensor
    """[d_sae]"""
    w_dec: Tensor
    """[d_sae, d_in]"""
    b_dec: Tensor
    """[d_in], taken from the input as well"""
    threshold: Tensor | None = None
    """[d_sae], of a JumpReLU; None for a Top-K."""


class Trainer(Protocol):
    """A run under way."""

    step: int
    """Steps done."""

    def train_step(self, x: Tensor) -> StepStats:
        """One update on scaled vectors x [batch, d_in]."""

    def state(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, as tensors for safetensors."""

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from a saved state."""

    def finish(self) -> Dictionary:
        """The dictionary as it is now."""


class Schedule(NamedTuple):
    """What changes from step to step."""

    sae: SaePart
    training: TrainingPart

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return max(1, self.training.samples // self.training.batch)

    def annealed(self, step: int) -> float:
        """How far the annealing is, from 0 to 1."""
        return min(1.0, step / max(1.0, self.sae.k_anneal * self.n_steps))

    def k(self, step: int) -> int:
        """k at a step: annealed from `k_start` to `k`."""
        first = self.sae.k_start or self.sae.k
        return round(first + (self.sae.k - first) * self.annealed(step))

    def lr(self, step: int) -> float:
        """Learning rate at a step: linear warm-up, constant, linear decay to zero."""
        warm = min(1.0, (step + 1) / max(1, self.training.warmup))
        left = (self.n_steps - step) / max(1.0, self.training.decay * self.n_steps)
        return self.training.lr * warm * min(1.0, left)


def start_trainer(sae: SaePart, training: TrainingPart, sample: Tensor) -> Trainer:
    """A fresh run on scaled vectors like `sample` [n, d_in], on its device."""
    if sae.kind == TOPK:
        from fac_core.feature_space.training.topk_trainer import TopKTrainer

        return TopKTrainer.start(sae, training, sample)
    from fac_core.feature_space.training.sae_lens_trainer import SaeLensTrainer

    return SaeLensTrainer.start(sae, training, sample)


def make_optimizer(training: TrainingPart, weights: list[Tensor], biases: list[Tensor]) -> torch.optim.Optimizer:
    """Adam or AdamW as the recipe says; biases are never decayed."""
    import torch

    options = {"lr": training.lr, "betas": (0.9, 0.999), "eps": 1e-8, "fused": True}
    if training.optimizer == "adam":
        return torch.optim.Adam([*weights, *biases], **options)
    groups = [{"params": weights, "weight_decay": training.weight_decay}, {"params": biases, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, **options)


def optimizer_state(optimizer: torch.optim.Optimizer, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Moments of each parameter by name."""
    keys = ("exp_avg", "exp_avg_sq")
    return {f"{name}.{key}": optimizer.state[tensor][key] for name, tensor in parameters.items() for key in keys}


def load_optimizer_state(
    optimizer: torch.optim.Optimizer, parameters: dict[str, Tensor], state: dict[str, Tensor], step: int
) -> None:
    """Inverse of `optimizer_state` after `step` steps."""
    import torch

    for name, tensor in parameters.items():
        optimizer.state[tensor] = {
            "step": torch.tensor(float(step), device=tensor.device),
            "exp_avg": state[f"{name}.exp_avg"].clone().to(tensor.device),
            "exp_avg_sq": state[f"{name}.exp_avg_sq"].clone().to(tensor.device),
        }


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Use a learning rate from now on."""
    for group in optimizer.param_groups:
        group["lr"] = lr
