"""A theme is what fires in the same texts: every feature that is alive in the anchor is in exactly one.

Families are too small for a share of them to mean much; a heatmap's rows need sets of some dozens. Texts and features
are placed in one space by correspondence analysis of who fires where (long texts and common features weigh no more than
others), features that fire often enough are clustered by direction, the rest join the nearest cluster.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_FIRINGS = 5
MAX_SHARE = 0.1
"""Features firing on more of the samples say nothing about what a text is about."""
MIN_FEATURES = 60
"""Below so many features that fire often enough there are no themes."""
DIMENSIONS = 64
MAX_THEMES = 40
_SEED = 20260210
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Themes(NamedTuple):
    """Features and the theme each is in; a theme's id is its most central feature."""

    feature: Ints
    """[features]"""
    theme: Ints
    """[features]"""
    closeness: Floats
    """[features] cosine to the middle of its theme; 0 for those that fire too seldom or too often to shape one."""


def find_themes(feature: Ints, sample: Ints, value: Floats, delta: float) -> Themes | None:
    """Cluster the features of activations (feature, sample, value > 0); None where there are too few.

    Firing is counted above half of δ, so that there is more to compare than the firings that count.
    """
    ids, row = np.unique(feature, return_inverse=True)
    samples, column = np.unique(sample, return_inverse=True)
    often = np.bincount(row[value > delta], minlength=len(ids))
    chosen = (often >= MIN_FIRINGS) & (often <= MAX_SHARE * len(samples))
    dimensions = min(DIMENSIONS, int(chosen.sum()) // 4, len(samples) // 4)
    if chosen.sum() < MIN_FEATURES or dimensions < 2:
        return None
    place = _places(row, column, value > delta / 2, chosen, len(samples), dimensions)
    theme, centre = _cluster(place, chosen)
    closeness = np.einsum("ij,ij->i", place, centre[theme])
    heads = {}
    for number in range(len(centre)):
        members = np.flatnonzero((theme == number) & chosen)
        if len(members):
            heads[number] = int(ids[members[np.lexsort((ids[members], -closeness[members]))][0]])
    theme_of = np.array([heads[number] for number in theme.tolist()], np.int64)
    return Themes(ids, theme_of, np.where(chosen, closeness, 0.0))


def _places(
    row: Ints, column: Ints, fires: NDArray[np.bool_], chosen: NDArray[np.bool_], n_samples: int, dimensions: int
) -> Floats:
    """Direction of every feature: of those chosen by correspondence analysis, of the others by where they fire."""
    from scipy.sparse import csr_array, diags_array
    from scipy.sparse.linalg import svds

    used = fires & chosen[row]
    number = np.cumsum(chosen) - 1
    shape = (int(chosen.sum()), n_samples)
    table: Any = csr_array((np.ones(int(used.sum())), (number[row[used]], column[used])), shape=shape)
    by_feature, by_sample = np.sqrt(table.sum(axis=1)), np.sqrt(table.sum(axis=0))
    per_sample = 1 / np.maximum(by_sample, 1)
    scaled = diags_array(1 / by_feature) @ table @ diags_array(per_sample)
    start = np.random.default_rng(_SEED).standard_normal(min(shape))
    _, strength, axes = svds(scaled, k=dimensions + 1, v0=start)
    order = np.argsort(-strength)[1:]  # the first axis only tells common from rare
    texts = axes[order].T * per_sample[:, None]
    everything = csr_array((np.ones(len(row)), (row, column)), shape=(len(chosen), n_samples))
    return _unit(np.where(chosen[:, None], _spread(table @ texts, chosen), everything @ texts))


def _spread(values: Floats, chosen: NDArray[np.bool_]) -> Floats:
    dense = np.zeros((len(chosen), values.shape[1]))
    dense[chosen] = values
    return dense


def _cluster(place: Floats, chosen: NDArray[np.bool_]) -> tuple[Ints, Floats]:
    """Theme number of every feature and the direction of each theme."""
    from sklearn.cluster import KMeans

    n_themes = int(np.clip(np.sqrt(chosen.sum()) / 1.6, 6, MAX_THEMES))
    fitted = KMeans(n_themes, n_init=2, random_state=_SEED % 2**32).fit(place[chosen])
    centre = _unit(fitted.cluster_centers_)
    return np.argmax(place @ centre.T, axis=1), centre


def _unit(values: Floats) -> Floats:
    length: Floats = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.maximum(length, 1e-12)
