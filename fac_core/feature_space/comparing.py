"""Two SAEs are compared on the same texts, each at its own place in its own model; a place both read is read once.

Figures are those of a card (FVU, L0, dead and dense share). A feature has a counterpart if a feature of the other SAE
writes in nearly the same direction, cosine `COSINE` or more, which only means something where both have one width.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.content import Content
from fac_core.errors import InputError, ModelError
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.backbones import folder_of, resolve
from fac_core.feature_space.batching import batches
from fac_core.feature_space.extractor import TOKEN_BUDGET, default_device
from fac_core.feature_space.hooks import declared_block
from fac_core.feature_space.sae_formats import load_sae
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.training.job import RECIPE
from fac_core.feature_space.training.measure import Meter
from fac_core.feature_space.training.reading import residual_rows
from fac_core.feature_space.training.recipe import Recipe, make_recipe

if TYPE_CHECKING:
    from torch import Tensor

COSINE = 0.7
"""Of two decoder rows from which they count as counterparts."""
_ROWS = 1024
BLOCK_TEXTS = 512
"""Texts sorted by length at a time."""


@dataclass(frozen=True)
class Place:
    """Where an SAE reads."""

    backbone: str
    revision: str
    block: int
    max_length: int = 512
    dtype: str = "float32"


@dataclass(frozen=True)
class Side:
    """One of the SAEs."""

    name: str
    sae: str
    """Folder."""
    place: Place

    def to_json(self) -> dict[str, Any]:
        """For the spec of a job."""
        return asdict(self)

    @classmethod
    def from_json(cls, entries: dict[str, Any]) -> Side:
        """Inverse of `to_json`."""
        return cls(**{**entries, "place": Place(**entries["place"])})


@dataclass(frozen=True)
class SideFigures:
    """How one of the SAEs did."""

    name: str
    block: int
    d_sae: int
    fvu: float
    l0: float
    dead_share: float
    """Features that fire on no token of these texts."""
    dense_share: float
    """Features that fire on more than 10 % of the tokens."""
    n_firing: int
    """Features that fire on these texts."""
    shared: float | None
    """Share of its features with a counterpart in the other; None where the widths differ."""
    shared_firing: float | None
    """The same of the features that fire here."""


@dataclass(frozen=True)
class Comparison:
    """Two SAEs on the same texts."""

    n_texts: int
    n_tokens: tuple[int, int]
    """Content tokens each read."""
    sides: tuple[SideFigures, SideFigures]


def side_of_space(spec: SpaceSpec, name: str) -> Side:
    """The SAE of a feature space."""
    return Side(name, spec.sae, Place(spec.backbone, spec.revision, spec.block, spec.max_length, spec.dtype))


def side_of_folder(folder: Path, backbone: str = "", revision: str = "", block: int | None = None) -> Side:
    """The SAE in a folder; one that was trained here brings its place along, another needs its model named.

    Raises:
        InputError: no model is named, or nothing says which block.
        ModelError: there is no such model, or the SAE cannot be read.
    """
    folder = folder.expanduser().resolve()
    if (folder / RECIPE).is_file():
        space = _recipe_in(folder).space
        place = Place(space.backbone, space.revision, space.block, space.max_length, space.dtype)
        return Side(folder.name, str(folder), place)
    if not backbone:
        raise InputError(f"The SAE in {folder} does not say which model it reads; name it with --model.")
    if block is None and (block := declared_block(load_sae(folder).hook)) is None:
        raise InputError(f"The SAE in {folder} does not say which block it reads; name it with --block.")
    model = resolve(backbone, revision)
    return Side(folder.name, str(folder), Place(model.backbone, model.revision, block))


def compare(
    a: Side, b: Side, texts: Sequence[Content | str], progress: Callable[[float], bool] = lambda _share: True
) -> Comparison | None:
    """Read texts by both SAEs.

    Args:
        a: one SAE.
        b: the other.
        texts: read by both, each up to the side's own length.
        progress: called with the share done; stops the reading, which then gives None, by answering False.

    Raises:
        InputError: no text has a token.
        ModelError: a model or SAE is missing, damaged, or does not fit the other.
    """
    meters: dict[Side, Meter] = {}
    places = list(dict.fromkeys([a.place, b.place]))
    for number, place in enumerate(places):
        folder, device = folder_of(place.backbone, place.revision), default_device()
        backbone = Backbone.load(folder, place.block, dtype=place.dtype, device=device)
        here = {side: _meter(side, backbone) for side in {a, b} if side.place == place}
        for begin in range(0, len(texts), BLOCK_TEXTS):
            if not progress((number + begin / len(texts)) / len(places)):
                return None
            _read(backbone, place, texts[begin : begin + BLOCK_TEXTS], list(here.values()))
        meters |= here
        del backbone  # two models need not fit side by side
    if not all(meter.health.n_tokens for meter in meters.values()):
        raise InputError("None of the texts has a token to read.")
    one, other = meters[a], meters[b]
    shared = _counterparts(one.sae.w_dec, other.sae.w_dec) if one.sae.d_in == other.sae.d_in else None
    return Comparison(
        len(texts),
        (one.health.n_tokens, other.health.n_tokens),
        (_figures(a, one, shared and shared[0]), _figures(b, other, shared and shared[1])),
    )


def _recipe_in(folder: Path) -> Recipe:
    try:
        return make_recipe(json.loads((folder / RECIPE).read_text(encoding="utf-8")), f"The recipe in {folder}")
    except (OSError, ValueError) as error:
        raise ModelError(f"The file {RECIPE} of the SAE in {folder} cannot be read.") from error


def _meter(side: Side, backbone: Backbone) -> Meter:
    sae = load_sae(Path(side.sae), d_model=backbone.d_model, device=backbone.device).sae
    if sae.d_in != backbone.d_model:
        raise ModelError(
            f"The SAE {side.name} reads vectors of width {sae.d_in}, but the model's residual stream has "
            f"{backbone.d_model}; name the model it was trained on."
        )
    return Meter(sae)


def _read(backbone: Backbone, place: Place, texts: Sequence[Content | str], meters: list[Meter]) -> None:
    import torch

    tokens = [backbone.tokenize(text, place.max_length) for text in texts]
    for batch in batches(tokens, TOKEN_BUDGET["cpu"]):
        x = torch.cat(list(residual_rows(backbone, [tokens[number] for number in batch]))).float()
        for meter in meters:
            meter.add(x)


def _counterparts(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows of each [n, d] have a row of the other at a cosine of COSINE or more: two masks."""
    import torch
    import torch.nn.functional as F

    one, other = F.normalize(one.float(), dim=1), F.normalize(other.float(), dim=1)
    best = torch.full((len(other),), -1.0, device=other.device)
    found = []
    for part in one.split(_ROWS):
        cosine = part @ other.T
        found.append(cosine.amax(1) >= COSINE)
        best = torch.maximum(best, cosine.amax(0))
    return torch.cat(found).cpu(), (best >= COSINE).cpu()


def _figures(side: Side, meter: Meter, shared: Tensor | None) -> SideFigures:
    found, firing = meter.measured(), meter.fired > 0
    n_firing = int(firing.sum())
    return SideFigures(
        name=side.name,
        block=side.place.block,
        d_sae=meter.sae.d_sae,
        fvu=found.fvu,
        l0=found.l0,
        dead_share=1 - found.alive_share,
        dense_share=found.dense_share,
        n_firing=n_firing,
        shared=None if shared is None else float(shared.float().mean()),
        shared_firing=float(shared[firing].float().mean()) if shared is not None and n_firing else None,
    )
