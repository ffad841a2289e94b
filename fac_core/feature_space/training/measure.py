"""A card's figures come from texts the SAE was not trained on, with the weights that ship."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.extractor import Health
from fac_core.feature_space.sae import Sae
from fac_core.feature_space.sae_formats import load_sae

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 2048


class Measured(NamedTuple):
    """An SAE on held-out activations."""

    fvu: float
    """Fraction of variance unexplained: squared error over squared deviation from the mean vector."""
    l0: float
    """Mean number of active features a token."""
    alive_share: float
    """Share of features that fire at least once."""
    dense_share: float
    """Share of features that fire on more than 10 % of tokens."""
    tokens: int
    quartiles: list[float]
    """Quartiles of the positive activations; empty if nothing fired."""


class Meter:
    """Sums over batches of vectors, from which the figures of an SAE follow."""

    def __init__(self, sae: Sae) -> None:
        import torch

        self.sae = sae
        self.health = Health()
        self.fired = torch.zeros(sae.d_sae, dtype=torch.int64)
        """[d_sae], tokens each feature fired on."""
        self._sample: list[NDArray[np.float32]] = []

    def add(self, x: Tensor) -> None:
        """Take in residual vectors [n, d_in]."""
        import torch

        codes = self.sae.encode(x)
        active = codes.values > 0
        self.fired += torch.bincount(codes.features[active].cpu(), minlength=self.sae.d_sae)
        self.health.add(x, self.sae.decode(codes, x), int(active.sum()))
        if len(self._sample) < 50:
            self._sample.append(codes.values[active].cpu().numpy())

    def measured(self) -> Measured:
        """The figures so far."""
        values = np.concatenate(self._sample) if self._sample else np.zeros(0, np.float32)
        return Measured(
            fvu=self.health.fvu,
            l0=self.health.l0,
            alive_share=float((self.fired > 0).float().mean()),
            dense_share=float((self.fired > 0.1 * self.health.n_tokens).float().mean()),
            tokens=self.health.n_tokens,
            quartiles=[round(float(q), 3) for q in np.quantile(values, [0.25, 0.5, 0.75])] if len(values) else [],
        )


def measure(folder: Path, heldout: list[NDArray[np.float16]]) -> Measured:
    """Measure the exported SAE of `folder` on held-out residual shards."""
    import torch

    meter = Meter(load_sae(folder).sae)
    for shard in heldout:
        for begin in range(0, len(shard), CHUNK):
            meter.add(torch.from_numpy(shard[begin : begin + CHUNK].astype(np.float32)))
    return meter.measured()
