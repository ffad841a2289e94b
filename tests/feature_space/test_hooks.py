"""P4: each convention's name means the tensor that its own tool would hand out."""

from __future__ import annotations

import re

import pytest
import torch

from fac_core.errors import ModelError
from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.hooks import CONVENTIONS, block_of
from fac_core.feature_space.tokens import ContentTokens
from tests.tiny import N_BLOCKS, ODD_TEXTS


@pytest.fixture(scope="module")
def ids(extractor: Extractor) -> list[int]:
    return extractor.backbone.tokenize(ODD_TEXTS[1], 48).ids


def outputs(extractor: Extractor, ids: list[int]) -> dict[int, torch.Tensor]:
    """What each block hands on, by its index from 0; -1 is the embedding."""
    model, kept = extractor.backbone.model, {}

    def keep(index: int) -> object:
        def hook(_module: object, _inputs: object, output: torch.Tensor) -> None:
            kept[index] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [block.register_forward_hook(keep(i)) for i, block in enumerate(model.model.layers)]
    handles.append(model.model.embed_tokens.register_forward_hook(keep(-1)))
    with torch.no_grad():
        states = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
    for handle in handles:
        handle.remove()
    for n in range(N_BLOCKS):  # hidden_states[n] is what block n (from 0) takes in; the last one is normed
        torch.testing.assert_close(states[n], kept[n - 1])
    assert not torch.allclose(states[N_BLOCKS], kept[N_BLOCKS - 1])
    return kept


@pytest.mark.parametrize(
    ("name", "index_from_0"),
    [
        ("blocks.2.hook_resid_post", 2),
        ("blocks.2.hook_resid_pre", 1),
        ("model.layers.2", 2),
        ("transformer.h.2", 2),
        ("gpt_neox.layers.2", 2),
        ("model.decoder.layers.2", 2),
        ("model.language_model.layers.2", 2),
        ("bert.encoder.layer.2", 2),
        ("encoder.layer.2", 2),
        ("layers.2", 2),
        ("layers_2", 2),
        ("hidden_states[2]", 1),
        ("resid_post_layer_2", 2),
        ("layer_2/width_16k/average_l0_71", 2),
        ("L2R-8x", 2),
        ("layer 2", 1),
        ("block 2", 1),
        (" 2 ", 1),
    ],
)
def test_p4_every_name_means_the_tensor_of_its_convention(
    name: str, index_from_0: int, extractor: Extractor, ids: list[int]
) -> None:
    bare = ContentTokens(ids, [], 0, shares_prefix=False)
    backbone = extractor.backbone.at(block_of(name, N_BLOCKS))
    torch.testing.assert_close(backbone.residuals([bare]), outputs(extractor, ids)[index_from_0])


def test_p4_every_convention_has_an_example_above() -> None:
    (marks,) = test_p4_every_name_means_the_tensor_of_its_convention.pytestmark  # type: ignore[attr-defined]
    names = [name.strip() for name, _ in marks.args[1]]
    for convention in CONVENTIONS:
        assert any(re.fullmatch(convention.pattern, name) for name in names), convention


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("blocks.0.hook_resid_pre", "is the embedding"),
        ("hidden_states[0]", "is the embedding"),
        ("hidden_states[4]", "behind the final norm"),
        ("blocks.4.hook_resid_post", "output of block 5, but the model has blocks 1 to 4"),
        ("layer 0", "is the embedding"),
        ("blocks.1.hook_mlp_out", "is not the residual stream"),
        ("blocks.1.attn.hook_z", "is not the residual stream"),
        ("", "is not known"),
        ("blocks.1.hook_resid_post; rm", "is not the residual stream"),
    ],
)
def test_p4_a_place_that_is_no_blocks_output_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        block_of(name, N_BLOCKS)
