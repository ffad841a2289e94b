"""A pool's summary does not show how the pool was cut or in which order its parts came."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fac_core.feature_space.summary import N_BINS, Summary, bins_of, examples_for

D_SAE = 5
_VALUES = st.sampled_from([0.1, 0.25, 0.2500001, 0.5, 1.0, 3.25, 15.9, 16.0, 99.0])
_TEXTS = st.lists(
    st.tuples(st.integers(0, 12), st.dictionaries(st.integers(0, D_SAE - 1), _VALUES, max_size=D_SAE)), max_size=25
)
Text = tuple[int, dict[int, float]]


def _summary(texts: list[Text], n: int) -> Summary:
    found = Summary(D_SAE, n)
    found.add_texts(
        [key for key, _ in texts],
        [np.array(list(active), np.int32) for _, active in texts],
        [np.array(list(active.values()), np.float32) for _, active in texts],
    )
    return found


def _slow(texts: list[Text], n: int) -> tuple[Counter[tuple[int, int]], list[list[tuple[float, int]]]]:
    counts: Counter[tuple[int, int]] = Counter()
    best: list[dict[int, float]] = [{} for _ in range(D_SAE)]
    for key, active in texts:
        for feature, value in active.items():
            value = float(np.float32(value))
            at = next(b for b in range(N_BINS) if value <= (b + 1) * 0.25 or b == N_BINS - 1)
            counts[feature, at] += 1
            best[feature][key] = max(value, best[feature].get(key, 0.0))
    ranked = [sorted(((value, key) for key, value in each.items()), key=lambda e: (-e[0], e[1]))[:n] for each in best]
    return counts, ranked


@given(_TEXTS, st.integers(1, 4), st.integers(1, 6), st.randoms(use_true_random=False))
def test_parts_in_any_order_add_up_to_what_a_slow_count_of_all_texts_finds(
    texts: list[Text], n: int, n_parts: int, rng: random.Random
) -> None:
    parts: list[list[Text]] = [[] for _ in range(n_parts)]
    for text in texts:
        rng.choice(parts).append(text)
    total = Summary(D_SAE, n)
    for part in parts:
        total.add(_summary(part, n))
    counts, ranked = _slow(texts, n)
    assert {(int(f), int(b)): int(total.counts[f, b]) for f, b in zip(*total.counts.nonzero(), strict=True)} == counts
    assert total.n_samples == len(texts)
    for feature in range(D_SAE):
        mine = total.top.feature == feature
        assert list(zip(total.top.value[mine].tolist(), total.top.key[mine].tolist(), strict=True)) == ranked[feature]


@given(_TEXTS, _TEXTS, st.integers(1, 3))
def test_what_lies_below_the_floor_is_never_among_the_strongest(texts: list[Text], more: list[Text], n: int) -> None:
    whole, part, known = _summary(texts + more, n), _summary(more, n), _summary(texts, n)
    known.keep(part.top.at(part.top.value >= known.floor[part.top.feature]))
    assert [column.tolist() for column in known.top] == [column.tolist() for column in whole.top]


def test_bins_end_where_they_say() -> None:
    values = np.array([1e-9, 0.25, np.nextafter(np.float32(0.25), np.float32(1)), 15.75, 15.8, 1e9], np.float32)
    assert bins_of(values).tolist() == [0, 0, 1, 62, 63, 63]


def test_a_large_space_keeps_fewer_examples_of_each_feature() -> None:
    assert [examples_for(d_sae) for d_sae in (64, 16_384, 65_536, 1 << 20)] == [20, 20, 5, 1]
