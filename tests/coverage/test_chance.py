"""A planted hole stands out; what a set drawn like the anchor misses does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from fac_core.coverage.chance import chance, chance_share, company_rarity, p_values
from fac_core.coverage.gaps import gaps
from fac_core.coverage.states import gap_states
from fac_core.workspace import Workspace
from tests.planted import Planted, plant

N_TOPICS, PER_TOPIC, D_SAE = 8, 5, 44
NOISE = range(N_TOPICS * PER_TOPIC, D_SAE)


def texts(role: str, n: int, topics: range, rng: np.random.Generator, noise: bool = True) -> list[Planted]:
    """Texts of some topics; each topic has its own features, each firing in half of its texts, and some fire anywhere."""
    made = []
    for number in range(n):
        topic = topics[number % len(topics)]
        active = {topic * PER_TOPIC + k: 2.0 for k in range(PER_TOPIC) if rng.random() < 0.5}
        active |= {feature: 2.0 for feature in NOISE if noise and rng.random() < 0.03}
        made.append(Planted(role, f"{role} {number}", active))
    return made


def test_a_left_out_topic_stands_out_and_what_is_missed_by_chance_does_not(ws: Workspace) -> None:
    rng = np.random.default_rng(0)
    samples = texts("anchor", 400, range(N_TOPICS), rng)
    # the seed misses the last topic as a whole, and the features that fire anywhere as chance would have it
    space = plant(ws, [*samples, *texts("seed", 120, range(N_TOPICS - 1), rng, noise=False)], d_sae=D_SAE)
    found = {gap.feature_id: gap for gap in gaps(ws, space, 1.0, collapse=False)}
    topic = range((N_TOPICS - 1) * PER_TOPIC, N_TOPICS * PER_TOPIC)
    assert set(topic) <= set(found) and set(found) & set(NOISE)
    assert all(found[feature].stands_out for feature in topic)
    in_order = [gap.feature_id for gap in gaps(ws, space, 1.0, collapse=False)]
    assert set(in_order[:PER_TOPIC]) == set(topic)
    by_chance = [found[feature].chance for feature in set(found) & set(NOISE)]
    assert max(found[feature].chance or 0 for feature in topic) < min(share or 0 for share in by_chance)


def test_only_missing_features_have_a_share(ws: Workspace) -> None:
    rng = np.random.default_rng(1)
    space = plant(ws, [*texts("anchor", 200, range(N_TOPICS), rng), *texts("seed", 100, range(6), rng)], d_sae=D_SAE)
    state = gap_states(ws, space, 1.0)
    share = chance(ws, space, state)
    assert ((~np.isnan(share)) == (state.facts.state == "missing")).all()
    assert all(gap.chance is None for gap in gaps(ws, space, 1.0, states=("covered",)))


def test_a_project_where_nothing_is_covered_has_gaps_all_the_same(ws: Workspace) -> None:
    space = plant(
        ws, [*(Planted("anchor", f"a {i}", {1: 2.0} if i < 8 else {}) for i in range(100)),
             *(Planted("seed", f"s {i}", {}) for i in range(100))]
    )  # fmt: skip
    (gap,) = gaps(ws, space, 1.0)
    assert gap.chance == pytest.approx(math.exp(-8)) and gap.stands_out


def slow_rarity(
    texts: np.ndarray, feature: int, delta: float, in_set: np.ndarray, family: np.ndarray
) -> float:  # fmt: skip
    """The definition, one text and one feature at a time."""
    n_texts, d_sae = texts.shape
    total = [sum(texts[t, g] > 0 for t in range(n_texts)) for g in range(d_sae)]
    use = [g for g in range(d_sae) if 4 <= total[g] <= 0.3 * n_texts]
    own = [t for t in range(n_texts) if texts[t, feature] > delta]
    inside = {g: sum(texts[t, g] > 0 for t in own) for g in use}
    ratio = sum(in_set[g] for g in use) / max(1, sum(total[g] - inside[g] for g in use))
    less = spread = 0.0
    for g in use:
        lift = math.log((inside[g] + 0.5) / (max(1, len(own)) + 0.5) * n_texts / total[g])
        if inside[g] < 2 or lift <= 0 or family[g] == family[feature]:
            continue
        expected = (total[g] - inside[g]) * ratio
        less += inside[g] * lift * (expected - in_set[g])
        spread += (inside[g] * lift) ** 2 * (expected + 0.5)
    return less / max(math.sqrt(spread), 1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_rarity_of_company_equals_the_slow_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((60, 30)) < rng.uniform(0.02, 0.4, 30), rng.uniform(0.1, 3, (60, 30)), 0.0)
    in_set, family = rng.integers(0, 20, 30), rng.integers(0, 20, 30)
    fast = company_rarity(csr_array(dense), np.arange(30), 1.0, in_set, family)
    slow = [slow_rarity(dense, feature, 1.0, in_set, family) for feature in range(30)]
    assert fast == pytest.approx(slow, rel=1e-4, abs=1e-4)


@given(
    st.lists(st.tuples(st.floats(3, 30), st.floats(0.001, 1)), min_size=1, max_size=30),
    st.lists(st.floats(3, 30), max_size=40),
)
def test_the_share_equals_counting_by_hand_and_grows_as_evidence_falls(
    gaps_: list[tuple[float, float]], covered: list[float]
) -> None:
    lam, p = np.array([g[0] for g in gaps_]), np.array([g[1] for g in gaps_])
    powered = np.concatenate([lam, covered])
    share = chance_share(lam, p, powered)
    evidence = lam - np.log(p)

    def at(limit: float) -> float:
        by_chance = sum(min(math.exp(-one), math.exp(-limit)) for one in powered)
        return min(1.0, by_chance / sum(evidence >= limit))

    # the least share at which a gap would be among those listed
    expected = [min(at(limit) for limit in evidence if limit <= own) for own in evidence]
    assert share == pytest.approx(expected, rel=1e-9, abs=1e-15)
    order = np.argsort(-evidence)
    assert (np.diff(share[order]) >= -1e-12).all() and (share >= 0).all() and (share <= 1).all()


def test_a_p_value_is_never_zero_and_without_anything_usual_it_is_one() -> None:
    assert p_values(np.array([9.0, 2.0, 0.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx([0.25, 0.75, 1.0])
    assert p_values(np.array([9.0]), np.array([])) == pytest.approx([1.0])
