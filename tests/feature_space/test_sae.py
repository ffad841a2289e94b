"""An SAE that cannot be read as it stands is refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fac_core.errors import ModelError
from fac_core.feature_space.sae import TopKSae
from tests.tiny import D_SAE, WIDTH, K


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
    sae = TopKSae.load(folder, d_model=WIDTH)
    assert (sae.d_in, sae.d_sae, sae.k) == (WIDTH, D_SAE, K)


def test_half_precision_weights_are_computed_with_in_full(folder: Path) -> None:
    _reweigh(folder, **{k: v.half() for k, v in load_file(folder / "sae_weights.safetensors").items()})
    assert TopKSae.load(folder).w_enc.dtype == torch.float32


def test_a_token_with_fewer_than_k_positive_features_has_zeros(folder: Path) -> None:
    _reweigh(folder, b_enc=torch.full((D_SAE,), -100.0))
    codes = TopKSae.load(folder).encode(torch.zeros(3, WIDTH))
    assert codes.values.shape == (3, K)
    assert float(codes.values.abs().max()) == 0.0


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"architecture": "jumprelu"}, "has the architecture 'jumprelu'; this version reads 'topk'"),
        ({"normalize_activations": "layer_norm"}, "asks for normalize_activations='layer_norm'"),
        ({"reshape_activations": "hook_z"}, "asks for reshape_activations='hook_z'"),
        ({"k": 0}, "has k = 0; it must be a whole number from 1 to 64"),
        ({"k": None}, "has k = None"),
        ({"k": 65}, "has k = 65"),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(folder: Path, config: dict[str, Any], sentence: str) -> None:
    _configure(folder, **config)
    with pytest.raises(ModelError) as refused:
        TopKSae.load(folder)
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
        TopKSae.load(folder)


def test_a_width_that_does_not_fit_the_model_is_told_with_both_numbers(folder: Path) -> None:
    with pytest.raises(ModelError, match="reads vectors of width 32, but the model's residual stream has 576"):
        TopKSae.load(folder, d_model=576)


def test_missing_and_broken_files_are_told_in_a_sentence(folder: Path) -> None:
    (folder / "cfg.json").write_text("[]")
    with pytest.raises(ModelError, match="is not a configuration"):
        TopKSae.load(folder)
    (folder / "cfg.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        TopKSae.load(folder)
    (folder / "sae_weights.safetensors").write_bytes(b"\x08")
    with pytest.raises(ModelError, match="cannot be read"):
        TopKSae.load(folder)
    with pytest.raises(ModelError, match="cannot be read"):
        TopKSae.load(folder / "nowhere")
