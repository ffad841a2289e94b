"""SAELens folders, of today and of before version 6: Top-K, standard, JumpReLU (also BatchTopK when saved), gated.

Defaults that a file leaves out are those SAELens itself fills in (``handle_pre_6_0_config``); what it would only warn
about, such as a scale of the activations that is not in the file, is refused.
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
    read_safetensors,
    whole_k,
)

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_RENAMED = {"hook_point": "hook_name", "activation_fn_str": "activation_fn"}  # before version 6


def files(path: Path) -> list[Path]:
    """Configuration and weights."""
    return existing(path, CONFIG, WEIGHTS)


def load(path: Path) -> SaeFile:
    """Read a folder.

    Raises:
        ModelError: damaged, of an architecture that cannot be read, or with a setting that cannot be applied.
    """
    config = {_RENAMED.get(key, key): value for key, value in read_json(path / CONFIG).items()}
    tensors = dict(read_safetensors(path / WEIGHTS))
    metadata = config.get("metadata") if isinstance(config.get("metadata"), dict) else {}
    facts = {**config, **(metadata or {})}
    _refuse(path, config, str(facts.get("hook_name") or ""), tensors)
    encoder, decoder, b_dec = pick(path, tensors, ["W_enc", "W_dec", "b_dec"])
    w_enc = encoder.T if encoder.ndim == 2 else encoder
    activation, b_enc = _activation(path, config, tensors)
    if b_enc is not None and config.get("rescale_acts_by_decoder_norm", False):
        # Top-K chosen by pre-activations times decoder norm, as if the decoder had unit rows
        norms = decoder.norm(dim=1)
        w_enc, decoder, b_enc = w_enc * norms[:, None], decoder / norms[:, None], b_enc * norms
    sae = make_sae(
        path,
        w_enc=w_enc,
        w_dec=decoder,
        b_enc=b_enc,
        b_dec=b_dec,
        activation=activation,
        shift=bool(config.get("apply_b_dec_to_input", True)),
        normalise=_normalise(config),
    )
    hook, model = facts.get("hf_hook_name") or facts.get("hook_name"), facts.get("model_name")
    return SaeFile(sae, FORMAT.name, hook if isinstance(hook, str) else None, model if isinstance(model, str) else None)


def _activation(path: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[Activation, Tensor | None]:
    architecture = config.get("architecture", "standard")
    if architecture == "standard" and config.get("activation_fn", "relu") == "topk":
        architecture = "topk"
    if architecture == "gated":
        b_gate, b_mag, r_mag = pick(path, tensors, ["b_gate", "b_mag", "r_mag"])
        return Gated(r_mag, b_gate, b_mag), None
    (b_enc,) = pick(path, tensors, ["b_enc"])
    if architecture == "topk":
        kwargs = config.get("activation_fn_kwargs") or {}
        return TopK(whole_k(path, config.get("k", kwargs.get("k")))), b_enc
    if architecture == "jumprelu":
        if "log_threshold" in tensors:
            return JumpRelu(pick(path, tensors, ["log_threshold"])[0].exp()), b_enc
        return JumpRelu(pick(path, tensors, ["threshold"])[0]), b_enc
    if architecture == "standard" and config.get("activation_fn", "relu") == "relu":
        return Relu(), b_enc
    what = config.get("activation_fn") if architecture == "standard" else architecture
    raise ModelError(
        f"The SAE in {path} has the architecture {what!r}; those read here are topk, standard (ReLU), jumprelu and "
        "gated. One in training has to be saved for inference first."
    )


def _normalise(config: dict[str, Any]) -> str:
    found = config.get("normalize_activations") or "none"
    return "expected_average_only_in" if found is True else str(found)


def _refuse(path: Path, config: dict[str, Any], hook: str, tensors: dict[str, Tensor]) -> None:
    """Settings that change what is computed and cannot be applied from the file alone."""
    if _normalise(config) == "expected_average_only_in":
        raise ModelError(
            f"The SAE in {path} expects activations divided by an average norm that its file does not hold; fold the "
            "factor into the weights with SAELens (fold_activation_norm_scaling_factor) and save it again."
        )
    if config.get("reshape_activations", "none") != "none" or "hook_z" in hook:
        raise ModelError(f"The SAE in {path} reads attention heads ({hook or 'hook_z'}), not the residual stream.")
    if config.get("finetuning_scaling_factor") or "finetuning_scaling_factor" in tensors:
        raise ModelError(f"The SAE in {path} has a finetuning_scaling_factor, which cannot be applied here.")
    kwargs = config.get("activation_fn_kwargs")
    if isinstance(kwargs, dict) and set(kwargs) - {"k", "signed"}:
        raise ModelError(f"The SAE in {path} has activation settings that are not known here: {sorted(kwargs)}.")


FORMAT = Format("saelens", "SAELens", f"{CONFIG} and {WEIGHTS}", files, load)
