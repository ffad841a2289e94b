"""Only the k active features of a sample receive gradient, and untied decoder rows have unit norm after every step.

A Top-K SAE (pre = W_enc (x - b_dec) + b_enc, the k largest, ReLU, decode) trained on vectors scaled to a mean norm of
sqrt(d_in), with gradients written out by hand: all but the encoder's forward product is sparse, which makes a step
several times cheaper than autograd over dense codes (a test holds the gradients against autograd). Tied, encoder and
decoder are one matrix whose rows keep the norm they learn: it is the feature's gain. Dead features get an auxiliary
loss: they reconstruct the residual error (AuxK; Gao et al. 2024, arXiv 2406.04093).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fac_core.feature_space.training.recipe import SaePart, TrainingPart
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


class Gradients(NamedTuple):
    """Gradients of the loss, each shaped like its parameter."""

    w_enc: Tensor
    b_enc: Tensor
    w_dec: Tensor
    b_dec: Tensor


@dataclass
class TopKTrainer:
    """State of a training run: parameters, optimiser, firing counters."""

    sae: SaePart
    training: TrainingPart
    w_enc: Tensor
    """[d_sae, d_in]"""
    b_enc: Tensor
    w_dec: Tensor
    """[d_sae, d_in], unit rows; tied, it is `w_enc`"""
    b_dec: Tensor
    optimizer: torch.optim.Optimizer
    silent: Tensor
    """[d_sae], samples seen since each feature last fired"""
    step: int = 0

    @classmethod
    def start(cls, sae: SaePart, training: TrainingPart, sample: Tensor) -> TopKTrainer:
        """A fresh dictionary for scaled vectors like `sample` [n, d_in]: random tied directions, bias at the mean."""
        import torch

        generator = torch.Generator().manual_seed(training.seed)
        w_dec = torch.randn(sae.d_sae, sample.shape[1], generator=generator).to(sample.device)
        w_dec /= w_dec.norm(dim=1, keepdim=True)
        w_enc = w_dec if sae.tied else w_dec.clone()
        b_enc, b_dec = torch.zeros(sae.d_sae, device=sample.device), sample.mean(0)
        optimizer = make_optimizer(training, [w_enc] if sae.tied else [w_enc, w_dec], [b_enc, b_dec])
        return cls(sae, training, w_enc, b_enc, w_dec, b_dec, optimizer, torch.zeros_like(b_enc))

    def train_step(self, x: Tensor) -> StepStats:
        """One update on scaled vectors x [batch, d_in]."""
        import torch

        schedule = Schedule(self.sae, self.training)
        gradients, error, active, fired = self.gradients(x, schedule.k(self.step))
        if self.sae.tied:
            gradients = gradients._replace(w_dec=gradients.w_dec.add_(gradients.w_enc))
        else:
            # a step along a row's own direction would be undone by the normalisation below
            g_dec = gradients.w_dec
            g_dec -= (g_dec * self.w_dec).sum(1, keepdim=True) * self.w_dec
        for name, parameter in self._parameters().items():
            parameter.grad = getattr(gradients, name)
        set_lr(self.optimizer, schedule.lr(self.step))
        self.optimizer.step()
        if not self.sae.tied:
            self.w_dec /= self.w_dec.norm(dim=1, keepdim=True)
        self.silent += len(x)
        self.silent[fired] = 0
        self.step += 1
        variance = (x - x.mean(0)).square().sum()
        dead = (self.silent > self.training.dead_after).float().mean()
        with torch.no_grad():
            return StepStats(self.step, float(error.square().sum() / variance), active / len(x), float(dead))

    def gradients(self, x: Tensor, k: int) -> tuple[Gradients, Tensor, int, Tensor]:
        """Gradients of mean squared error plus auxiliary loss; also the error [batch, d_in], count and ids firing.

        Tied, those of encoder and decoder are the two parts of the one matrix's.
        """
        import torch
        import torch.nn.functional as F

        with torch.no_grad():
            centred = x - self.b_dec
            pre = torch.addmm(self.b_enc, centred, self.w_enc.T)
            values, features = pre.topk(k, dim=-1, sorted=False)
            values = values.relu_()
            decoded = F.embedding_bag(features, self.w_dec, per_sample_weights=values, mode="sum")
            error = decoded + self.b_dec - x
            scale = 2.0 / error.numel()
            total = self._sparse_gradients(features, values, centred, error * scale)
            dead = (self.silent > self.training.dead_after).nonzero()[:, 0]
            if len(dead) and self.training.aux_weight > 0:
                aux = self._aux_gradients(pre, dead, centred, error, scale)
                total = Gradients(*(a.add_(b) for a, b in zip(total, aux, strict=True)))
            fired = features[values > 0]
            return total, error, len(fired), fired

    def _aux_gradients(self, pre: Tensor, dead: Tensor, centred: Tensor, error: Tensor, scale: float) -> Gradients:
        """Dead features decode what is missing (-error), treated as a constant target."""
        import torch.nn.functional as F

        values, which = pre[:, dead].topk(min(self.training.aux_k, len(dead)), dim=-1, sorted=False)
        values, features = values.relu_(), dead[which]
        decoded = F.embedding_bag(features, self.w_dec, per_sample_weights=values, mode="sum")
        gradient = (decoded + error) * (scale * self.training.aux_weight)
        found = self._sparse_gradients(features, values, centred, gradient)
        # the target holds the bias already: the auxiliary loss does not move b_dec through the decoder
        return found._replace(b_dec=found.b_dec - gradient.sum(0))

    def _sparse_gradients(self, features: Tensor, values: Tensor, centred: Tensor, d_out: Tensor) -> Gradients:
        """Back-propagate d_out [batch, d_in] through decoder and encoder, touching active features only."""
        import torch

        batch, k = features.shape
        d_values = torch.empty_like(values)
        for begin in range(0, batch, 512):  # gathered rows: 512 × k × d_in floats at a time
            part = slice(begin, begin + 512)
            d_values[part] = torch.bmm(self.w_dec[features[part]], d_out[part, :, None])[:, :, 0]
        d_values *= values > 0
        flat = features.flatten()
        order = flat.argsort()
        crow = torch.zeros(self.sae.d_sae + 1, dtype=torch.int64, device=flat.device)
        crow[1:] = torch.bincount(flat, minlength=self.sae.d_sae).cumsum(0)
        columns = torch.arange(batch, device=flat.device).repeat_interleave(k)[order]
        size = (self.sae.d_sae, batch)
        by_value = torch.sparse_csr_tensor(crow, columns, values.flatten()[order], size)
        by_gradient = torch.sparse_csr_tensor(crow, columns, d_values.flatten()[order], size)
        b_enc = torch.zeros_like(self.b_enc).index_add_(0, flat, d_values.flatten())
        return Gradients(
            w_enc=by_gradient @ centred,
            b_enc=b_enc,
            w_dec=by_value @ d_out,
            b_dec=d_out.sum(0) - b_enc @ self.w_enc,
        )

    def _parameters(self) -> dict[str, Tensor]:
        found = {"w_enc": self.w_enc, "b_enc": self.b_enc, "w_dec": self.w_dec, "b_dec": self.b_dec}
        if self.sae.tied:
            del found["w_enc"]
        return found

    def state(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, as tensors for safetensors."""
        import torch

        parameters = self._parameters()
        moments = optimizer_state(self.optimizer, parameters)
        return {**parameters, **moments, "silent": self.silent, "step": torch.tensor(self.step)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from a saved state."""
        self.step = int(state["step"])
        for name, parameter in self._parameters().items():
            parameter.copy_(state[name])
        load_optimizer_state(self.optimizer, self._parameters(), state, self.step)
        self.silent.copy_(state["silent"])

    def finish(self) -> Dictionary:
        """The dictionary as it is now."""
        return Dictionary(self.w_enc, self.b_enc, self.w_dec, self.b_dec)
