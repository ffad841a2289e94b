"""Before anything is downloaded it is said what it takes: how much, under which licence, and whether there is room.

What is on this machine already counts as nothing to download. Figures are those of the Hub where it can be asked, else
those of a preset; what is not known is said not to be known.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fac_core.errors import InputError
from fac_core.feature_space import devices, gguf, hub
from fac_core.feature_space.extractor import default_device
from fac_core.feature_space.model_files import WEIGHT_SUFFIX
from fac_core.feature_space.sae_formats import format_of, places
from fac_core.feature_space.space import EMBEDDED

if TYPE_CHECKING:
    from fac_core.feature_space.presets import Preset

_SAE_BYTES = 4


@dataclass(frozen=True)
class Part:
    """The model, or the SAE."""

    what: str
    """``model`` or ``SAE``."""
    name: str
    download: int | None
    """Bytes still to be downloaded, about; None if that is not known."""
    licence: str = ""
    gated: bool | None = False
    """Whether access has to be asked for; None if that is not known."""
    is_here: bool = False
    """Whether it lies on this machine and no licence is asked for."""

    @property
    def sentence(self) -> str:
        """What it takes, for people."""
        start = f"{self.what[0].upper()}{self.what[1:]} {self.name}"
        if self.is_here:
            return f"{start}: on this machine, nothing to download."
        amount = {None: "of unknown size", 0: "downloaded already"}.get(self.download)
        amount = amount or f"about {hub.size(self.download or 0)} to download"
        licence = f"licence {self.licence}" if self.licence else "its licence is not known, see its page"
        access = {True: "; access has to be asked for on its page", None: "; access may have to be asked for"}
        return f"{start}: {amount}, {licence}{access.get(self.gated, '')}."


@dataclass(frozen=True)
class Needs:
    """What a feature space takes, and what this machine has."""

    model: Part
    sae: Part
    free: int
    """Room in the cache of the Hub, in bytes."""
    memory: int | None
    """Bytes that weights of model and SAE take together in memory, about; None if that is not known."""
    has: int
    """Memory of the device that computes, in bytes."""
    dtype: str

    @property
    def download(self) -> int:
        """Bytes to download of which it is known."""
        return (self.model.download or 0) + (self.sae.download or 0)

    @property
    def asks(self) -> bool:
        """Whether something is downloaded, so that a person is asked first."""
        return any(not part.is_here and part.download != 0 for part in (self.model, self.sae))

    @property
    def lines(self) -> list[str]:
        """What is downloaded, how much room there is and how much memory it takes, a sentence each."""
        found = [self.model.sentence, self.sae.sentence]
        if self.asks:
            found.append(
                f"Together about {hub.size(self.download)}; {hub.size(self.free)} are free in {hub.cache_folder()}."
            )
        if self.memory is not None and not self.warning:
            found.append(f"{self._takes}; this machine has {hub.size(self.has)}.")
        return found

    @property
    def warning(self) -> str:
        """A sentence if memory will hardly do, else empty."""
        if self.memory is None or self.memory <= self.has:
            return ""
        smaller = "compute in bfloat16, " if self.dtype == "float32" else ""
        return (
            f"{self._takes}, but this machine has {hub.size(self.has)}; {smaller}take a smaller model, or use a "
            "machine with more memory."
        )

    @property
    def _takes(self) -> str:
        return f"Model and SAE take about {hub.size(self.memory or 0)} of memory in {self.dtype}"

    def check_room(self) -> None:
        """Refuse what does not fit on the disk.

        Raises:
            InputError: there is too little room.
        """
        if self.download > self.free:
            raise InputError(
                f"About {hub.size(self.download)} have to be downloaded and {hub.size(self.free)} are free in "
                f"{hub.cache_folder()}; free some space or set HF_HOME to another folder."
            )


def of_preset(preset: Preset, dtype: str, device: str | None = None) -> Needs:
    """What a preset takes, without asking the Hub.

    Raises:
        InputError: the model cannot compute in `dtype`, or the device is not there.
    """
    dtype = devices.chosen_dtype(dtype, device or default_device())
    parts = []
    for what, named, n_bytes, licence, gated in (
        ("model", preset.model, preset.model_bytes, preset.model_licence, preset.model_gated),
        ("SAE", preset.sae, preset.sae_bytes, preset.sae_licence, preset.sae_gated),
    ):
        repository = named.partition(":")[0]
        is_here = named == EMBEDDED
        download = 0 if is_here else max(0, n_bytes - hub.kept_bytes(repository))
        parts.append(Part(what, named, download, licence, gated, is_here))
    sae_bytes = 2 * preset.d_sae * preset.d_model * _SAE_BYTES
    return _needs(parts, preset.n_parameters, sae_bytes, dtype, device)


def of_choice(
    backbone: str, sae: str, *, revision: str = "", sae_revision: str = "", dtype: str, device: str | None = None
) -> Needs:
    """What a model and an SAE take that a person named; asks the Hub for those that are there.

    Raises:
        InputError: as `of_preset`.
        ModelError: no such repository or revision, no access, no network, or no SAE at the place.
    """
    dtype = devices.chosen_dtype(dtype, device or default_device())
    model, n_parameters = _model(backbone.strip(), revision.strip())
    part, sae_bytes = _sae(sae.strip(), sae_revision.strip())
    return _needs([model, part], n_parameters, sae_bytes, dtype, device)


def _needs(parts: list[Part], n_parameters: int | None, sae_bytes: int | None, dtype: str, device: str | None) -> Needs:
    known = n_parameters is not None and sae_bytes is not None
    a_weight = devices.bytes_of(dtype)
    memory = (n_parameters or 0) * a_weight + (sae_bytes or 0) if known else None
    return Needs(parts[0], parts[1], hub.free_bytes(), memory, devices.memory_bytes(device or default_device()), dtype)


def _model(named: str, revision: str) -> tuple[Part, int | None]:
    """The model, and how many weights it has."""
    path = Path(named).expanduser()
    there = None if named == EMBEDDED or path.exists() else hub.place(named)
    if there is None and (named == EMBEDDED or path.exists() or not hub.is_id(named)):
        return Part("model", named, 0, is_here=True), _weights(path)
    there = there or hub.Place(named)
    if (found := _look(there, revision, "model")) is None:
        return Part("model", named, 0), None
    files = {there.inside: found.files.get(there.inside)} if there.inside else hub.read_of_model(found.files)
    return _part("model", named, there, found, files), found.n_parameters


def _sae(named: str, revision: str) -> tuple[Part, int | None]:
    """The SAE, and bytes of its weights in memory."""
    there, path = places.on_hub(named), Path(named).expanduser()
    if there is None:
        on_disk = sum(file.stat().st_size for file in format_of(path).files(path)) if path.exists() else None
        return Part("SAE", named, 0, is_here=True), on_disk
    if (found := _look(there, revision, "SAE")) is None:
        return Part("SAE", named, 0), None
    files = {name: found.files[name] for name in places.wanted(found.files, there)}
    part = _part("SAE", named, there, found, files)
    return part, None if None in files.values() else sum(size or 0 for size in files.values())


def _look(there: hub.Place, revision: str, what: str) -> hub.Repository | None:
    """What the Hub says; None if it cannot be reached and the commit was downloaded before."""
    asked = there.revision or revision
    try:
        return hub.look(there.repository, asked, what)
    except hub.Unreachable:
        if hub.is_commit(asked) and hub.kept(there.repository, asked).is_dir():
            return None
        raise


def _part(what: str, named: str, there: hub.Place, found: hub.Repository, files: dict[str, int | None]) -> Part:
    here = hub.kept(there.repository, found.commit)
    missing = [size for name, size in files.items() if not (here / name).exists()]
    download = None if None in missing else sum(size or 0 for size in missing)
    return Part(what, named, download, found.licence, found.gated)


def _weights(path: Path) -> int | None:
    """How many weights a model folder has, from the heads of its safetensors files; None for anything else."""
    if path.suffix == gguf.SUFFIX or not path.is_dir():
        return None
    try:
        return sum(_in_file(file) for file in path.iterdir() if file.suffix == WEIGHT_SUFFIX)
    except (OSError, ValueError, TypeError, AttributeError):  # damaged; told when it is loaded
        return None


def _in_file(file: Path) -> int:
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        head = json.loads(handle.read(min(length, file.stat().st_size)))
    return sum(math.prod(tensor["shape"]) for name, tensor in head.items() if name != "__metadata__")
