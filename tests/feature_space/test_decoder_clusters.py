"""Decoder clusters put together what points the same way, every time the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fac_core.feature_space.decoder_clusters import Clusters, decoder_clusters


def _unit(values: torch.Tensor) -> torch.Tensor:
    return values / values.norm(dim=1, keepdim=True)


def _planted(n_bundles: int, each: int, d_in: int = 24, spread: float = 0.12) -> torch.Tensor:
    """Unit directions, `each` of them around each of some axes."""
    draw = torch.Generator().manual_seed(3)
    axes = _unit(torch.randn(n_bundles, d_in, generator=draw))
    return _unit(axes.repeat_interleave(each, 0) + spread * torch.randn(n_bundles * each, d_in, generator=draw))


def test_planted_bundles_of_directions_are_never_torn_apart_or_mixed() -> None:
    unit = _planted(6, 64)  # 384 features: as many clusters as bundles
    found = decoder_clusters(unit)
    bundle = np.repeat(np.arange(6), 64)
    assert len(set(zip(found.head.tolist(), bundle.tolist(), strict=True))) == 6 == len(set(found.head.tolist()))


def test_a_cluster_is_known_by_its_most_central_feature() -> None:
    found = decoder_clusters(_planted(5, 40))
    for head in set(found.head.tolist()):
        members = np.flatnonzero(found.head == head)
        assert head in members and found.cosine[head] == found.cosine[members].max()


def test_no_feature_would_be_nearer_to_the_middle_of_another_cluster() -> None:
    unit = _unit(torch.randn(900, 32, generator=torch.Generator().manual_seed(0)))
    found = decoder_clusters(unit)
    points = _unit(unit - unit.mean(0)).numpy()
    heads = np.unique(found.head)
    middles = np.stack([points[found.head == head].sum(0) for head in heads])
    cosine = points @ (middles / np.linalg.norm(middles, axis=1, keepdims=True)).T
    mine = cosine[np.arange(len(points)), np.searchsorted(heads, found.head)]
    assert (mine >= cosine.max(1) - 1e-5).mean() > 0.99
    assert found.cosine == pytest.approx(mine, abs=2e-2)


def test_the_same_weights_give_the_same_clusters() -> None:
    unit = _unit(torch.randn(500, 16, generator=torch.Generator().manual_seed(1)))
    first, again = decoder_clusters(unit), decoder_clusters(unit.clone())
    assert (first.head == again.head).all() and (first.cosine == again.cosine).all()


@pytest.mark.parametrize(
    "unit", [torch.eye(1), torch.eye(2), torch.ones(7, 4) / 2, torch.zeros(3, 4)], ids=["one", "two", "equal", "zero"]
)
def test_a_handful_of_directions_or_equal_ones_are_clustered_too(unit: torch.Tensor) -> None:
    found = decoder_clusters(unit)
    assert isinstance(found, Clusters) and len(found.head) == len(unit)
    assert (found.head[found.head] == found.head).all() and np.isfinite(found.cosine).all()
