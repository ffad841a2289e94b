"""The local generator writes with the very model whose features are counted, so it needs nothing that is not here.

It continues texts that activate the feature; a small model does that well where it answers an instruction instead of
obeying it. Two nudges help it: steering along the feature's decoder direction, and a word that the feature peaks on,
made likelier until it is written. Neither is trusted: every text is scored without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from fac_core.synthesis.generator import Finish, Request, Response, Style
from fac_core.synthesis.items import item_ended
from fac_core.synthesis.sampling import Row, Sampler
from fac_core.synthesis.turns import prompt_ids, sections_of, word_tokens

if TYPE_CHECKING:
    from torch import Tensor

    from fac_core.feature_space.extractor import Extractor

BATCH = 16


class LocalGenerator:
    """Continuations by the backbone of an extractor; model and SAE are shared with it, not loaded again."""

    style: Style = "continuation"

    def __init__(self, extractor: Extractor, batch: int = BATCH) -> None:
        self._backbone = extractor.backbone
        self._sampler = Sampler(extractor.backbone)
        self._decoder = extractor.sae.w_dec
        self._batch = batch

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """One response for each request, in their order; requests for the same prompt and steering share a batch."""
        for _, same in groupby(requests, lambda r: (r.prompt, r.max_tokens, r.temperature, r.steering)):
            together = list(same)
            for start in range(0, len(together), self._batch):
                yield from self._write(together[start : start + self._batch])

    def _write(self, requests: list[Request]) -> Iterator[Response]:
        first, tokenizer = requests[0], self._backbone.tokenizer
        rows = [Row(request.seed, word_tokens(tokenizer, request.favoured)) for request in requests]
        self._sampler.sample(
            prompt_ids(self._backbone, first.prompt),
            rows,
            max_tokens=first.max_tokens,
            temperature=first.temperature,
            ended=lambda text: item_ended(first.prompt.item_template, text),
            sections=sections_of(tokenizer, first.prompt),
            direction=self._direction(first),
        )
        for request, row in zip(requests, rows, strict=True):
            finish: Finish = "stop" if row.ended else "length"
            usage = {"tokens_out": len(row.ids), "seed": request.seed, "favoured": request.favoured}
            yield Response(self._sampler.text(row.ids), finish, usage)

    def _direction(self, request: Request) -> Tensor | None:
        """What is added at the hooked block: the decoder direction at the wanted activation."""
        if request.steering is None or request.steering.amount == 0:
            return None
        return self._decoder[request.steering.feature_id] * request.steering.amount
