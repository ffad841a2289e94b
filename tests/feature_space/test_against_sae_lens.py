"""The fast extractor equals a slow and obvious one made of transformers' hidden states and SAELens' encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.sae_formats import load_sae
from tests.tiny import BLOCK, D_SAE, LABELLED_TEXTS, ODD_TEXTS, WIDTH, dense

MARK = "§"
ATOL = 2e-5


@pytest.fixture(scope="module")
def sae_lens_class() -> Any:
    """SAELens' loader; importing it takes seconds, so only this module does."""
    from sae_lens import SAE

    return SAE


def slow_read(extractor: Extractor, sae: Any, text: str) -> dict[int, tuple[float, int, tuple[int, int]]]:
    """feature → (maximum, first position, character range), one text at a time, nothing saved, nothing shared."""
    tokenizer, model = extractor.backbone.tokenizer, extractor.backbone.model
    rendered = tokenizer.apply_chat_template([{"role": "user", "content": MARK}], tokenize=False)
    before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in rendered.split(MARK))
    content = tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)
    length = extractor.spec.max_length
    middle, offsets = content["input_ids"][:length], content["offset_mapping"][:length]
    with torch.no_grad():
        states = model(input_ids=torch.tensor([before + middle + after]), output_hidden_states=True).hidden_states
        codes = sae.encode(states[BLOCK][0])[len(before) : len(before) + len(middle)]
    found = {}
    for feature in range(codes.shape[1]):
        values = codes[:, feature].tolist()
        if max(values) > 0:
            position = values.index(max(values))
            found[feature] = (max(values), position, tuple(offsets[position]))
    return found


def test_reading_a_mixed_batch_equals_reading_slowly_one_by_one(
    extractor: Extractor, sae_lens_class: Any, tiny_sae_folder: Path
) -> None:
    sae = sae_lens_class.load_from_disk(str(tiny_sae_folder), device="cpu")
    texts = [*ODD_TEXTS, *LABELLED_TEXTS[::9]]
    for text, read in zip(texts, extractor.read_all(texts), strict=True):
        expected = slow_read(extractor, sae, text)
        assert read.features.tolist() == sorted(expected), text
        for feature, value, position, span in zip(
            read.features.tolist(), read.values.tolist(), read.positions.tolist(), read.spans.tolist(), strict=True
        ):
            slow_value, slow_position, slow_span = expected[feature]
            assert value == pytest.approx(slow_value, abs=ATOL)
            assert (position, tuple(span)) == (slow_position, slow_span), (text, feature)


def _random_sae(folder: Path, **config: Any) -> Path:
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(5)
    weights = {
        "W_enc": torch.randn(WIDTH, D_SAE, generator=generator),
        "W_dec": torch.randn(D_SAE, WIDTH, generator=generator),
        "b_enc": torch.randn(D_SAE, generator=generator),
        "b_dec": torch.randn(WIDTH, generator=generator),
    }
    save_file(weights, folder / "sae_weights.safetensors")
    base = {
        "architecture": "topk",
        "d_in": WIDTH,
        "d_sae": D_SAE,
        "k": 6,
        "dtype": "float32",
        "device": "cpu",
        "metadata": {"sae_lens_version": "6.0.0", "model_name": "tiny", "hook_name": "x"},
    }
    (folder / "cfg.json").write_text(json.dumps({**base, **config}))
    return folder


@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize("rescale", [True, False])
def test_codes_and_reconstruction_are_those_of_sae_lens(
    tmp_path: Path, sae_lens_class: Any, shift: bool, rescale: bool
) -> None:
    folder = _random_sae(tmp_path, apply_b_dec_to_input=shift, rescale_acts_by_decoder_norm=rescale)
    theirs, ours = sae_lens_class.load_from_disk(str(folder), device="cpu"), load_sae(folder).sae
    x = torch.randn(200, WIDTH, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        expected = theirs.encode(x)
        reconstruction = theirs.decode(expected)
    codes = ours.encode(x)
    found = dense(codes, D_SAE)
    assert torch.equal(found > 0, expected > 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=ATOL)
    np.testing.assert_allclose(ours.decode(codes, x), reconstruction, atol=1e-4)


def test_the_shipped_sae_is_read_by_sae_lens_with_equal_output(sae_lens_class: Any) -> None:
    from fac_core.feature_space.space import embedded_folder

    folder = embedded_folder()
    if not (folder / "cfg.json").is_file():
        pytest.skip("the shipped SAE has not been made yet")
    theirs, ours = sae_lens_class.load_from_disk(str(folder), device="cpu", dtype="float32"), load_sae(folder).sae
    x = 6.0 * torch.randn(64, ours.d_in, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        expected = theirs.encode(x)
    np.testing.assert_allclose(dense(ours.encode(x), ours.d_sae), expected, atol=1e-3)
