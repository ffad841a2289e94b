"""A GGUF file is one exact model, told by its digest: what is read in its stead was made from these bytes alone.

It is unpacked once into a safetensors folder in the cache, under the full digest of the file. The folder appears there
only when it is whole, and it is sealed: one that changed since is made again. Nothing beside the file is looked at.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from fac_core.errors import ModelError
from fac_core.feature_space import devices, sealed

SUFFIX = ".gguf"
_FOLDER = "gguf-"
_BYTES_A_WEIGHT = 4


def cache_root() -> Path:
    """Folder for everything derived that may be deleted: ``$FAC_CACHE_DIR``, else the user's cache directory."""
    if named := os.environ.get("FAC_CACHE_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fac-explorer"


def digest_of(file: Path) -> str:
    """SHA-256 of a GGUF file: the identity of its model.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return sealed.sha256_of(file)
    except OSError as error:
        raise ModelError(f"The model file {file} cannot be read: {error.strerror or error}.") from error


def folder_of_digest(digest: str) -> Path:
    """Where the model with this digest is kept, whether or not it is there yet."""
    return cache_root() / f"{_FOLDER}{digest}"


def source_digest(folder: Path) -> str | None:
    """Digest of the GGUF file that a folder of the cache was made from; None for any other folder."""
    made = folder.parent == cache_root() and folder.name.startswith(_FOLDER) and sealed.is_whole(folder)
    return folder.name.removeprefix(_FOLDER) if made else None


def model_folder(
    file: Path,
    digest: str,
    what: str,
    *,
    repair: str = "fetch the file again, or use the model in safetensors.",
    needed: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Folder of the unpacked model, made on first use; the file need not be there any more afterwards.

    Args:
        file: the GGUF file.
        digest: its SHA-256; a file with another one is never parsed.
        what: for people, such as "the model tiny.gguf".
        repair: what to do about a file that is damaged.
        needed: bytes that the unpacked model takes on disk; found out from the file if it is not known.
        progress: told what is done.

    Raises:
        ModelError: file missing, another one or damaged, its architecture unknown, or no room in the cache.
    """
    target = folder_of_digest(digest)
    if sealed.is_whole(target):
        return target
    if not file.is_file():
        raise ModelError(f"There is no file {file}.")
    progress(f"Checking the digest of {what}")
    if (found := digest_of(file)) != digest:
        raise ModelError(
            f"{_upper(what)} has digest {found[:12]}… instead of {digest[:12]}…, "
            f"so it is damaged or another file; {repair}"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            if not sealed.is_whole(target):  # unless another process made it while this one waited
                _unpack(file, target, what, repair, needed, progress)
    except OSError as error:
        raise ModelError(
            f"{_upper(what)} could not be written to {target.parent} ({error.strerror or error}); "
            "free some space or set FAC_CACHE_DIR to another folder."
        ) from error
    return target


def _unpack(
    file: Path, target: Path, what: str, repair: str, needed: int | None, progress: Callable[[str], None]
) -> None:
    if target.exists():
        shutil.rmtree(target)  # damaged, or made by an earlier version; a process that reads it keeps its open files
    if needed is None:
        with _parsed(what, repair):
            needed = unpacked_bytes(file)
    if (free := shutil.disk_usage(target.parent).free) < needed:
        raise ModelError(
            f"The cache folder {target.parent} has {free // 1_000_000} MB free and {what} "
            f"needs {needed // 1_000_000} MB; free some space or set FAC_CACHE_DIR to another folder."
        )
    progress(f"Unpacking {what} (once)")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack-", ignore_cleanup_errors=True) as work:
        alone, folder = Path(work) / "alone", Path(work) / "model"
        alone.mkdir()
        folder.mkdir()
        (alone / "model.gguf").symlink_to(file.resolve())  # its neighbours are no part of it
        with _parsed(what, repair):
            _dequantise(alone / "model.gguf", folder)
        sealed.seal(folder)
        folder.rename(target)


def unpacked_bytes(file: Path) -> int:
    """Bytes that the unpacked model takes on disk: its weights in float32, and room for the tokenizer.

    Raises:
        ValueError: no GGUF file, or a damaged one, as whatever type of error it happens to cause.
    """
    from gguf import GGUFReader

    reader = GGUFReader(file)
    return sum(int(tensor.n_elements) for tensor in reader.tensors) * _BYTES_A_WEIGHT + 50_000_000


@contextmanager
def _parsed(what: str, repair: str) -> Iterator[None]:
    """Turn what a damaged or unknown file causes into a sentence; an error of the disk goes on as it is."""
    try:
        with devices.enough_memory(_upper(what)):
            yield
    except ModelError:
        raise
    except ImportError as error:
        raise ModelError(
            f"{_upper(what)} cannot be unpacked ({_first_line(error)}); run: pip install -r requirements.txt"
        ) from error
    except Exception as error:  # damaged files fail anywhere in the readers, as almost any type of error
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if "No space left" in str(error):  # said by the writer of safetensors in its own type
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise ModelError(f"{_upper(what)} cannot be unpacked ({_first_line(error)}); {repair}") from error


def _upper(what: str) -> str:
    return what[0].upper() + what[1:]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]


def _dequantise(source: Path, folder: Path) -> None:
    """Write model and tokenizer of a GGUF file as a safetensors folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # the caller is told what is done
    local: dict[str, Any] = {"gguf_file": source.name, "local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(str(source.parent), **local)
    model, info = AutoModelForCausalLM.from_pretrained(
        str(source.parent), dtype=torch.float32, output_loading_info=True, **local
    )
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"its weights lack {missing[0]}")  # transformers would fill them with random numbers
    # transformers refuses to save a model it believes to be quantised; these weights no longer are
    model.config.__dict__.pop("quantization_config", None)
    model.hf_quantizer = None
    model.is_quantized = False
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
