"""How much of F(P) a set of t seed samples shows on average, and how much it would show with more of the same kind.

Both follow from one number per feature, the seed samples that activate it, so they need profiles only. Rarefaction is
exact (sampling without replacement); the estimate is Chao2 with its extrapolation (Colwell et al. 2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fac_core.features.counts import Array
from fac_core.features.facts import load_facts

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

POINTS = 24
EXTRAPOLATE = 3


@dataclass(frozen=True)
class Richness:
    """Relevant features against seed samples."""

    n_samples: int
    """Seed samples read."""
    n_observed: int
    """Features of F(P) they activate."""
    n_anchor: int
    """|F(P)|."""
    estimate: float
    """Chao2: features that endless samples of the seed's kind would activate; at most `n_anchor`."""
    curve: list[tuple[int, float]]
    """(samples, expected features): up to `n_samples` rarefied, beyond it extrapolated to three times as many."""


def richness(ws: Workspace, space_id: str, delta: float) -> Richness:
    """Richness of the seed set within F(P) at δ.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    facts = load_facts(ws, space_id, delta)
    incidence = facts.counts.seed[facts.in_anchor]
    n = facts.counts.n_samples["seed"]
    n_anchor = len(incidence)
    unseen = min(chao2_unseen(incidence, n), float(n_anchor - int((incidence > 0).sum())))
    observed = int((incidence > 0).sum())
    inside = np.unique(np.linspace(0, n, POINTS).astype(int))
    curve = [(int(t), float(v)) for t, v in zip(inside, rarefy(incidence, n, inside), strict=True)]
    beyond = np.unique(np.linspace(n, EXTRAPOLATE * n, POINTS // 2).astype(int))[1:]
    curve += [(int(t), extrapolate(incidence, n, unseen, int(t) - n)) for t in beyond]
    return Richness(n, observed, n_anchor, observed + unseen, curve)


def rarefy(incidence: Array, n: int, sizes: Array) -> NDArray[np.float64]:
    """Expected features in t of n samples, for each t: Σ_f 1 − C(n − n_f, t) / C(n, t)."""
    from scipy.special import gammaln

    kinds, how_many = np.unique(incidence[incidence > 0], return_counts=True)
    t, absent = sizes[:, None].astype(float), n - kinds[None, :].astype(float)
    possible = t <= absent
    rest = np.where(possible, absent - t, 0.0)
    log_missed = gammaln(absent + 1) - gammaln(rest + 1) + gammaln(n - t + 1) - gammaln(n + 1)
    missed = np.where(possible, np.exp(log_missed), 0.0)
    expected: NDArray[np.float64] = (1 - missed) @ how_many
    return expected


def chao2_unseen(incidence: Array, n: int) -> float:
    """Chao2's lower bound of the features not yet seen, bias-corrected."""
    once, twice = int((incidence == 1).sum()), int((incidence == 2).sum())
    return (n - 1) / n * once * (once - 1) / (2 * (twice + 1)) if n else 0.0


def extrapolate(incidence: Array, n: int, unseen: float, more: int) -> float:
    """Expected features after `more` further samples."""
    once, observed = int((incidence == 1).sum()), int((incidence > 0).sum())
    if unseen <= 0 or once == 0:
        return float(observed)
    return float(observed + unseen * (1 - (1 - once / (n * unseen + once)) ** more))
