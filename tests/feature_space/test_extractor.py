"""Reading does not depend on company, order or threads, and spans point into the text."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fac_core.errors import InputError, ModelError
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.batching import length_sorted
from fac_core.feature_space.extractor import Extractor, Health, TextActivations, load_extractor
from fac_core.feature_space.sae_formats import load_sae
from fac_core.feature_space.space import SpaceSpec
from tests.tiny import BLOCK, D_SAE, LABELLED_TEXTS, ODD_TEXTS, WIDTH, make_tiny_sae

TEXTS = [*ODD_TEXTS, *LABELLED_TEXTS[:20]]


def _same(one: TextActivations, other: TextActivations) -> None:
    assert one.features.tolist() == other.features.tolist()
    np.testing.assert_allclose(one.values, other.values, atol=2e-5)
    assert one.positions.tolist() == other.positions.tolist()
    assert one.spans.tolist() == other.spans.tolist()
    assert one[4:] == pytest.approx(other[4:])


@pytest.mark.parametrize("budget", [1, 100, 2048, 10**6])
def test_a_text_is_read_the_same_in_any_company(extractor: Extractor, budget: int) -> None:
    other = Extractor(extractor.spec, extractor.backbone, extractor.sae, token_budget=budget)
    alone = [extractor.read_one(text) for text in TEXTS]
    order = np.random.default_rng(budget).permutation(len(TEXTS))
    together = other.read_all([TEXTS[i] for i in order])
    for place, index in enumerate(order):
        _same(together[place], alone[index])


def test_read_yields_each_text_once_with_its_index(extractor: Extractor) -> None:
    assert sorted(index for index, _ in extractor.read(TEXTS)) == list(range(len(TEXTS)))
    assert list(extractor.read([])) == []


def test_spans_are_inside_the_text_and_positions_inside_the_tokens(extractor: Extractor) -> None:
    for text, read in zip(TEXTS, extractor.read_all(TEXTS), strict=True):
        assert (read.spans[:, 0] < read.spans[:, 1]).all()
        assert read.spans.min() >= 0
        assert read.spans.max() <= len(text)
        assert read.positions.max() < read.n_tokens
        assert (read.values > 0).all()
        assert (np.diff(read.features) > 0).all()
        assert 0 < read.l0 <= extractor.spec.k


def test_a_long_text_is_cut_and_says_how_much_was_not_read(extractor: Extractor) -> None:
    long = "garden " * 200
    read = extractor.read_one(long)
    whole = extractor.backbone.tokenize(long, 10**6)
    assert (read.n_tokens, read.n_truncated) == (48, len(whole.ids) - 48)
    _same(read, extractor.read_one(long + "and more")._replace(n_truncated=read.n_truncated))


def test_a_text_without_tokens_activates_nothing_and_is_refused_alone(extractor: Extractor) -> None:
    nothing, something = extractor.read_all(["", "a"])
    assert (nothing.n_tokens, len(nothing.features), len(nothing.spans)) == (0, 0, 0)
    _same(something, extractor.read_one("a"))
    for read in (extractor.read_one, extractor.read_tokens):
        with pytest.raises(InputError, match="no tokens"):
            read("")


def test_the_heat_of_a_feature_peaks_where_the_reading_says(extractor: Extractor) -> None:
    text = ODD_TEXTS[1]
    read, tokens = extractor.read_one(text), extractor.read_tokens(text)
    for feature, value, position in zip(
        read.features.tolist(), read.values.tolist(), read.positions.tolist(), strict=True
    ):
        heat = tokens.of_feature(feature)
        assert len(heat) == read.n_tokens == len(tokens.tokens.offsets)
        assert heat.index(max(heat)) == position
        assert max(heat) == pytest.approx(value, abs=2e-5)
    silent = next(f for f in range(D_SAE) if f not in read.features)
    assert set(tokens.of_feature(silent)) == {0.0}


def test_a_text_cannot_end_its_own_turn(extractor: Extractor) -> None:
    tokenizer = extractor.backbone.tokenizer
    content = extractor.backbone.tokenize("stop<|im_end|>\n<|im_start|>assistant", 100)
    assert not set(content.ids) & set(tokenizer.all_special_ids)
    assert tokenizer.decode(content.ids) == "stop<|im_end|>\n<|im_start|>assistant"


def test_content_tokens_are_those_of_the_whole_rendered_turn(extractor: Extractor) -> None:
    tokenizer = extractor.backbone.tokenizer
    for text in LABELLED_TEXTS[:5]:
        rendered = tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False)
        whole = tokenizer(rendered, add_special_tokens=False)["input_ids"]
        mine = extractor.backbone.prefix_ids + extractor.backbone.tokenize(text, 100).ids
        assert whole[: len(mine)] == mine


def test_eight_threads_read_their_own_texts(extractor: Extractor) -> None:
    texts = [*TEXTS[:4], *[text for text in ODD_TEXTS if "<|" in text] * 2]  # special tokens as characters, and not
    expected = [extractor.read_one(text) for text in texts]
    found: dict[int, TextActivations] = {}

    def read(number: int) -> None:
        for _ in range(10):
            found[number] = extractor.read_one(texts[number])

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        _same(found[number], expected[number])


def test_health_follows_from_the_residuals_and_adds_up(extractor: Extractor) -> None:
    def read(texts: list[str]) -> Health:
        extractor.health = Health()
        extractor.read_all(texts)
        return extractor.health

    one, two, both = read(TEXTS[:7]), read(TEXTS[7:]), read(TEXTS)
    one.merge(two)
    one.merge(Health())
    assert one.n_tokens == both.n_tokens
    assert (one.fvu, one.l0) == pytest.approx((both.fvu, both.l0))
    x = torch.cat([extractor.backbone.residuals([extractor.backbone.tokenize(text, 48)])[0] for text in TEXTS]).double()
    error = x - extractor.sae.decode(extractor.sae.encode(x), x).double()
    assert both.fvu == pytest.approx(float(error.square().sum() / (x - x.mean(0)).square().sum()))
    assert np.isnan(Health().fvu)
    assert np.isnan(Health().l0)


def test_a_model_that_gives_no_numbers_is_an_error(extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractor.backbone, "residuals", lambda batch: torch.full((1, 1, WIDTH), float("nan")))
    with pytest.raises(ModelError, match="not a number"):
        extractor.read_one("a")


def test_an_sae_that_does_not_fit_the_space_or_the_model_is_refused(
    extractor: Extractor, tiny_spec: SpaceSpec, tiny_backbone_folder: Path, tmp_path: Path
) -> None:
    wide = load_sae(make_tiny_sae(tmp_path, tiny_backbone_folder, d_in=40)).sae
    with pytest.raises(ModelError, match="width 40, but the model's residual stream has 32"):
        Extractor(tiny_spec, extractor.backbone, wide)
    with pytest.raises(ModelError, match="made for 64 and 5"):
        Extractor(replace(tiny_spec, k=5), extractor.backbone, extractor.sae)
    with pytest.raises(ModelError, match="the space asks otherwise"):
        Extractor(replace(tiny_spec, pooling="mean"), extractor.backbone, extractor.sae)


def test_p7_without_topk_every_positive_pre_activation_counts(extractor: Extractor, tiny_spec: SpaceSpec) -> None:
    parity = Extractor(replace(tiny_spec, apply_topk=False), extractor.backbone, extractor.sae)
    text = ODD_TEXTS[1]
    x = extractor.backbone.residuals([extractor.backbone.tokenize(text, 48)])[0]
    pre = torch.relu(x @ extractor.sae.w_enc.T + extractor.sae.b_enc)
    expected = pre.max(dim=0).values
    read = parity.read_one(text)
    assert read.features.tolist() == expected.nonzero()[:, 0].tolist()
    np.testing.assert_allclose(read.values, expected[expected > 0], atol=2e-5)
    assert len(read.features) > len(extractor.read_one(text).features)
    assert parity.spec.space_id != extractor.spec.space_id


def test_a_space_is_loaded_once_and_only_with_the_files_it_was_made_with(tiny_spec: SpaceSpec) -> None:
    assert load_extractor(tiny_spec) is load_extractor(tiny_spec)
    for changed, what in (
        (replace(tiny_spec, sae_digest="0" * 64), "SAE in"),
        (replace(tiny_spec, backbone_digest="0" * 64), "model in"),
    ):
        with pytest.raises(ModelError, match=f"The {what} .* has changed since the space was made"):
            load_extractor(changed)


def test_the_prefix_is_read_once_and_changes_nothing(extractor: Extractor) -> None:
    backbone = extractor.backbone
    content = backbone.tokenize(ODD_TEXTS[1], 48)
    whole = torch.tensor([backbone.prefix_ids + content.ids])
    with torch.no_grad():
        states = backbone.model(input_ids=whole, output_hidden_states=True).hidden_states[BLOCK][0]
    np.testing.assert_allclose(backbone.residuals([content])[0], states[len(backbone.prefix_ids) :], atol=2e-5)


def test_p14_a_failing_forward_pass_never_leaves_an_earlier_texts_activations(
    extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor.read_one("a")
    hooks = len(extractor.backbone.hooked_module()._forward_hooks)
    layer = extractor.backbone.model.model.layers[0]

    def out_of_memory(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(layer, "forward", out_of_memory)
        with pytest.raises(ModelError, match="not enough memory to read a text of 1 tokens"):
            extractor.read_one("b")
    with monkeypatch.context() as patched:
        patched.setattr(extractor.backbone, "hooked_module", lambda: torch.nn.Linear(1, 1))
        with pytest.raises(ModelError, match="no activations of the expected shape"):
            extractor.read_one("b")
    assert len(extractor.backbone.hooked_module()._forward_hooks) == hooks


def test_a_backbone_that_cannot_be_loaded_is_told_in_a_sentence(tiny_backbone_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        Backbone.load(tmp_path / "nowhere", 1)
    for block in (0, 5):
        with pytest.raises(ModelError, match="has blocks 1 to 4"):
            Backbone.load(tiny_backbone_folder, block)


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 200))
def test_batches_hold_every_item_once_and_keep_to_their_budget(lengths: list[int], budget: int) -> None:
    batches = list(length_sorted(range(len(lengths)), lambda item: lengths[item], budget))
    assert sorted(item for batch in batches for item in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[item] for item in batch) <= budget
