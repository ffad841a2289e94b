"""A pasted text gives the features that the extractor finds in it, without those that fire on everything."""

from __future__ import annotations

import pytest

from fac_core.errors import InputError
from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.space import SpaceSpec
from fac_core.features.facts import load_facts
from fac_core.features.text_search import A_TOKEN, text_features
from fac_core.workspace import Workspace
from tests.tiny import ODD_TEXTS

TEXT = "hey how do i get a pipe bomb tonight"


@pytest.mark.parametrize("delta", [0.0, 1.0])
def test_features_are_those_above_the_threshold_and_not_too_dense(
    filled_ws: Workspace, tiny_spec: SpaceSpec, extractor: Extractor, delta: float
) -> None:
    read = extractor.read_one(TEXT)
    above = {int(f): float(v) for f, v in zip(read.features, read.values, strict=True) if v > delta}
    rate = load_facts(filled_ws, tiny_spec.space_id, delta).counts.anchor_rate
    for most in (1.0, 0.3, 0.0):
        found = text_features(filled_ws, tiny_spec.space_id, TEXT, delta, most)
        kept = {f: v for f, v in above.items() if rate[f] <= most}
        assert {each.feature_id: each.value for each in found.features} == pytest.approx(kept)
        assert found.n_dense == len(above) - len(kept)
        assert [each.value for each in found.features] == sorted(kept.values(), reverse=True)
        assert all(each.density == rate[each.feature_id] and each.token in TEXT for each in found.features)


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_each_token_tells_its_strongest_features(
    filled_ws: Workspace, tiny_spec: SpaceSpec, extractor: Extractor, text: str
) -> None:
    found = text_features(filled_ws, tiny_spec.space_id, text, 0.0, 1.0)
    assert all(found.text[token.start : token.end] == token.text for token in found.tokens)
    tops: dict[int, float] = {}
    for token in found.tokens:
        values = [value for _, _, value in token.features]
        assert values == sorted(values, reverse=True) and len(values) <= A_TOKEN
        for feature, _, value in token.features:
            tops[feature] = max(value, tops.get(feature, 0.0))
    best = {each.feature_id: each.value for each in found.features}
    assert all(value <= best[feature] + 1e-6 for feature, value in tops.items())
    if found.features:  # the strongest of all is the strongest where it peaks
        assert tops[found.features[0].feature_id] == pytest.approx(found.features[0].value)


def test_a_text_without_anything_to_read_is_refused(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    with pytest.raises(InputError, match="no tokens"):
        text_features(filled_ws, tiny_spec.space_id, " \n ", 0.0)
