"""A residual shard on disk is whole or absent, and shard n holds the same tokens whenever it is read again.

The corpus is cut into batches of similar length inside blocks of texts; each block becomes one float16 array
[tokens, d_model]. A reader that was killed starts again at the first missing block.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import InputError, ModelError
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.batching import batches
from fac_core.feature_space.tokens import ContentTokens
from fac_core.feature_space.training.corpus import texts
from fac_core.feature_space.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_TEXTS = 2000
TOKEN_BUDGET = 2048
LARGEST = 65504.0
"""What float16 can hold; a sink of attention beyond it is cut there."""


class Reading(NamedTuple):
    """What was read so far."""

    tokens: int
    """Content tokens for training."""
    heldout: int
    """Content tokens kept for measuring."""
    total: int
    """Tokens the recipe asks for (an upper bound: sources may hold fewer)."""


class Read(NamedTuple):
    """A corpus that was read."""

    tokens: dict[str, list[int]]
    """Tokens of each source, {path: [training, held-out]}."""
    n_blocks: int


def read_corpus(
    recipe: Recipe, backbone: Backbone, data: Path, folder: Path, progress: Callable[[Reading], None] = lambda _: None
) -> Read:
    """Read the recipe's texts into `folder`.

    Raises:
        InputError: a corpus file is missing or unreadable, or no text fell into the held-out part.
        ModelError: the backbone cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = max(1, int(sum(source.tokens for source in recipe.corpus.source) * 1000))
    used = [[0, 0] for _ in recipe.corpus.source]
    n_blocks = 0
    for number, block in enumerate(_blocks(recipe, backbone, data)):
        n_blocks = number + 1
        ledger = folder / f"block-{number:05d}.json"
        if not ledger.is_file():
            counts = _read_block(block, backbone, folder, number, len(used))
            _write_whole(ledger, json.dumps(counts).encode())
        for have, more in zip(used, json.loads(ledger.read_text()), strict=True):
            have[0] += more[0]
            have[1] += more[1]
        progress(Reading(sum(a for a, _ in used), sum(b for _, b in used), total))
    if not any(heldout for _, heldout in used):
        raise InputError(
            f"No text of the corpus fell into the held-out part (heldout = {recipe.corpus.heldout:g}), so nothing "
            "could be measured; add texts or hold out more."
        )
    return Read({source.path: counts for source, counts in zip(recipe.corpus.source, used, strict=True)}, n_blocks)


def shards(folder: Path, part: str, n_blocks: int) -> list[NDArray[np.float16]]:
    """Memory-mapped residual arrays [tokens, d_model] of ``train`` or ``heldout`` of the blocks that were read."""
    paths = (folder / f"{part}-{number:05d}.npy" for number in range(n_blocks))
    return [np.load(path, mmap_mode="r") for path in paths if path.is_file()]


class _Tokenised(NamedTuple):
    source: int
    heldout: bool
    tokens: ContentTokens


def _blocks(recipe: Recipe, backbone: Backbone, data: Path) -> Iterator[list[_Tokenised]]:
    """Blocks of tokenised texts, each source cut at its token quota."""
    iterator = _quota(recipe, backbone, data)
    while block := list(itertools.islice(iterator, BLOCK_TEXTS)):
        yield block


def _quota(recipe: Recipe, backbone: Backbone, data: Path) -> Iterator[_Tokenised]:
    read = [0] * len(recipe.corpus.source)
    for item in texts(recipe.corpus, data, recipe.training.seed):
        if read[item.source] >= recipe.corpus.source[item.source].tokens * 1000:
            continue
        tokens = backbone.tokenize(item.content, recipe.space.max_length)
        if tokens.ids:
            read[item.source] += len(tokens.offsets)
            yield _Tokenised(item.source, item.heldout, tokens)


def residual_rows(backbone: Backbone, batch: list[ContentTokens]) -> Iterator[Tensor]:
    """Residual vectors [tokens, d_model] of each text of a batch.

    Raises:
        ModelError: one of them is no number.
    """
    import torch

    for row, content in zip(backbone.residuals(batch), batch, strict=True):
        vectors = row[: len(content.offsets)]
        if not bool(torch.isfinite(vectors).all()):
            raise ModelError("The model produced an activation that is not a number; check model and dtype.")
        yield vectors


def _read_block(
    block: list[_Tokenised], backbone: Backbone, folder: Path, number: int, n_sources: int
) -> list[list[int]]:
    counts = [[0, 0] for _ in range(n_sources)]
    parts: dict[str, list[NDArray[np.float16]]] = {"train": [], "heldout": []}
    for numbers in batches([item.tokens for item in block], TOKEN_BUDGET):
        batch = [block[number] for number in numbers]
        for vectors, item in zip(residual_rows(backbone, [item.tokens for item in batch]), batch, strict=True):
            parts["heldout" if item.heldout else "train"].append(_stored(vectors))
            counts[item.source][item.heldout] += len(vectors)
    for name, arrays in parts.items():
        if arrays:
            temporary = folder / f".{name}-{number:05d}.npy"
            np.save(temporary, np.concatenate(arrays))
            temporary.replace(folder / f"{name}-{number:05d}.npy")
    return counts


def _stored(vectors: Tensor) -> NDArray[np.float16]:
    return np.asarray(vectors.clamp(-LARGEST, LARGEST).half().cpu().numpy())


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(content)
    temporary.replace(path)
