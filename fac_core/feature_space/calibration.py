"""What a card declares holds for content alone, so what special positions and sinks would add is measured and shown.

A BOS token or a turn's header has many times the norm of a word: counted, it changes FVU beyond recognition (P1), and
the features that fire on it would seem covered by every text (P11). Measured once a job, on its first texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.feature_space.batching import batches

if TYPE_CHECKING:
    from torch import Tensor

    from fac_core.content import Content
    from fac_core.feature_space.backbone import Backbone
    from fac_core.feature_space.extractor import Extractor
    from fac_core.feature_space.tokens import ContentTokens

MAX_TOKENS = 800
"""Content tokens that are looked at, of all texts together."""
MAX_LENGTH = 256
"""Of each text."""
SINK = 10.0
"""Times the median norm beyond which a position is taken for a sink of attention rather than content (P2)."""
DENSE = 0.1
"""Share of tokens beyond which a feature that fires on them is called dense (P17)."""


class Calibration(NamedTuple):
    """An SAE on the first texts of a job."""

    n_tokens: int
    """Content tokens that were looked at."""
    norm_low: float
    norm_median: float
    norm_high: float
    """1 %, 50 % and 99 % of the norms of the residual stream at content tokens."""
    n_sinks: int
    """Content tokens of more than SINK times the median norm."""
    dense_share: float
    """Share of the features that fire on more than DENSE of these tokens."""
    fvu_with_special: float
    l0_with_special: float
    """The same texts with every token of template and specials counted."""
    n_template_features: int
    """Features that fire on the template around a turn in which nothing is said."""


def calibrate(extractor: Extractor, contents: Sequence[Content | str]) -> Calibration | None:
    """Look at some of the contents; None if they have no token that counts."""
    import torch

    chosen = some(extractor.backbone, contents)
    x = vectors(extractor.backbone, chosen)
    if not len(x):
        return None
    norms = x.norm(dim=1).cpu().numpy()
    low, median, high = np.quantile(norms, [0.01, 0.5, 0.99])
    codes = extractor.sae.encode(x)
    fires = torch.bincount(codes.features[codes.values > 0], minlength=extractor.sae.d_sae)
    with_special = extractor.fit(vectors(extractor.backbone, chosen, special=True))
    return Calibration(
        n_tokens=len(x),
        norm_low=float(low),
        norm_median=float(median),
        norm_high=float(high),
        n_sinks=int((norms > SINK * median).sum()),
        dense_share=float((fires > DENSE * len(x)).float().mean()),
        fvu_with_special=with_special.fvu,
        l0_with_special=with_special.l0,
        n_template_features=len(extractor.template_features()),
    )


def some(backbone: Backbone, contents: Sequence[Content | str]) -> list[ContentTokens]:
    """The first contents, up to MAX_TOKENS content tokens."""
    chosen: list[ContentTokens] = []
    n_tokens = 0
    for content in contents:
        if n_tokens >= MAX_TOKENS:
            break
        tokens = backbone.tokenize(content, MAX_LENGTH)
        if tokens.ids:
            chosen.append(tokens)
            n_tokens += len(tokens.offsets)
    return chosen


def vectors(
    backbone: Backbone, contents: Sequence[ContentTokens], *, special: bool = False, budget: int = MAX_TOKENS
) -> Tensor:
    """Residual vectors [tokens, d_in] of the tokens that count; of every token before the last such, with `special`."""
    import torch

    if special:
        contents = [_whole(backbone, content) for content in contents]
    parts = [torch.zeros(0, backbone.d_model, device=backbone.device)]
    for batch in batches(contents, budget):
        read = backbone.residuals([contents[number] for number in batch])
        parts += [rows[: len(contents[n].offsets)].float() for rows, n in zip(read, batch, strict=True)]
    return torch.cat(parts)


def _whole(backbone: Backbone, content: ContentTokens) -> ContentTokens:
    ids = [*(backbone.prefix_ids if content.shares_prefix else []), *content.ids]
    return content._replace(ids=ids, offsets=[(0, 0)] * len(ids), places=None, shares_prefix=False)
