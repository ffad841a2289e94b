"""A card's figures come from texts the SAE was not trained on, with the weights that ship."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.extractor import Health
from fac_core.feature_space.sae_formats import load_sae

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


def measure(folder: Path, heldout: list[NDArray[np.float16]]) -> Measured:
    """Measure the exported SAE of `folder` on held-out residual shards."""
    import torch

    sae = load_sae(folder).sae
    health = Health()
    fired = torch.zeros(sae.d_sae)
    sample: list[NDArray[np.float32]] = []
    for shard in heldout:
        for begin in range(0, len(shard), CHUNK):
            x = torch.from_numpy(shard[begin : begin + CHUNK].astype(np.float32))
            codes = sae.encode(x)
            active = codes.values > 0
            fired.index_add_(0, codes.features[active], torch.ones(int(active.sum())))
            health.add(x, sae.decode(codes, x), int(active.sum()))
            if len(sample) < 50:
                sample.append(codes.values[active].numpy())
    values = np.concatenate(sample) if sample else np.zeros(0, np.float32)
    return Measured(
        fvu=health.fvu,
        l0=health.l0,
        alive_share=float((fired > 0).float().mean()),
        dense_share=float((fired > 0.1 * health.n_tokens).float().mean()),
        tokens=health.n_tokens,
        quartiles=[round(float(q), 3) for q in np.quantile(values, [0.25, 0.5, 0.75])] if len(values) else [],
    )
