"""A recipe names every input of an SAE: two runs of one recipe on the same files see the same texts in one order."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from fac_core.errors import InputError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _inside(path: str) -> str:
    if not path.strip() or PurePath(path).is_absolute() or ".." in PurePath(path).parts:
        raise ValueError("a path of the corpus lies inside the data folder and is given relative to it")
    return path


Inside = Annotated[str, AfterValidator(_inside)]
"""A path or pattern inside the data folder."""


class SpacePart(_Strict):
    """Where the residual stream is read."""

    backbone: str = "embedded"
    """``embedded``, a local model folder, or the name of a model on the Hugging Face Hub."""
    revision: str = ""
    """Commit, tag or branch of a model on the Hub; default ``main``, as it is when training starts."""
    block: int = Field(ge=1)
    """Block whose output is read, counted from 1."""
    max_length: int = Field(192, ge=8)
    """Content tokens read of each text."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """The model computes in it."""


Kind = Literal["topk", "batchtopk", "jumprelu"]
KINDS: tuple[Kind, ...] = ("topk", "batchtopk", "jumprelu")
TOPK, BATCHTOPK, JUMPRELU = KINDS


class SaePart(_Strict):
    """Shape of the dictionary."""

    kind: Kind = "topk"
    """What keeps it sparse: the k largest of each vector; the k·n largest of a batch of n; a threshold of each
    feature, with a penalty on the distance of L0 from k. The last two are written as JumpReLU with thresholds."""
    tied: bool = False
    """The decoder is the encoder transposed, its rows of any norm; of `topk` only."""
    d_sae: int = Field(ge=8)
    """Number of features. 2^14 to 2^17 for a model of some billion parameters; less for few texts."""
    k: int = Field(ge=1)
    """Active features a vector: at most (topk), on average (batchtopk), aimed at (jumprelu)."""
    k_start: int | None = Field(None, ge=1)
    """k at the first step; annealed linearly to `k`. Not of `jumprelu`."""
    k_anneal: float = Field(0.2, ge=0, le=1)
    """Share of the steps over which k falls, or the penalty of `jumprelu` rises."""

    @model_validator(mode="after")
    def _fits(self) -> SaePart:
        if max(self.k, self.k_start or 0) > self.d_sae:
            raise ValueError(f"k and k_start can be at most d_sae, {self.d_sae}")
        if self.tied and self.kind != TOPK:
            raise ValueError(f"only a dictionary of kind topk can be tied, not {self.kind}")
        if self.k_start is not None and self.kind == JUMPRELU:
            raise ValueError("jumprelu has no k_start; its penalty rises over k_anneal instead")
        return self


class TrainingPart(_Strict):
    """The optimisation."""

    seed: int = 0
    samples: int = Field(ge=1)
    """Activations shown in total, with repetition."""
    batch: int = Field(4096, ge=1)
    """Activations a step."""
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: float = Field(0.0, ge=0)
    """Of encoder and decoder, never of a bias; of `adamw` only."""
    lr: float = Field(1e-3, gt=0)
    warmup: int = Field(200, ge=0)
    decay: float = Field(0.3, ge=0, le=1)
    dead_after: int = Field(400_000, ge=0)
    """Activations without firing until a feature counts as dead."""
    aux_k: int = Field(32, ge=1)
    """Dead features that reconstruct what is missing of a vector (topk; batchtopk takes half of d_in)."""
    aux_weight: float = Field(1 / 32, ge=0)
    """Of the loss that revives dead features; 0 leaves them dead."""
    checkpoint_steps: int = Field(200, ge=1)

    @model_validator(mode="after")
    def _decays(self) -> TrainingPart:
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError(f"weight_decay belongs to adamw, not to {self.optimizer}")
        return self


class Source(_Strict):
    """One file of the corpus."""

    path: Inside
    fields: list[str] = Field(min_length=1)
    tokens: float = Field(gt=0)
    """Thousands of content tokens read at most."""
    window: bool = False
    """Read random windows of long texts instead of their beginnings."""


class Corpus(_Strict):
    """The texts."""

    heldout: float = Field(0.03, gt=0, lt=1)
    exclude: list[Inside] = []
    """Patterns of files, all of whose texts are kept out."""
    source: list[Source]


class Recipe(_Strict):
    """Everything that decides how an SAE comes out."""

    space: SpacePart
    sae: SaePart
    training: TrainingPart
    corpus: Corpus


def load_recipe(path: Path, preset: dict[str, Any] | None = None) -> Recipe:
    """Read and check a recipe file; what it leaves out of the parts of `preset` is taken from there.

    Raises:
        InputError: missing file, broken TOML, unknown or ill-typed entry, or entries that do not fit each other.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"The recipe {path} is not UTF-8 text.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The recipe {path} is not valid TOML: {error}.") from error
    return make_recipe(merged(preset or {}, entries), f"The recipe {path}")


def make_recipe(entries: dict[str, Any], what: str = "The recipe") -> Recipe:
    """A recipe from its entries, by part; `what` is the subject of the sentence that refuses them.

    Raises:
        InputError: unknown, missing or ill-typed entry, or entries that do not fit each other.
    """
    try:
        return Recipe.model_validate(entries)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{what} has a wrong entry at {where}: {said}.") from error


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Entries by part, those of `above` before those of `below`."""
    found = dict(below)
    for part, entries in above.items():
        both = isinstance(entries, dict) and isinstance(found.get(part), dict)
        found[part] = {**found[part], **entries} if both else entries
    return found
