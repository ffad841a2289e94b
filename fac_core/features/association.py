"""A feature is called relevant only where chance, over all features tested, would rarely say so: false discoveries
among the relevant ones are kept at a tenth on average (Benjamini-Hochberg).

*label*: activation in positive against negative anchor samples, by ranks (Mann-Whitney). *contrast*: activation in an
item's content against its contrast, by ranks of the differences (Wilcoxon). Features active in few samples are tested
exactly on firing alone (Fisher, sign test), where ranks would lean on a normal approximation that does not hold;
features active in fewer than five cannot become significant and are left out, so that they cost the others no power.
All four are permutation tests: p is a feature's place among all ways to shuffle the labels, or to turn pairs round,
counted out where it fires rarely and approximated elsewhere.

Effect and p come from one statistic, so a feature cannot be called relevant for evidence against it. For a label the
effect is the AUROC of what was tested; for pairs it is the weight of evidence on the task's side, equal pairs at ½.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_ACTIVE = 5
FEW = 25
MAX_Q = 0.1
POSITIVE, NEGATIVE = "positive", "negative"
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Association(NamedTuple):
    """Test results; arrays are [features tested]."""

    feature: Ints
    effect: Floats
    """.5 = none, above = more on the task's side."""
    lift: Floats
    """Firing rate on the task's side over the rate on the other, half a firing added to both."""
    p: Floats
    """Two-sided."""
    q: Floats
    n_active: Ints
    """Samples (label) or differing pairs (contrast)."""

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """Significant, and towards the task's side."""
        return (self.q <= MAX_Q) & (self.effect > 0.5)


def with_label(feature: Ints, sample: Ints, value: Floats, positive: NDArray[np.bool_]) -> Association:
    """Test each feature's activations against a label.

    Rows (feature, sample, value > 0) are active features of samples; `positive` is [samples]. Samples without a row
    of a feature have activation zero.
    """
    n, n_pos = len(positive), int(positive.sum())
    n_neg = n - n_pos
    ids, inverse = np.unique(feature, return_inverse=True)
    n_active = np.bincount(inverse, minlength=len(ids))
    tested = (n_active >= MIN_ACTIVE) if n_pos and n_neg else np.zeros(len(ids), bool)
    hits = np.bincount(inverse, positive[sample], minlength=len(ids))
    ranks, ties = _ranks(inverse, value, n, n_active)
    zero_rank = (n - n_active + 1) / 2
    rank_sum = np.bincount(inverse, ranks * positive[sample], minlength=len(ids)) + zero_rank * (n_pos - hits)
    u = rank_sum - n_pos * (n_pos + 1) / 2
    few = n_active < FEW
    with np.errstate(invalid="ignore", divide="ignore"):
        by_firing = 0.5 + (hits / n_pos - (n_active - hits) / n_neg) / 2
        effect = np.where(few, by_firing, u / (n_pos * n_neg))
        lift = ((hits + 0.5) / (n_pos + 0.5)) / ((n_active - hits + 0.5) / (n_neg + 0.5))
        spread = np.sqrt(n_pos * n_neg / 12 * (n + 1 - ties / (n * (n - 1))))
    by_rank = _two_sided(np.maximum(0, np.abs(u - n_pos * n_neg / 2) - 0.5) / np.maximum(spread, 1e-12))
    p = by_rank
    p[few] = _fisher(hits[few].astype(np.int64), n_active[few], n_pos, n)
    return _result(ids, effect, lift, p, n_active, tested)


def with_contrast(feature: Ints, pair: Ints, value: Floats, contrast_value: Floats, n_pairs: int) -> Association:
    """Test each feature's activation in contents against their contrasts, pair by pair (Wilcoxon, sign test when few).

    Rows (feature, pair, value, contrast value) are those where either is above zero.
    """
    ids, inverse = np.unique(feature, return_inverse=True)
    m = len(ids)
    difference = value - contrast_value
    differs = difference != 0
    n_active = np.bincount(inverse[differs], minlength=m)
    up = np.bincount(inverse[difference > 0], minlength=m)
    owner, size = inverse[differs], np.abs(difference[differs])
    ranks, ties = _ranks(owner, size, n_active.max(initial=0), n_active, from_one=True)
    w = np.bincount(owner, ranks * (difference[differs] > 0), minlength=m)
    mean = n_active * (n_active + 1) / 4
    spread = np.sqrt(np.maximum(0, n_active * (n_active + 1) * (2 * n_active + 1) / 24 - ties / 48))
    by_rank = _two_sided(np.maximum(0, np.abs(w - mean) - 0.5) / np.maximum(spread, 1e-12))
    few = n_active < FEW
    p = np.where(few, _sign_test(up, n_active), by_rank)
    fires = np.bincount(inverse[value > 0], minlength=m)
    contrast_fires = np.bincount(inverse[contrast_value > 0], minlength=m)
    above = np.where(few, up - n_active / 2, (w - mean) / np.maximum(1, n_active + 1) * 2)
    effect = 0.5 + above / max(1, n_pairs)
    return _result(ids, effect, (fires + 0.5) / (contrast_fires + 0.5), p, n_active, n_active >= MIN_ACTIVE)


def adjust(p: Floats) -> Floats:
    """Benjamini-Hochberg q values."""
    m = len(p)
    order = np.argsort(p)
    scaled = p[order] * m / np.arange(1, m + 1)
    q = np.empty(m)
    q[order] = np.minimum(1, np.minimum.accumulate(scaled[::-1])[::-1])
    return q


def _result(
    ids: Ints, effect: Floats, lift: Floats, p: Floats, n_active: Ints, tested: NDArray[np.bool_]
) -> Association:
    kept = np.flatnonzero(tested)
    return Association(ids[kept], effect[kept], lift[kept], p[kept], adjust(p[kept]), n_active[kept].astype(np.int64))


def _ranks(owner: Ints, value: Floats, n: int, n_active: Ints, *, from_one: bool = False) -> tuple[Floats, Floats]:
    """Mid-ranks of the rows within their owner, and Σ(t³ − t) over the owner's ties.

    The `n − n_active` samples without a row share the lowest ranks, unless ranks start `from_one`.
    """
    order = np.lexsort((value, owner))
    sorted_owner, sorted_value = owner[order], value[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (sorted_owner[1:] != sorted_owner[:-1]) | (sorted_value[1:] != sorted_value[:-1])
    tie = np.cumsum(fresh) - 1
    tie_size = np.bincount(tie)
    before = np.concatenate([[0], np.cumsum(n_active)])[sorted_owner] if len(order) else np.empty(0)
    tie_start = np.flatnonzero(fresh)[tie] if len(order) else np.empty(0)
    offset = 0 if from_one else (n - n_active)[sorted_owner]
    ranks = np.empty(len(order))
    ranks[order] = offset + tie_start - before + (tie_size[tie] + 1) / 2
    cubes = (tie_size.astype(float) ** 3 - tie_size)[fresh.cumsum() - 1] / tie_size[tie] if len(order) else np.empty(0)
    ties: Floats = np.bincount(sorted_owner, cubes, minlength=len(n_active)).astype(np.float64)
    if not from_one:
        zeros = (n - n_active).astype(float)
        ties = ties + zeros**3 - zeros
    return ranks, ties


def _two_sided(z: Floats) -> Floats:
    from scipy.special import ndtr

    p: Floats = 2 * ndtr(-z)
    return np.minimum(1, p)


def _fisher(hits: Ints, n_active: Ints, n_pos: int, n: int) -> Floats:
    """Twice the smaller tail of the hypergeometric distribution of firings, fewer than FEW, among the positives."""
    from scipy.stats import hypergeom

    # thousands of features share a few hundred tables
    tables, table = np.unique(n_active * FEW + hits, return_inverse=True)
    n_active, hits = np.divmod(tables, FEW)
    low = hypergeom.cdf(hits, n, n_pos, n_active)
    high = hypergeom.sf(hits - 1, n, n_pos, n_active)
    p: Floats = np.minimum(1, 2 * np.minimum(low, high))
    return p[table]


def _sign_test(up: Ints, n_active: Ints) -> Floats:
    from scipy.stats import binom

    low, high = binom.cdf(up, n_active, 0.5), binom.sf(up - 1, n_active, 0.5)
    p: Floats = np.minimum(1, 2 * np.minimum(low, high))
    return p
