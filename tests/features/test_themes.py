"""Themes put together what fires in the same texts."""

from __future__ import annotations

import numpy as np

from fac_core.features.themes import find_themes

N_TOPICS, PER_TOPIC, N_TEXTS = 7, 20, 420


def _activations() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features 0-19 fire in texts about topic 0 and so on; the last one fires everywhere."""
    rng = np.random.default_rng(0)
    topic = np.arange(N_TEXTS) % N_TOPICS
    feature_topic = np.repeat(np.arange(N_TOPICS), PER_TOPIC)
    rate = np.where(feature_topic[:, None] == topic, 0.4, 0.01)
    fires = np.concatenate([rng.random(rate.shape) < rate, rng.random((1, N_TEXTS)) < 0.9])
    feature, sample = np.nonzero(fires)
    return feature, sample, np.full(len(feature), 3.0)


def test_features_of_one_topic_are_one_theme_known_by_its_most_central_feature() -> None:
    found = find_themes(*_activations(), 1.0)
    assert found is not None and len(found.feature) == N_TOPICS * PER_TOPIC + 1
    theme = dict(zip(found.feature.tolist(), found.theme.tolist(), strict=True))
    for number in range(N_TOPICS):
        members = [theme[feature] for feature in range(number * PER_TOPIC, (number + 1) * PER_TOPIC)]
        largest = max(set(members), key=members.count)
        assert members.count(largest) >= 18
    closeness = dict(zip(found.feature.tolist(), found.closeness.tolist(), strict=True))
    for head in set(theme.values()):
        assert theme[head] == head
        assert closeness[head] == max(closeness[each] for each in theme if theme[each] == head)
    assert closeness[N_TOPICS * PER_TOPIC] == 0, "what fires everywhere shapes no theme"


def test_themes_come_out_the_same_every_time_and_in_any_order_of_rows() -> None:
    rows = _activations()
    order = np.random.default_rng(1).permutation(len(rows[0]))
    first, again = find_themes(*rows, 1.0), find_themes(*(part[order] for part in rows), 1.0)
    assert first is not None and again is not None
    assert first.theme.tolist() == again.theme.tolist()


def test_a_few_features_have_no_themes() -> None:
    feature, sample, value = _activations()
    few = feature < 30
    assert find_themes(feature[few], sample[few], value[few], 1.0) is None
    nothing = np.empty(0, np.int64)
    assert find_themes(nothing, nothing, np.empty(0), 1.0) is None
