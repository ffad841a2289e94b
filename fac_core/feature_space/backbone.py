"""The tensor handed to the SAE is the output of the named block for exactly these tokens, never an earlier one.

Early exit raises a private exception from a forward hook; the buffer is emptied before each forward pass and its shape
is checked after it, so a failure (out of memory, wrong module) can only surface as an error (P14). Template and special
tokens take part in the forward pass and are left out afterwards. A causal model's constant beginning is read once and
its KV cache is reused; an encoder reads what stands around a content with each content.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.errors import ModelError
from fac_core.feature_space.architectures import blocks, is_encoder, model_class, text_config
from fac_core.feature_space.devices import AUTO, checked, enough_memory, ran_out
from fac_core.feature_space.model_files import check_model_folder
from fac_core.feature_space.tokens import ContentTokens, Tokens

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fac_core.content import Content


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
    tokens: Tokens
    device: str = "cpu"
    """Where its first block is; ``auto`` at loading spreads a model over all accelerators."""
    _prefix_cache: Any = None

    @classmethod
    def load(cls, folder: Path, block: int, *, dtype: str = "float32", device: str = "cpu") -> Backbone:
        """Load model and tokenizer from a local folder.

        Args:
            folder: in safetensors.
            block: whose output is read, counted from 1.
            dtype: the model computes in it.
            device: as torch names it, or ``auto`` for a model that is larger than one accelerator.

        Raises:
            InputError: there is no such device.
            ModelError: nothing loadable there, weights missing, not enough memory, or the model has fewer blocks.
        """
        import torch
        from transformers import AutoConfig

        checked(device)
        check_model_folder(folder)
        tokenizer = _tokenizer(folder)
        placed: dict[str, Any] = {"device_map": AUTO} if device == AUTO else {}
        with enough_memory(f"The backbone {folder}"), _loading(folder):
            config = AutoConfig.from_pretrained(str(folder), **_LOCAL)
            model, info = model_class(config).from_pretrained(
                str(folder),
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                output_loading_info=True,
                **_LOCAL,
                **placed,
            )
        if missing := sorted(info["missing_keys"]):
            # transformers would fill them with random numbers
            raise ModelError(f"The backbone {folder} cannot be loaded: its weights lack {missing[0]}.")
        n_blocks = len(blocks(model))
        if not 1 <= block <= n_blocks:
            raise ModelError(f"Block {block} was asked for, but {folder} has blocks 1 to {n_blocks}.")
        model.eval()
        if placed:
            device = str(model.get_input_embeddings().weight.device)
        else:
            with enough_memory(f"The backbone {folder}"):
                model.to(device)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        return cls(model, tokenizer, block, _tokens(tokenizer, config), device)

    @property
    def n_blocks(self) -> int:
        """Number of blocks of the model."""
        return len(blocks(self.model))

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(text_config(self.model.config).hidden_size)

    @property
    def output_device(self) -> str:
        """Where the hooked block's output is; another place than `device` for a model that is spread."""
        return str(next(self.hooked_module().parameters()).device)

    @property
    def prefix_ids(self) -> list[int]:
        """Tokens of the template before a user's content."""
        return self.tokens.prefix_ids

    def at(self, block: int) -> Backbone:
        """The same model read at another block."""
        return replace(self, block=block, _prefix_cache=None)

    def hooked_module(self) -> torch.nn.Module:
        """The block whose output the SAE reads."""
        module: torch.nn.Module = blocks(self.model)[self.block - 1]
        return module

    def tokenize(self, content: Content | str, max_length: int) -> ContentTokens:
        """Tokens of a content as it stands inside the template; see `Tokens.of`."""
        return self.tokens.of(content, max_length)

    def residuals(self, batch: Sequence[ContentTokens]) -> Tensor:
        """Residual stream [batch, longest, d_model] after the block, tokens that count only, right-padded.

        Rows beyond a content's own length hold values of padding and must be ignored. All of a batch share the
        template's beginning, or none does (as batches from `batches` do).

        Raises:
            ModelError: the hooked block did not run.
        """
        import torch

        ids, seen = self._padded([content.ids for content in batch])
        if is_encoder(self.model.config):  # here padding would be seen
            hidden = self._forward(ids, None, seen)
        else:
            hidden = self._forward(ids, self._cache_for(len(batch)) if batch[0].shares_prefix else None)
        if all(content.places is None for content in batch):
            return hidden
        longest = max(len(content.offsets) for content in batch)
        where = [list(range(len(one.ids))) if one.places is None else one.places for one in batch]
        index = torch.tensor([places + [0] * (longest - len(places)) for places in where], device=hidden.device)
        return hidden.gather(1, index[:, :, None].expand(-1, -1, hidden.shape[2]))

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
        d_model = int(text_config(config).hidden_size)
    tokens = _tokens(tokenizer, config)
    n_prefix = len(tokens.template_ids() if is_encoder(config) else tokens.prefix_ids)
    return ModelShape(len(blocks(model)), d_model, _positions(config), n_prefix)


def _tokens(tokenizer: Any, config: Any) -> Tokens:
    return Tokens(tokenizer, encoder=is_encoder(config), n_positions=_positions(config))


def _positions(config: Any) -> int | None:
    positions: int | None = getattr(text_config(config), "max_position_embeddings", None)
    if positions is not None and "roberta" in str(config.model_type):
        positions -= int(config.pad_token_id) + 1  # its positions are counted from there
    return positions


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
        if ran_out(error):
            raise  # the caller says so
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
