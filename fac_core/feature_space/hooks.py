"""Where an SAE reads is one number here: the output of block n, counted from 1. Every other name is translated to it.

Off by one, an SAE reads a tensor it was not trained on and every number after it is plausible and wrong (P4). So no
code but this table knows another convention.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from fac_core.errors import ModelError


class Convention(NamedTuple):
    """A way to name a place in the residual stream."""

    pattern: str
    """Of the whole name; one group, the number."""
    block: Callable[[int], int]
    """The block whose output it is, counted from 1; 0 is the embedding."""
    whose: str


CONVENTIONS = (
    Convention(r"blocks\.(\d+)\.hook_resid_post", lambda n: n + 1, "TransformerLens"),
    Convention(r"blocks\.(\d+)\.hook_resid_pre", lambda n: n, "TransformerLens"),
    Convention(
        r"(?:model\.|transformer\.|gpt_neox\.|decoder\.|bert\.|roberta\.|language_model\.)*"
        r"(?:layers|h|encoder\.layer)\.(\d+)",
        lambda n: n + 1,
        "module paths of transformers, and sparsify",
    ),
    Convention(r"layers_(\d+)", lambda n: n + 1, "folders of sparsify"),
    Convention(r"hidden_states\[(\d+)\]", lambda n: n, "hidden_states of transformers"),
    Convention(r"resid_post_layer_(\d+)", lambda n: n + 1, "dictionary_learning"),
    Convention(r"layer_(\d+)/width_\w+(?:/.*)?", lambda n: n + 1, "folders of Gemma Scope"),
    Convention(r"L(\d+)R(?:-\d+x)?", lambda n: n + 1, "folders of Llama Scope"),
    Convention(r"(?:block|layer) (\d+)", lambda n: n, "the paper, and this project"),
    Convention(r"(\d+)", lambda n: n, "the paper, and this project"),
)


_ELSEWHERE = re.compile(r"blocks\.\d+\..*|(?:.*[./])?(?:mlp|attn|self_attn|attention|transcoder)(?:[./_].*)?")
"""A place that is known and is not the output of a block."""


def declared_block(name: str | None) -> int | None:
    """The block that an SAE's files name as its place, counted from 1; None if they name none that is known.

    Raises:
        ModelError: they name another place than the residual stream after a block.
    """
    if name is None or not (_find(name) or _ELSEWHERE.fullmatch(name)):
        return None
    return block_of(name)


def _find(name: str) -> tuple[Convention, int] | None:
    for convention in CONVENTIONS:
        if found := re.fullmatch(convention.pattern, name.strip()):
            return convention, convention.block(int(found[1]))
    return None


def block_of(name: str, n_blocks: int | None = None) -> int:
    """The block whose output a name means, counted from 1.

    Args:
        name: of any convention in CONVENTIONS.
        n_blocks: of the model, if known; a place beyond it is refused.

    Raises:
        ModelError: an unknown name, the embedding, a place the model does not have, or the last entry of
            ``hidden_states``, which lies behind the final norm and is no block's output.
    """
    found = _find(name)
    if found is None:
        if _ELSEWHERE.fullmatch(name):
            raise ModelError(f"{name[:80]} is not the residual stream after a block, which is what is read here.")
        raise ModelError(
            f"The place {name[:80]!r} is not known; name the output of a block, counted from 1, such as 'block 16' "
            "(blocks.15.hook_resid_post in TransformerLens)."
        )
    convention, block = found
    if block == 0:
        raise ModelError(f"{name} is the embedding, not the output of a block; SAEs of blocks are read here.")
    if n_blocks is not None and block > n_blocks:
        raise ModelError(f"{name} is the output of block {block}, but the model has blocks 1 to {n_blocks}.")
    if convention.whose == "hidden_states of transformers" and block == n_blocks:
        raise ModelError(
            f"{name} lies behind the final norm and is not the output of block {block}; if the SAE was trained on "
            f"the block's output, say block {block}."
        )
    return block
