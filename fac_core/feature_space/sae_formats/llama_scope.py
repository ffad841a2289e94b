"""Llama Scope folders: ``hyperparams.json`` and ``checkpoints/final.safetensors``, read as their authors do to infer.

The SAE was trained on activations scaled to an average norm of sqrt(d_model); its threshold is given for activations as
the model produces them. For inference the authors divide the biases by the scale and leave the weights, so activations
come out in the model's own units; SAELens gives the same ones multiplied by the scale. A Top-K SAE with a threshold is
used as JumpReLU with it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fac_core.errors import ModelError
from fac_core.feature_space.sae import Activation, JumpRelu, Relu, TopK
from fac_core.feature_space.sae_formats.parts import (
    Format,
    SaeFile,
    existing,
    make_sae,
    pick,
    read_json,
    read_safetensors,
    whole_k,
)

CONFIG, WEIGHTS = "hyperparams.json", "checkpoints/final.safetensors"


def files(path: Path) -> list[Path]:
    """Configuration and weights."""
    return existing(path, CONFIG, WEIGHTS)


def load(path: Path) -> SaeFile:
    """Read a folder.

    Raises:
        ModelError: damaged, a transcoder, or scaled in a way that the file does not settle.
    """
    config, tensors = read_json(path / CONFIG), read_safetensors(path / WEIGHTS)
    hook = config.get("hook_point_in")
    if config.get("hook_point_out", hook) != hook:
        raise ModelError(f"The SAE in {path} reads {hook} and writes {config['hook_point_out']}: it is a transcoder.")
    if config.get("use_glu_encoder"):
        raise ModelError(f"The SAE in {path} has a gated linear encoder, which cannot be read.")
    scale_in, scale_out = _scales(path, config)
    w_enc, b_enc, decoder = pick(path, tensors, ["encoder.weight", "encoder.bias", "decoder.weight"])
    b_dec = pick(path, tensors, ["decoder.bias"])[0] / scale_out if config.get("use_decoder_bias", True) else None
    w_dec = (decoder.T if decoder.ndim == 2 else decoder) * (scale_in / scale_out)
    b_enc = b_enc / scale_in
    if config.get("sparsity_include_decoder_norm", False):
        norms = w_dec.norm(dim=1)
        w_enc, b_enc, w_dec = w_enc * norms[:, None], b_enc * norms, w_dec / norms[:, None]
    sae = make_sae(
        path,
        w_enc=w_enc,
        w_dec=w_dec,
        b_enc=b_enc,
        b_dec=b_dec,
        activation=_activation(path, config, len(w_enc)),
        shift=bool(config.get("apply_decoder_bias_to_pre_encoder", False)),
    )
    model = config.get("model_name")
    return SaeFile(sae, FORMAT.name, hook, model if isinstance(model, str) else None)


def _activation(path: Path, config: dict[str, Any], d_sae: int) -> Activation:
    import torch

    name, threshold = config.get("act_fn"), float(config.get("jump_relu_threshold") or 0.0)
    if name == "jumprelu" or (name == "topk" and threshold > 0):
        return JumpRelu(torch.full((d_sae,), threshold))
    if name == "topk":
        return TopK(whole_k(path, config.get("top_k")))
    if name == "relu":
        return Relu()
    raise ModelError(f"The SAE in {path} has the activation {name!r}; those known are jumprelu, topk and relu.")


def _scales(path: Path, config: dict[str, Any]) -> tuple[float, float]:
    """By what factor activations were scaled in training, at the input and at the output."""
    mode = config.get("norm_activation", "dataset-wise")
    if mode == "inference":
        return 1.0, 1.0
    norms = config.get("dataset_average_activation_norm")
    if mode != "dataset-wise" or not isinstance(norms, dict) or not {"in", "out"} <= norms.keys():
        raise ModelError(
            f"The SAE in {path} was trained on activations normalised {mode}; only a scale for the whole data set, "
            "given in dataset_average_activation_norm, can be applied."
        )
    width = math.sqrt(float(config["d_model"]))
    return width / float(norms["in"]), width / float(norms["out"])


FORMAT = Format("llama_scope", "Llama Scope", f"{CONFIG} and {WEIGHTS}", files, load)
