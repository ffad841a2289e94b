"""Folders of dictionary_learning: ``config.json`` with a trainer, and ``ae.pt``.

Each of its classes has its own names and its own use of the decoder bias: all but the JumpReLU one subtract it first.
BatchTopK and Matryoshka dictionaries carry the threshold with which they are used one token at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import ModelError
from fac_core.feature_space.sae import Activation, Gated, JumpRelu, Relu, TopK
from fac_core.feature_space.sae_formats.parts import (
    Format,
    SaeFile,
    existing,
    make_sae,
    pick,
    read_json,
    read_torch,
    whole_k,
)

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = "config.json", "ae.pt"


def files(path: Path) -> list[Path]:
    """Configuration and weights."""
    return existing(path, CONFIG, WEIGHTS)


def load(path: Path) -> SaeFile:
    """Read a folder.

    Raises:
        ModelError: damaged, or a class that is not known.
    """
    trainer, tensors = read_json(path / CONFIG).get("trainer"), read_torch(path / WEIGHTS)
    if not isinstance(trainer, dict):
        raise ModelError(f"The file {path / CONFIG} names no trainer, so what kind of SAE it is cannot be told.")
    kind = trainer.get("dict_class")
    shift = kind != "JumpReluAutoEncoder"
    if kind in ("BatchTopKSAE", "AutoEncoderTopK", "AutoEncoder", "GatedAutoEncoder"):
        encoder, decoder = pick(path, tensors, ["encoder.weight", "decoder.weight"])
        w_enc, w_dec = encoder, decoder.T if decoder.ndim == 2 else decoder
    elif kind in ("MatryoshkaBatchTopKSAE", "JumpReluAutoEncoder"):
        encoder, w_dec = pick(path, tensors, ["W_enc", "W_dec"])
        w_enc = encoder.T if encoder.ndim == 2 else encoder
    else:
        raise ModelError(f"The SAE in {path} is a {kind!r}; that class of dictionary_learning cannot be read.")
    activation, b_enc, b_dec = _rest(path, str(kind), trainer, tensors, len(w_enc))
    sae = make_sae(path, w_enc=w_enc, w_dec=w_dec, b_enc=b_enc, b_dec=b_dec, activation=activation, shift=shift)
    hook, model = trainer.get("submodule_name"), trainer.get("lm_name")
    if isinstance(trainer.get("layer"), int):
        hook = f"resid_post_layer_{trainer['layer']}"
    return SaeFile(sae, FORMAT.name, hook, model if isinstance(model, str) else None)


def _rest(
    path: Path, kind: str, trainer: dict[str, Any], tensors: dict[str, Tensor], d_sae: int
) -> tuple[Activation, Tensor | None, Tensor]:
    """Activation and the two biases."""
    if kind == "AutoEncoder":
        b_enc, b_dec = pick(path, tensors, ["encoder.bias", "bias"])
        return Relu(), b_enc, b_dec
    if kind == "GatedAutoEncoder":
        r_mag, b_gate, b_mag, b_dec = pick(path, tensors, ["r_mag", "gate_bias", "mag_bias", "decoder_bias"])
        return Gated(r_mag, b_gate, b_mag), None, b_dec
    if kind == "AutoEncoderTopK":
        b_enc, b_dec = pick(path, tensors, ["encoder.bias", "b_dec"])
        k = int(tensors["k"]) if "k" in tensors else trainer.get("k")
        return TopK(whole_k(path, k)), b_enc, b_dec
    b_enc, b_dec, threshold = pick(
        path, tensors, ["encoder.bias" if kind == "BatchTopKSAE" else "b_enc", "b_dec", "threshold"]
    )
    if threshold.ndim == 0:
        if float(threshold) < 0:
            raise ModelError(f"The SAE in {path} has no threshold yet (it is negative); it was not trained to the end.")
        threshold = threshold.expand(d_sae).clone()
    return JumpRelu(threshold), b_enc, b_dec


FORMAT = Format("dictionary_learning", "dictionary_learning", f"{CONFIG} and {WEIGHTS}", files, load)
