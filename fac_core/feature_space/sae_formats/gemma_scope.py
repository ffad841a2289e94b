"""Gemma Scope files: one ``params.npz``, JumpReLU with a threshold a feature, no decoder bias on the input.

Model, layer and width stand in the folder names of the release only, so they come from a preset, never from here.
"""

from __future__ import annotations

from pathlib import Path

from fac_core.feature_space.sae import JumpRelu
from fac_core.feature_space.sae_formats.parts import Format, SaeFile, existing, make_sae, pick, read_npz

WEIGHTS = "params.npz"


def files(path: Path) -> list[Path]:
    """The weights, of a folder or named themselves."""
    return existing(path, WEIGHTS) or ([path] if path.is_file() and path.suffix == ".npz" else [])


def load(path: Path) -> SaeFile:
    """Read a file.

    Raises:
        ModelError: damaged, or without a tensor that belongs to it.
    """
    names = ["W_enc", "W_dec", "b_enc", "b_dec", "threshold"]
    encoder, decoder, b_enc, b_dec, threshold = pick(path, read_npz(files(path)[0]), names)
    sae = make_sae(
        path,
        w_enc=encoder.T if encoder.ndim == 2 else encoder,
        w_dec=decoder,
        b_enc=b_enc,
        b_dec=b_dec,
        activation=JumpRelu(threshold),
        shift=False,
    )
    return SaeFile(sae, FORMAT.name)


FORMAT = Format("gemma_scope", "Gemma Scope", WEIGHTS, files, load)
