"""Known ways in which a reading goes wrong without anyone seeing it, each by its number in the list of pitfalls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fac_core.content import ASSISTANT, USER, Content, Turn
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.calibration import SINK, calibrate, some, vectors
from fac_core.feature_space.extraction import activation_tables
from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.space import SpaceSpec
from fac_core.store.activations import insert_activations
from fac_core.workspace import Workspace
from tests.tiny import BLOCK, LABELLED_TEXTS, ODD_TEXTS, put_content

TALK = Content("how do i cook\n\nlentil soup", (Turn(USER, 0, 13, True), Turn(ASSISTANT, 15, 26, False)))


class Loud(Backbone):
    """The same model, in which every residual vector of one token id is fifty times as long."""

    loud: int

    def residuals(self, batch: Any) -> torch.Tensor:
        hidden = super().residuals(batch).clone()
        for row, content in enumerate(batch):
            places = content.places or range(len(content.ids))
            for column, place in enumerate(places):
                if content.ids[place] == self.loud:
                    hidden[row, column] *= 50
        return hidden


def test_p1_features_of_a_special_token_count_for_no_text(extractor: Extractor) -> None:
    bos = extractor.backbone.tokenizer.bos_token_id
    loud = Loud(**{name: getattr(extractor.backbone, name) for name in ("model", "tokenizer", "block", "tokens")})
    loud.loud = bos
    for one, other in zip(
        Extractor(extractor.spec, loud, extractor.sae).read_all(LABELLED_TEXTS[:6]),
        extractor.read_all(LABELLED_TEXTS[:6]),
        strict=True,
    ):
        assert one.features.tolist() == other.features.tolist()
        np.testing.assert_allclose(one.values, other.values, atol=2e-5)


def test_p2_sinks_are_counted_against_one_median_whatever_the_batches(extractor: Extractor) -> None:
    token = extractor.backbone.tokenize(LABELLED_TEXTS[0], 48).ids[-1]
    loud = Loud(**{name: getattr(extractor.backbone, name) for name in ("model", "tokenizer", "block", "tokens")})
    loud.loud = token
    contents = some(extractor.backbone, LABELLED_TEXTS)
    expected = sum(content.ids.count(token) for content in contents)
    calm = vectors(extractor.backbone, contents).norm(dim=1)
    assert float(calm.max() / calm.median()) < SINK
    for budget in (1, 50, 800):
        norms = vectors(loud, contents, budget=budget).norm(dim=1)
        assert int((norms > SINK * norms.median()).sum()) == expected > 0
    found = calibrate(Extractor(extractor.spec, loud, extractor.sae), LABELLED_TEXTS)
    assert found is not None and found.n_sinks == expected


@pytest.mark.parametrize("content", [TALK, Content("a"), Content(ODD_TEXTS[2])])
def test_p3_positions_that_do_not_count_are_left_out_after_encoding(extractor: Extractor, content: Content) -> None:
    large = replace(extractor.sae, b_enc=extractor.sae.b_enc + 100)  # even a zero vector would fire now
    read = Extractor(extractor.spec, extractor.backbone, large).read_one(content)
    counted = [turn for turn in content.turns if turn.counts] or [Turn(USER, 0, len(content.text), True)]
    assert len(read.features) > 0
    for start, end in read.spans.tolist():
        assert any(turn.start <= start < end <= turn.end for turn in counted)
    assert read.n_tokens == len(extractor.backbone.tokenize(content, 48).offsets)
    assert read.positions.max() < read.n_tokens


def test_p8_statistics_take_the_reconstruction_without_its_error(extractor: Extractor) -> None:
    x = vectors(extractor.backbone, some(extractor.backbone, LABELLED_TEXTS))
    health = extractor.fit(x)
    codes = extractor.sae.encode(x)
    bare = torch.zeros(len(x), extractor.sae.d_sae).index_put_((codes.tokens(), codes.features), codes.values)
    error = (x - (bare @ extractor.sae.w_dec + extractor.sae.b_dec)).square().sum()
    assert health.sq_error == pytest.approx(float(error), rel=1e-4) and float(error) > 0


def test_p9_codes_are_computed_and_kept_in_float32(
    extractor: Extractor, tiny_spec: SpaceSpec, tiny_backbone_folder: Any, filled_ws: Workspace
) -> None:
    half = Backbone.load(tiny_backbone_folder, BLOCK, dtype="bfloat16")
    reader = Extractor(replace(tiny_spec, dtype="bfloat16"), half, extractor.sae)
    text = "an unread text about a garlic bread"
    read = reader.read_one(text)
    x = half.residuals([half.tokenize(text, 48)])[0]
    assert x.dtype == torch.bfloat16 and read.values.dtype == np.float32
    expected = extractor.sae.encode(x.float())
    assert float(read.values.max()) == float(expected.values.max())
    with filled_ws.database.transaction() as cursor:
        content_id = put_content(cursor, text)
        tables = activation_tables([(content_id, read)])
        insert_activations(cursor, "half", tables["content_read"], tables["activation"])
    kept = filled_ws.database.rows(
        "SELECT feature_id, value FROM activation WHERE space_id = 'half' ORDER BY feature_id"
    )
    # a comparison with any threshold comes out the same before and after storing
    assert [(int(f), np.float32(v)) for f, v in kept] == list(zip(read.features.tolist(), read.values, strict=True))


def test_p12_no_special_token_is_among_those_that_count(extractor: Extractor) -> None:
    special = set(extractor.backbone.tokenizer.all_special_ids)
    for content in [TALK, *map(Content, ODD_TEXTS)]:
        found = extractor.backbone.tokenize(content, 1000)
        places = range(len(found.ids)) if found.places is None else found.places
        assert not {found.ids[place] for place in places} & special
        assert len(places) == len(found.offsets)


def test_p13_the_peak_is_inside_the_span_that_is_stored(extractor: Extractor) -> None:
    for content in [TALK, *map(Content, LABELLED_TEXTS[:5])]:
        read, tokens = extractor.read_one(content), extractor.read_tokens(content)
        for feature, position, span in zip(
            read.features.tolist(), read.positions.tolist(), read.spans.tolist(), strict=True
        ):
            heat = tokens.of_feature(feature)
            assert heat.index(max(heat)) == position
            assert tuple(span) == tokens.tokens.offsets[position]


def test_p15_what_was_not_read_of_a_text_is_counted(extractor: Extractor) -> None:
    read = extractor.read_one("garden " * 200)
    whole = extractor.backbone.tokenize("garden " * 200, 10_000)
    assert (read.n_tokens, read.n_truncated) == (48, len(whole.offsets) - 48)
    assert extractor.read_one("garden").n_truncated == 0


def test_p11_the_features_of_the_template_alone_are_measured(extractor: Extractor) -> None:
    backbone, sae = extractor.backbone, extractor.sae
    rendered = backbone.tokenizer.apply_chat_template([{"role": "user", "content": ""}], tokenize=True)["input_ids"]
    with torch.no_grad():
        states = backbone.model(input_ids=torch.tensor([rendered]), output_hidden_states=True).hidden_states[BLOCK][0]
    pre = states @ sae.w_enc.T + sae.b_enc
    top = pre.topk(sae.k, dim=-1)
    expected = {int(f) for f, v in zip(top.indices.flatten(), top.values.flatten(), strict=True) if v > 0}
    assert set(extractor.template_features().tolist()) == expected != set()


def test_what_special_positions_would_add_is_measured_on_the_same_texts(extractor: Extractor) -> None:
    found = calibrate(extractor, LABELLED_TEXTS)
    assert found is not None and calibrate(extractor, ["", ""]) is None
    contents = some(extractor.backbone, LABELLED_TEXTS)
    x = vectors(extractor.backbone, contents)
    everything = vectors(extractor.backbone, contents, special=True)
    assert len(everything) == len(x) + len(contents) * len(extractor.backbone.prefix_ids)
    assert found.n_tokens == len(x)
    assert found.fvu_with_special == pytest.approx(extractor.fit(everything).fvu)
    assert found.norm_low <= found.norm_median <= found.norm_high
    assert found.norm_median == pytest.approx(float(x.norm(dim=1).median()), rel=0.05)
    fires = (extractor.sae.encode(x).features.bincount(minlength=extractor.sae.d_sae) > 0.1 * len(x)).float()
    assert found.dense_share == pytest.approx(float(fires.mean()), abs=0.05)
