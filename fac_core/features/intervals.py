"""A share is never told without its interval, and one of few cases has a wide one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Z = 1.959964
"""Of the 95 % interval."""


def wilson(k: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of k in n; everything from 0 to 1 if n is 0."""
    if n == 0:
        return 0.0, 1.0
    share, add = k / n, Z**2 / n
    middle = (share + add / 2) / (1 + add)
    half = Z / (1 + add) * (share * (1 - share) / n + add / (4 * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def auroc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, float, float]:
    """AUROC of scores [n] for a label [n], equal scores at ½, with DeLong's 95 % interval.

    A perfect order, and one of equal scores, has no spread to estimate one from; its interval is Wilson's for as many
    cases as the smaller side.
    Both sides must have a case.
    """
    from scipy.stats import rankdata

    above, below = score[positive], score[~positive]
    n_above, n_below = len(above), len(below)
    ranks = rankdata(score)
    wins = (ranks[positive] - rankdata(above)) / n_below
    losses = (ranks[~positive] - rankdata(below)) / n_above
    value = float(wins.mean())
    fewer = min(n_above, n_below)
    spread = Z * float(wins.var(ddof=1) / n_above + losses.var(ddof=1) / n_below) ** 0.5 if fewer > 1 else 0.0
    if not spread:
        return (value, *wilson(value * fewer, fewer))
    return value, max(0.0, value - spread), min(1.0, value + spread)
