"""A device that is not there and memory that does not suffice are one sentence each, before or while a model is loaded.

An estimate counts what must be in memory at once: the model's weights in its dtype, the SAE's in float32. What a batch
takes beside them is small and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fac_core.errors import InputError, ModelError

BYTES_OF = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes a weight takes in each dtype."""


def bytes_of(dtype: str) -> int:
    """Bytes a weight takes in a dtype that the model can compute in.

    Raises:
        InputError: it cannot.
    """
    if dtype not in BYTES_OF:
        raise InputError(f"The model can compute in {', '.join(BYTES_OF)}, not in {dtype[:40]!r}.")
    return BYTES_OF[dtype]


def checked(device: str) -> str:
    """A device that was asked for, if torch can use it.

    Raises:
        InputError: it is unknown, or not on this machine.
    """
    import torch

    kind, _, index = device.partition(":")
    if kind == "cpu" and not index:
        return device
    if kind != "cuda" or (index and not index.isdecimal()):
        raise InputError(f"The device {device[:40]!r} is not known; there are cpu, cuda and cuda:0, cuda:1 and so on.")
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
    if checked(device) == "cpu":
        import psutil

        return int(psutil.virtual_memory().total)
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


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
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
