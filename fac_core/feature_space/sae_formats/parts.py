"""What every format needs: files read without running anything in them, and tensors that fit each other or are refused.

Here the conventions in which formats differ are settled once: orientation, where the decoder bias enters, scale folded
into the weights. An `Sae` made here needs none of them any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.errors import ModelError
from fac_core.feature_space.sae import NORMALISATIONS, Activation, Gated, JumpRelu, Sae, TopK

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "Tensor"]


class SaeFile(NamedTuple):
    """An SAE and what its files say about where it belongs."""

    sae: Sae
    format: str
    """Name of the format."""
    hook: str | None = None
    """Where it reads, in the format's own words; None if the files do not say."""
    model: str | None = None
    """The model it was trained on, as the files name it."""
    declared: Mapping[str, float] = {}
    """Figures the files declare: ``l0``, ``fvu``."""


@dataclass(frozen=True)
class Format:
    """A way to store an SAE."""

    name: str
    title: str
    """For people."""
    looks: str
    """The files by which it is known, for people."""
    files: Callable[[Path], list[Path]]
    """The files that are read; empty if the path is not of this format."""
    load: Callable[[Path], SaeFile]


def make_sae(
    path: Path,
    *,
    w_enc: Tensor,
    w_dec: Tensor,
    b_enc: Tensor | None,
    b_dec: Tensor | None,
    activation: Activation,
    shift: bool,
    normalise: str = "none",
) -> Sae:
    """An `Sae` from tensors in our orientation, checked.

    Args:
        path: named in errors.
        w_enc: [d_sae, d_in]
        w_dec: [d_sae, d_in]
        b_enc: [d_sae]; zero if None.
        b_dec: [d_in]; zero if None.
        activation: with tensors of [d_sae].
        shift: whether b_dec is taken from the input before encoding; it is folded into the encoder's bias.
        normalise: one of `sae.NORMALISATIONS`.

    Raises:
        ModelError: shapes that do not fit, values that are not finite, a k that cannot be, an unknown normalisation.
    """
    if w_enc.ndim != 2:
        raise ModelError(f"The SAE in {path} has tensors whose shapes do not fit each other.")
    d_sae, d_in = w_enc.shape
    b_enc = w_enc.new_zeros(d_sae) if b_enc is None else b_enc
    b_dec = w_dec.new_zeros(d_in) if b_dec is None else b_dec
    given: list[tuple[Tensor, tuple[int, ...]]] = [(w_dec, (d_sae, d_in)), (b_enc, (d_sae,)), (b_dec, (d_in,))]
    if isinstance(activation, JumpRelu):
        given.append((activation.threshold, (d_sae,)))
    elif isinstance(activation, Gated):
        given += [(tensor, (d_sae,)) for tensor in (activation.r_mag, activation.b_gate, activation.b_mag)]
    elif isinstance(activation, TopK) and not 1 <= activation.k <= d_sae:
        raise ModelError(f"The SAE in {path} has k = {activation.k!r}; it must be a whole number from 1 to {d_sae}.")
    if any(tuple(tensor.shape) != shape for tensor, shape in given):
        raise ModelError(f"The SAE in {path} has tensors whose shapes do not fit each other.")
    if not all(bool(tensor.isfinite().all()) for tensor in [w_enc, *(tensor for tensor, _ in given)]):
        raise ModelError(f"The SAE in {path} holds values that are not numbers, so the file is damaged.")
    if normalise not in NORMALISATIONS:
        raise ModelError(
            f"The SAE in {path} was trained on activations normalised by {normalise!r}, which cannot be applied here."
        )
    w_enc, w_dec = w_enc.float().contiguous(), w_dec.float().contiguous()
    b_enc, b_dec = b_enc.float(), b_dec.float()
    if shift:
        b_enc = b_enc - w_enc @ b_dec
    return Sae(w_enc, b_enc, w_dec, b_dec, activation, normalise)


def whole_k(path: Path, k: Any) -> int:
    """A k as a number.

    Raises:
        ModelError: it is none.
    """
    if isinstance(k, bool) or not isinstance(k, int):
        raise ModelError(f"The SAE in {path} has k = {k!r}; it must be a whole number.")
    return k


def pick(path: Path, tensors: Tensors, names: Sequence[str]) -> list[Tensor]:
    """Tensors by name, in float32.

    Raises:
        ModelError: one is missing.
    """
    if missing := [name for name in names if name not in tensors]:
        raise ModelError(f"The SAE in {path} lacks the tensors {', '.join(missing)}.")
    return [tensors[name].float() for name in names]


def existing(path: Path, *names: str) -> list[Path]:
    """The named files in a folder, if all are there."""
    files = [path / name for name in names]
    return files if path.is_dir() and all(file.is_file() for file in files) else []


def read_json(path: Path) -> dict[str, Any]:
    """A configuration file.

    Raises:
        ModelError: missing, damaged, or no object.
    """
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The file {path} cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(found, dict):
        raise ModelError(f"The file {path} is not a configuration.")
    return dict(found)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file.

    Raises:
        ModelError: missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(str(path))
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"The file {path} cannot be read: {str(error).splitlines()[0]}") from error
    return tensors


def read_npz(path: Path) -> dict[str, Tensor]:
    """Arrays of an npz file, none of them pickled.

    Raises:
        ModelError: missing, damaged, or with pickled objects.
    """
    import zipfile

    import numpy as np
    import torch

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in arrays.files}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"The file {path} cannot be read: {str(error).splitlines()[0]}") from error


def read_torch(path: Path) -> dict[str, Any]:
    """A dictionary saved with torch, by the loader that runs no code.

    Raises:
        ModelError: missing, damaged, holding anything but tensors and plain values, or no dictionary.
    """
    import pickle

    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ModelError(
            f"The file {path} cannot be read as tensors and plain values ({reason}); anything else in a checkpoint "
            "could run code and is refused."
        ) from error
    if not isinstance(found, dict):
        raise ModelError(f"The file {path} holds no dictionary of tensors.")
    return found


def digest_of(files: Sequence[Path]) -> str:
    """SHA-256 over files by content, in the given order.

    Raises:
        ModelError: one cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        try:
            with file.open("rb") as handle:
                hashlib.file_digest(handle, lambda: digest)
        except OSError as error:
            raise ModelError(f"The file {file} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()
