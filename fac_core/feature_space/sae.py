"""What this reader encodes is what SAELens encodes: same support, same values (a test compares them).

Reads Top-K SAEs in SAELens format. The input shift by ``b_dec`` is folded into the bias once; activations stay sparse:
k values and k indices a token. Anything it would have to guess (another architecture, a normalisation that needs data,
a shape that does not fit) is refused with a sentence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fac_core.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor


class Codes(NamedTuple):
    """Sparse activations of a batch of tokens; a value of zero means that fewer than k features fire."""

    values: Tensor
    """[tokens, k], at least zero."""
    features: Tensor
    """[tokens, k], int64."""


@dataclass(frozen=True)
class TopKSae:
    """A Top-K sparse autoencoder for inference."""

    w_enc: Tensor
    """[d_sae, d_in]"""
    b_enc: Tensor
    """[d_sae], including the shift by b_dec"""
    w_dec: Tensor
    """[d_sae, d_in]"""
    b_dec: Tensor
    """[d_in]"""
    k: int

    @property
    def d_in(self) -> int:
        """Width of the residual stream it reads."""
        return int(self.w_enc.shape[1])

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return int(self.w_enc.shape[0])

    @classmethod
    def load(cls, folder: Path, *, d_model: int | None = None, device: str = "cpu") -> TopKSae:
        """Load an SAE folder (``cfg.json`` and ``sae_weights.safetensors``) in float32.

        Raises:
            ModelError: missing or damaged file, unsupported architecture or setting, width other than `d_model`.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            config = json.loads((folder / "cfg.json").read_text(encoding="utf-8"))
            weights = load_file(str(folder / "sae_weights.safetensors"), device=device)
        except (OSError, ValueError, SafetensorError) as error:
            raise ModelError(f"The SAE in {folder} cannot be read: {str(error).splitlines()[0]}") from error
        if not isinstance(config, dict):
            raise ModelError(f"The file cfg.json of the SAE in {folder} is not a configuration.")
        if config.get("architecture") != "topk":
            raise ModelError(
                f"The SAE in {folder} has the architecture {config.get('architecture')!r}; this version reads 'topk'."
            )
        for key, allowed in {"normalize_activations": "none", "reshape_activations": "none"}.items():
            if config.get(key, allowed) != allowed:
                raise ModelError(f"The SAE in {folder} asks for {key}={config[key]!r}, which cannot be applied here.")
        missing = {"W_enc", "W_dec", "b_enc", "b_dec"} - weights.keys()
        if missing:
            raise ModelError(f"The SAE in {folder} lacks the tensors {', '.join(sorted(missing))}.")
        weights = {name: tensor.float() for name, tensor in weights.items()}
        if weights["W_enc"].ndim != 2:
            raise ModelError(f"The SAE in {folder} has tensors whose shapes do not fit each other.")
        d_in, d_sae = weights["W_enc"].shape
        shapes = {"W_dec": (d_sae, d_in), "b_enc": (d_sae,), "b_dec": (d_in,)}
        if any(tuple(weights[name].shape) != shape for name, shape in shapes.items()):
            raise ModelError(f"The SAE in {folder} has tensors whose shapes do not fit each other.")
        if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
            raise ModelError(f"The SAE in {folder} holds values that are not numbers, so the file is damaged.")
        k = config.get("k")
        if not isinstance(k, int) or not 1 <= k <= d_sae:
            raise ModelError(f"The SAE in {folder} has k = {k!r}; it must be a whole number from 1 to {d_sae}.")
        if d_model is not None and d_in != d_model:
            raise ModelError(
                f"The SAE in {folder} reads vectors of width {d_in}, but the model's residual stream has {d_model}; "
                "choose the SAE that was trained on this model."
            )
        w_enc, w_dec = weights["W_enc"].T.contiguous(), weights["W_dec"].contiguous()
        if config.get("rescale_acts_by_decoder_norm", False):
            norms = w_dec.norm(dim=1, keepdim=True)
            w_enc, w_dec = w_enc * norms, w_dec / norms
            weights["b_enc"] = weights["b_enc"] * norms[:, 0]
        b_enc = weights["b_enc"]
        if config.get("apply_b_dec_to_input", True):
            b_enc = b_enc - w_enc @ weights["b_dec"]
        return cls(w_enc, b_enc, w_dec, weights["b_dec"], k)

    def encode(self, x: Tensor) -> Codes:
        """Codes of residual vectors [tokens, d_in]: the k largest pre-activations of each token, then ReLU (P7)."""
        import torch

        values, features = torch.addmm(self.b_enc, x.float(), self.w_enc.T).topk(self.k, dim=-1, sorted=False)
        return Codes(values.relu_(), features)

    def decode(self, codes: Codes) -> Tensor:
        """Reconstruction [tokens, d_in]."""
        import torch.nn.functional as F

        return F.embedding_bag(codes.features, self.w_dec, per_sample_weights=codes.values, mode="sum") + self.b_dec
