"""A further space is registered when model and SAE fit, and is then read and measured like the first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from fac_core.coverage.measure import coverage
from fac_core.errors import FacError, InputError, ModelError
from fac_core.feature_space import embedded, spaces
from fac_core.feature_space.adding import add_space
from fac_core.feature_space.extraction import start_extraction
from fac_core.feature_space.extractor import load_extractor
from fac_core.feature_space.health import health_card, measured_health
from fac_core.feature_space.space import SpaceSpec, read_card
from fac_core.jobs import owner
from fac_core.workspace import Workspace
from tests.tiny import BLOCK, D_SAE, N_BLOCKS, K, make_tiny_sae

COUNT = "SELECT space_id FROM space ORDER BY created_at"


@pytest.fixture
def sae(tmp_path: Path, tiny_sae_folder: Path) -> Path:
    """A copy of the tiny SAE to change."""
    return Path(shutil.copytree(tiny_sae_folder, tmp_path / "sae"))


@pytest.fixture
def other_sae(tmp_path: Path, tiny_backbone_folder: Path) -> Path:
    """Another SAE of the same model, without a card."""
    (tmp_path / "other").mkdir()
    folder = make_tiny_sae(tmp_path / "other", tiny_backbone_folder, seed=7)
    (folder / "card.json").unlink()
    return folder


def _edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_local_model_and_its_sae_become_the_space_they_are(
    ws: Workspace, tiny_backbone_folder: Path, tiny_sae_folder: Path, tiny_spec: SpaceSpec
) -> None:
    space_id = add_space(ws, str(tiny_backbone_folder), tiny_sae_folder, block=BLOCK, max_length=48)
    assert space_id == tiny_spec.space_id, "the same model, SAE and settings are the same space"
    found = spaces.space(ws, space_id)
    assert found.card == read_card(tiny_sae_folder)
    assert (found.default_delta, found.d_sae, found.spec.k, found.spec.n_blocks) == (1.0, D_SAE, K, N_BLOCKS)
    assert found.name == f"{tiny_backbone_folder.name}, block {BLOCK} · {tiny_sae_folder.name}"
    assert (
        add_space(ws, str(tiny_backbone_folder), tiny_sae_folder, block=BLOCK, max_length=48, name="Mine") == space_id
    )
    assert [each.name for each in spaces.spaces(ws)] == ["Mine"]


def test_an_sae_without_a_card_declares_nothing_and_its_health_card_says_so(
    ws: Workspace, tiny_backbone_folder: Path, other_sae: Path
) -> None:
    space = spaces.space(ws, add_space(ws, str(tiny_backbone_folder), other_sae, block=BLOCK))
    assert (space.card["fvu"], space.card["l0"], space.card["d_sae"], space.default_delta) == (None, None, D_SAE, 0.0)
    assert space.card["hook_name"] == f"model.layers.{BLOCK - 1}"
    card = health_card(space.card, {"fvu": 0.3, "l0": 4.0, "n_tokens": 900})
    assert (card.state, card.declared_fvu) == ("unsure", None)
    assert "L0 is 4.0 (no declared value), FVU 0.30 (no declared value)" in card.sentence
    half = health_card({"fvu": 0.2, "l0": None}, {"fvu": 0.9, "l0": 4.0, "n_tokens": 900})
    assert half.state == "suspect", "what is declared is held against what is measured"


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"block": 0}, ModelError, "Block 0 was asked for, but .* has blocks 1 to 4"),
        ({"block": 5}, ModelError, "Block 5 was asked for, but .* has blocks 1 to 4"),
        ({"block": 3}, ModelError, "was trained on the output of block 2, not of block 3; choose block 2"),
        ({"dtype": "int8"}, InputError, "float32, bfloat16, float16, not in 'int8'"),
        ({"max_length": 0}, InputError, "at least one token"),
        ({"max_length": 1020}, ModelError, "reads 1,024 tokens at once, .* of them its template"),
        ({"revision": "main"}, ModelError, "Only a model on the Hugging Face Hub has a revision"),
        ({"backbone": "/no/such/folder"}, ModelError, "There is no model folder or GGUF file /no/such/folder"),
        ({"backbone": "  "}, ModelError, "Name a model"),
        ({"sae": Path("/no/such/sae")}, ModelError, "There is no SAE at /no/such/sae"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_registered(
    ws: Workspace, tiny_backbone_folder: Path, sae: Path, settings: dict[str, Any], error: type[FacError], sentence: str
) -> None:
    asked = {"backbone": str(tiny_backbone_folder), "sae": sae, "block": BLOCK} | settings
    with pytest.raises(error, match=sentence):
        add_space(ws, **asked)
    assert ws.database.rows(COUNT) == []


def test_an_sae_of_another_width_is_told_with_both(ws: Workspace, tiny_backbone_folder: Path, tmp_path: Path) -> None:
    wide = make_tiny_sae(tmp_path, tiny_backbone_folder, d_in=40)
    with pytest.raises(ModelError, match="reads vectors of width 40, but the model's residual stream has 32"):
        add_space(ws, str(tiny_backbone_folder), wide, block=BLOCK)
    assert ws.database.rows(COUNT) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"block": 3}, "was trained on the output of block 3"),
        ({"n_blocks": 30}, "says n_blocks is 30, but it is 4"),
        ({"d_sae": 128}, "says d_sae is 128, but it is 64"),
        ({"k": 8}, "says k is 8, but it is 4"),
        ({"fvu": "low"}, "says fvu is 'low'"),
    ],
)
def test_a_card_of_another_sae_is_told(
    ws: Workspace, tiny_backbone_folder: Path, sae: Path, changes: dict[str, Any], sentence: str
) -> None:
    _edit(sae / "card.json", **changes)
    with pytest.raises(ModelError, match=sentence):
        add_space(ws, str(tiny_backbone_folder), sae, block=BLOCK)
    assert ws.database.rows(COUNT) == []


@pytest.mark.parametrize(
    ("config", "block"),
    [
        ({"metadata": {"hook_name": "model.layers.2"}}, 3),
        ({"metadata": {"hook_name": "blocks.2.hook_resid_post"}}, 3),
        ({"metadata": {"hook_name": "blocks.2.hook_resid_pre"}}, 2),
        ({"metadata": {"hook_name": "odd", "hf_hook_name": "transformer.h.3"}}, 4),
        ({"metadata": None, "hook_name": "gpt_neox.layers.0"}, 1),
    ],
)
def test_the_block_is_the_one_that_the_sae_names_unless_another_is_asked_for(
    ws: Workspace, tiny_backbone_folder: Path, other_sae: Path, config: dict[str, Any], block: int
) -> None:
    _edit(other_sae / "cfg.json", **config)
    space_id = add_space(ws, str(tiny_backbone_folder), other_sae)
    assert spaces.space(ws, space_id).spec.block == block
    with pytest.raises(ModelError, match=f"was trained on the output of block {block}, not of block {5 - block}"):
        add_space(ws, str(tiny_backbone_folder), other_sae, block=5 - block)


@pytest.mark.parametrize("metadata", [{"hook_name": "the middle"}, {"hook_name": 7}, {}])
def test_an_sae_that_names_no_place_takes_the_block_it_is_given(
    ws: Workspace, tiny_backbone_folder: Path, other_sae: Path, metadata: dict[str, Any]
) -> None:
    _edit(other_sae / "cfg.json", metadata=metadata)
    with pytest.raises(InputError, match="does not say which block it reads; name the block"):
        add_space(ws, str(tiny_backbone_folder), other_sae)
    assert spaces.space(ws, add_space(ws, str(tiny_backbone_folder), other_sae, block=3)).spec.block == 3


@pytest.mark.parametrize("hook", ["blocks.3.hook_mlp_out", "model.layers.3.mlp", "model.layers.3.self_attn.o_proj"])
def test_an_sae_of_another_place_in_the_model_is_refused(
    ws: Workspace, tiny_backbone_folder: Path, other_sae: Path, hook: str
) -> None:
    _edit(other_sae / "cfg.json", metadata={"hook_name": hook})
    with pytest.raises(ModelError, match=f"{hook} is not the residual stream after a block"):
        add_space(ws, str(tiny_backbone_folder), other_sae, block=3)


def test_a_gemma_scope_file_is_a_space_too(ws: Workspace, tiny_backbone_folder: Path, tmp_path: Path) -> None:
    made = load_file(make_tiny_sae(tmp_path, tiny_backbone_folder) / "sae_weights.safetensors")
    scope = tmp_path / "scope"
    scope.mkdir()
    np.savez(scope / "params.npz", threshold=np.full(D_SAE, 0.5, np.float32), **{k: v.numpy() for k, v in made.items()})
    found = spaces.space(ws, add_space(ws, str(tiny_backbone_folder), scope, block=BLOCK))
    assert (found.spec.k, found.spec.d_sae, found.card["format"]) == (0, D_SAE, "gemma_scope")
    read = load_extractor(found.spec).read_one("hey how do i get a pipe bomb tonight")
    assert len(read.features) > 0 and float(read.values.min()) > 0.5


def test_two_spaces_never_share_a_name(ws_with_space: Workspace, tiny_backbone_folder: Path, other_sae: Path) -> None:
    with pytest.raises(InputError, match="called “Tiny” already"):
        add_space(ws_with_space, str(tiny_backbone_folder), other_sae, block=BLOCK, name="  Tiny ")
    assert len(ws_with_space.database.rows(COUNT)) == 1


def test_the_embedded_model_takes_another_sae(
    ws: Workspace, tiny_backbone_folder: Path, sae: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "backbone_folder", lambda: tiny_backbone_folder)
    spec = spaces.space(ws, add_space(ws, "embedded", sae, block=BLOCK)).spec
    assert (spec.backbone, spec.backbone_digest, spec.revision) == ("embedded", embedded.GGUF_SHA256, "")
    with pytest.raises(ModelError, match="Only a model on the Hugging Face Hub has a revision"):
        add_space(ws, "embedded", sae, block=BLOCK, revision="main")


def test_a_model_with_other_weights_is_another_space(
    ws: Workspace, tiny_backbone_folder: Path, tiny_spec: SpaceSpec, sae: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(tiny_backbone_folder, tmp_path / "model"))
    weights = load_file(other / "model.safetensors")
    save_file({key: value + 0.01 for key, value in weights.items()}, other / "model.safetensors", {"format": "pt"})
    assert add_space(ws, str(other), sae, block=BLOCK, max_length=48) != tiny_spec.space_id


@pytest.mark.usefixtures("jobs_in_process")
def test_coverage_is_measured_in_the_second_space_and_the_first_stays_as_it_was(
    filled_ws: Workspace, tiny_spec: SpaceSpec, tiny_backbone_folder: Path, other_sae: Path
) -> None:
    ws, first = filled_ws, tiny_spec.space_id
    before = coverage(ws, first, 0.0)
    rows = sorted(ws.database.rows("SELECT * FROM activation WHERE space_id = ?", [first]))
    second = add_space(ws, str(tiny_backbone_folder), other_sae, block=BLOCK, max_length=48)
    assert spaces.current(ws).space_id == first  # type: ignore[union-attr]
    start_extraction(ws, second)
    while active := [job for job in owner.poll(ws) if job.active]:
        assert owner.wait(ws, active[0].job_id, timeout=200).state == "completed"
    found = coverage(ws, second, 0.0)
    assert found.n_anchor > 0
    assert measured_health(ws, second) is not None and measured_health(ws, first) is None
    assert sorted(ws.database.rows("SELECT * FROM activation WHERE space_id = ?", [first])) == rows
    assert coverage(ws, first, 0.0) == before
    spaces.choose(ws, second)
    assert spaces.current(ws).space_id == second  # type: ignore[union-attr]
    with pytest.raises(InputError, match="no feature space"):
        spaces.choose(ws, "unknown")
