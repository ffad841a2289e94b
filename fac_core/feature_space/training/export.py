"""The exported SAE reads the raw residual stream: the training scale is folded into its weights.

Written in SAELens format (``cfg.json``, ``sae_weights.safetensors``), so that SAELens and this project's reader load
the same file and agree (a test compares them).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SAELENS_VERSION = "6.54.12"


def export_saelens(
    folder: Path,
    *,
    w_enc: Tensor,
    b_enc: Tensor,
    w_dec: Tensor,
    b_dec: Tensor,
    scale: float,
    k: int,
    metadata: dict[str, Any],
    dtype: str = "float16",
) -> None:
    """Write a Top-K SAE trained on ``scale * x``.

    Args:
        folder: where ``cfg.json`` and ``sae_weights.safetensors`` go; made if absent.
        w_enc: [d_sae, d_in], w_dec: [d_sae, d_in], b_enc: [d_sae], b_dec: [d_in], all in scaled units.
        scale: factor that was applied to the residual stream before training.
        k: active features a token.
        metadata: entries for SAELens' metadata, such as ``model_name`` and ``hook_name``.
        dtype: storage type of the weights.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    kind = getattr(torch, dtype)
    weights = {
        "W_enc": (w_enc * scale).T.contiguous(),
        "b_enc": b_enc.contiguous(),
        "W_dec": (w_dec / scale).contiguous(),
        "b_dec": (b_dec / scale).contiguous(),
    }
    save_file({name: tensor.to(kind) for name, tensor in weights.items()}, str(folder / "sae_weights.safetensors"))
    config = {
        "architecture": "topk",
        "d_in": w_enc.shape[1],
        "d_sae": w_enc.shape[0],
        "k": k,
        "dtype": dtype,
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "rescale_acts_by_decoder_norm": False,
        "metadata": {"sae_lens_version": SAELENS_VERSION, "sae_lens_training_version": None, **metadata},
    }
    (folder / "cfg.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
