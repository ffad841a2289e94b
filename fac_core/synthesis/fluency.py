"""How likely a text is as a user's turn, whoever wrote it: measured without steering, examples or favoured words.

It decides only which of several hits a reviewer sees first. A text that fires a feature by piling up its words is a hit
like any other, and a poor sample; among the hits of one feature the likelier text reads better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fac_core.feature_space.backbone import Backbone

BATCH = 8
MAX_TOKENS = 256


def fluency(backbone: Backbone, texts: Sequence[str]) -> list[float]:
    """Mean log-probability of each text's tokens (nats, at most 0), as the content of one user turn."""
    found: list[float] = []
    for start in range(0, len(texts), BATCH):
        found += _batch(backbone, texts[start : start + BATCH])
    return found


def _batch(backbone: Backbone, texts: Sequence[str]) -> list[float]:
    import torch

    before = backbone.prefix_ids or [backbone.tokenizer.eos_token_id or 0]
    contents = [backbone.tokenize(text, MAX_TOKENS) for text in texts]
    rows = [before + content.ids if content.shares_prefix else content.ids for content in contents]
    starts = [len(row) - len(content.offsets) for row, content in zip(rows, contents, strict=True)]
    longest, first = max(map(len, rows)), min(starts)
    pad = backbone.tokenizer.pad_token_id or 0
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=backbone.device)
    with torch.no_grad():
        # causal attention makes right padding harmless; the last token predicts nothing that counts
        logits = backbone.model(input_ids=ids, logits_to_keep=longest - first + 1).logits[:, :-1].float()
    said = logits.log_softmax(-1).gather(-1, ids[:, first:, None])[..., 0]
    return [
        float(said_in_row[start - first : len(row) - first].mean())
        for said_in_row, row, start in zip(said, rows, starts, strict=True)
    ]
