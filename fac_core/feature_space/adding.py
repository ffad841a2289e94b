"""A space is registered only when model and SAE are there and fit each other; whatever does not is told in a sentence.

The weights of a model on the Hub are the one thing not looked at: they are downloaded by the first reading. An SAE on
the Hub is downloaded here, and kept by the place and commit it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fac_core.errors import InputError, ModelError
from fac_core.feature_space.backbone import ModelShape, model_shape
from fac_core.feature_space.backbones import folder_of, resolve
from fac_core.feature_space.devices import AUTO, BYTES_OF, chosen_dtype
from fac_core.feature_space.extractor import default_device
from fac_core.feature_space.hooks import declared_block
from fac_core.feature_space.sae_formats import SaeFile, check_width, load_sae, places, sae_digest
from fac_core.feature_space.space import SpaceSpec, read_card
from fac_core.feature_space.spaces import PAPER_DELTA, load_statics, register_space, spaces
from fac_core.workspace import Workspace

DTYPES = (*BYTES_OF, AUTO)
MAX_NAME = 80


def add_space(
    ws: Workspace,
    backbone: str,
    sae: str | Path,
    *,
    block: int | None = None,
    revision: str | None = None,
    sae_revision: str | None = None,
    name: str | None = None,
    dtype: str = "float32",
    max_length: int = 512,
    apply_topk: bool = True,
    declared: Mapping[str, float] | None = None,
) -> str:
    """Register a further feature space; returns its id. The same model and SAE again renew its name and places.

    Args:
        ws: the project.
        backbone: ``embedded``, a local model folder, a GGUF file, or a model on the Hugging Face Hub.
        sae: an SAE in any format of `sae_formats`, with ``card.json`` and per-feature tables if there are any: a folder
            or file, or a place on the Hub, ``owner/repository[@revision][:folder or file]``.
        block: the SAE reads the output of this block, counted from 1; default: the one that its files name.
        revision: commit, tag or branch of a model on the Hub; default ``main`` as it is now. The commit is kept.
        sae_revision: the same of an SAE on the Hub.
        name: for people; made from model, block and SAE if there is none.
        dtype: the model computes in it; ``auto`` for the faster of float32 and bfloat16 on this machine.
        max_length: content tokens read of a text.
        apply_topk: off to read a Top-K SAE without its Top-K, as the paper's code does.
        declared: figures of quality that the SAE's maker published (``l0``, ``fvu``), for one without a card.

    Raises:
        InputError: a setting that cannot be.
        ModelError: model or SAE missing, damaged, or not fitting each other.
    """
    dtype = chosen_dtype(dtype, default_device())
    if max_length < 1:
        raise InputError("The longest text must have at least one token.")
    name = " ".join((name or "").split())[:MAX_NAME]
    kept_as = places.exact(str(sae), (sae_revision or "").strip())
    path = places.at_hand(Path(kept_as))
    digest, file = sae_digest(path), load_sae(path)
    named_block = declared_block(file.hook or places.declared_hook(kept_as))
    model = resolve(backbone, (revision or "").strip())
    shape = model_shape(folder_of(model.backbone, model.revision, weights=False, digest=model.digest))
    if block is None and (block := named_block) is None:
        raise InputError(f"The SAE in {path} does not say which block it reads; name the block.")
    _check_shape(model.title, shape, block, max_length)
    _check_block(path, named_block, block)
    check_width(path, file.sae, shape.d_model)
    measured = {"block": block, "n_blocks": shape.n_blocks, "d_sae": file.sae.d_sae, "k": file.sae.k}
    card = _card(path, file, measured, declared or {})
    without = "" if apply_topk or not file.sae.k else ", without Top-K"
    spec = SpaceSpec(
        name=name or f"{model.title}, block {block} · {places.title(kept_as)}{without}",
        backbone=model.backbone,
        backbone_digest=model.digest,
        revision=model.revision,
        block=block,
        n_blocks=shape.n_blocks,
        sae=kept_as,
        sae_digest=digest,
        d_sae=file.sae.d_sae,
        k=file.sae.k,
        apply_topk=apply_topk or not file.sae.k,
        max_length=max_length,
        dtype=dtype,
    )
    if any(known.name == spec.name and known.space_id != spec.space_id for known in spaces(ws)):
        raise InputError(f"This project has a feature space called “{spec.name}” already; choose another name.")
    default_delta = card.get("default_delta")
    space_id = register_space(ws, spec, card, PAPER_DELTA if default_delta is None else float(default_delta))
    load_statics(ws, space_id, path)
    return space_id


def _check_shape(title: str, shape: ModelShape, block: int, max_length: int) -> None:
    if not 1 <= block <= shape.n_blocks:
        raise ModelError(f"Block {block} was asked for, but {title} has blocks 1 to {shape.n_blocks}.")
    if shape.n_positions is not None and shape.n_prefix + max_length > shape.n_positions:
        raise ModelError(
            f"{title} reads {shape.n_positions:,} tokens at once, {shape.n_prefix} of them its template; "
            f"texts can have at most {shape.n_positions - shape.n_prefix:,} tokens, not {max_length:,}."
        )


def _check_block(sae_folder: Path, declared: int | None, block: int) -> None:
    if declared is not None and declared != block:
        raise ModelError(
            f"The SAE in {sae_folder} was trained on the output of block {declared}, not of block {block}; "
            f"choose block {declared}."
        )


def _card(folder: Path, file: SaeFile, measured: dict[str, int], declared: Mapping[str, float]) -> dict[str, Any]:
    """The SAE's card; where it came without, one that declares what its files or its maker do."""
    if not (folder / places.CARD).exists():
        about = {"model_name": file.model, "hook_name": file.hook, "format": file.format}
        return {**about, **measured, "fvu": None, "l0": None, "alive_share": None, **declared, **file.declared}
    card = read_card(folder)
    _check_block(folder, card["block"], measured["block"])
    for key, found in measured.items():
        if card[key] != found:
            raise ModelError(
                f"The card of the SAE in {folder} says {key} is {card[key]}, but it is {found}; "
                "choose the model and the SAE that belong together."
            )
    return card
