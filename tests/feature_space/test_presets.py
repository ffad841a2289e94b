"""A preset names a place that is read as it says, and tells what it takes before anything starts."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from fac_core.errors import InputError, ModelError
from fac_core.feature_space import devices, hub, needs
from fac_core.feature_space.adding import DTYPES, add_space
from fac_core.feature_space.hooks import block_of
from fac_core.feature_space.presets import Preset, preset, presets
from fac_core.feature_space.sae_formats import FORMATS, places
from fac_core.feature_space.space import embedded_folder, embedded_space, read_card
from fac_core.feature_space.spaces import space
from fac_core.workspace import Workspace
from tests.fake_hub import COMMIT, FakeHub, make_fake_hub

READ = [each for each in presets() if not each.refused]
GB = 1_000_000_000


def named(found: Preset) -> str:
    return found.id


@pytest.fixture
def there(
    tiny_backbone_folder: Path, tiny_sae_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeHub:
    """A Hub with the tiny model and the tiny SAE."""
    fake = make_fake_hub(tmp_path / "hub", monkeypatch)
    fake.put("owner/tiny", tiny_backbone_folder)
    fake.put("owner/sae", tiny_sae_folder)
    monkeypatch.setattr(devices, "memory_bytes", lambda _: 32 * GB)
    return fake


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """16 GB of memory and 20 GB of disk, nothing downloaded."""
    fake = make_fake_hub(tmp_path / "hub", monkeypatch)
    fake.full_disk(monkeypatch, 20 * GB)
    monkeypatch.setattr(devices, "memory_bytes", lambda _: 16 * GB)
    return fake


@pytest.mark.parametrize("found", presets(), ids=named)
def test_a_preset_is_whole_and_plausible(found: Preset) -> None:
    known = {field.name for field in fields(Preset)}
    assert set(found.unchecked) <= known and found.source and found.title
    assert found.caveat.startswith("Not checked at the source: ") == bool(found.unchecked)
    assert found.format in {format.name for format in FORMATS}
    assert found.dtype in DTYPES
    assert found.model == "embedded" or hub.is_id(found.model)
    assert found.sae == "embedded" or hub.place(found.sae) is not None
    # a weight takes two bytes on the Hub, or four, and beside the weights there is little
    if found.model_bytes:
        assert 1.9 < found.model_bytes / found.n_parameters < 4.2
    if found.sae_bytes:
        in_float32 = 2 * found.d_sae * found.d_model * 4
        assert min(abs(found.sae_bytes / (in_float32 * part) - 1) for part in (0.5, 1.0)) < 0.02, "tied, or bfloat16"


@pytest.mark.parametrize("found", READ, ids=named)
def test_p4_the_hook_of_a_preset_means_its_block(found: Preset) -> None:
    assert block_of(found.hook, found.n_blocks) == found.block
    declared = places.declared_hook(found.sae)
    assert declared is None or block_of(declared, found.n_blocks) == found.block


@pytest.mark.parametrize("found", [each for each in presets() if each.refused], ids=named)
def test_a_preset_that_cannot_be_read_says_why(found: Preset) -> None:
    with pytest.raises(InputError, match="cannot be used: its SAEs read the output of an MLP"):
        preset(found.id)
    with pytest.raises(ModelError, match="is not the residual stream after a block"):
        block_of(found.hook, found.n_blocks)


def test_the_embedded_preset_is_the_embedded_space(ws: Workspace, tiny_backbone_folder: Path) -> None:
    found, shipped, card = preset("embedded"), embedded_space(), read_card(embedded_folder())
    assert (found.block, found.n_blocks, found.d_sae, found.k) == (
        shipped.block,
        shipped.n_blocks,
        shipped.d_sae,
        shipped.k,
    )
    assert (found.d_model, found.sae_place) == (card["d_in"], str(embedded_folder()))
    assert not needs.of_preset(found, "float32", "cpu").asks


def test_a_name_that_is_no_preset_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match="There is no preset 'lama'; there are embedded, paper-llama,"):
        preset("lama")


def test_a_preset_says_how_much_under_which_licence_and_how_much_is_free(machine: FakeHub) -> None:
    found = needs.of_preset(preset("paper-llama"), "bfloat16", "cpu")
    said = " ".join(found.lines)
    assert "Model meta-llama/Llama-3.1-8B-Instruct: about 16.1 GB to download, licence llama3.1; access has" in said
    assert "SAE Zhongzhi1228/sae_llama_l16_h65536: about 1.1 GB to download, its licence is not known" in said
    assert f"Together about 17.1 GB; 20.0 GB are free in {machine.cache}" in said
    assert found.asks and machine.asked == [], "nobody was asked for it"
    found.check_room()


def test_what_was_downloaded_already_counts_as_nothing(machine: FakeHub) -> None:
    blobs = hub.kept("meta-llama/Llama-3.1-8B-Instruct", COMMIT).parents[1] / "blobs"
    blobs.mkdir(parents=True)
    with (blobs / "weights").open("wb") as handle:
        handle.truncate(17 * GB)
    found = needs.of_preset(preset("paper-llama"), "bfloat16", "cpu")
    assert (found.model.download, found.sae.download) == (0, 1_070_000_000)
    assert "Instruct: downloaded already, licence llama3.1" in found.lines[0]


def test_a_disk_that_is_too_small_is_refused_in_one_sentence(machine: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.full_disk(monkeypatch, 2 * GB)
    with pytest.raises(InputError, match=r"About 17.1 GB have to be downloaded and 2.0 GB are free in .*set HF_HOME"):
        needs.of_preset(preset("paper-llama"), "bfloat16", "cpu").check_room()


@pytest.mark.parametrize(("dtype", "takes"), [("bfloat16", "18.2 GB"), ("float32", "34.3 GB")])
def test_memory_that_will_hardly_do_is_a_warning(machine: FakeHub, dtype: str, takes: str) -> None:
    found = needs.of_preset(preset("paper-llama"), dtype, "cpu")
    assert found.warning.startswith(
        f"Model and SAE take about {takes} of memory in {dtype}, but this machine has 16.0 GB"
    )
    assert ("compute in bfloat16" in found.warning) == (dtype == "float32")
    fits = needs.of_preset(preset("pythia-160m-6"), dtype, "cpu")
    assert not fits.warning and "this machine has 16.0 GB" in fits.lines[-1]


def test_a_choice_of_ones_own_on_the_hub_is_told_with_the_hubs_own_figures(
    there: FakeHub, tiny_backbone_folder: Path
) -> None:
    there.gated, there.licence = "manual", "mit"
    found = needs.of_choice("owner/tiny", "owner/sae", dtype="float32", device="cpu")
    size = sum(path.stat().st_size for path in tiny_backbone_folder.iterdir())
    assert found.model.download == size and found.model.licence == "mit" and found.model.gated
    assert found.sae.download == sum(path.stat().st_size for path in there.folders["owner/sae"].iterdir())
    assert found.memory is not None and found.asks and there.fetched == []
    hub.fetch("owner/tiny", COMMIT)
    assert needs.of_choice("owner/tiny", "owner/sae", dtype="float32", device="cpu").model.download == 0


def test_what_lies_on_this_machine_asks_for_nothing(
    there: FakeHub, tiny_backbone_folder: Path, tiny_sae_folder: Path
) -> None:
    found = needs.of_choice(str(tiny_backbone_folder), str(tiny_sae_folder), dtype="float32", device="cpu")
    assert not found.asks and there.asked == []
    assert found.lines[0] == f"Model {tiny_backbone_folder}: on this machine, nothing to download."
    weights = (tiny_backbone_folder / "model.safetensors").stat().st_size
    sae = sum((tiny_sae_folder / name).stat().st_size for name in ("cfg.json", "sae_weights.safetensors"))
    assert found.memory == pytest.approx(weights + sae, rel=0.05)


def test_what_a_release_declares_is_kept_on_the_card_of_its_space(
    there: FakeHub, ws: Workspace, tiny_backbone_folder: Path, tmp_path: Path
) -> None:
    bare = Path(shutil.copytree(there.folders["owner/sae"], tmp_path / "bare"))
    (bare / "card.json").unlink()
    declared = preset("gemma-scope-2b-12").declared
    found = space(ws, add_space(ws, str(tiny_backbone_folder), bare, max_length=48, declared=declared))
    assert (found.card["l0"], found.card["fvu"]) == (82.0, None)
