"""SAELens' own loss trains BatchTopK and JumpReLU; what is written is a JumpReLU whose decoder rows have unit norm.

The training classes of SAELens give the forward pass and its losses; optimiser, schedules and the count of silent
samples are those of the Top-K trainer, so a checkpoint is a handful of tensors and a recipe means the same. Folding the
decoder's norms into encoder and threshold changes no reconstruction and puts activations in the units of a Top-K's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fac_core.feature_space.training.recipe import BATCHTOPK, SaePart, TrainingPart
from fac_core.feature_space.training.trainer import (
    Dictionary,
    Schedule,
    StepStats,
    load_optimizer_state,
    make_optimizer,
    optimizer_state,
    set_lr,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAX_GRADIENT_NORM = 1.0
"""As SAELens' trainer clips."""
PRE_ACT_SHARE = 32
"""Weight of the loss that pulls dead JumpReLU features over their threshold, in the recipe's `aux_weight`s; SAELens'
3e-6, meant for long runs, left 60 % dead after 390 steps where this left 10 %."""
THRESHOLD_MEMORY = 10
"""The batch threshold averages the last tenth of the steps, at most the last hundred."""


@dataclass
class SaeLensTrainer:
    """State of a training run."""

    sae: SaePart
    training: TrainingPart
    module: Any
    """A training SAE of SAELens."""
    optimizer: torch.optim.Optimizer
    silent: Tensor
    """[d_sae], samples seen since each feature last fired"""
    step: int = 0

    @classmethod
    def start(cls, sae: SaePart, training: TrainingPart, sample: Tensor) -> SaeLensTrainer:
        """A fresh dictionary for scaled vectors like `sample` [n, d_in], its decoder bias at the mean."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            module = _module(sae, training, sample.shape[1])
        module = module.to(sample.device)
        with torch.no_grad():
            module.b_dec.copy_(sample.mean(0))
        weights = [parameter for parameter in module.parameters() if parameter.ndim == 2]
        others = [parameter for parameter in module.parameters() if parameter.ndim != 2]
        optimizer = make_optimizer(training, weights, others)
        return cls(sae, training, module, optimizer, torch.zeros(sae.d_sae, device=sample.device))

    def train_step(self, x: Tensor) -> StepStats:
        """One update on scaled vectors x [batch, d_in]."""
        import torch
        from sae_lens.saes.sae import TrainStepInput

        schedule = Schedule(self.sae, self.training)
        if self.sae.kind == BATCHTOPK:
            self.module.activation_fn.k = schedule.k(self.step)
            # SAELens' moving average starts at zero, which a short run would never leave
            self.module.cfg.topk_threshold_lr = max(0.01, THRESHOLD_MEMORY / (self.step + THRESHOLD_MEMORY))
        self.module.train()
        out = self.module.training_forward_pass(
            TrainStepInput(
                sae_in=x,
                coefficients={"l0": schedule.annealed(self.step + 1)},
                dead_neuron_mask=self.silent > self.training.dead_after,
                n_training_steps=self.step,
                is_logging_step=False,
            )
        )
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), MAX_GRADIENT_NORM)
        set_lr(self.optimizer, schedule.lr(self.step))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        with torch.no_grad():
            active = out.feature_acts > 0
            self.silent += len(x)
            self.silent[active.any(0)] = 0
            fvu = (out.sae_out - x).square().sum() / (x - x.mean(0)).square().sum()
            dead = (self.silent > self.training.dead_after).float().mean()
            return StepStats(self.step, float(fvu), int(active.sum()) / len(x), float(dead))

    def state(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, as tensors for safetensors."""
        import torch

        moments = optimizer_state(self.optimizer, dict(self.module.named_parameters()))
        module = {name: tensor.detach() for name, tensor in self.module.state_dict().items()}
        return {**module, **moments, "silent": self.silent, "step": torch.tensor(self.step)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from a saved state."""
        self.step = int(state["step"])
        self.module.load_state_dict({name: state[name] for name in self.module.state_dict()})
        load_optimizer_state(self.optimizer, dict(self.module.named_parameters()), state, self.step)
        self.silent.copy_(state["silent"])

    def finish(self) -> Dictionary:
        """The dictionary as it is now, thresholds in place of the batch's k largest."""
        import torch

        with torch.no_grad():
            module = self.module
            norms = module.W_dec.norm(dim=1)
            if self.sae.kind == BATCHTOPK:  # its threshold is one of pre-activations times the decoder's norm
                threshold = module.topk_threshold.float().expand(self.sae.d_sae).clone()
            else:
                threshold = module.threshold.clamp(min=0.0) * norms
            return Dictionary(
                w_enc=module.W_enc.T * norms[:, None],
                b_enc=module.b_enc * norms,
                w_dec=module.W_dec / norms[:, None],
                b_dec=module.b_dec.detach().clone(),
                threshold=threshold,
            )


def _module(sae: SaePart, training: TrainingPart, d_in: int) -> Any:
    from sae_lens import (
        BatchTopKTrainingSAE,
        BatchTopKTrainingSAEConfig,
        JumpReLUTrainingSAE,
        JumpReLUTrainingSAEConfig,
    )

    shape = {"d_in": d_in, "d_sae": sae.d_sae, "normalize_activations": "none", "apply_b_dec_to_input": True}
    if sae.kind == BATCHTOPK:
        config = BatchTopKTrainingSAEConfig(**shape, k=sae.k, aux_loss_coefficient=training.aux_weight)
        return BatchTopKTrainingSAE(config)
    revived = PRE_ACT_SHARE * training.aux_weight or None
    config = JumpReLUTrainingSAEConfig(
        **shape,
        jumprelu_sparsity_loss_mode="quadratic",  # of Gemma Scope 2: a target in place of a weight
        target_l0=sae.k,
        jumprelu_ste_to_input=True,  # thresholds alone move too slowly for a short run
        pre_act_loss_coefficient=revived,
    )
    return JumpReLUTrainingSAE(config)
