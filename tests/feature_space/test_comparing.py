"""Figures of a comparison are those of each SAE by itself, and a feature's counterpart is one that writes like it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fac_core.errors import InputError, ModelError
from fac_core.feature_space.comparing import Side, compare, side_of_folder, side_of_space
from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.space import SpaceSpec
from tests.tiny import BLOCK, D_SAE, LABELLED_TEXTS, make_tiny_sae


@pytest.fixture
def other(tmp_path: Path, tiny_backbone_folder: Path, tiny_sae_folder: Path) -> Path:
    """An SAE whose first quarter of decoder rows are those of the tiny SAE, in other places and of other length."""
    (tmp_path / "other").mkdir()
    folder = make_tiny_sae(tmp_path / "other", tiny_backbone_folder, seed=7)
    mine, theirs = (load_file(path / "sae_weights.safetensors") for path in (folder, tiny_sae_folder))
    mine["W_dec"][: D_SAE // 4] = 3 * theirs["W_dec"][-D_SAE // 4 :]
    save_file(mine, folder / "sae_weights.safetensors")
    return folder


def slow_shared(one: Path, other: Path) -> float:
    a, b = (load_file(path / "sae_weights.safetensors")["W_dec"] for path in (one, other))
    found = [any(float(torch.cosine_similarity(row, each, dim=0)) >= 0.7 for each in b) for row in a]
    return sum(found) / len(found)


def test_both_are_measured_on_the_same_texts_as_each_by_itself(
    tiny_spec: SpaceSpec, extractor: Extractor, tiny_backbone_folder: Path, tiny_sae_folder: Path, other: Path
) -> None:
    a = side_of_space(tiny_spec, "Tiny")
    b = side_of_folder(other, str(tiny_backbone_folder))
    found = compare(a, b, [*LABELLED_TEXTS, ""])
    assert found is not None
    first, second = found.sides
    read = extractor.read_all(LABELLED_TEXTS)
    n_tokens = sum(text.n_tokens for text in read)
    assert found.n_tokens == (n_tokens, n_tokens) and found.n_texts == len(LABELLED_TEXTS) + 1
    assert first.l0 == pytest.approx(sum(text.l0 * text.n_tokens for text in read) / n_tokens)
    assert first.n_firing == len({int(feature) for text in read for feature in text.features})
    assert first.dead_share == pytest.approx(1 - first.n_firing / D_SAE)
    assert first.shared == slow_shared(tiny_sae_folder, other) >= 0.25
    assert second.shared == slow_shared(other, tiny_sae_folder) >= 0.25
    assert (first.block, second.block, second.name) == (BLOCK, BLOCK, "other")


def test_each_reads_at_its_own_block_and_width(
    tiny_spec: SpaceSpec, tiny_backbone_folder: Path, tiny_sae_folder: Path, other: Path
) -> None:
    a = side_of_space(tiny_spec, "Tiny")
    here = side_of_folder(tiny_sae_folder, str(tiny_backbone_folder), block=BLOCK)
    there = side_of_folder(tiny_sae_folder, str(tiny_backbone_folder), block=BLOCK + 1)
    same, moved = compare(a, here, LABELLED_TEXTS[:9]), compare(a, there, LABELLED_TEXTS[:9])
    assert same is not None and moved is not None
    assert same.sides[0].fvu == same.sides[1].fvu and same.sides[0].shared == 1.0
    assert moved.sides[1].fvu != moved.sides[0].fvu and moved.sides[1].block == BLOCK + 1


def test_what_cannot_be_compared_is_one_sentence(
    tiny_spec: SpaceSpec, tiny_backbone_folder: Path, other: Path, tmp_path: Path
) -> None:
    a, b = side_of_space(tiny_spec, "Tiny"), side_of_folder(other, str(tiny_backbone_folder))
    with pytest.raises(InputError, match="name it with --model"):
        side_of_folder(other)
    with pytest.raises(InputError, match="None of the texts has a token"):
        compare(a, b, [""])
    (tmp_path / "wide").mkdir()
    wide = side_of_folder(make_tiny_sae(tmp_path / "wide", tiny_backbone_folder, d_in=40), str(tiny_backbone_folder))
    with pytest.raises(ModelError, match="width 40"):
        compare(a, wide, ["text"])
    assert compare(a, b, ["text"], lambda _share: False) is None
    assert Side.from_json(a.to_json()) == a
