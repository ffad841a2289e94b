"""A preset is data, and says before anything starts what it takes: download, licence, access, memory.

Its figures come from the releases' own pages where these could be read; those that could not are named in `unchecked`,
and what is not known is left out rather than guessed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fac_core.errors import InputError
from fac_core.feature_space.space import EMBEDDED, embedded_folder

_WORDS = {
    "model": "which version of the model",
    "model_bytes": "size of the model",
    "sae": "the SAE's place in its repository",
    "sae_bytes": "size of the SAE",
    "sae_licence": "licence of the SAE",
    "sae_gated": "access to the SAE",
    "k": "k",
}
FILE = Path(__file__).with_name("presets.toml")


@dataclass(frozen=True)
class Preset:
    """A published pair of a model and an SAE."""

    id: str
    title: str
    """For people."""
    model: str
    """``embedded``, or the model's name on the Hugging Face Hub."""
    model_bytes: int
    """To download, about."""
    model_licence: str
    n_parameters: int
    n_blocks: int
    d_model: int
    sae: str
    """Place of the SAE on the Hub, or ``embedded``."""
    sae_bytes: int
    """To download, about."""
    format: str
    """Name of one of `sae_formats.FORMATS`."""
    hook: str
    """The place in the model as the release names it."""
    d_sae: int
    dtype: str
    """The model is best computed in it."""
    source: str
    """Where the figures come from."""
    block: int | None = None
    """The SAE reads the output of this block, counted from 1; None if it reads none."""
    model_gated: bool | None = None
    """Whether access has to be asked for; None if that is not known."""
    sae_gated: bool | None = None
    sae_licence: str = ""
    """Empty if the repository names none that is known."""
    k: int | None = None
    l0: float | None = None
    """As the release declares it."""
    fvu: float | None = None
    unchecked: tuple[str, ...] = ()
    """Entries for which no first-hand source was at hand."""
    note: str = ""
    refused: str = ""
    """Why it cannot be read here; empty if it can."""

    @property
    def declared(self) -> Mapping[str, float]:
        """Figures of quality that the release declares, by their names in a card."""
        found = {"l0": self.l0, "fvu": self.fvu}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def caveat(self) -> str:
        """Which of the figures could not be checked, for people; empty if all could."""
        words = ", ".join(_WORDS[name] for name in self.unchecked)
        return f"Not checked at the source: {words}." if words else ""

    @property
    def sae_place(self) -> str:
        """The SAE as `adding.add_space` takes it."""
        return str(embedded_folder()) if self.sae == EMBEDDED else self.sae


@cache
def presets() -> tuple[Preset, ...]:
    """All presets, those that cannot be read here included."""
    entries = tomllib.loads(FILE.read_text(encoding="utf-8"))["preset"]
    return tuple(Preset(**{**entry, "unchecked": tuple(entry.get("unchecked", ()))}) for entry in entries)


def preset(preset_id: str) -> Preset:
    """One preset, which can be read here.

    Raises:
        InputError: there is none with this name, or it cannot be read.
    """
    known = {each.id: each for each in presets()}
    found = known.get(preset_id)
    if found is None:
        names = ", ".join(each.id for each in presets() if not each.refused)
        raise InputError(f"There is no preset {preset_id[:60]!r}; there are {names}.")
    if found.refused:
        raise InputError(f"The preset {preset_id} cannot be used: {found.refused}.")
    return found
