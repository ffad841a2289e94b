"""The paper's own checkpoints (method §6): a dictionary saved with torch, tied weights, no decoder matrix in the file.

Shapes come from the tensors, and whether Top-K is applied is a setting of the space, since paper and released code
differ in it. Model and layer come from a preset; the file names of the released checkpoints cannot be relied on.
"""

from __future__ import annotations

from pathlib import Path

from fac_core.errors import ModelError
from fac_core.feature_space.sae import TopK
from fac_core.feature_space.sae_formats.parts import Format, SaeFile, make_sae, pick, read_torch, whole_k

SUFFIXES = (".pt", ".pth", ".bin")


def files(path: Path) -> list[Path]:
    """The one checkpoint, in a folder that holds nothing else of the kind, or named itself."""
    if path.is_file():
        return [path] if path.suffix in SUFFIXES else []
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    return found if len(found) == 1 and found[0].name != "ae.pt" else []


def load(path: Path) -> SaeFile:
    """Read a checkpoint.

    Raises:
        ModelError: damaged, or not a checkpoint of this kind.
    """
    found = read_torch(files(path)[0])
    config, tensors = found.get("config"), found.get("weight", found.get("weights"))
    if not isinstance(config, dict) or not isinstance(tensors, dict):
        raise ModelError(f"The checkpoint {path} has no entries 'config' and 'weight', so it is none of the paper's.")
    encoder, b_enc, b_dec = pick(path, tensors, ["W_enc", "b_enc", "b_dec"])
    tied = (encoder.T if encoder.ndim == 2 else encoder).contiguous()
    sae = make_sae(
        path,
        w_enc=tied,
        w_dec=tied,
        b_enc=b_enc,
        b_dec=b_dec,
        activation=TopK(whole_k(path, config.get("topK"))),
        shift=True,
    )
    return SaeFile(sae, FORMAT.name)


FORMAT = Format("fac_paper", "the paper's checkpoint", "one .pt, .pth or .bin file", files, load)
