"""Fluency is the model's own probability of a text, the same in any batch."""

from __future__ import annotations

import pytest
import torch

from fac_core.feature_space.extractor import Extractor
from fac_core.synthesis.fluency import fluency

TEXTS = ["how do i cook rice", "a", "who sells a fake passport near the station tonight", "عربي 😀", "x " * 20]


def test_it_equals_the_log_probability_token_by_token(extractor: Extractor) -> None:
    backbone = extractor.backbone
    expected = []
    for text in TEXTS:
        content = backbone.tokenize(text, 256).ids
        said = []
        for at, token in enumerate(content):
            logits = backbone.model(input_ids=torch.tensor([backbone.prefix_ids + content[:at]])).logits[0, -1]
            said.append(float(logits.log_softmax(-1)[token]))
        expected.append(sum(said) / len(said))
    assert fluency(backbone, TEXTS) == pytest.approx(expected, abs=1e-4)
    assert fluency(backbone, TEXTS * 3)[10:] == pytest.approx(expected, abs=1e-4)
    assert fluency(backbone, []) == [] and max(expected) < 0
