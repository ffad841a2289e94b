"""Families join what fires together or points the same way, and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fac_core.features.families import MAX_FAMILY, Links, firing_links, near_copies

NONE = Links(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def _links(sets: dict[int, set[int]]) -> Links:
    rows = [(feature, sample) for feature, samples in sets.items() for sample in samples]
    columns = np.array(rows, np.int64).reshape(-1, 2)
    return firing_links(columns[:, 0], columns[:, 1])


def _families(firing: Links, decoder: Links = NONE) -> dict[int, tuple[int, str]]:
    table = near_copies(firing, decoder)
    return {row["feature_id"]: (row["family_id"], row["joined_by"]) for row in table.to_pylist()}


@given(st.dictionaries(st.integers(0, 20), st.sets(st.integers(0, 9), max_size=10), max_size=14))
def test_links_are_exactly_the_pairs_with_a_jaccard_index_of_at_least_four_fifths(sets: dict[int, set[int]]) -> None:
    found = _links(sets)
    pairs = {(min(a, b), max(a, b)) for a, b in zip(found.a.tolist(), found.b.tolist(), strict=True)}
    expected = {
        (a, b)
        for a in sets
        for b in sets
        if a < b and min(len(sets[a]), len(sets[b])) >= 3 and len(sets[a] & sets[b]) >= 0.8 * len(sets[a] | sets[b])
    }
    assert pairs == expected


def test_features_that_fire_on_the_same_samples_or_point_the_same_way_are_one_family() -> None:
    firing = _links({1: set(range(10)), 2: set(range(9)), 3: {50, 51, 52}, 4: {0, 1}, 5: {0, 1}})
    decoder = Links(np.array([3, 1]), np.array([7, 2]), np.array([0.85, 0.95]))
    assert _families(firing, decoder) == {
        1: (1, "both"),
        2: (1, "both"),
        3: (3, "decoder"),
        7: (3, "decoder"),
    }


def test_a_chain_of_likenesses_does_not_grow_beyond_the_largest_family() -> None:
    a = np.arange(40)
    families = _families(NONE, Links(a[:-1], a[1:], np.full(39, 0.9)))
    sizes = np.unique([family for family, _ in families.values()], return_counts=True)[1]
    assert sizes.max() <= MAX_FAMILY


def test_the_strongest_links_are_kept_when_a_family_is_full() -> None:
    weak = Links(np.arange(20), np.arange(1, 21), np.full(20, 0.81))
    alone = _families(NONE, weak)
    edge = next(a for a in range(20) if alone[a][0] != alone.get(a + 1, (-1, ""))[0])
    assert edge + 1 == MAX_FAMILY, "the weak chain fills a family from its beginning and is cut there"
    families = _families(Links(np.array([edge]), np.array([edge + 1]), np.array([1.0])), weak)
    assert families[edge][0] == families[edge + 1][0]
