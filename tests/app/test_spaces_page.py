"""A further feature space, added on Settings and chosen in the sidebar."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fac_core.feature_space import spaces
from fac_core.feature_space.health import acceptance
from fac_core.jobs import owner
from fac_core.workspace import Workspace
from tests.app.conftest import App, address
from tests.app.reading import said
from tests.fake_hub import COMMIT, FakeHub, make_fake_hub
from tests.tiny import BLOCK, make_tiny_sae

BAD = {
    "fvu": 9.0,
    "l0": 4.0,
    "n_tokens": 900,
    "truncated_texts": 0,
    "suspects": [{"what": "at the output of block 1", "fvu": 0.2, "l0": 4.0}],
}


def add(at: AppTest, backbone: object, sae: object, block: int | None) -> AppTest:
    """Fill the form in and send it."""
    at.text_input(key="space_backbone").set_value(str(backbone))
    at.text_input(key="space_sae").set_value(str(sae))
    if block is not None:
        at.text_input(key="space_block").set_value(str(block))
    next(button for button in at.form_submit_button if button.label == "Add").click().run()
    assert not at.exception, at.exception
    return at


@pytest.fixture
def saes(tmp_path: Path, tiny_backbone_folder: Path) -> tuple[Path, Path]:
    """Another SAE of the tiny model, and one of another width."""
    for name in ("other", "wide"):
        (tmp_path / name).mkdir()
    return (
        make_tiny_sae(tmp_path / "other", tiny_backbone_folder, seed=7),
        make_tiny_sae(tmp_path / "wide", tiny_backbone_folder, d_in=40),
    )


def test_what_does_not_fit_is_a_sentence_and_the_form_keeps_what_was_typed(
    app: App, filled_ws: Workspace, tiny_backbone_folder: Path, saes: tuple[Path, Path]
) -> None:
    other, wide = saes
    at = add(app("settings"), tiny_backbone_folder, wide, BLOCK)
    assert "reads vectors of width 40, but the model's residual stream has 32" in said(at)
    assert at.text_input(key="space_sae").value == str(wide)
    assert "Name the SAE" in said(add(at, tiny_backbone_folder, " ", BLOCK))
    assert "There is no model folder or GGUF file" in said(add(at, "/no where", other, BLOCK))
    assert len(spaces.spaces(filled_ws)) == 1
    assert "is added" in said(add(at, tiny_backbone_folder, other, BLOCK)), "mended, it goes through"
    assert len(spaces.spaces(filled_ws)) == 2


@pytest.mark.usefixtures("jobs_in_process")
def test_the_second_space_is_added_read_and_measured_and_the_sidebar_leads_back(
    app: App, filled_ws: Workspace, tiny_backbone_folder: Path, saes: tuple[Path, Path]
) -> None:
    at = add(app("settings"), tiny_backbone_folder, saes[0], None)  # the SAE says which block
    first, second = (space.space_id for space in spaces.spaces(filled_ws))
    assert address(at)["space"] == second == at.selectbox(key="_space_pick").value
    at.switch_page("pages/seed_set.py").run()
    assert "not read yet" in said(at)
    at.button(key="head_Seed set").click().run()
    while active := [job for job in owner.poll(filled_ws) if job.active]:
        assert owner.wait(filled_ws, active[0].job_id, timeout=200).state == "completed"
    at.run()
    assert "all texts are read" in said(at)
    at.switch_page("pages/coverage.py").run()
    assert not at.exception and address(at)["space"] == second
    at.selectbox(key="_space_pick").select(first).run()
    assert not at.exception and address(at)["space"] == first
    at.switch_page("pages/features.py").run()
    assert not at.exception and address(at)["space"] == first


@pytest.mark.parametrize("page", ["home", "seed_set", "features", "coverage", "synthesis", "review", "evaluation"])
def test_a_space_that_does_not_fit_is_marked_on_every_page(
    app: App, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fac_core.feature_space.health.measured_health", lambda ws, space_id: BAD)
    shown = said(app(page))
    assert "Do not trust the numbers in this feature space." in shown
    assert "It does better at the output of block 1" in shown


def test_the_mark_goes_when_somebody_says_why_the_space_is_used_all_the_same(
    app: App, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fac_core.feature_space.health.measured_health", lambda ws, space_id: BAD)
    (space,) = spaces.spaces(filled_ws)
    at = app("settings")
    at.text_input(key=f"accept_{space.space_id}").set_value("only a trial")
    next(button for button in at.form_submit_button if button.label == "Accept").click().run()
    assert not at.exception
    assert "Do not trust" not in said(at)
    assert acceptance(filled_ws, space.space_id) == "only a trial"
    assert "Do not trust" not in said(app("coverage"))


@pytest.fixture
def there(
    tiny_backbone_folder: Path, tiny_sae_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeHub:
    """A Hub with the tiny model and another SAE of it."""
    fake = make_fake_hub(tmp_path / "hub", monkeypatch)
    (tmp_path / "repository" / "layers").mkdir(parents=True)
    make_tiny_sae(tmp_path / "repository" / "layers", tiny_backbone_folder, seed=7)
    fake.put("owner/tiny", tiny_backbone_folder)
    fake.put("owner/sae", tmp_path / "repository")
    return fake


def test_a_preset_fills_the_form_in_and_says_what_it_takes(app: App, there: FakeHub) -> None:
    at = app("settings")
    at.selectbox(key="space_preset").select("paper-llama").run()
    assert not at.exception
    assert at.text_input(key="space_backbone").value == "meta-llama/Llama-3.1-8B-Instruct"
    assert at.text_input(key="space_sae").value == "Zhongzhi1228/sae_llama_l16_h65536"
    assert (at.text_input(key="space_block").value, at.selectbox(key="space_dtype").value) == ("16", "bfloat16")
    shown = said(at)
    assert "about 16.1 GB to download, licence llama3.1; access has to be asked for" in shown
    assert "are free in" in shown and there.asked == []
    at.selectbox(key="space_preset").select("").run()
    assert at.text_input(key="space_backbone").value == "" and "to download" not in said(at)


def test_a_preset_that_does_not_fit_on_the_disk_is_refused_before_anything_starts(
    app: App, there: FakeHub, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.full_disk(monkeypatch, 1_000_000_000)
    at = app("settings")
    at.selectbox(key="space_preset").select("paper-llama").run()
    next(button for button in at.form_submit_button if button.label == "Add").click().run()
    assert not at.exception
    assert "About 17.1 GB have to be downloaded and 1.0 GB are free in" in said(at)
    assert there.asked == [] and len(spaces.spaces(filled_ws)) == 1


def test_nothing_is_downloaded_before_the_button_that_says_how_much(
    app: App, there: FakeHub, filled_ws: Workspace
) -> None:
    at = add(app("settings"), "owner/tiny", "owner/sae:layers", None)
    shown = said(at)
    assert "Model owner/tiny: about" in shown and "licence apache-2.0" in shown
    assert there.fetched == [] and len(spaces.spaces(filled_ws)) == 1
    at.button(key="space_cancel").click().run()
    assert not at.exception and "Model owner/tiny: about" not in said(at)
    at = add(at, "owner/tiny", "owner/sae:layers", None)
    at.button(key="space_download").click().run()
    assert not at.exception and "is added" in said(at)
    added = spaces.spaces(filled_ws)[-1].spec
    assert (added.sae, added.block) == (f"owner/sae@{COMMIT}:layers", BLOCK)
    assert "model.safetensors" not in there.fetched, "the first reading fetches the model"
    assert "Download and add" not in [button.label for button in at.button]


def test_a_block_can_be_named_as_other_tools_do(
    app: App, filled_ws: Workspace, tiny_backbone_folder: Path, saes: tuple[Path, Path]
) -> None:
    at = app("settings")
    at.text_input(key="space_block").set_value("the middle")
    assert "The place 'the middle' is not known" in said(add(at, tiny_backbone_folder, saes[0], None))
    at.text_input(key="space_block").set_value(f"blocks.{BLOCK - 1}.hook_resid_post")
    assert "is added" in said(add(at, tiny_backbone_folder, saes[0], None))
    assert spaces.spaces(filled_ws)[-1].spec.block == BLOCK


def test_dtype_and_topk_are_settings_of_the_space(
    app: App, filled_ws: Workspace, tiny_backbone_folder: Path, saes: tuple[Path, Path]
) -> None:
    at = app("settings")
    at.selectbox(key="space_dtype").select("bfloat16")
    at.toggle(key="space_topk").set_value(False)
    add(at, tiny_backbone_folder, saes[0], BLOCK)
    added = spaces.spaces(filled_ws)[-1].spec
    assert (added.dtype, added.apply_topk) == ("bfloat16", False)
    assert added.name.endswith("other, without Top-K")
