"""A device that is not there and memory that ran out are one sentence each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from fac_core.errors import InputError, ModelError
from fac_core.feature_space import devices, sae_formats
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.extractor import Extractor, load_extractor
from fac_core.feature_space.sae_formats import SaeFile, load_sae, saelens
from fac_core.feature_space.space import SpaceSpec
from tests.tiny import BLOCK, LABELLED_TEXTS


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
    with pytest.raises(InputError, match="is not known here; there are cpu, cuda"):
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


def test_a_model_is_spread_only_where_the_first_of_several_devices_cannot_hold_it(
    tiny_backbone_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_bytes = devices.weight_bytes(tiny_backbone_folder, "float32")
    model = AutoModelForCausalLM.from_pretrained(tiny_backbone_folder)
    assert n_bytes == 4 * sum(parameter.numel() for parameter in model.parameters())
    assert devices.weight_bytes(tiny_backbone_folder, "bfloat16") == n_bytes // 2
    for n_devices, memory, expected in (
        (1, 1, "cuda"),
        (2, n_bytes, devices.AUTO),
        (2, 2 * n_bytes, "cuda"),
    ):
        monkeypatch.setattr(torch.cuda, "device_count", lambda n=n_devices: n)
        monkeypatch.setattr(devices, "memory_bytes", lambda _device, n=memory: n)
        assert devices.placed(tiny_backbone_folder, "float32", "cuda") == expected
        assert devices.placed(tiny_backbone_folder, "float32", "cpu") == "cpu"


def test_a_model_that_accelerate_has_spread_is_read_the_same(extractor: Extractor, tiny_backbone_folder: Path) -> None:
    spread = Backbone.load(tiny_backbone_folder, BLOCK, device=devices.AUTO)
    assert spread.output_device == "cpu"
    other = Extractor(extractor.spec, spread, extractor.sae)
    for one, two in zip(other.read_all(LABELLED_TEXTS[:9]), extractor.read_all(LABELLED_TEXTS[:9]), strict=True):
        assert one.features.tolist() == two.features.tolist()
        assert one.values == pytest.approx(two.values, abs=2e-5)


@pytest.mark.parametrize("error", OUT, ids=["python", "cuda", "torch on the cpu"])
def test_a_model_that_does_not_fit_into_memory_is_one_sentence(
    tiny_backbone_folder: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(LlamaForCausalLM, "to", fails)
        with pytest.raises(ModelError, match="does not fit into memory; compute in bfloat16"):
            Backbone.load(tiny_backbone_folder, BLOCK)
    monkeypatch.setattr(LlamaForCausalLM, "from_pretrained", fails)
    with pytest.raises(ModelError, match="does not fit into memory; compute in bfloat16"):
        Backbone.load(tiny_backbone_folder, BLOCK)


def test_the_device_a_person_names_is_used_or_refused(tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAC_DEVICE", "cuda:7")
    with pytest.raises(InputError, match=r"(CUDA|cuda:7) was asked for"):
        load_extractor(tiny_spec)
    monkeypatch.setenv("FAC_DEVICE", "cpu")
    assert load_extractor(tiny_spec).backbone.device == "cpu"


@pytest.mark.parametrize(("half_is", "chosen"), [(0.2, "bfloat16"), (0.9, "float32"), (7.0, "float32")])
def test_the_faster_dtype_is_measured_and_half_precision_has_to_be_worth_it(
    half_is: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter([at for factor in (1.0, half_is) for n in range(5) for at in (10.0 * n, 10.0 * n + factor)])
    monkeypatch.setattr(devices.time, "perf_counter", lambda: next(steps))
    devices._measured_dtype.cache_clear()
    assert devices.chosen_dtype(devices.AUTO, "cpu") == chosen
    assert devices.chosen_dtype(devices.AUTO, "cpu") == chosen  # measured once
    assert devices.chosen_dtype("float16", "cpu") == "float16"
    devices._measured_dtype.cache_clear()
    with pytest.raises(InputError, match="not in 'int8'"):
        devices.chosen_dtype("int8", "cpu")
