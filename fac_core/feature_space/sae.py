"""What this reader encodes is what the SAE's own definition encodes: same support, same values, same reconstruction.

One encoder serves every architecture: an input transform, one matrix product, an activation function; activations stay
sparse from there on. A feature is active on a token iff its activation is above zero. How a file becomes an `Sae` is
the business of `sae_formats`; whatever would have to be guessed is refused there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from fac_core.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NORMALISATIONS = ("none", "constant_norm_rescale", "layer_norm")
"""What may be done to each token's vector before encoding, and undone after decoding (SAELens' names)."""
PRE_ELEMENTS = 1 << 26
"""Pre-activations held at a time: 256 MB in float32."""
CHUNK_FEATURES = 8192
"""Features whose weights are brought to another device at a time: 134 MB at a width of 4,096."""
_LN_EPS = 1e-5


class Codes(NamedTuple):
    """Sparse activations of a batch of tokens, token by token."""

    values: Tensor
    """[n], at least zero; a zero is a place of a Top-K that nothing fills."""
    features: Tensor
    """[n], int64"""
    offsets: Tensor
    """[tokens + 1], int64: entries of token t are offsets[t] to offsets[t + 1]"""

    def tokens(self) -> Tensor:
        """[n], the token each entry belongs to, ascending."""
        import torch

        counts = self.offsets.diff()
        return torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)


@dataclass(frozen=True)
class TopK:
    """The k largest pre-activations of each token, then ReLU, so fewer than k may be active (P7)."""

    k: int


@dataclass(frozen=True)
class Relu:
    """Every positive pre-activation."""


@dataclass(frozen=True)
class JumpRelu:
    """The pre-activation where it is strictly above the feature's threshold and above zero."""

    threshold: Tensor
    """[d_sae]"""


@dataclass(frozen=True)
class Gated:
    """A gate decides whether a feature is active, a rescaled and shifted copy of the same product says how much."""

    r_mag: Tensor
    """[d_sae], log of the factor of the magnitude path"""
    b_gate: Tensor
    """[d_sae], added to the product for the gate"""
    b_mag: Tensor
    """[d_sae], added to the rescaled product for the magnitude"""


Activation = TopK | Relu | JumpRelu | Gated


@dataclass(frozen=True)
class Sae:
    """A sparse autoencoder for inference, in float32."""

    w_enc: Tensor
    """[d_sae, d_in]"""
    b_enc: Tensor
    """[d_sae], added to the product"""
    w_dec: Tensor
    """[d_sae, d_in]"""
    b_dec: Tensor
    """[d_in]"""
    activation: Activation
    normalise: str = "none"
    """One of NORMALISATIONS (P5)."""

    @property
    def d_in(self) -> int:
        """Width of the residual stream it reads."""
        return int(self.w_enc.shape[1])

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return int(self.w_enc.shape[0])

    @property
    def k(self) -> int:
        """Most features that are active on a token; 0 where nothing limits them."""
        return self.activation.k if isinstance(self.activation, TopK) else 0

    def to(self, device: str) -> Sae:
        """The same on another device."""
        act = self.activation
        if isinstance(act, JumpRelu):
            act = JumpRelu(act.threshold.to(device))
        elif isinstance(act, Gated):
            act = Gated(act.r_mag.to(device), act.b_gate.to(device), act.b_mag.to(device))
        w_enc, b_enc, w_dec, b_dec = (part.to(device) for part in (self.w_enc, self.b_enc, self.w_dec, self.b_dec))
        return Sae(w_enc, b_enc, w_dec, b_dec, act, self.normalise)

    def without_topk(self) -> Sae:
        """The same with every positive pre-activation kept, as the released code of the paper reads (method §1).

        Raises:
            ModelError: it is no Top-K SAE.
        """
        if not isinstance(self.activation, TopK):
            raise ModelError("Only a Top-K SAE can be read without its Top-K; leave the setting as it is.")
        return replace(self, activation=Relu())

    def encode(self, x: Tensor) -> Codes:
        """Codes of residual vectors [tokens, d_in]."""
        import torch

        if self.w_enc.device != x.device:
            return self.encode_in_chunks(x)
        x = self._normalised(x.float())[0]
        step = max(1, PRE_ELEMENTS // self.d_sae)
        parts = [self._activate(torch.addmm(self.b_enc, part, self.w_enc.T)) for part in x.split(step)]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def encode_in_chunks(self, x: Tensor, n_features: int = CHUNK_FEATURES) -> Codes:
        """The same codes with the encoder's weights brought to the vectors' device `n_features` at a time.

        For an SAE that does not fit beside the model; entries of a token come in another order.
        """
        import torch

        x = self._normalised(x.float())[0]
        found: Codes | None = None
        for begin in range(0, self.d_sae, n_features):
            part = self._chunk(begin, begin + n_features, x.device)
            pre = torch.addmm(part.b_enc, x, part.w_enc.T)
            codes = part._activate(pre) if not isinstance(part.activation, TopK) else _largest(pre, part.activation.k)
            codes = codes._replace(features=codes.features + begin)
            found = codes if found is None else _merged(found, codes, self.activation)
        assert found is not None
        return found._replace(values=found.values.relu())

    def _chunk(self, begin: int, end: int, device: torch.device) -> Sae:
        """The features from `begin` to before `end`, on a device."""

        def of(vector: Tensor) -> Tensor:
            return vector[begin:end].to(device)

        match self.activation:
            case JumpRelu(threshold):
                act: Activation = JumpRelu(of(threshold))
            case Gated(r_mag, b_gate, b_mag):
                act = Gated(of(r_mag), of(b_gate), of(b_mag))
            case _:
                act = self.activation
        return replace(self, w_enc=of(self.w_enc), b_enc=of(self.b_enc), w_dec=self.w_dec[:0], activation=act)

    def decode(self, codes: Codes, x: Tensor) -> Tensor:
        """Reconstruction [tokens, d_in] of `x`, the vectors that were encoded; they say what normalisation to undo."""
        import torch.nn.functional as F

        home = self.w_dec.device
        out = F.embedding_bag(
            codes.features.to(home),
            self.w_dec,
            codes.offsets.to(home),
            per_sample_weights=codes.values.to(home),
            mode="sum",
            include_last_offset=True,
        )
        _, mean, scale = self._normalised(x.float())
        return (out + self.b_dec).to(x.device) * scale + mean

    def _activate(self, pre: Tensor) -> Codes:
        """Codes from pre-activations [tokens, d_sae], which may be overwritten."""
        import torch

        match self.activation:
            case TopK(k):
                values, features = pre.topk(k, dim=-1, sorted=False)
                offsets = torch.arange(0, k * len(pre) + 1, k, device=pre.device)
                return Codes(values.relu_().flatten(), features.flatten(), offsets)
            case Relu():
                active = pre > 0
            case JumpRelu(threshold):
                active = (pre > threshold) & (pre > 0)
            case Gated(r_mag, b_gate, b_mag):
                gate = pre + b_gate > 0
                pre = pre * r_mag.exp() + b_mag
                active = gate & (pre > 0)
        tokens, features = active.nonzero(as_tuple=True)
        offsets = torch.zeros(len(pre) + 1, dtype=torch.int64, device=pre.device)
        offsets[1:] = torch.bincount(tokens, minlength=len(pre)).cumsum(0)
        return Codes(pre[tokens, features], features, offsets)

    def _normalised(self, x: Tensor) -> tuple[Tensor, Tensor | float, Tensor | float]:
        """The vectors as the encoder takes them, with the mean and the scale that undo it."""
        if self.normalise == "constant_norm_rescale":
            scale = x.norm(dim=-1, keepdim=True) / self.d_in**0.5
            return x / scale, 0.0, scale
        if self.normalise == "layer_norm":  # unbiased deviation, eps outside the root, as SAELens trains with it
            mean = x.mean(dim=-1, keepdim=True)
            deviation = (x - mean).std(dim=-1, keepdim=True)
            return (x - mean) / (deviation + _LN_EPS), mean, deviation
        return x, 0.0, 1.0


def _largest(pre: Tensor, k: int) -> Codes:
    """The k largest of each token as they are, to be compared with those of other chunks."""
    import torch

    values, features = pre.topk(min(k, pre.shape[1]), dim=-1)
    n = values.shape[1]
    return Codes(values.flatten(), features.flatten(), torch.arange(0, n * len(pre) + 1, n, device=pre.device))


def _merged(one: Codes, other: Codes, activation: Activation) -> Codes:
    """Codes of two chunks of features as those of both."""
    import torch

    n_tokens = len(one.offsets) - 1
    if isinstance(activation, TopK):
        values, features = (
            torch.cat([a.view(n_tokens, -1), b.view(n_tokens, -1)], dim=1)
            for a, b in ((one.values, other.values), (one.features, other.features))
        )
        kept = _largest(values, activation.k)
        return kept._replace(features=features.gather(1, kept.features.view(n_tokens, -1)).flatten())
    tokens = torch.cat([one.tokens(), other.tokens()])
    order = tokens.argsort(stable=True)
    values, features = (torch.cat(both)[order] for both in ((one.values, other.values), (one.features, other.features)))
    return Codes(values, features, one.offsets + other.offsets)


def _joined(parts: list[Codes]) -> Codes:
    import torch

    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part.values))
    offsets = [part.offsets[:-1] + start for part, start in zip(parts, starts, strict=False)]
    last = parts[0].offsets.new_tensor([starts[-1]])
    return Codes(
        torch.cat([part.values for part in parts]),
        torch.cat([part.features for part in parts]),
        torch.cat([*offsets, last]),
    )
