"""Significance is checked against scipy feature by feature, and against labels that mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fac_core.features.association import FEW, MIN_ACTIVE, adjust, with_contrast, with_label


def _sparse(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    feature, sample = np.nonzero(dense)
    return feature, sample, dense[feature, sample]


def _random(rng: np.random.Generator, features: int, samples: int, rate: float) -> np.ndarray:
    values = np.round(rng.exponential(2, (features, samples)) + 0.1, 1)
    return np.where(rng.random((features, samples)) < rate, values, 0.0)


def test_auroc_and_p_value_of_a_label_equal_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    dense, positive = _random(rng, 20, 200, 0.4), rng.random(200) < 0.3
    found = with_label(*_sparse(dense), positive)
    assert found.feature.tolist() == list(range(20))
    for place, row in enumerate(dense):
        expected = stats.mannwhitneyu(row[positive], row[~positive], method="asymptotic")
        assert found.effect[place] == pytest.approx(expected.statistic / (positive.sum() * (~positive).sum()))
        assert found.p[place] == pytest.approx(expected.pvalue, rel=1e-6)


def test_features_with_few_firings_are_tested_exactly_on_firing() -> None:
    rng = np.random.default_rng(1)
    dense, positive = _random(rng, 30, 300, 0.04), rng.random(300) < 0.5
    found = with_label(*_sparse(dense), positive)
    assert (found.n_active < FEW).all() and (found.n_active >= MIN_ACTIVE).all()
    for feature, p in zip(found.feature, found.p, strict=True):
        fires = dense[feature] > 0
        hits = int((fires & positive).sum())
        upper = stats.hypergeom.sf(hits - 1, 300, positive.sum(), fires.sum())
        lower = stats.hypergeom.cdf(hits, 300, positive.sum(), fires.sum())
        assert p == pytest.approx(min(1.0, 2 * min(upper, lower)))


def test_pairs_agree_with_the_signed_rank_test_of_scipy() -> None:
    rng = np.random.default_rng(2)
    dense, contrast = _random(rng, 12, 150, 0.5), _random(rng, 12, 150, 0.4)
    feature, pair = np.nonzero((dense > 0) | (contrast > 0))
    found = with_contrast(feature, pair, dense[feature, pair], contrast[feature, pair], 150)
    for place in range(12):
        expected = stats.wilcoxon(dense[place], contrast[place], correction=True, method="asymptotic")
        assert found.p[place] == pytest.approx(expected.pvalue, rel=1e-6)
        difference = dense[place] - contrast[place]
        differing = difference[difference != 0]
        ranks = stats.rankdata(np.abs(differing))
        above, equal = ranks[differing > 0].sum() / ranks.sum(), 1 - len(differing) / 150
        assert found.effect[place] == pytest.approx(above * (1 - equal) + equal / 2)


def test_few_differing_pairs_are_counted_by_sign() -> None:
    value, contrast = np.array([2.0] * 9 + [0.0]), np.array([0.0] * 9 + [1.0])
    found = with_contrast(np.zeros(10, np.int64), np.arange(10), value, contrast, 40)
    assert found.p[0] == pytest.approx(stats.binomtest(9, 10).pvalue)
    assert found.effect[0] == pytest.approx(0.5 + 8 / 80)


def test_many_pairs_slightly_up_do_not_outweigh_fewer_strongly_down() -> None:
    value, contrast = np.zeros(200), np.zeros(200)
    value[:60] = np.linspace(0.1, 0.2, 60)
    contrast[60:110] = np.linspace(3, 5, 50)
    rows = np.arange(110)
    found = with_contrast(np.zeros(110, np.int64), rows, value[rows], contrast[rows], 200)
    assert found.q[0] <= 0.1, "the difference is significant"
    assert found.effect[0] < 0.5 and not found.relevant[0], "and it speaks for the other side"


def test_a_feature_that_fires_nearly_everywhere_is_tested_on_how_strongly_it_fires() -> None:
    rng = np.random.default_rng(6)
    positive = np.arange(400) < 200
    dense = np.where(positive, rng.uniform(3, 6, 400), rng.uniform(1, 4, 400))[None]
    dense[0, [5, 390]] = 0.0
    found = with_label(*_sparse(dense), positive)
    expected = stats.mannwhitneyu(dense[0, positive], dense[0, ~positive], method="asymptotic")
    assert found.p[0] == pytest.approx(expected.pvalue, rel=1e-6) and found.relevant[0]
    assert found.effect[0] == pytest.approx(expected.statistic / 200**2)


@given(st.integers(0, 24), st.integers(0, 24), st.integers(0, 2**32 - 1))
def test_few_firings_speak_for_the_side_that_has_more_of_them(hits: int, others: int, seed: int) -> None:
    active = hits + others
    if not MIN_ACTIVE <= active < FEW:
        return
    strong = np.random.default_rng(seed).uniform(0.1, 9, active)
    samples = np.concatenate([np.arange(hits), 60 + np.arange(others)])
    found = with_label(np.zeros(active, np.int64), samples, strong, np.arange(150) < 60)
    side = np.sign(np.round(found.effect[0] - 0.5, 12))
    assert side == np.sign(hits * 90 - others * 60), "however strong each firing is"


def test_a_feature_planted_on_the_label_is_relevant_and_shuffled_labels_make_next_to_none_so() -> None:
    rng = np.random.default_rng(3)
    positive = rng.random(800) < 0.5
    dense = _random(rng, 2000, 800, 0.05)
    dense[0] = np.where(positive & (rng.random(800) < 0.2), 3.0, 0.0)
    dense[1] = np.where(~positive & (rng.random(800) < 0.2), 3.0, 0.0)
    found = with_label(*_sparse(dense), positive)
    relevant = set(found.feature[found.relevant].tolist())
    assert 0 in relevant and 1 not in relevant, "a feature of the other side is associated, but not with the task"
    assert len(relevant) <= 5
    shuffled = [with_label(*_sparse(dense), rng.permutation(positive)).relevant.sum() for _ in range(10)]
    assert np.mean(shuffled) <= 1


def test_p_values_of_meaningless_labels_are_not_too_small() -> None:
    rng = np.random.default_rng(4)
    dense = np.concatenate([_random(rng, 600, 300, rate) for rate in (0.03, 0.1, 0.5)])
    found = with_label(*_sparse(dense), rng.random(300) < 0.4)
    for level in (0.01, 0.05, 0.2):
        assert (found.p <= level).mean() <= level * 1.25 + 0.004


@pytest.mark.parametrize("rate", [0.08, 0.5])
def test_p_is_the_place_among_shuffled_labels(rate: float) -> None:
    rng = np.random.default_rng(8)
    positive = np.arange(120) < 50
    dense = _random(rng, 4, 120, rate)
    dense[0, :12] += np.where(dense[0, :12] > 0, 2.0, 0.0)
    found = with_label(*_sparse(dense), positive)
    shuffles = np.array([with_label(*_sparse(dense), rng.permutation(positive)).effect for _ in range(1500)])
    above, below = (shuffles >= found.effect - 1e-9).mean(axis=0), (shuffles <= found.effect + 1e-9).mean(axis=0)
    assert found.p == pytest.approx(np.minimum(1, 2 * np.minimum(above, below)), abs=0.05)


def test_pairs_turned_round_by_chance_give_the_same_p() -> None:
    rng = np.random.default_rng(9)
    value, contrast = rng.exponential(2.3, 60), rng.exponential(2.0, 60)
    rows, one = np.arange(60), np.zeros(60, np.int64)
    found = with_contrast(one, rows, value, contrast, 60)
    turned = [rng.random(60) < 0.5 for _ in range(1000)]
    effects = [
        with_contrast(one, rows, np.where(t, contrast, value), np.where(t, value, contrast), 60).effect[0]
        for t in turned
    ]
    beyond = np.abs(np.array(effects) - 0.5) >= abs(found.effect[0] - 0.5) - 1e-9
    assert found.p[0] == pytest.approx(beyond.mean(), abs=0.05)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_follow_benjamini_and_hochberg(p: list[float]) -> None:
    values = np.array(p)
    assert adjust(values) == pytest.approx(stats.false_discovery_control(values))


@pytest.mark.parametrize("positive", [np.ones(40, bool), np.zeros(40, bool)])
def test_a_label_that_all_samples_share_tells_nothing(positive: np.ndarray) -> None:
    dense = _random(np.random.default_rng(5), 5, 40, 0.5)
    assert len(with_label(*_sparse(dense), positive).feature) == 0


def test_no_activations_give_no_tests() -> None:
    nothing = np.empty(0, np.int64)
    assert len(with_label(nothing, nothing, np.empty(0), np.array([True, False])).feature) == 0
    assert len(with_contrast(nothing, nothing, np.empty(0), np.empty(0), 0).feature) == 0
