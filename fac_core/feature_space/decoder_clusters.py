"""Every feature is in exactly one decoder cluster, and the same weights give the same clusters.

Spherical k-means: what makes two directions alike is the cosine between them (as for neighbours and the map), so the
mean cosine to the middle of a cluster is what is maximised. Density methods leave most rows of a sparse dictionary
outside of every cluster, and a row of a heatmap needs all of them. The mean direction, which all features share, is
taken off before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

MIN_CLUSTERS, MAX_CLUSTERS = 2, 40
"""As many rows as a heatmap can hold."""
MAX_ROUNDS = 50
_ROOT_OVER = 3.2
"""There are as many clusters as the square root of the number of features over this, within the bounds."""
_DECIMALS = 3
"""Of the cosines that are kept; more would say nothing and would take room in shipped files."""
_SEED = 20260210


class Clusters(NamedTuple):
    """Arrays are [d_sae]."""

    head: NDArray[np.int32]
    """The cluster of each feature, known by its most central feature."""
    cosine: NDArray[np.float32]
    """To the middle of the cluster."""


def decoder_clusters(unit: Tensor) -> Clusters:
    """Cluster unit directions [d_sae, d_in]."""
    import torch
    from torch.nn.functional import normalize

    points = normalize(unit.float().cpu() - unit.float().cpu().mean(0), dim=1)
    n = int(np.clip(np.sqrt(len(points)) / _ROOT_OVER, MIN_CLUSTERS, MAX_CLUSTERS))
    middle = _first_middles(points, min(n, len(points)))
    member = torch.full((len(points),), -1)
    for _ in range(MAX_ROUNDS):
        nearest = (points @ middle.T).argmax(1)
        if torch.equal(nearest, member):
            break
        member = nearest
        total = torch.zeros_like(middle).index_add_(0, member, points)
        # one that nobody is nearest to stays where it is
        middle = torch.where(total.norm(dim=1, keepdim=True) > 0, normalize(total, dim=1), middle)
    cosine, member = (points @ middle.T).max(1)
    rounded = np.round(cosine.cpu().numpy().astype(np.float32), _DECIMALS)
    head = np.zeros(len(points), np.int32)
    numbers = member.cpu().numpy()
    for number in np.unique(numbers).tolist():
        members = np.flatnonzero(numbers == number)
        head[members] = members[np.argmax(rounded[members])]
    return Clusters(head, rounded)


def _first_middles(points: Tensor, n: int) -> Tensor:
    """Greedy k-means++: of a few directions drawn by how far they are from those there are, the one that helps most."""
    import torch

    draw = np.random.default_rng(_SEED)
    trials = 2 + int(np.log(n))
    chosen = [int(draw.integers(len(points)))]
    distance = (1 - points @ points[chosen[0]]).clamp(min=0)
    for _ in range(n - 1):
        weight = distance.double().cpu().numpy()
        if weight.sum() == 0:  # nothing differs from what is there
            break
        drawn = draw.choice(len(points), trials, p=weight / weight.sum())
        left = torch.minimum(distance[:, None], (1 - points @ points[drawn].T).clamp(min=0))
        best = int(left.sum(0).argmin())
        chosen.append(int(drawn[best]))
        distance = left[:, best]
    return points[chosen].clone()
