"""The decoder rows have unit norm after every step, and only the k active features of a sample receive gradient.

A Top-K SAE (pre = W_enc (x - b_dec) + b_enc, the k largest, ReLU, decode) trained on vectors scaled to a mean norm of
sqrt(d_in), with gradients written out by hand: all but the encoder's forward product is sparse, which makes a step
several times cheaper than autograd over dense codes (a test holds the gradients against autograd). Dead features get
an auxiliary loss: they reconstruct the residual error (AuxK; Gao et al. 2024, arXiv 2406.04093).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fac_core.feature_space.training.recipe import SaePart, TrainingPart

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
    """[d_sae, d_in], unit rows"""
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
        w_dec = torch.randn(sae.d_sae, sample.shape[1], generator=generator)
        w_dec /= w_dec.norm(dim=1, keepdim=True)
        parameters = [w_dec.clone(), torch.zeros(sae.d_sae), w_dec, sample.mean(0)]
        optimizer = torch.optim.Adam(parameters, lr=training.lr, betas=(0.9, 0.999), eps=1e-8, fused=True)
        w_enc, b_enc, w_dec, b_dec = parameters
        return cls(sae, training, w_enc, b_enc, w_dec, b_dec, optimizer, torch.zeros(sae.d_sae))

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return max(1, self.training.samples // self.training.batch)

    def k_now(self) -> int:
        """k at this step: annealed from `k_start` to `k`."""
        first = self.sae.k_start or self.sae.k
        share = min(1.0, self.step / max(1.0, self.sae.k_anneal * self.n_steps))
        return round(first + (self.sae.k - first) * share)

    def lr_now(self) -> float:
        """Learning rate at this step: linear warm-up, constant, linear decay to zero."""
        warm = min(1.0, (self.step + 1) / max(1, self.training.warmup))
        left = (self.n_steps - self.step) / max(1.0, self.training.decay * self.n_steps)
        return self.training.lr * warm * min(1.0, left)

    def train_step(self, x: Tensor) -> StepStats:
        """One update on scaled vectors x [batch, d_in]."""
        import torch

        gradients, error, active, fired = self.gradients(x, self.k_now())
        for parameter, gradient in zip(self._parameters(), gradients, strict=True):
            parameter.grad = gradient
        # a step along a row's own direction would be undone by the normalisation below
        g_dec = gradients.w_dec
        g_dec -= (g_dec * self.w_dec).sum(1, keepdim=True) * self.w_dec
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr_now()
        self.optimizer.step()
        self.w_dec /= self.w_dec.norm(dim=1, keepdim=True)
        self.silent += len(x)
        self.silent[fired] = 0
        self.step += 1
        variance = (x - x.mean(0)).square().sum()
        dead = (self.silent > self.training.dead_after).float().mean()
        with torch.no_grad():
            return StepStats(self.step, float(error.square().sum() / variance), active / len(x), float(dead))

    def gradients(self, x: Tensor, k: int) -> tuple[Gradients, Tensor, int, Tensor]:
        """Gradients of mean squared error plus auxiliary loss; also the error [batch, d_in], count and ids firing."""
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
        crow = torch.zeros(self.sae.d_sae + 1, dtype=torch.int64)
        crow[1:] = torch.bincount(flat, minlength=self.sae.d_sae).cumsum(0)
        columns = torch.arange(batch).repeat_interleave(k)[order]
        size = (self.sae.d_sae, batch)
        by_value = torch.sparse_csr_tensor(crow, columns, values.flatten()[order], size)
        by_gradient = torch.sparse_csr_tensor(crow, columns, d_values.flatten()[order], size)
        b_enc = torch.zeros(self.sae.d_sae).index_add_(0, flat, d_values.flatten())
        return Gradients(
            w_enc=by_gradient @ centred,
            b_enc=b_enc,
            w_dec=by_value @ d_out,
            b_dec=d_out.sum(0) - b_enc @ self.w_enc,
        )

    def _parameters(self) -> list[Tensor]:
        return [self.w_enc, self.b_enc, self.w_dec, self.b_dec]

    def state(self) -> dict[str, Tensor]:
        """Everything a resumed run needs, as tensors for safetensors."""
        import torch

        found = dict(zip(("w_enc", "b_enc", "w_dec", "b_dec"), self._parameters(), strict=True))
        for name, parameter in list(found.items()):
            for key in ("exp_avg", "exp_avg_sq"):
                found[f"{name}.{key}"] = self.optimizer.state[parameter][key]
        return {**found, "silent": self.silent, "step": torch.tensor(self.step)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from a saved state."""
        import torch

        for name, parameter in zip(("w_enc", "b_enc", "w_dec", "b_dec"), self._parameters(), strict=True):
            parameter.copy_(state[name])
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(state["step"])),
                "exp_avg": state[f"{name}.exp_avg"].clone(),
                "exp_avg_sq": state[f"{name}.exp_avg_sq"].clone(),
            }
        self.silent = state["silent"].clone()
        self.step = int(state["step"])
