"""A device that is not there and memory that does not suffice are one sentence each, before or while a model is loaded.

An estimate counts what must be in memory at once: the model's weights in its dtype, the SAE's in float32. What a batch
takes beside them is small and is not counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from fac_core.errors import InputError, ModelError

BYTES_OF = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes a weight takes in each dtype."""
WORTH = 1.5
"""How many times faster bfloat16 has to be to be chosen: near a threshold it decides otherwise than float32 does."""
SHARE_FOR_WEIGHTS = 0.8
"""Of a device's memory; the rest is for SAE and batches."""
AUTO = "auto"
"""The dtype that is fastest here, or the device of a model that is spread over all accelerators and, where they cannot
hold it, the machine's memory."""


def bytes_of(dtype: str) -> int:
    """Bytes a weight takes in a dtype that the model can compute in.

    Raises:
        InputError: it cannot.
    """
    if dtype not in BYTES_OF:
        raise InputError(f"The model can compute in {', '.join(BYTES_OF)}, not in {dtype[:40]!r}.")
    return BYTES_OF[dtype]


def chosen_dtype(dtype: str, device: str) -> str:
    """The dtype that was asked for; for AUTO the faster of float32 and bfloat16, measured on this device.

    Raises:
        InputError: as `bytes_of` and `checked`.
    """
    if dtype == AUTO:
        return _measured_dtype("cuda" if device == AUTO else checked(device))
    bytes_of(dtype)
    return dtype


@cache
def _measured_dtype(device: str) -> str:
    """bfloat16 only where the hardware has it in hand: elsewhere it was measured at a seventh of float32's speed."""
    import torch

    seconds = {}
    for name in ("float32", "bfloat16"):
        a, b = (torch.ones(n, 1024, dtype=getattr(torch, name), device=device) for n in (512, 2048))
        times = []
        for _ in range(5):
            began = time.perf_counter()
            float((a @ b.T)[0, 0])  # a number of it, so that a device that computes ahead has finished
            times.append(time.perf_counter() - began)
        seconds[name] = min(times)
    return "bfloat16" if seconds["bfloat16"] * WORTH < seconds["float32"] else "float32"


def checked(device: str) -> str:
    """A device that was asked for, if torch can use it.

    Raises:
        InputError: it is unknown, or not on this machine.
    """
    import torch

    kind, _, index = device.partition(":")
    if device in {"cpu", AUTO}:
        return device
    if device == "mps" and torch.backends.mps.is_available():
        return device
    if kind != "cuda" or (index and not index.isdecimal()):
        raise InputError(
            f"The device {device[:40]!r} is not known here; there are cpu, cuda, cuda:0 and so on, mps on a Mac, and "
            "auto, which spreads a model over what there is."
        )
    if not torch.cuda.is_available():
        raise InputError(
            "CUDA was asked for, but torch finds no CUDA device here; use the cpu, or install a driver and a build of "
            "torch with CUDA."
        )
    if index and int(index) >= (there := torch.cuda.device_count()):
        raise InputError(f"The device {device} was asked for, but there are {there}, counted from cuda:0.")
    return device


def memory_bytes(device: str) -> int:
    """Memory of the machine, or of one CUDA device, in bytes.

    Raises:
        InputError: as `checked`.
    """
    if checked(device) in {"cpu", AUTO, "mps"}:
        import psutil

        return int(psutil.virtual_memory().total)
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


def placed(folder: Path, dtype: str, device: str) -> str:
    """Where a model is put that was meant for `device`: over all CUDA devices where the first cannot hold it."""
    import torch

    if device != "cuda" or torch.cuda.device_count() < 2:
        return device
    return AUTO if weight_bytes(folder, dtype) > SHARE_FOR_WEIGHTS * memory_bytes("cuda:0") else device


def weight_bytes(folder: Path, dtype: str) -> int:
    """Bytes that the weights of a model folder take in a dtype, from their headers alone."""
    from safetensors import safe_open

    n_weights = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            n_weights += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return n_weights * bytes_of(dtype)


@contextmanager
def rough_products(device: str) -> Iterator[None]:
    """On a GPU, multiply float32 matrices in TF32, which keeps 10 bits of each factor; elsewhere change nothing.

    Meant for vectors out of a model that computes in half precision: a bfloat16 number has 7 bits, so that TF32 drops
    nothing of them, and of the weights less than the model's own arithmetic does.
    """
    import torch

    if not device.startswith("cuda"):
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Turn running out of memory into a sentence; `what` is its subject, such as "The model tiny".

    Raises:
        ModelError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        raise ModelError(
            f"{what} does not fit into memory; compute in bfloat16, take a smaller model, or use a machine with more "
            "memory."
        ) from error


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of the machine or of a device."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # torch has no type of its own for the processor's memory
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in said for words in ("out of memory", "not enough memory", "allocate memory")
    )
