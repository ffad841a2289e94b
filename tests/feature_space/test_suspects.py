"""A planted fault turns the health card red, and the card names the fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fac_core.content import Content
from fac_core.errors import InputError
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.extractor import Extractor, load_extractor
from fac_core.feature_space.health import SUSPECT, accept, acceptance, health_card, unfit
from fac_core.feature_space.sae import Relu, Sae
from fac_core.feature_space.space import SpaceSpec, embedded_folder, embedded_space, read_card
from fac_core.feature_space.suspects import suspects
from fac_core.feature_space.tokens import ContentTokens
from fac_core.workspace import Workspace
from tests.tiny import BLOCK, LABELLED_TEXTS, N_BLOCKS, WIDTH

N_DIRECTIONS = 12
DEMO = Path(__file__).resolve().parents[2] / "data" / "demo" / "toxicity" / "anchor.jsonl"


def vectors(backbone: Backbone) -> torch.Tensor:
    return torch.cat([backbone.residuals([backbone.tokenize(text, 48)])[0] for text in LABELLED_TEXTS])


@pytest.fixture(scope="module")
def fitting(extractor: Extractor, tiny_spec: SpaceSpec) -> tuple[Extractor, dict[str, float]]:
    """The tiny model with an SAE that fits its block: the main directions there, each with both signs."""
    x = vectors(extractor.backbone)
    mean = x.mean(0)
    directions = torch.linalg.svd(x - mean, full_matrices=False).Vh[:N_DIRECTIONS]
    both = torch.cat([directions, -directions])
    sae = Sae(both, -both @ mean, both, mean, Relu())
    spec = replace(tiny_spec, d_sae=2 * N_DIRECTIONS, k=0)
    fits = Extractor(spec, extractor.backbone, sae)
    fits.read_all(LABELLED_TEXTS)
    return fits, {"fvu": fits.health.fvu, "l0": fits.health.l0}


def faulty(fits: Extractor, block: int = BLOCK, **changes: Any) -> Extractor:
    return Extractor(replace(fits.spec, block=block), fits.backbone.at(block), replace(fits.sae, **changes))


def test_an_sae_that_fits_has_no_suspects(fitting: tuple[Extractor, dict[str, float]]) -> None:
    fits, card = fitting
    assert 0 < card["fvu"] < 0.6
    assert suspects(fits, LABELLED_TEXTS, card) == []


@pytest.mark.parametrize("block", [b for b in range(1, N_BLOCKS + 1) if b != BLOCK])
def test_p4_a_wrong_block_is_named(fitting: tuple[Extractor, dict[str, float]], block: int) -> None:
    fits, card = fitting
    first = suspects(faulty(fits, block), LABELLED_TEXTS, card)[0]
    assert first.what == f"at the output of block {BLOCK}"
    assert (first.fvu, first.l0) == pytest.approx((card["fvu"], card["l0"]), rel=0.05)


def _unshifted(sae: Sae) -> dict[str, Any]:
    return {"b_enc": sae.b_enc + sae.w_enc @ sae.b_dec}


def _shifted(sae: Sae) -> dict[str, Any]:
    return {"b_enc": sae.b_enc - sae.w_enc @ sae.b_dec}


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (lambda sae: {"normalise": "layer_norm"}, "without normalising the activations"),
        (lambda sae: {"normalise": "constant_norm_rescale"}, "without normalising the activations"),
        (_unshifted, "with the decoder bias taken from the input"),
        (_shifted, "with the decoder bias left on the input"),
    ],
)
def test_p5_p6_a_convention_lost_in_loading_is_named(
    fitting: tuple[Extractor, dict[str, float]], fault: Callable[[Sae], dict[str, Any]], named: str
) -> None:
    fits, card = fitting
    found = suspects(faulty(fits, **fault(fits.sae)), LABELLED_TEXTS, card)
    assert found[0].what == named


def test_a_normalisation_that_was_left_out_is_named(fitting: tuple[Extractor, dict[str, float]]) -> None:
    fits, card = fitting
    x = vectors(fits.backbone)
    scale = WIDTH**0.5 / float(x.norm(dim=1).mean())
    sae = fits.sae
    # trained on activations scaled to an average norm of sqrt(d), as Llama Scope is, and loaded without that
    unscaled = {"w_enc": sae.w_enc / scale, "w_dec": sae.w_dec * scale, "b_dec": sae.b_dec * scale}
    found = suspects(faulty(fits, **unscaled), LABELLED_TEXTS, card)
    assert "scaled to an average norm" in found[0].what


def test_a_few_tokens_say_nothing(fitting: tuple[Extractor, dict[str, float]]) -> None:
    fits, card = fitting
    assert suspects(faulty(fits, 3), LABELLED_TEXTS[:3], card) == []
    assert suspects(faulty(fits, 3), [], card) == []


def test_the_card_names_the_suspect_and_is_red_even_where_the_figures_are_in_range() -> None:
    declared = {"fvu": 0.2, "l0": 16.0}
    better = {"what": "at the output of block 15", "fvu": 0.2, "l0": 16.0}
    measured = {"fvu": 0.24, "l0": 16.0, "n_tokens": 900}
    assert health_card(declared, measured).state == "good"
    card = health_card(declared, {**measured, "suspects": [better]})
    assert card.state == SUSPECT
    assert "It does better at the output of block 15: L0 16.0, FVU 0.20." in card.sentence


def test_an_unfit_space_stays_marked_until_a_reason_is_given(
    filled_ws: Workspace, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    assert unfit(ws, space_id) is None, "nothing was read here, so nothing is known"
    bad = {"fvu": 9.0, "l0": 60.0, "n_tokens": 900, "suspects": []}
    monkeypatch.setattr("fac_core.feature_space.health.measured_health", lambda ws, space_id: bad)
    found = unfit(ws, space_id)
    assert found is not None and found.state == SUSPECT
    accept(ws, space_id, "  it is a trial\n of another model ")
    assert (unfit(ws, space_id), acceptance(ws, space_id)) == (None, "it is a trial of another model")
    accept(ws, space_id, " ")
    assert unfit(ws, space_id) is not None
    with pytest.raises(InputError, match="The reason holds U\\+0007"):
        accept(ws, space_id, "bell \a")
    with pytest.raises(InputError, match="no feature space"):
        accept(ws, "nowhere", "why not")


# --- the shipped space ---


@pytest.fixture(scope="module")
def shipped() -> tuple[Extractor, dict[str, Any], list[str]]:
    """The embedded model and SAE, its card, and some texts."""
    lines = DEMO.read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines[:60]]
    return load_extractor(embedded_space(), "cpu"), read_card(embedded_folder()), texts


def named(extractor: Extractor, card: dict[str, Any], texts: list[str]) -> str:
    """The first suspect's words; empty if there is none."""
    return next((found.what for found in suspects(extractor, texts, card)), "")


@pytest.mark.heavy
@pytest.mark.real_model
def test_the_shipped_sae_fits_and_every_planted_fault_is_named(
    shipped: tuple[Extractor, dict[str, Any], list[str]],
) -> None:
    right, card, texts = shipped
    assert named(right, card, texts) == ""
    for block in (14, 16):
        wrong = Extractor(replace(right.spec, block=block), right.backbone.at(block), right.sae)
        assert named(wrong, card, texts) == "at the output of block 15"
    dense = Extractor(replace(right.spec, apply_topk=False), right.backbone, right.sae)
    assert named(dense, card, texts).startswith("with a Top-K of ")
    normed = Extractor(right.spec, right.backbone, replace(right.sae, normalise="layer_norm"))
    assert named(normed, card, texts) == "without normalising the activations"
    assert named(_counting_template(right), card, texts).startswith("without ")


def _counting_template(right: Extractor) -> Extractor:
    """An extractor that takes the template's tokens, its first one a sink of attention, for content (P1, P11)."""

    class Careless(Backbone):
        def tokenize(self, content: Content | str, max_length: int) -> ContentTokens:
            found = super().tokenize(content, max_length)
            ids = [*self.prefix_ids, *found.ids]
            return ContentTokens(ids, [(0, 0)] * len(ids), 0, shares_prefix=False)

    backbone = right.backbone
    whole = Careless(backbone.model, backbone.tokenizer, backbone.block, backbone.tokens)
    return Extractor(right.spec, whole, right.sae)
