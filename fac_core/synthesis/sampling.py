"""A sampled continuation depends on its own seed and prompt only, not on what else is in the batch or when it stops.

The prompt is read once and its KV cache repeated for the batch; a row leaves the batch when its item has ended, so no
step is spent on finished rows. Steering is added to the output of one block, from the position that predicts the first
new token on; the prompt itself is read unsteered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fac_core.feature_space.backbone import Backbone

TOP_K = 64
TOP_P = 0.9
MIN_TOKENS = 3
"""A field cannot end before this many tokens: the next item of a list is never empty."""
FAVOUR = 4.0
"""Added to the logits of favoured tokens: makes them about fifty times likelier, where they fit at all."""


@dataclass(frozen=True)
class Section:
    """One field of an item."""

    lead: tuple[int, ...] = ()
    """Tokens that begin it; given, not drawn. Empty for the first field, which the prompt has begun."""
    breaks: int = 0
    """Line breaks it may hold."""


@dataclass
class Row:
    """One continuation while it is written."""

    seed: int
    favoured: frozenset[int] = frozenset()
    """Tokens made likelier until one of them is written."""
    ids: list[int] = field(default_factory=list)
    ended: bool = False
    """False if the token limit came first."""
    section: int = 0
    """The field being written."""
    start: int = 0
    """Where in `ids` its text begins."""
    lead: list[int] = field(default_factory=list)
    """Tokens of its lead that are still to come."""


class Sampler:
    """Continues prompts with a backbone."""

    def __init__(self, backbone: Backbone) -> None:
        import torch

        self.backbone = backbone
        size = int(backbone.model.config.vocab_size)
        pieces = backbone.tokenizer.batch_decode([[token] for token in range(size)])
        self._breaks = torch.tensor(["\n" in piece for piece in pieces], device=backbone.device)
        self._special = torch.zeros(size, dtype=torch.bool, device=backbone.device)
        self._special[[token for token in _special_ids(backbone) if token < size]] = True

    def sample(
        self,
        prompt_ids: Sequence[int],
        rows: Sequence[Row],
        *,
        max_tokens: int,
        temperature: float,
        ended: Callable[[str], bool],
        sections: Sequence[Section] = (),
        direction: Tensor | None = None,
    ) -> None:
        """Write the continuation of each row into it.

        A row ends at a special token, or after a token with a line break if `ended` says so of its text so far. With
        sections, each field ends there or with its share of the tokens, the next one's lead follows, and the row ends
        with the last. `direction` [d_model] is added at the hooked block for new positions.
        """
        import torch

        backbone = self.backbone
        ids = list(prompt_ids) or [_start_id(backbone)]
        live = list(rows)
        dice = {id(row): torch.Generator().manual_seed(row.seed % 2**63) for row in rows}
        with torch.no_grad():
            cache = self._read(ids[:-1])
            cache.batch_repeat_interleave(len(live))
            current = torch.full((len(live), 1), ids[-1], device=backbone.device)
            with steered(backbone.hooked_module(), direction):
                for _ in range(max_tokens):
                    logits = backbone.model(
                        input_ids=current, past_key_values=cache, use_cache=True, logits_to_keep=1
                    ).logits[:, -1]
                    picked = _pick(self._adjusted(logits, live), temperature, [dice[id(row)] for row in live])
                    for at, row in enumerate(live):
                        picked[at] = self._write(row, picked[at], ended, sections, max_tokens)
                    going = [at for at, row in enumerate(live) if not row.ended]
                    if not going:
                        break
                    if len(going) < len(live):
                        cache.batch_select_indices(torch.tensor(going, device=backbone.device))
                        live = [live[at] for at in going]
                    current = torch.tensor([[picked[at]] for at in going], device=backbone.device)

    def text(self, ids: list[int]) -> str:
        """What some tokens say."""
        return str(self.backbone.tokenizer.decode(ids, clean_up_tokenization_spaces=False))

    def _adjusted(self, logits: Tensor, rows: list[Row]) -> Tensor:
        """Logits without early ends, favoured tokens raised where none has been written yet."""
        logits = logits.float().clone()
        for at, row in enumerate(rows):
            if len(row.ids) - row.start < MIN_TOKENS:
                logits[at].masked_fill_(self._breaks | self._special, float("-inf"))
            if row.favoured and row.favoured.isdisjoint(row.ids):
                logits[at, sorted(row.favoured)] += FAVOUR
        return logits

    def _write(
        self, row: Row, token: int, ended: Callable[[str], bool], sections: Sequence[Section], max_tokens: int
    ) -> int:
        """Add the drawn token, or one of a lead in its place, or end the row; returns what was added."""
        if row.lead:
            token = row.lead.pop(0)
            row.ids.append(token)
            row.start = len(row.ids)
        elif sections and self._field_ends(row, token, sections, max_tokens):
            row.section += 1
            row.ended = row.section == len(sections)
            if not row.ended:
                row.lead = list(sections[row.section].lead)
                return self._write(row, token, ended, sections, max_tokens)
        elif self._special[token]:
            row.ended = True
        else:
            row.ids.append(token)
            row.ended = not sections and bool(self._breaks[token]) and ended(self.text(row.ids))
        return token

    def _field_ends(self, row: Row, token: int, sections: Sequence[Section], max_tokens: int) -> bool:
        """Whether the field ends before the drawn token."""
        written = row.ids[row.start :]
        if self._special[token]:
            return True
        if self._breaks[token]:
            return self.text([*written, token]).strip(" ").count("\n") > sections[row.section].breaks
        if row.section == len(sections) - 1:
            return False  # the last field may take what is left
        share = max_tokens // len(sections)
        at_end = len(written) > share // 2 and self.text(written).rstrip().endswith((".", "!", "?"))
        return at_end or len(written) + len(sections[row.section + 1].lead) >= share

    def _read(self, ids: list[int]) -> Any:
        """KV cache of the prompt without its last token, for one row."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache()
        if ids:
            self.backbone.model(
                input_ids=torch.tensor([ids], device=self.backbone.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return cache


@contextmanager
def steered(module: torch.nn.Module, direction: Tensor | None) -> Iterator[None]:
    """Add a vector to the module's output at every position, for as long as the context lasts."""
    if direction is None:
        yield
        return

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (output[0] + direction.to(output[0]), *output[1:])
        return output + direction.to(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _pick(logits: Tensor, temperature: float, dice: list[torch.Generator]) -> list[int]:
    """One token a row, by each row's own dice, from the most likely tokens that hold `TOP_P` of the probability."""
    import torch

    if temperature <= 0:
        return [int(token) for token in logits.argmax(-1)]
    share, tokens = (logits / temperature).softmax(-1).topk(min(TOP_K, logits.shape[-1]), dim=-1)
    before = share.cumsum(-1) - share
    share = share * (before < TOP_P)
    total = share.cumsum(-1)
    thrown = torch.stack([torch.rand(1, generator=die) for die in dice]).to(total.device) * total[:, -1:]
    at = torch.searchsorted(total, thrown, right=True).clamp(max=share.shape[1] - 1)
    return [int(token) for token in tokens.gather(1, at)[:, 0]]


def _special_ids(backbone: Backbone) -> set[int]:
    ends = backbone.model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return {int(token) for token in [*listed, *backbone.tokenizer.all_special_ids]}


def _start_id(backbone: Backbone) -> int:
    for token in (backbone.tokenizer.bos_token_id, backbone.tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    return 0
