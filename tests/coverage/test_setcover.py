"""Greedy set cover against exhaustive search, and richness against drawing samples."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.coverage.richness import chao2_unseen, extrapolate, rarefy, richness
from fac_core.coverage.setcover import greedy, set_cover
from fac_core.workspace import Workspace
from tests.planted import Planted, plant

texts = st.dictionaries(
    st.integers(0, 30), st.dictionaries(st.integers(0, 7), st.floats(0.5, 9), max_size=5), min_size=1, max_size=7
)


def _plain_greedy(active: dict[int, dict[int, float]]) -> list[int]:
    """The obvious version: look at every text in every round."""
    missing = {feature for features in active.values() for feature in features}
    picked = []
    while missing:
        open_values = {c: [v for f, v in features.items() if f in missing] for c, features in active.items()}
        best = min((-len(values), -sum(values), content) for content, values in open_values.items())[2]
        picked.append(best)
        missing -= active[best].keys()
    return picked


@given(texts)
def test_lazy_greedy_picks_what_looking_at_every_text_in_every_round_picks(active: dict[int, dict[int, float]]) -> None:
    assert [content for content, _ in greedy(active)] == _plain_greedy(active)


@given(texts)
def test_greedy_covers_everything_with_at_most_a_logarithm_more_texts_than_the_best_set(
    active: dict[int, dict[int, float]],
) -> None:
    everything = {feature for features in active.values() for feature in features}
    picks = list(greedy(active))
    covered = [feature for _, covers in picks for feature in covers]
    assert sorted(covered) == sorted(everything), "each feature is closed exactly once"
    best = next(
        size
        for size in range(len(active) + 1)
        if any({f for c in chosen for f in active[c]} >= everything for chosen in combinations(active, size))
    )
    harmonic = sum(1 / i for i in range(1, max(map(len, active.values())) + 1))
    assert best <= len(picks) <= max(1, best * harmonic) + 1e-9


@given(texts, st.integers(0, 3))
def test_a_budget_gives_the_first_picks(active: dict[int, dict[int, float]], budget: int) -> None:
    assert list(greedy(active, budget)) == list(greedy(active))[:budget]


def test_only_pool_samples_above_delta_are_picked(ws: Workspace) -> None:
    samples = [
        Planted("pool", "both, weak", {1: 1.0, 2: 1.0}),
        Planted("pool", "one and three", {1: 3.0, 3: 2.5}),
        Planted("pool", "two", {2: 2.0}),
        Planted("pool", "two again, stronger", {2: 4.0}),
        Planted("anchor", "all", {1: 5.0, 2: 5.0, 3: 5.0}),
    ]
    picks = set_cover(ws, plant(ws, samples), 1.0, [1, 2, 3, 9])
    assert [(pick.text, pick.covers, pick.values) for pick in picks] == [
        ("one and three", [1, 3], [3.0, 2.5]),
        ("two again, stronger", [2], [4.0]),
    ]


def test_what_is_passed_over_leaves_its_features_to_others(ws: Workspace) -> None:
    space_id = plant(ws, [Planted("pool", "both", {1: 9.0, 2: 9.0}), Planted("pool", "one", {1: 2.0})])
    (best,) = set_cover(ws, space_id, 1.0, [1, 2])
    assert [(p.text, p.covers) for p in set_cover(ws, space_id, 1.0, [1, 2], without=[best.content_id])] == [
        ("one", [1])
    ]


def test_nothing_to_cover_needs_no_sample(ws: Workspace) -> None:
    assert set_cover(ws, plant(ws, [Planted("pool", "x", {1: 2.0})]), 1.0, []) == []


def test_rarefaction_is_the_mean_over_all_subsets() -> None:
    rng = np.random.default_rng(0)
    fires = rng.random((9, 12)) < rng.random(12) * 0.6
    sizes = np.arange(10)
    expected = [
        np.mean([fires[list(chosen)].any(axis=0).sum() for chosen in combinations(range(9), t)]) if t else 0
        for t in sizes
    ]
    assert rarefy(fires.sum(axis=0), 9, sizes) == pytest.approx(expected)


def test_chao2_estimates_what_more_samples_of_the_same_kind_would_show() -> None:
    rng = np.random.default_rng(1)
    rates = rng.beta(0.4, 20, 600)
    short, long = 300, 900
    fires = rng.random((long, 600)) < rates
    incidence = fires[:short].sum(axis=0)
    unseen = chao2_unseen(incidence, short)
    predicted = extrapolate(incidence, short, unseen, long - short)
    assert predicted == pytest.approx(fires.any(axis=0).sum(), rel=0.06)
    assert extrapolate(incidence, short, unseen, 0) == (incidence > 0).sum()


def test_the_richness_curve_rises_from_nothing_through_what_the_seed_shows(ws: Workspace) -> None:
    samples = [Planted("seed", f"s{i}", {i % 5: 2.0, 10 + i: 2.0}) for i in range(12)]
    samples.append(Planted("anchor", "a", dict.fromkeys(range(30), 2.0)))
    found = richness(ws, plant(ws, samples), 1.0)
    values = [value for _, value in found.curve]
    assert found.curve[0] == (0, 0.0) and values == sorted(values)
    assert dict(found.curve)[12] == pytest.approx(17) and found.n_observed == 17
    assert 17 < found.estimate <= found.n_anchor == 30 and found.curve[-1][0] == 36
    assert values[-1] <= found.estimate + 1e-9


def test_a_space_without_seed_samples_has_an_empty_curve(ws: Workspace) -> None:
    found = richness(ws, plant(ws, [Planted("anchor", "a", {1: 2.0})]), 1.0)
    assert (found.n_observed, found.estimate, found.curve) == (0, 0.0, [(0, 0.0)])
