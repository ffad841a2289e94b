"""What the weights say about features can be computed wherever the model lies."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fac_core.feature_space import statics
from fac_core.feature_space.extractor import Extractor


def test_what_is_computed_on_an_accelerator_comes_back_before_it_becomes_a_table(
    extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tensor becomes an array only where it was brought to the processor first, as on a machine with a GPU."""
    expected = [statics.neighbours(extractor), statics.boosted_tokens(extractor), statics.feature_static(extractor)]
    brought: list[torch.Tensor] = []
    cpu, numpy = torch.Tensor.cpu, torch.Tensor.numpy

    def bring(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        brought.append(cpu(tensor, *args, **kwargs))
        return brought[-1]

    def convert(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if not any(tensor is each for each in brought):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        return numpy(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "cpu", bring)
    monkeypatch.setattr(torch.Tensor, "numpy", convert)
    found = [statics.neighbours(extractor), statics.boosted_tokens(extractor), statics.feature_static(extractor)]
    assert [table.equals(other) for table, other in zip(found, expected, strict=True)] == [True] * 3
