"""A device that is not there and memory that ran out are one sentence each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fac_core.errors import InputError, ModelError
from fac_core.feature_space import devices, sae_formats
from fac_core.feature_space.sae_formats import SaeFile, load_sae, saelens


def test_the_cpu_is_always_there() -> None:
    assert devices.checked("cpu") == "cpu"
    assert devices.memory_bytes("cpu") > 0


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_cuda_that_was_asked_for_and_is_absent_is_told(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        InputError, match="CUDA was asked for, but torch finds no CUDA device here; use the cpu"
    ) as told:
        devices.checked(device)
    assert "\n" not in str(told.value)


def test_a_cuda_device_beyond_the_last_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.checked("cuda:1") == "cuda:1"
    with pytest.raises(InputError, match="cuda:2 was asked for, but there are 2, counted from cuda:0"):
        devices.checked("cuda:2")


@pytest.mark.parametrize("device", ["", "tpu", "cuda:x", "cpu:1", "cuda:-1"])
def test_an_unknown_device_is_told(device: str) -> None:
    with pytest.raises(InputError, match="is not known; there are cpu, cuda"):
        devices.checked(device)


OUT = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB\nmore"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", OUT, ids=["python", "cuda", "torch on the cpu"])
def test_an_sae_that_does_not_fit_into_memory_is_one_sentence(
    tiny_sae_folder: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Path) -> SaeFile:
        raise error

    monkeypatch.setattr(sae_formats, "one_of", lambda *_: replace(saelens.FORMAT, load=fails))
    with pytest.raises(ModelError, match=f"The SAE in {tiny_sae_folder} does not fit into memory; compute in") as told:
        load_sae(tiny_sae_folder)
    assert "\n" not in str(told.value)


def test_any_other_error_is_not_taken_for_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes"), devices.enough_memory("The model"):
        raise RuntimeError("shapes cannot be multiplied")
