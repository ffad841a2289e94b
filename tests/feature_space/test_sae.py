"""An SAE that cannot be read as it stands is refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fac_core.errors import ModelError
from fac_core.feature_space.sae import Gated, JumpRelu, Relu, Sae, TopK
from fac_core.feature_space.sae_formats import load_sae
from tests.tiny import D_SAE, WIDTH, K, dense


@pytest.fixture
def folder(tmp_path: Path, tiny_sae_folder: Path) -> Path:
    """A copy to damage."""
    for path in tiny_sae_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def _configure(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "cfg.json").read_text())
    (folder / "cfg.json").write_text(json.dumps(config | changes))


def _reweigh(folder: Path, **changes: torch.Tensor | None) -> None:
    weights = load_file(folder / "sae_weights.safetensors") | changes
    save_file({k: v for k, v in weights.items() if v is not None}, folder / "sae_weights.safetensors")


def test_width_and_number_of_features_come_from_the_weights(folder: Path) -> None:
    sae = load_sae(folder, d_model=WIDTH).sae
    assert (sae.d_in, sae.d_sae, sae.k) == (WIDTH, D_SAE, K)


def test_half_precision_weights_are_computed_with_in_full(folder: Path) -> None:
    _reweigh(folder, **{k: v.half() for k, v in load_file(folder / "sae_weights.safetensors").items()})
    assert load_sae(folder).sae.w_enc.dtype == torch.float32


def test_a_token_with_fewer_than_k_positive_features_has_zeros(folder: Path) -> None:
    _reweigh(folder, b_enc=torch.full((D_SAE,), -100.0))
    codes = load_sae(folder).sae.encode(torch.zeros(3, WIDTH))
    assert (len(codes.values), codes.tokens().tolist()) == (3 * K, [0] * K + [1] * K + [2] * K)
    assert float(codes.values.abs().max()) == 0.0


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"architecture": "temporal"}, "has the architecture 'temporal'; those read here are"),
        ({"architecture": "batchtopk"}, "has to be saved for inference first"),
        ({"architecture": "standard", "activation_fn": "tanh-relu"}, "has the architecture 'tanh-relu'"),
        ({"architecture": "jumprelu"}, "lacks the tensors threshold"),
        ({"architecture": "gated"}, "lacks the tensors b_gate, b_mag, r_mag"),
        ({"normalize_activations": "expected_average_only_in"}, "an average norm that its file does not hold"),
        ({"normalize_activations": True}, "an average norm that its file does not hold"),
        ({"normalize_activations": "covariance_whitening"}, "normalised by 'covariance_whitening'"),
        ({"reshape_activations": "hook_z"}, "reads attention heads"),
        ({"metadata": {"hook_name": "blocks.1.attn.hook_z"}}, "reads attention heads"),
        ({"finetuning_scaling_factor": True}, "has a finetuning_scaling_factor"),
        ({"activation_fn_kwargs": {"k": 4, "temperature": 2}}, "activation settings that are not known"),
        ({"k": 0}, "has k = 0; it must be a whole number from 1 to 64"),
        ({"k": None}, "has k = None"),
        ({"k": 65}, "has k = 65"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(folder: Path, config: dict[str, Any], sentence: str) -> None:
    _configure(folder, **config)
    with pytest.raises(ModelError) as refused:
        load_sae(folder)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({"b_dec": None}, "lacks the tensors b_dec"),
        ({"W_dec": torch.ones(WIDTH, D_SAE)}, "shapes do not fit"),
        ({"b_dec": torch.ones(WIDTH + 1)}, "shapes do not fit"),
        ({"W_enc": torch.ones(WIDTH)}, "shapes do not fit"),
        ({"b_enc": torch.full((D_SAE,), float("nan"))}, "not numbers"),
    ],
)
def test_damaged_weights_are_refused(folder: Path, weights: dict[str, torch.Tensor], sentence: str) -> None:
    _reweigh(folder, **weights)
    with pytest.raises(ModelError, match=sentence):
        load_sae(folder)


def test_a_width_that_does_not_fit_the_model_is_told_with_both_numbers(folder: Path) -> None:
    with pytest.raises(ModelError, match="reads vectors of width 32, but the model's residual stream has 576"):
        load_sae(folder, d_model=576)


def test_missing_and_broken_files_are_told_in_a_sentence(folder: Path) -> None:
    (folder / "cfg.json").write_text("[]")
    with pytest.raises(ModelError, match="is not a configuration"):
        load_sae(folder)
    (folder / "cfg.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        load_sae(folder)
    (folder / "sae_weights.safetensors").write_bytes(b"\x08")
    with pytest.raises(ModelError, match="cannot be read"):
        load_sae(folder)
    with pytest.raises(ModelError, match="There is no SAE at"):
        load_sae(folder / "nowhere")


@pytest.mark.parametrize("n_features", [1, 7, 32, 1000])
@pytest.mark.parametrize("kind", ["topk", "relu", "jumprelu", "gated"])
@pytest.mark.parametrize("normalise", ["none", "layer_norm"])
def test_weights_brought_over_in_chunks_give_the_same_codes(kind: str, n_features: int, normalise: str) -> None:
    generator = torch.Generator().manual_seed(3)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    activation = {
        "topk": TopK(5),
        "relu": Relu(),
        "jumprelu": JumpRelu(some(32).abs()),
        "gated": Gated(some(32), some(32), some(32)),
    }[kind]
    sae = Sae(some(32, 8), some(32), some(32, 8), some(8), activation, normalise)
    x = some(20, 8)
    whole, chunked = sae.encode(x), sae.encode_in_chunks(x, n_features)
    torch.testing.assert_close(dense(chunked, 32), dense(whole, 32), atol=1e-5, rtol=1e-5)
    assert (chunked.offsets.diff() == whole.offsets.diff()).all()
    torch.testing.assert_close(sae.decode(chunked, x), sae.decode(whole, x), atol=1e-4, rtol=1e-4)
