"""The exported SAE reads the raw residual stream: the training scale is folded into its weights.

Written in SAELens format (``cfg.json``, ``sae_weights.safetensors``), so that SAELens and this project's reader load
the same file and agree (a test compares them).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fac_core.feature_space.training.trainer import Dictionary

SAELENS_VERSION = "6.54.12"


def export_saelens(
    folder: Path, found: Dictionary, *, scale: float, k: int, metadata: dict[str, Any], dtype: str = "float16"
) -> None:
    """Write an SAE trained on ``scale * x``: a Top-K, or a JumpReLU if it has thresholds.

    Args:
        folder: where ``cfg.json`` and ``sae_weights.safetensors`` go; made if absent.
        found: the dictionary, in scaled units.
        scale: factor that was applied to the residual stream before training.
        k: active features a token, of a Top-K.
        metadata: entries for SAELens' metadata, such as ``model_name`` and ``hook_name``.
        dtype: storage type of the weights.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        "W_enc": (found.w_enc * scale).T,
        "b_enc": found.b_enc,
        "W_dec": found.w_dec / scale,
        "b_dec": found.b_dec / scale,
    }
    if found.threshold is not None:  # activations are in scaled units still
        weights["threshold"] = found.threshold
    kind = getattr(torch, dtype)
    stored = {name: tensor.detach().to(kind).contiguous() for name, tensor in weights.items()}
    save_file(stored, str(folder / "sae_weights.safetensors"))
    d_sae, d_in = found.w_enc.shape
    topk = {"k": k, "rescale_acts_by_decoder_norm": False}
    config = {
        "architecture": "topk" if found.threshold is None else "jumprelu",
        "d_in": d_in,
        "d_sae": d_sae,
        **(topk if found.threshold is None else {}),
        "dtype": dtype,
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": SAELENS_VERSION, "sae_lens_training_version": None, **metadata},
    }
    (folder / "cfg.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
