"""Who serves what: own target first, open targets before closed ones, nobody twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fac_core.synthesis.assign import MAX_RANK, Contender, Place, assign
from fac_core.synthesis.targets import derangement

FEATURES = range(4)
contenders = st.lists(
    st.tuples(st.sampled_from(FEATURES), st.dictionaries(st.sampled_from(FEATURES), st.floats(0.1, 9), max_size=4)),
    max_size=20,
).map(lambda rows: [Contender(f"c{n:02}", target, values) for n, (target, values) in enumerate(rows)])
TOPS = dict.fromkeys(FEATURES, 9.0)


def test_own_hits_are_ranked_by_activation_and_the_fourth_stays_behind_them() -> None:
    given_ = [Contender(f"c{n}", 1, {1: value}) for n, value in enumerate([2.0, 5.0, 3.0, 4.0])]
    assert assign(given_, TOPS) == {"c1": Place(1, 1), "c3": Place(1, 2), "c2": Place(1, 3), "c0": Place(1, 4)}


def test_of_two_hits_the_likelier_text_comes_first_unless_the_other_fires_far_more() -> None:
    def first(*rows: tuple[float, float]) -> str:
        places = assign([Contender(f"c{n}", 1, {1: value}, likely) for n, (value, likely) in enumerate(rows)], TOPS)
        return min(places, key=lambda name: places[name].rank)

    assert first((5.0, -4.0), (4.0, -3.0)) == "c1"
    assert first((8.0, -4.0), (4.0, -3.0)) == "c0"
    assert first((90.0, -4.0), (9.0, -3.9)) == "c1", "beyond the anchor's top more activation counts for nothing"


def test_a_candidate_that_misses_its_target_serves_an_open_one() -> None:
    assert assign([Contender("c", 1, {2: 3.0})], TOPS) == {"c": Place(2, 1)}


def test_an_own_hit_that_no_reviewer_would_get_to_serves_an_open_target() -> None:
    given_ = [Contender(f"c{n}", 1, {1: 5.0 - n, 2: 1.0}) for n in range(MAX_RANK + 1)]
    places = assign(given_, TOPS)
    assert places[f"c{MAX_RANK}"] == Place(2, 1) and sum(place.feature_id == 1 for place in places.values()) == MAX_RANK


def test_a_target_with_an_own_hit_takes_none_from_others() -> None:
    assert assign([Contender("own", 1, {1: 0.5}), Contender("other", 2, {1: 9.0})], TOPS) == {"own": Place(1, 1)}


@given(contenders)
def test_places_are_those_of_features_the_candidate_fires_and_ranks_have_no_gaps(given_: list[Contender]) -> None:
    places = assign(given_, TOPS)
    by_id = {contender.candidate_id: contender for contender in given_}
    assert all(place.feature_id in by_id[name].values for name, place in places.items())
    for feature in FEATURES:
        ranks = sorted(place.rank for place in places.values() if place.feature_id == feature)
        assert ranks == list(range(1, len(ranks) + 1))


@given(contenders)
def test_every_target_that_any_candidate_fires_is_served(given_: list[Contender]) -> None:
    """Unless the only candidates that fire it are needed by their own targets, or by another open one."""
    places = assign(given_, TOPS)
    served = {place.feature_id for place in places.values()}
    for contender in given_:
        if contender.target in contender.values:
            assert contender.target in served
        elif contender.values and contender.candidate_id not in places:
            assert set(contender.values) <= served


@given(contenders, st.randoms(use_true_random=False))
def test_the_order_of_candidates_changes_nothing(given_: list[Contender], rng: object) -> None:
    mixed = list(given_)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    assert assign(mixed, TOPS) == assign(given_, TOPS)


@given(st.lists(st.integers(0, 99), unique=True), st.integers(0, 5))
def test_a_control_is_another_target_and_every_target_is_one_control(features: list[int], seed: int) -> None:
    controls = derangement(features, seed)
    if len(features) < 2:
        assert set(controls.values()) <= {None}
    else:
        assert sorted(controls.values()) == sorted(features)  # type: ignore[type-var]
        assert all(feature != control for feature, control in controls.items())
    assert derangement(features, seed) == controls
