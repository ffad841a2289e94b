"""Co-activity is counted over samples, and is what counting every pair by hand gives."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from fac_core.features import coactive as module
from fac_core.features.coactive import MIN_TOGETHER, coactive
from fac_core.features.detail import feature_detail
from fac_core.workspace import Workspace
from tests.planted import Planted, plant


def planted() -> list[Planted]:
    """Texts of several roles, some of them in two samples, with random features."""
    rng = random.Random(4)
    texts = []
    for place in range(80):
        active = {f: rng.choice([0.5, 1.5, 3.0]) for f in range(10) if rng.random() < (f + 2) / 14}
        if 3 in active:
            active[4] = 3.0
        texts += [Planted(rng.choice(["seed", "anchor"]), f"text {place}", active)] * rng.choice([1, 1, 2])
    return [*texts, Planted("pool", "of a set taken out", dict.fromkeys(range(10), 9.0))]


def slow(samples: list[Planted], feature: int, delta: float) -> list[tuple[int, float, int]]:
    fires = [{f for f, value in sample.active.items() if value > delta} for sample in samples if sample.role != "pool"]
    n, found = len(fires), []
    for other in range(10):
        both = sum(feature in each and other in each for each in fires)
        if other == feature or both < MIN_TOGETHER:
            continue
        one, two = (sum(f in each for each in fires) for f in (feature, other))
        found.append((other, math.log(both * n / (one * two)) / -math.log(both / n), both))
    return sorted(found, key=lambda each: (-each[1], each[0]))


@pytest.mark.parametrize("delta", [0.0, 1.0])
def test_npmi_is_that_of_counting_every_pair(ws: Workspace, delta: float) -> None:
    samples = planted()
    space = plant(ws, samples)
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE dataset SET deleted_at = created_at WHERE role = 'pool'")
    from tests.planted import recount

    recount(ws, space)
    for feature in range(10):
        found = [(each.feature_id, each.npmi, each.n_together) for each in coactive(ws, space, feature, delta, n=99)]
        expected = slow(samples, feature, delta)
        assert [each[::2] for each in found] == [each[::2] for each in expected]
        assert [each[1] for each in found] == pytest.approx([each[1] for each in expected])


def test_of_a_feature_that_fires_on_masses_of_texts_some_are_looked_at(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = plant(
        ws, [Planted("anchor", f"text {i}", {1: 2.0, 2: 2.0, **({3: 2.0} if i % 2 else {})}) for i in range(60)]
    )
    monkeypatch.setattr(module, "MOST_CONTENTS", 20)
    found = {each.feature_id: each for each in coactive(ws, space, 1, 0.0)}
    assert found[2].n_together == 20 and found[2].npmi == 1.0
    assert found[3].npmi == pytest.approx(0.0, abs=0.4), "independent of what is always there"


def test_a_feature_that_never_fires_goes_with_none(ws: Workspace) -> None:
    assert coactive(ws, plant(ws, [Planted("anchor", "text", {1: 2.0})]), 7, 0.0) == []


def test_the_nearest_and_the_most_opposite_are_kept_apart(ws: Workspace) -> None:
    space = plant(ws, [Planted("anchor", "text", {1: 2.0})], neighbours=[(1, 2, 0.9)])
    with ws.database.transaction() as cursor:
        cursor.execute("INSERT INTO feature_neighbour VALUES (?, 1, -2, 4, -0.1), (?, 1, -1, 5, -0.4)", [space, space])
    detail = feature_detail(ws, space, 1, 0.0)
    assert [(i, round(c, 1)) for i, _, c in detail.neighbours] == [(2, 0.9)]
    assert [(i, round(c, 1)) for i, _, c in detail.opposites] == [(5, -0.4), (4, -0.1)]


def test_npmi_is_at_most_1_where_the_share_is_an_estimate() -> None:
    found = module.npmi(np.array([1.0, 0.5]), 1000, np.array([900, 900]), 10_000)
    assert found[0] == 1 and 0 < found[1] < 1
