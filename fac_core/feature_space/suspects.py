"""An SAE that does not fit is told what would make it fit: each usual fault is tried on the same texts, and measured.

The faults are those that fail silently (P1, P4-P7): a neighbouring block, a normalisation left out or added, the
decoder bias on the input or not, Top-K on or off, special tokens counted. A fault is named where undoing it brings both
figures into the range that the card declares. It is named even where they are in range as it is, if the SAE does
clearly better that way: blocks side by side hold much the same, and a lost convention may cost little. Nothing is
changed by itself. Where nothing makes it fit, what helps most is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.feature_space.calibration import SINK, some, vectors
from fac_core.feature_space.extractor import Extractor, Health
from fac_core.feature_space.health import MIN_TOKENS, problems
from fac_core.feature_space.sae import NORMALISATIONS, Relu, Sae, TopK

if TYPE_CHECKING:
    from torch import Tensor

    from fac_core.content import Content
    from fac_core.feature_space.tokens import ContentTokens

MUCH_BETTER = 0.5
"""The same share where nothing brings the figures into range."""
BETTER = 0.9
"""Share of the FVU as it is that another way has to stay below to be named although all is in range."""


class Tried(NamedTuple):
    """One way of reading, and how the SAE did in it."""

    what: str
    """In words, to follow "it does better"."""
    fvu: float
    l0: float


def suspects(extractor: Extractor, texts: Sequence[Content | str], card: Mapping[str, Any]) -> list[Tried]:
    """Ways of reading that suit the SAE better than the space's own, the best FVU first.

    Empty if it fits as it is, if nothing helps, or if the texts have fewer than `health.MIN_TOKENS` tokens.

    Args:
        extractor: of the space.
        texts: some of those that are read in it.
        card: what the SAE declares, `fvu` and `l0`.
    """
    chosen = some(extractor.backbone, texts)
    here = vectors(extractor.backbone, chosen)
    if len(here) < MIN_TOKENS:
        return []
    now = _measure("as it is", extractor.sae, here)
    limit = 1.0 if problems(card, now.fvu, now.l0) else min(1.0, BETTER * now.fvu)
    tried = [_measure(what, sae, here, card) for what, sae in _other_saes(extractor.sae, here)]
    tried += [*_without_sinks(extractor.sae, here), _best_block(extractor, chosen, now)]
    tried = sorted((each for each in tried if each is not now), key=lambda each: each.fvu)
    fitting = [each for each in tried if each.fvu < limit and not problems(card, each.fvu, each.l0)]
    return fitting or [each for each in tried[:1] if each.fvu < min(1.0, MUCH_BETTER * now.fvu)]


def _best_block(extractor: Extractor, chosen: Sequence[ContentTokens], now: Tried) -> Tried:
    """The block to which FVU falls from here, step by step; as it is if it rises on both sides."""
    best = now
    for step in (-1, 1):
        block, last = extractor.backbone.block + step, now
        while 1 <= block <= extractor.backbone.n_blocks:
            there = vectors(extractor.backbone.at(block), chosen)
            tried = _measure(f"at the output of block {block}", extractor.sae, there)
            if not tried.fvu < last.fvu:
                break
            best, last, block = min(best, tried, key=lambda each: each.fvu), tried, block + step
    return best


def _without_sinks(sae: Sae, x: Tensor) -> list[Tried]:
    norms = x.norm(dim=1)
    calm = x[norms <= SINK * norms.median()]
    if len(calm) == len(x):
        return []
    return [_measure(f"without {len(x) - len(calm)} positions of outsized norm, such as special tokens", sae, calm)]


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


def _measure(what: str, sae: Sae, x: Tensor, card: Mapping[str, Any] | None = None) -> Tried:
    """How the SAE does; FVU is infinite where L0 alone is out of the range of `card`, since thousands of features a
    token take long to decode."""
    codes = sae.encode(x)
    n_active = int((codes.values > 0).sum())
    if card is not None and problems({"l0": card.get("l0")}, 0.0, n_active / len(x)):
        return Tried(what, math.inf, n_active / len(x))
    health = Health()
    health.add(x, sae.decode(codes, x), n_active)
    return Tried(what, health.fvu, health.l0)
