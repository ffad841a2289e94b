"""A text typed in is read by the same extractor as the rest, whatever characters it is made of."""

from __future__ import annotations

import pytest

from fac_core.content import normalise
from fac_core.errors import InputError
from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.space import SpaceSpec
from fac_core.features.probe import heat, probe
from fac_core.workspace import Workspace
from tests.tiny import LABELLED_TEXTS, ODD_TEXTS, put_content


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_a_probe_has_the_activations_the_extractor_finds(
    filled_ws: Workspace, tiny_spec: SpaceSpec, extractor: Extractor, text: str
) -> None:
    found = probe(filled_ws, tiny_spec.space_id, text)
    read = extractor.read_one(normalise(text))
    assert {active.feature_id: active.value for active in found.features} == dict(
        zip(read.features.tolist(), read.values.tolist(), strict=True)
    )
    values = [active.value for active in found.features]
    assert values == sorted(values, reverse=True)
    assert all(found.text[start:end] == token for token, start, end in found.tokens)
    ends = [end for _, _, end in found.tokens]
    assert all(start >= end for (_, start, _), end in zip(found.tokens[1:], ends, strict=False)), "no mark cuts another"


def kept(ws: Workspace, text: str) -> int:
    with ws.database.transaction() as cursor:
        return put_content(cursor, text)


def test_the_heat_of_a_text_peaks_at_the_value_and_place_of_its_maximum(
    filled_ws: Workspace, tiny_spec: SpaceSpec, extractor: Extractor
) -> None:
    text = LABELLED_TEXTS[3]
    read = extractor.read_one(text)
    for feature, value, span in zip(read.features[:5], read.values, read.spans, strict=False):
        marks = heat(filled_ws, tiny_spec.space_id, int(feature), kept(filled_ws, text))
        hottest = max(marks, key=lambda mark: mark.value)
        assert hottest.value == pytest.approx(float(value)) and hottest.start <= span[0] < hottest.end


def test_the_share_of_weaker_anchor_samples_is_counted_over_all_of_them(
    filled_ws: Workspace, tiny_spec: SpaceSpec
) -> None:
    text = LABELLED_TEXTS[0]
    database = filled_ws.database
    n_anchor = database.one("SELECT count(*) FROM sample WHERE dataset_id = 'anchor'")
    assert n_anchor is not None
    for active in probe(filled_ws, tiny_spec.space_id, text).features[:6]:
        stronger = database.one(
            "SELECT count(*) FROM activation a JOIN sample s USING (content_id) "
            "WHERE s.dataset_id = 'anchor' AND a.feature_id = ? AND a.value >= ?",
            [active.feature_id, active.value],
        )
        assert stronger is not None
        assert active.share_below == pytest.approx(1 - stronger[0] / n_anchor[0])


def test_a_text_without_anything_to_read_is_refused(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    with pytest.raises(InputError, match="no tokens"):
        probe(filled_ws, tiny_spec.space_id, "  \n ")
    with pytest.raises(InputError, match="no feature 64"):
        heat(filled_ws, tiny_spec.space_id, 64, kept(filled_ws, LABELLED_TEXTS[0]))
    with pytest.raises(InputError, match="no content 999999"):
        heat(filled_ws, tiny_spec.space_id, 0, 999_999)


@pytest.mark.parametrize("whole", ["👩‍👩‍👧‍👦", "👍🏽", "❤️‍🔥", "🇩🇪", "e\u0323\u0301", "कि"])
def test_the_tokens_of_one_character_are_one_mark(filled_ws: Workspace, tiny_spec: SpaceSpec, whole: str) -> None:
    text = normalise(f"see {whole} here")
    plain = normalise(whole)
    place = text.index(plain)
    found = probe(filled_ws, tiny_spec.space_id, text)
    inside = [(start, end) for _, start, end in found.tokens if start < place + len(plain) and end > place]
    assert len(inside) == 1 and inside[0][0] <= place and inside[0][1] >= place + len(plain)
    marks = heat(filled_ws, tiny_spec.space_id, 0, kept(filled_ws, text))
    assert [(mark.start, mark.end) for mark in marks] == [(start, end) for _, start, end in found.tokens]
