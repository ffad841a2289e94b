"""Coverage is set arithmetic; a slow version over Python sets is its oracle."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_core.coverage.gaps import gaps
from fac_core.coverage.measure import aims, coverage, interval
from fac_core.coverage.sweep import sweep
from fac_core.coverage.worklist import add, remove, still_open, worklist
from fac_core.errors import InputError
from fac_core.features.counts import load_counts
from fac_core.features.facts import load_facts
from fac_core.features.relevance import overrule
from fac_core.features.states import STATES
from fac_core.store import coverage as coverage_store
from fac_core.store.approved import APPROVED_DATASET
from fac_core.store.datasets import mark_deleted
from fac_core.workspace import Workspace, now
from tests.planted import Planted, family, plant, recount, relevant_by_label

D = 12
values = st.sampled_from([0.1, 0.25, 0.26, 0.5, 1.0, 1.01, 2.0, 3.3, 20.0])
active = st.dictionaries(st.integers(0, D - 1), values, max_size=5)
sets = st.lists(active, min_size=1, max_size=6)
deltas = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 15.75])
anew = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _samples(**roles: list[dict[int, float]]) -> list[Planted]:
    return [
        Planted(role, f"{role} {number}", features)
        for role, found in roles.items()
        for number, features in enumerate(found)
    ]


def _approved(features: dict[int, float]) -> Planted:
    return Planted("synthetic", "approved", features, dataset=APPROVED_DATASET)


def _empty(ws: Workspace) -> None:
    with ws.database.transaction() as cursor:
        for table in (
            "space",
            "feature_static",
            "dataset",
            "sample",
            "content",
            "content_read",
            "activation",
            "relevance",
            "family",
            "worklist",
        ):
            cursor.execute(f"DELETE FROM {table}")


def _oracle(found: list[dict[int, float]], delta: float) -> set[int]:
    return {feature for features in found for feature, value in features.items() if np.float32(value) > delta}


@anew
@given(seed=sets, anchor=sets, synthetic=st.lists(active, max_size=3), delta=deltas)
def test_coverage_from_profiles_equals_set_arithmetic_over_samples(
    ws: Workspace,
    seed: list[dict[int, float]],
    anchor: list[dict[int, float]],
    synthetic: list[dict[int, float]],
    delta: float,
) -> None:
    _empty(ws)
    space = plant(ws, _samples(seed=seed, anchor=anchor, synthetic=synthetic), d_sae=D)
    measured = coverage(ws, space, delta)
    f_p, f_q = _oracle(anchor, delta), _oracle(seed, delta)
    assert (measured.n_anchor, measured.n_covered) == (len(f_p), len(f_p & f_q))
    assert measured.n_after == len(f_p & (f_q | _oracle(synthetic, delta)))
    assert measured.fac == (len(f_p & f_q) / len(f_p) if f_p else 0.0)
    assert 0 <= measured.low <= measured.fac <= measured.high <= 1
    assert sum(measured.states.values()) == len(f_p) and measured.states["covered"] == measured.n_after
    assert measured.n_alive == len(_oracle([*seed, *anchor, *synthetic], 0.0))


@anew
@given(seed=sets, anchor=sets)
def test_raising_delta_never_enlarges_coverage(
    ws: Workspace, seed: list[dict[int, float]], anchor: list[dict[int, float]]
) -> None:
    _empty(ws)
    space = plant(ws, _samples(seed=seed, anchor=anchor), d_sae=D)
    covered = [coverage(ws, space, delta) for delta in (0.0, 0.25, 0.5, 1.0, 2.0, 15.75)]
    for lower, higher in pairwise(covered):
        assert higher.n_covered <= lower.n_covered and higher.n_anchor <= lower.n_anchor


@anew
@given(seed=sets, anchor=sets, more=active)
def test_adding_a_sample_never_lowers_coverage_and_the_order_of_rows_changes_nothing(
    ws: Workspace, seed: list[dict[int, float]], anchor: list[dict[int, float]], more: dict[int, float]
) -> None:
    _empty(ws)
    space = plant(ws, _samples(seed=seed, anchor=anchor), d_sae=D)
    before = coverage(ws, space, 0.5)
    _empty(ws)
    plant(ws, _samples(anchor=anchor[::-1], seed=seed[::-1]), d_sae=D)
    assert coverage(ws, space, 0.5) == before
    _empty(ws)
    plant(ws, _samples(seed=[*seed, more], anchor=anchor), d_sae=D)
    assert coverage(ws, space, 0.5).fac >= before.fac


@anew
@given(seed=sets, anchor=sets)
def test_the_sweep_equals_coverage_at_every_step(
    ws: Workspace, seed: list[dict[int, float]], anchor: list[dict[int, float]]
) -> None:
    _empty(ws)
    space = plant(ws, _samples(seed=seed, anchor=anchor), d_sae=D, template=[3])
    points = sweep(ws, space)
    for point in [*points[:5], *points[-1:]]:
        measured = coverage(ws, space, point.delta)
        assert (point.fac, point.n_missing) == (measured.fac, measured.states["missing"])
    assert len(points) == 64 or coverage(ws, space, 0.25 * len(points)).n_anchor == 0


def test_profiles_of_two_datasets_of_a_role_count_like_one(ws: Workspace) -> None:
    rows = [{1: 1.0}, {1: 3.0, 2: 2.0}, {3: 0.5}, {2: 5.0}]
    apart = [Planted("anchor", f"text {i}", row, dataset=f"part {i % 2}") for i, row in enumerate(rows)]
    space = plant(ws, [*apart, Planted("seed", "seed", {2: 2.0})])
    counts = load_facts(ws, space, 0.5).counts
    assert counts.anchor[[1, 2, 3]].tolist() == [2, 2, 0] and counts.n_samples["anchor"] == 4


def test_a_sample_is_active_only_strictly_above_delta(ws: Workspace) -> None:
    space = plant(ws, [Planted("anchor", "a", {0: 1.0, 1: math.nextafter(1.0, 2.0) + 1e-6})])
    assert load_facts(ws, space, 1.0).counts.anchor[:2].tolist() == [0, 1]


def test_a_role_that_changes_and_a_dataset_that_is_deleted_change_coverage_at_once(ws: Workspace) -> None:
    space = plant(ws, _samples(anchor=[{0: 2.0}, {1: 2.0}], seed=[{0: 2.0}], pool=[{1: 2.0}]))
    assert coverage(ws, space, 1.0).fac == 0.5
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE dataset SET role = 'seed' WHERE name = 'pool'")
    assert coverage(ws, space, 1.0).fac == 1.0
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE dataset SET deleted_at = now() WHERE name = 'seed'")
    assert coverage(ws, space, 1.0).fac == 0.5


def test_only_relevant_features_count_on_either_side(ws: Workspace) -> None:
    n = 60
    many = dict.fromkeys(range(n), 2.0)
    space = plant(ws, _samples(anchor=[many], seed=[{0: 2.0, 1: 2.0, 59: 2.0}]), d_sae=n)
    relevant_by_label(ws, space, range(50))
    measured = coverage(ws, space, 1.0)
    assert (measured.relevance_mode, measured.n_anchor, measured.n_covered) == ("label", 50, 2)
    overrule(ws, space, 59, True, "me")
    overrule(ws, space, 1, False, "me")
    measured = coverage(ws, space, 1.0)
    assert (measured.n_anchor, measured.n_covered) == (50, 2)


def test_a_space_without_an_anchor_has_no_coverage_rather_than_full_coverage(ws: Workspace) -> None:
    space = plant(ws, _samples(seed=[{0: 2.0}]))
    measured = coverage(ws, space, 1.0)
    assert (measured.n_anchor, measured.fac, measured.saturated, sweep(ws, space)) == (0, 0.0, False, [])


def test_a_small_seed_that_covers_little_lacks_power_and_is_not_saturated(ws: Workspace) -> None:
    anchor = [{i % 30: 2.0} for i in range(300)]
    measured = coverage(ws, plant(ws, _samples(anchor=anchor, seed=[{i: 2.0} for i in range(6)])), 1.0)
    assert (measured.fac, measured.saturated, measured.low_power) == (0.2, False, True)
    assert (measured.n_open, measured.n_powered, measured.n_gap_families) == (24, 0, 0)


def test_a_seed_that_covers_nearly_everything_is_saturated(ws: Workspace) -> None:
    anchor = [{i % 30: 2.0} for i in range(300)]
    measured = coverage(ws, plant(ws, _samples(anchor=anchor, seed=[{i % 30: 2.0} for i in range(60)])), 1.0)
    assert (measured.fac, measured.saturated, measured.low_power) == (1.0, True, False)


def test_closing_gaps_makes_a_set_neither_saturated_nor_weak(ws: Workspace) -> None:
    anchor = [{i % 30: 2.0} for i in range(300)]
    seed = [{i % 10: 2.0} for i in range(150)]
    space = plant(ws, _samples(anchor=anchor, seed=seed, synthetic=[{i: 2.0} for i in range(30)]))
    measured = coverage(ws, space, 1.0)
    assert (measured.n_gap_families, measured.n_after) == (0, 30), "every gap is closed"
    assert (measured.n_open, measured.n_powered) == (20, 20), "of the seed alone"
    assert not measured.saturated and not measured.low_power


def test_only_samples_approved_in_review_count_as_hits_of_what_was_aimed_at(ws: Workspace) -> None:
    samples = _samples(anchor=[{1: 2.0, 2: 2.0, 3: 2.0}], seed=[{}])
    imported = Planted("synthetic", "brought along", {1: 2.0, 2: 2.0})
    space = plant(ws, [*samples, imported, _approved({2: 2.0, 3: 0.5})])
    add(ws, space, [1, 2, 3], "test")
    measured = coverage(ws, space, 1.0)
    assert (measured.n_after, measured.n_hit, measured.missing_hit_rate) == (2, 1, pytest.approx(1 / 3))
    assert coverage(ws, space, 0.25).n_hit == 2


def test_a_gap_is_missing_only_where_the_seed_could_have_shown_it(ws: Workspace) -> None:
    anchor = [{0: 2.0, **({1: 2.0} if i < 9 else {}), **({2: 2.0} if i < 5 else {}), 3: 2.0} for i in range(100)]
    space = plant(ws, _samples(anchor=anchor, seed=[{}] * 50 + [{3: 2.0}]), template=[4])
    state = load_facts(ws, space, 1.0).state
    assert state[:4].tolist() == ["dense", "missing", "undersampled", "covered"]


def test_template_features_are_never_called_missing(ws: Workspace) -> None:
    anchor = [{5: 2.0} if i < 9 else {} for i in range(100)]
    space = plant(ws, _samples(anchor=anchor, seed=[{}] * 100), template=[5])
    assert load_facts(ws, space, 1.0).state[5] == "template" and gaps(ws, space, 1.0) == []


def test_gaps_are_collapsed_by_family_and_robust_ones_come_first(ws: Workspace) -> None:
    anchor = [{1: 2.0 + (i == 3), 2: 2.0, **({3: 2.0} if i < 5 else {})} if i < 8 else {} for i in range(100)]
    # feature 1 and 2 fire weakly in the seed, feature 3 not at all
    space = plant(ws, _samples(anchor=anchor, seed=[{1: 0.5, 2: 0.5}] + [{}] * 99))
    family(ws, space, [1, 2])
    found = gaps(ws, space, 1.0)
    assert [(gap.members, gap.robust, gap.n_anchor) for gap in found] == [([3], True, 5), ([1, 2], False, 8)]
    assert found[1].example == "anchor 3" and found[1].expected_seed == 8.0
    assert [gap.members for gap in gaps(ws, space, 1.0, collapse=False)] == [[3], [1], [2]]
    assert coverage(ws, space, 1.0).n_gap_families == 2


def test_a_family_with_a_covered_member_says_so(ws: Workspace) -> None:
    anchor = [{1: 2.0, 2: 2.0} if i < 8 else {} for i in range(100)]
    space = plant(ws, _samples(anchor=anchor, seed=[{2: 2.0}] + [{}] * 99))
    family(ws, space, [1, 2])
    assert [(gap.members, gap.family_covered) for gap in gaps(ws, space, 1.0)] == [([1], True)]


def test_approving_closes_a_gap_and_taking_the_only_hit_away_reopens_it(ws: Workspace) -> None:
    anchor = [{1: 2.0} if i < 8 else {} for i in range(100)]
    samples = [*_samples(anchor=anchor, seed=[{}] * 100), _approved({1: 4.0})]
    space = plant(ws, samples)
    add(ws, space, [1], "gaps")
    closed = coverage(ws, space, 1.0)
    assert (closed.fac, closed.fac_after, closed.missing_hit_rate, closed.states["missing"]) == (0.0, 1.0, 1.0, 0)
    with ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM sample WHERE dataset_id = ?", [APPROVED_DATASET])
    recount(ws, space)
    reopened = coverage(ws, space, 1.0)
    assert (reopened.fac_after, reopened.missing_hit_rate, reopened.states["missing"]) == (0.0, 0.0, 1)


def test_the_hit_rate_of_the_targets_is_not_the_coverage_of_the_anchor(ws: Workspace) -> None:
    samples = [*_samples(anchor=[{i: 2.0} for i in range(10)], seed=[{0: 2.0}]), _approved({7: 2.0})]
    space = plant(ws, samples)
    assert coverage(ws, space, 1.0).missing_hit_rate is None
    add(ws, space, [7, 8], "map")
    measured = coverage(ws, space, 1.0)
    assert (measured.missing_hit_rate, measured.n_targets, measured.n_hit) == (0.5, 2, 1)
    assert (measured.fac, measured.fac_after, measured.candidate_hit_rate) == (0.1, 0.2, 0.0)


def test_any_hit_candidate_counts_for_the_candidates_rate_and_approved_ones_alone_for_the_other(ws: Workspace) -> None:
    samples = [*_samples(anchor=[{1: 2.0, 2: 2.0}], seed=[{}]), Planted("pool", "candidate", {1: 2.0})]
    space = plant(ws, samples)
    aimed = [aims(ws, space)]
    add(ws, space, [1, 2], "gaps")
    aimed.append(aims(ws, space))
    with ws.database.transaction() as cursor:
        cursor.execute("INSERT INTO synthesis_run VALUES ('r', ?, 1, 'local', '{}', [1], now()::TIMESTAMP)", [space])
        cursor.execute(
            "INSERT INTO candidate SELECT 'c', 'r', 1, 2, 1, 'local', text, '{}', NULL, content_id, 'hit', 2.0, NULL, 1, "
            "1, '', '{}', NULL, NULL, now()::TIMESTAMP FROM content WHERE text = 'candidate'"
        )
    measured = coverage(ws, space, 1.0)
    assert (measured.n_targets, measured.candidate_hit_rate, measured.missing_hit_rate) == (2, 0.5, 0.0)
    aimed.append(aims(ws, space))
    assert len(set(aimed)) == 3 and aims(ws, space) == aimed[-1], "what a cache of these numbers keys on has moved"


def test_the_interval_is_repeatable_and_wider_when_features_come_in_families() -> None:
    covered = np.repeat([True, False] * 20, 5)
    alone, joined = interval(covered, np.arange(200)), interval(covered, np.repeat(np.arange(40), 5))
    assert alone == interval(covered, np.arange(200))
    assert joined[1] - joined[0] > 1.8 * (alone[1] - alone[0])
    assert interval(np.array([], bool), np.array([], np.int64)) == (0.0, 0.0)


def test_the_interval_agrees_with_the_plain_bootstrap_over_families() -> None:
    rng = np.random.default_rng(3)
    families = [rng.random(rng.integers(1, 6)) < 0.6 for _ in range(50)]
    covered = np.concatenate(families)
    ids = np.repeat(np.arange(50), [len(members) for members in families])
    plain = []
    for _ in range(4000):
        drawn = [families[i] for i in rng.integers(0, 50, 50)]
        plain.append(np.concatenate(drawn).mean())
    assert interval(covered, ids) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=0.015)


def test_the_work_list_keeps_its_order_and_shows_the_state_of_each_feature(ws: Workspace) -> None:
    anchor = [{1: 2.0, 2: 2.0} if i < 8 else {} for i in range(100)]
    space = plant(ws, _samples(anchor=anchor, seed=[{2: 2.0}] + [{}] * 99))
    assert add(ws, space, [2], "heatmap") == 1 and add(ws, space, [1, 2, 9], "map") == 2
    items = worklist(ws, space)
    assert [(item.feature_id, item.state, item.added_from) for item in items] == [
        (2, "covered", "heatmap"),
        (1, "missing", "map"),
        (9, "dead", "map"),
    ]
    assert (still_open(ws, space, 0.0), still_open(ws, space, 2.0)) == (2, 3)
    assert remove(ws, space, [2, 5]) == 1 and len(worklist(ws, space)) == 2


def test_a_feature_the_space_does_not_have_cannot_enter_the_work_list(ws: Workspace) -> None:
    space = plant(ws, _samples(anchor=[{0: 1.0}]))
    with pytest.raises(InputError, match="no feature 99"):
        add(ws, space, [1, 99], "map")
    assert worklist(ws, space) == []


@pytest.mark.parametrize("delta", [0.3, -0.25, 16.0, math.nan, math.inf])
def test_a_delta_between_the_steps_of_the_profiles_is_refused_with_a_sentence(ws: Workspace, delta: float) -> None:
    space = plant(ws, _samples(anchor=[{0: 1.0}]))
    with pytest.raises(InputError, match=r"multiple of 0\.25"):
        coverage(ws, space, delta)


def test_states_have_one_name_each() -> None:
    assert len(set(STATES)) == 5


def test_counts_and_sizes_are_of_one_moment_whatever_is_written_between_them(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = plant(ws, _samples(anchor=[{1: 2.0}] * 8, seed=[{2: 2.0}]))
    count = coverage_store._bins

    def count_and_lose_a_set(*given: Any) -> Any:
        found = count(*given)
        with ws.database.transaction() as cursor:
            mark_deleted(cursor, "anchor", now())
        return found

    with monkeypatch.context() as patch:
        patch.setattr(coverage_store, "_bins", count_and_lose_a_set)
        before = load_counts(ws, space, 32, 1.0)
    assert (before.anchor[1], before.n_samples["anchor"]) == (8, 8)
    after = load_counts(ws, space, 32, 1.0)
    assert (after.anchor[1], after.n_samples["anchor"]) == (0, 0)
