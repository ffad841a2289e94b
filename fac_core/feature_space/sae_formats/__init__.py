"""A file of an SAE is read by its format's own definition, or refused with a sentence; nothing is guessed.

One module a format; each says which files it reads and turns them into a `SaeFile`. A format is found by its files, so
a folder can hold one format only. Pickled checkpoints are read by torch's restricted loader: no code in them is run.
"""

from __future__ import annotations

from pathlib import Path

from fac_core.errors import ModelError
from fac_core.feature_space.sae import Sae
from fac_core.feature_space.sae_formats import (
    dictionary_learning,
    fac_paper,
    gemma_scope,
    llama_scope,
    saelens,
    sparsify,
)
from fac_core.feature_space.sae_formats.parts import Format, SaeFile, digest_of

__all__ = ["FORMATS", "Format", "SaeFile", "check_width", "format_of", "load_sae", "sae_digest"]

FORMATS: tuple[Format, ...] = (
    saelens.FORMAT,
    sparsify.FORMAT,
    gemma_scope.FORMAT,
    llama_scope.FORMAT,
    dictionary_learning.FORMAT,
    fac_paper.FORMAT,
)


def format_of(path: Path) -> Format:
    """The format of an SAE's folder, or of the one file that holds it.

    Raises:
        ModelError: nothing there, or no format or more than one fits.
    """
    if not path.exists():
        raise ModelError(f"There is no SAE at {path}.")
    fitting = [format for format in FORMATS if format.files(path)]
    if not fitting:
        known = ", ".join(f"{format.title} ({format.looks})" for format in FORMATS)
        raise ModelError(f"No SAE format fits {path}; known are {known}.")
    if len(fitting) > 1:
        names = " and ".join(format.title for format in fitting)
        raise ModelError(f"{path} looks like {names} at once; put the SAE into a folder of its own.")
    return fitting[0]


def load_sae(path: Path, *, d_model: int | None = None, device: str = "cpu") -> SaeFile:
    """Load an SAE in float32.

    Raises:
        ModelError: missing or damaged file, a setting that cannot be applied, or a width other than `d_model`.
    """
    found = format_of(path)
    loaded = found.load(path)
    if d_model is not None:
        check_width(path, loaded.sae, d_model)
    return loaded._replace(sae=loaded.sae.to(device))


def check_width(path: Path, sae: Sae, d_model: int) -> None:
    """Refuse an SAE for another model.

    Raises:
        ModelError: it reads vectors of another width than `d_model`.
    """
    if sae.d_in != d_model:
        raise ModelError(
            f"The SAE in {path} reads vectors of width {sae.d_in}, but the model's residual stream has {d_model}; "
            "choose the SAE that was trained on this model."
        )


def sae_digest(path: Path) -> str:
    """SHA-256 over the files that are read, by name and content.

    Raises:
        ModelError: no SAE there.
    """
    return digest_of(format_of(path).files(path))
