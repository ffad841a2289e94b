"""A model folder's digest covers every file that decides what the model computes, and only safetensors are weights.

Pickled weights can run code when they are opened, and an adapter computes with a base model that lies elsewhere; both
are refused before anything is parsed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from fac_core.errors import ModelError
from fac_core.feature_space import gguf

WEIGHT_SUFFIX = ".safetensors"
READ_SUFFIXES = {WEIGHT_SUFFIX, ".json", ".jinja", ".model", ".txt", ".tiktoken", ".spm", ".bpe"}
"""Weights, configuration, chat template and the tokenizers' own formats."""
_PICKLED = {".bin", ".pt", ".pth", ".ckpt"}


def check_model_folder(folder: Path) -> None:
    """Refuse a folder that holds no model of its own in safetensors.

    Raises:
        ModelError: no folder, an adapter, or weights in another format or none.
    """
    if not folder.is_dir():
        raise ModelError(f"The backbone {folder} cannot be loaded: there is no such folder.")
    check_model_names(str(folder), {path.name for path in folder.iterdir()})


def check_model_names(model: str, names: set[str]) -> None:
    """The same by the names of the files; `model` is what people call it.

    Raises:
        ModelError: an adapter, or weights in another format or none.
    """
    if adapter := sorted(name for name in names if name.startswith("adapter_")):
        raise ModelError(
            f"The backbone {model} is an adapter ({adapter[0]}); merge it into its base model and save the result."
        )
    suffixes = {Path(name).suffix for name in names}
    if WEIGHT_SUFFIX in suffixes:
        return
    if suffixes & _PICKLED:
        raise ModelError(
            f"The backbone {model} has its weights as pickle files, which can run code when opened; save the model "
            "with transformers' save_pretrained, which writes model.safetensors, and use that folder."
        )
    if unpacked := sorted(name for name in names if name.endswith(gguf.SUFFIX)):
        raise ModelError(
            f"The backbone {model} cannot be loaded: it has no weights in safetensors; name one of its GGUF files, "
            f"such as {unpacked[0]} (on the Hugging Face Hub: owner/model:{unpacked[0]})."
        )
    raise ModelError(f"The backbone {model} cannot be loaded: it has no weights (model.safetensors).")


def folder_digest(folder: Path) -> str:
    """SHA-256 over weights, configuration and tokenizer of a local model folder: the identity of what is read.

    A folder that was unpacked from a GGUF file stands for that file and has its digest.

    Raises:
        ModelError: not a model in safetensors, or a file cannot be read.
    """
    check_model_folder(folder)
    if source := gguf.source_digest(folder):
        return source
    digest = hashlib.sha256()
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix in READ_SUFFIXES and path.is_file():
                digest.update(path.name.encode())
                with path.open("rb") as handle:
                    hashlib.file_digest(handle, lambda: digest)
    except OSError as error:
        raise ModelError(f"The backbone {folder} cannot be read: {error.strerror or error}.") from error
    return digest.hexdigest()
