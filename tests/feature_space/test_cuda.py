"""A GPU reads what the processor reads, also where its memory is too small for a batch, the SAE or the model.

These tests need a CUDA device and are skipped without one; what they stand on is tested on the processor as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fac_core.content import Content
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.devices import AUTO, chosen_dtype
from fac_core.feature_space.extractor import Extractor, TextActivations
from fac_core.feature_space.space import SpaceSpec
from tests.feature_space.test_architectures import ARCHITECTURES, BLOCK, ENCODERS, made
from tests.feature_space.test_oracle import TOLERANCE, contents

__all__ = ["made"]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture
def limited_memory() -> Iterator[Callable[[int], None]]:
    """Leave this process so many bytes of the GPU beyond what it holds."""

    def limit(n_bytes: int) -> None:
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + n_bytes) / total)

    yield limit
    torch.cuda.set_per_process_memory_fraction(1.0)


def same(some: list[TextActivations], others: list[TextActivations]) -> None:
    """Equal values where both fire, and at most one in a hundred texts differs at the edge of a Top-K."""
    edges = 0
    for one, other in zip(some, others, strict=True):
        both, own, theirs = np.intersect1d(one.features, other.features, return_indices=True)
        np.testing.assert_allclose(one.values[own], other.values[theirs], atol=TOLERANCE, rtol=TOLERANCE)
        edges += len(one.features) + len(other.features) - 2 * len(both)
        assert one.n_tokens == other.n_tokens
    assert edges <= max(1, len(some) // 100)


def pair(folder: Path, extractor: Extractor, spec: SpaceSpec, device: str = "cuda") -> tuple[Extractor, Extractor]:
    """The same space read by the processor and by the GPU."""
    spec = replace(spec, max_length=10_000)
    on_gpu = Backbone.load(folder, BLOCK, device=device)
    return (
        Extractor(spec, Backbone.load(folder, BLOCK), extractor.sae),
        Extractor(spec, on_gpu, extractor.sae.to(on_gpu.output_device)),
    )


@pytest.mark.parametrize("name", [*ARCHITECTURES, *ENCODERS])
def test_it_reads_what_the_processor_reads(
    name: str, made: Callable[[str], Path], extractor: Extractor, tiny_spec: SpaceSpec
) -> None:
    here, there = pair(made(name), extractor, tiny_spec)
    some = contents(200)
    same(there.read_all(some), here.read_all(some))


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_model_that_is_spread_reads_the_same(
    name: str, made: Callable[[str], Path], extractor: Extractor, tiny_spec: SpaceSpec
) -> None:
    here, there = pair(made(name), extractor, tiny_spec, AUTO)
    assert there.backbone.device.startswith("cuda")
    some = contents(50)
    same(there.read_all(some), here.read_all(some))


def test_memory_that_really_runs_out_halves_the_batch_and_changes_nothing(
    made: Callable[[str], Path],
    extractor: Extractor,
    tiny_spec: SpaceSpec,
    limited_memory: Callable[[int], None],
) -> None:
    here, there = pair(made("llama"), extractor, tiny_spec)
    some: list[Content] = contents(1500)
    there.read_all(some[:10])  # the template's prefix and the kernels' workspaces are there
    there.token_budget = 10**9  # all in one batch
    limited_memory(12 << 20)
    read = there.read_all(some)
    assert there.token_budget < 10**9
    same(read, here.read_all(some))


def test_an_sae_that_stays_in_the_machines_memory_reads_the_same(
    made: Callable[[str], Path], extractor: Extractor, tiny_spec: SpaceSpec
) -> None:
    here, there = pair(made("llama"), extractor, tiny_spec)
    there.sae = extractor.sae.to("cpu")
    some = contents(100)
    same(there.read_all(some), here.read_all(some))


def test_half_precision_is_chosen_where_the_gpu_has_it_in_hand() -> None:
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("this GPU computes in bfloat16 only by software")
    assert chosen_dtype(AUTO, "cuda") == "bfloat16"


def test_the_rougher_products_of_half_precision_change_less_than_half_precision_does(
    made: Callable[[str], Path], extractor: Extractor, tiny_spec: SpaceSpec
) -> None:
    spec = replace(tiny_spec, dtype="bfloat16", max_length=10_000)
    backbone = Backbone.load(made("llama"), BLOCK, dtype="bfloat16", device="cuda")
    rough, fine = (Extractor(spec, backbone, extractor.sae.to("cuda")) for _ in range(2))
    fine._products = nullcontext  # type: ignore[method-assign]
    exact, _ = pair(made("llama"), extractor, tiny_spec)
    some = contents(300)
    read, finely, exactly = (each.read_all(some) for each in (rough, fine, exact))
    assert distance(read, finely) < distance(finely, exactly) / 4


def distance(some: list[TextActivations], others: list[TextActivations]) -> float:
    """Mean difference of a text's activations, a feature that is active in one only with all it has."""
    total = 0.0
    for one, other in zip(some, others, strict=True):
        values = dict(zip(one.features.tolist(), one.values.tolist(), strict=True))
        for feature, value in zip(other.features.tolist(), other.values.tolist(), strict=True):
            values[feature] = values.get(feature, 0.0) - value
        total += sum(map(abs, values.values()))
    return total / len(some)
