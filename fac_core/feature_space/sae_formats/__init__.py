"""A file of an SAE is read by its format's own definition, or refused with a sentence; nothing is guessed.

One module a format; each says which files it reads and turns them into a `SaeFile`. Pickled checkpoints are read by
torch's restricted loader: no code in them is run. A path may also be a place on the Hugging Face Hub (`places`).
"""

from __future__ import annotations

from pathlib import Path

from fac_core.errors import ModelError
from fac_core.feature_space.devices import enough_memory
from fac_core.feature_space.sae import Sae
from fac_core.feature_space.sae_formats.parts import Format, SaeFile, digest_of
from fac_core.feature_space.sae_formats.places import at_hand
from fac_core.feature_space.sae_formats.registry import FORMATS, fitting, one_of

__all__ = ["FORMATS", "Format", "SaeFile", "check_width", "format_of", "load_sae", "sae_digest"]


def format_of(path: Path) -> Format:
    """The format of an SAE's folder, or of the one file that holds it.

    Raises:
        ModelError: nothing there, or no format or more than one fits.
    """
    if not path.exists():
        raise ModelError(f"There is no SAE at {path}.")
    return one_of(fitting(path), str(path))


def load_sae(path: Path, *, d_model: int | None = None, device: str = "cpu") -> SaeFile:
    """Load an SAE in float32.

    Raises:
        ModelError: missing or damaged file, a setting that cannot be applied, a width other than `d_model`, or not
            enough memory.
    """
    path = at_hand(path)
    found = format_of(path)
    with enough_memory(f"The SAE in {path}"):
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
    path = at_hand(path)
    return digest_of(format_of(path).files(path))
