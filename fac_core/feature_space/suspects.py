"""An SAE that does not fit is told what would make it fit: each usual fault is tried on the same texts, and measured.

The faults are those that fail silently (P1, P4-P7): a neighbouring block, a normalisation left out or added, the
decoder bias on the input or not, Top-K on or off, special tokens counted. A fault is named only where undoing it brings
both figures back into the range that the card declares; nothing is changed by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.feature_space.extractor import Extractor, Health
from fac_core.feature_space.health import problems
from fac_core.feature_space.sae import NORMALISATIONS, Relu, Sae, TopK

if TYPE_CHECKING:
    from torch import Tensor

MAX_TEXTS = 96
MAX_TOKENS = 256
"""Of each text."""
SINK = 10.0
"""Times the median norm beyond which a position is taken for a sink of attention rather than content (P2)."""


class Tried(NamedTuple):
    """One way of reading, and how the SAE did in it."""

    what: str
    """In words, to follow "it would fit"."""
    fvu: float
    l0: float


def suspects(extractor: Extractor, texts: Sequence[str], card: dict[str, Any]) -> list[Tried]:
    """Ways of reading under which the SAE does as its card declares, the best FVU first; empty if none is found.

    Args:
        extractor: of the space that does not fit.
        texts: some of those that were read.
        card: what the SAE declares, `fvu` and `l0`.
    """
    chosen = [text for text in texts if text.strip()][:MAX_TEXTS]
    fitting = [tried for tried in _try_all(extractor, chosen) if not problems(card, tried.fvu, tried.l0)]
    return sorted(fitting, key=lambda tried: tried.fvu)


def _try_all(extractor: Extractor, texts: Sequence[str]) -> Iterator[Tried]:
    backbone, sae = extractor.backbone, extractor.sae
    here = _vectors(extractor, texts, backbone.block)
    for block in (backbone.block - 1, backbone.block + 1):
        if 1 <= block <= backbone.n_blocks:
            yield _measure(f"at the output of block {block}", sae, _vectors(extractor, texts, block))
    for what, other in _other_saes(sae, here):
        yield _measure(what, other, here)
    calm = here[here.norm(dim=1) <= SINK * here.norm(dim=1).median()]
    if 0 < len(calm) < len(here):
        yield _measure(f"without {len(here) - len(calm)} positions of outsized norm, such as BOS", sae, calm)


def _other_saes(sae: Sae, x: Tensor) -> Iterator[tuple[str, Sae]]:
    """The same weights under other conventions."""
    for mode in NORMALISATIONS:
        if mode != sae.normalise:
            what = "without normalising the activations" if mode == "none" else f"with activations normalised by {mode}"
            yield what, replace(sae, normalise=mode)
    if sae.normalise == "none":
        scale = sae.d_in**0.5 / float(x.norm(dim=1).mean())
        scaled = replace(sae, w_enc=sae.w_enc * scale, w_dec=sae.w_dec / scale, b_dec=sae.b_dec / scale)
        yield "with activations scaled to an average norm of √d", scaled
    moved = sae.w_enc @ sae.b_dec
    yield "with the decoder bias taken from the input", replace(sae, b_enc=sae.b_enc - moved)
    yield "with the decoder bias left on the input", replace(sae, b_enc=sae.b_enc + moved)
    if isinstance(sae.activation, TopK):
        yield "without its Top-K", replace(sae, activation=Relu())
    elif isinstance(sae.activation, Relu):
        for k in (16, 20, 32, 64, 128):
            if k < sae.d_sae:
                yield f"with a Top-K of {k}", replace(sae, activation=TopK(k))


def _vectors(extractor: Extractor, texts: Sequence[str], block: int) -> Tensor:
    """Residual vectors of the content tokens of all texts at the output of a block, [tokens, d_in]."""
    import torch

    backbone = extractor.backbone.at(block)
    rows = []
    for text in texts:
        ids = backbone.tokenize(text, MAX_TOKENS).ids
        if ids:
            rows.append(backbone.residuals([ids])[0, : len(ids)].float())
    return torch.cat(rows) if rows else torch.zeros(0, backbone.d_model)


def _measure(what: str, sae: Sae, x: Tensor) -> Tried:
    health = Health()
    codes = sae.encode(x)
    health.add(x, sae.decode(codes, x), int((codes.values > 0).sum()))
    return Tried(what, health.fvu, health.l0)
