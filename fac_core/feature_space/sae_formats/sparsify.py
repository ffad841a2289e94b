"""Folders of EleutherAI sparsify: Top-K on the pre-activations of x minus the decoder bias.

SAELens' own reader of this format transposes the decoder and leaves the bias out for unit-norm decoders; the reference
here is sparsify's definition.
"""

from __future__ import annotations

from pathlib import Path

from fac_core.errors import ModelError
from fac_core.feature_space.sae import TopK
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

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"
_REFUSED = {"transcode": "is a transcoder", "skip_connection": "has a skip connection", "signed": "has signed codes"}


def files(path: Path) -> list[Path]:
    """Configuration and weights."""
    return existing(path, CONFIG, WEIGHTS)


def load(path: Path) -> SaeFile:
    """Read a folder such as ``layers.15``.

    Raises:
        ModelError: damaged, or no plain Top-K autoencoder.
    """
    config, tensors = read_json(path / CONFIG), read_safetensors(path / WEIGHTS)
    if refused := next((words for key, words in _REFUSED.items() if config.get(key)), None):
        raise ModelError(f"The SAE in {path} {refused}; only plain autoencoders can be read.")
    if (activation := config.get("activation", "topk")) != "topk":
        raise ModelError(f"The SAE in {path} has the activation {activation!r}; this format is read with 'topk'.")
    w_enc, b_enc, w_dec, b_dec = pick(path, tensors, ["encoder.weight", "encoder.bias", "W_dec", "b_dec"])
    sae = make_sae(
        path,
        w_enc=w_enc,
        w_dec=w_dec,
        b_enc=b_enc,
        b_dec=b_dec,
        activation=TopK(whole_k(path, config.get("k"))),
        shift=True,
    )
    outer = path.parent / "config.json"
    model = read_json(outer).get("model") if outer.is_file() else None
    return SaeFile(sae, FORMAT.name, path.name, model if isinstance(model, str) else None)


FORMAT = Format("sparsify", "sparsify", f"{CONFIG} and {WEIGHTS}", files, load)
