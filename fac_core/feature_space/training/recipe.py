"""A recipe names every input of an SAE: two runs of one recipe on the same files see the same texts in one order."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePath
from typing import Annotated

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


class SaePart(_Strict):
    """Shape of the Top-K dictionary."""

    d_sae: int = Field(ge=8)
    k: int = Field(ge=1)
    k_start: int | None = Field(None, ge=1)
    """k at the first step; annealed linearly to `k`."""
    k_anneal: float = Field(0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _k_fits(self) -> SaePart:
        if max(self.k, self.k_start or 0) > self.d_sae:
            raise ValueError(f"k and k_start can be at most d_sae, {self.d_sae}")
        return self


class TrainingPart(_Strict):
    """The optimisation."""

    seed: int = 0
    samples: int = Field(ge=1)
    """Activations shown in total, with repetition."""
    batch: int = Field(4096, ge=1)
    lr: float = Field(1e-3, gt=0)
    warmup: int = Field(200, ge=0)
    decay: float = Field(0.3, ge=0, le=1)
    dead_after: int = Field(400_000, ge=0)
    aux_k: int = Field(32, ge=1)
    aux_weight: float = Field(1 / 32, ge=0)
    checkpoint_steps: int = Field(200, ge=1)


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


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe file.

    Raises:
        InputError: missing file, broken TOML, unknown or ill-typed entry, or entries that do not fit each other.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"The recipe {path} is not UTF-8 text.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The recipe {path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise InputError(f"The recipe {path} has a wrong entry at {where}: {what}.") from error
