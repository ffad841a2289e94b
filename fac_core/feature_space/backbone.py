"""The tensor handed to the SAE is the output of the named block for exactly these tokens, never an earlier one.

Early exit raises a private exception from a forward hook; the buffer is emptied before each forward pass and its shape
is checked after it, so a failure (out of memory, wrong module) can only surface as an error. Special tokens take part
in the forward pass and are left out afterwards: a batch holds content tokens only. A causal model's constant prefix is
read once and its KV cache is reused; an encoder reads what stands before and behind a text with each text.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.errors import ModelError
from fac_core.feature_space.architectures import blocks, is_encoder, model_class, text_config
from fac_core.feature_space.model_files import check_model_folder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_MARK = "\u2402content\u2402"


class ContentTokens(NamedTuple):
    """The tokens of one text that count, without template and special tokens."""

    ids: list[int]
    """Token ids, cut at the space's maximum length."""
    offsets: list[tuple[int, int]]
    """Character range of each token in the text; tokens inside one character share its range."""
    n_truncated: int
    """Tokens beyond the maximum length that were not read."""


class _Reached(Exception):
    """The hooked block has produced its output; nothing further needs computing."""


@dataclass
class Backbone:
    """A language model read at the output of one block.

    `block` counts from 1: block 15 of 30 is ``model.layers[14]`` and ``hidden_states[15]``.
    """

    model: Any
    tokenizer: Any
    block: int
    prefix_ids: list[int]
    """Tokens before a text's content."""
    suffix_ids: list[int] = field(default_factory=list)
    """Tokens behind it, which change nothing but in an encoder."""
    device: str = "cpu"
    _prefix_cache: Any = None

    @classmethod
    def load(cls, folder: Path, block: int, *, dtype: str = "float32", device: str = "cpu") -> Backbone:
        """Load model and tokenizer from a local folder and prepare the template prefix.

        Raises:
            ModelError: nothing loadable there, weights missing, or the model has fewer blocks.
        """
        import torch
        from transformers import AutoConfig

        check_model_folder(folder)
        tokenizer = _tokenizer(folder)
        with _loading(folder):
            config = AutoConfig.from_pretrained(str(folder), **_LOCAL)
            model, info = model_class(config).from_pretrained(
                str(folder), dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True, **_LOCAL
            )
        if missing := sorted(info["missing_keys"]):
            # transformers would fill them with random numbers
            raise ModelError(f"The backbone {folder} cannot be loaded: its weights lack {missing[0]}.")
        n_blocks = len(blocks(model))
        if not 1 <= block <= n_blocks:
            raise ModelError(f"Block {block} was asked for, but {folder} has blocks 1 to {n_blocks}.")
        model.eval().to(device)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        prefix, suffix = template_ends(tokenizer)
        return cls(model, tokenizer, block, prefix, suffix, device)

    @property
    def n_blocks(self) -> int:
        """Number of blocks of the model."""
        return len(blocks(self.model))

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(text_config(self.model.config).hidden_size)

    def at(self, block: int) -> Backbone:
        """The same model read at another block."""
        return replace(self, block=block, _prefix_cache=None)

    def hooked_module(self) -> torch.nn.Module:
        """The block whose output the SAE reads."""
        module: torch.nn.Module = blocks(self.model)[self.block - 1]
        return module

    def tokenize(self, text: str, max_length: int) -> ContentTokens:
        """Content tokens of `text` as they stand inside the template, with character offsets.

        Strings that look like special tokens are read as plain characters: a text cannot end its own turn.
        """
        encoded = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
        )
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        kept = [(int(a), int(b)) for a, b in offsets[:max_length]]
        return ContentTokens(list(ids[:max_length]), kept, max(0, len(ids) - max_length))

    def residuals(self, batch: list[list[int]]) -> Tensor:
        """Residual stream [batch, longest, d_model] after the block, content tokens only, right-padded.

        Rows beyond a text's own length hold values of padding and must be ignored.
        """
        if not is_encoder(self.model.config):
            ids, _ = self._padded(batch)
            return self._forward(ids, self._cache_for(len(batch)))
        # here padding would be seen, and what stands around a text stands around each
        ids, seen = self._padded([[*self.prefix_ids, *row, *self.suffix_ids] for row in batch])
        start = len(self.prefix_ids)
        return self._forward(ids, None, seen)[:, start : start + max(map(len, batch))]

    def _padded(self, batch: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Token ids [batch, longest], padded on the right, and which of them are a text's own."""
        import torch

        longest = max(map(len, batch))
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in batch], device=self.device)
        seen = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch], device=self.device)
        return ids, seen

    def _cache_for(self, n: int) -> Any:
        """The prefix's KV cache, repeated for a batch of n."""
        from transformers import DynamicCache

        if not self.prefix_ids:
            return None
        if self._prefix_cache is None:
            import torch

            cache = DynamicCache(config=self.model.config)
            self._forward(torch.tensor([self.prefix_ids], device=self.device), cache)
            self._prefix_cache = cache
        repeated = copy.deepcopy(self._prefix_cache)
        repeated.batch_repeat_interleave(n)
        return repeated

    def _forward(self, ids: Tensor, cache: Any, seen: Tensor | None = None) -> Tensor:
        import torch

        reached: list[Tensor] = []

        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            reached.append(output[0] if isinstance(output, tuple) else output)
            raise _Reached

        handle = self.hooked_module().register_forward_hook(hook)
        try:
            with torch.no_grad():
                if seen is None:
                    self.model(input_ids=ids, past_key_values=cache, use_cache=cache is not None)
                else:
                    self.model(input_ids=ids, attention_mask=seen)
        except _Reached:
            pass
        finally:
            handle.remove()
        if len(reached) != 1 or reached[0].shape[:2] != ids.shape:
            raise ModelError(f"Block {self.block} produced no activations of the expected shape.")
        return reached[0]


class ModelShape(NamedTuple):
    """What a model's configuration and tokenizer say about it."""

    n_blocks: int
    d_model: int
    """Width of the residual stream."""
    n_positions: int | None
    """Tokens it can read at once, template included; None where it does not say."""
    n_prefix: int
    """Tokens that are read with a user's content: the template before it, and in an encoder what stands behind."""


def model_shape(folder: Path) -> ModelShape:
    """Shape of the model in a folder, without its weights.

    Raises:
        ModelError: configuration or tokenizer cannot be used, or the architecture keeps its blocks somewhere unknown.
    """
    import torch
    from transformers import AutoConfig

    tokenizer = _tokenizer(folder)
    with _loading(folder):
        config = AutoConfig.from_pretrained(str(folder), **_LOCAL)
        with torch.device("meta"):  # the modules without their numbers
            model = model_class(config).from_config(config)
        positions = getattr(text_config(config), "max_position_embeddings", None)
        d_model = int(text_config(config).hidden_size)
    before, behind = template_ends(tokenizer)
    return ModelShape(len(blocks(model)), d_model, positions, len(before) + len(behind) * is_encoder(config))


# a model folder brings no code of its own, and nothing of it is fetched
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@contextmanager
def _loading(folder: Path) -> Iterator[None]:
    """Turn a failure of transformers into a sentence."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # a job reports its own progress
    try:
        yield
    except Exception as error:  # damaged files fail anywhere in transformers, as almost any type of error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"The backbone {folder} cannot be loaded: {reason}") from error


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    with _loading(folder):
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **_LOCAL)
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"The tokenizer of {folder} cannot say where its tokens lie in a text; a tokenizer.json is needed."
        )
    return tokenizer


def template_ends(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Token ids that the chat template puts before and behind a user's content.

    Without a template they are those that the tokenizer itself puts around a text, an encoder's two, or else a BOS
    token if it has one: models use it as a sink of attention, whether or not their tokenizer adds it (P1).

    Found by rendering a marker and splitting there, so it is right for any template whose user turn comes last.

    Raises:
        ModelError: the template is damaged or leaves the user's text out.
    """
    if not getattr(tokenizer, "chat_template", None):
        around = list(tokenizer("")["input_ids"])
        if len(around) > 1:
            return around[: len(around) // 2], around[len(around) // 2 :]
        return around or [int(token) for token in [tokenizer.bos_token_id] if token is not None], []
    from jinja2 import TemplateError

    try:
        rendered = tokenizer.apply_chat_template([{"role": "user", "content": _MARK}], tokenize=False)
    except TemplateError as error:
        raise ModelError(f"The model's chat template cannot be rendered: {str(error).splitlines()[0]}") from error
    prefix, found, suffix = rendered.partition(_MARK)
    if not found:
        raise ModelError("The model's chat template does not contain the user's text, so content cannot be located.")
    before, behind = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in (prefix, suffix))
    return list(before), list(behind)
