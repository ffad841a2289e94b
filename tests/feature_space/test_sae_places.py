"""An SAE on the Hub is the same SAE: only its own files are downloaded, once, and its commit is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import errors
from safetensors.torch import load_file

from fac_core.errors import FacError, InputError, ModelError
from fac_core.feature_space import extractor, hub
from fac_core.feature_space.adding import add_space
from fac_core.feature_space.extractor import load_extractor
from fac_core.feature_space.sae_formats import load_sae, places, sae_digest
from fac_core.feature_space.spaces import space
from fac_core.workspace import Workspace
from tests.fake_hub import COMMIT, LATER, FakeHub, answer, make_fake_hub
from tests.tiny import BLOCK, D_SAE, LABELLED_TEXTS, make_tiny_sae

SAELENS = {"cfg.json", "sae_weights.safetensors", "card.json"}


@pytest.fixture
def there(
    tiny_backbone_folder: Path, tiny_sae_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeHub:
    """A Hub with `owner/saes`: the tiny SAE in `good`, one of another width in `wide`, a Gemma Scope file, notes."""
    repository = tmp_path / "repository"
    shutil.copytree(tiny_sae_folder, repository / "good")
    (repository / "wide").mkdir()
    make_tiny_sae(repository / "wide", tiny_backbone_folder, d_in=40)
    scope = repository / f"layer_{BLOCK - 1}" / "width_64" / "average_l0_4"
    scope.mkdir(parents=True)
    tensors = {key: value.numpy() for key, value in load_file(tiny_sae_folder / "sae_weights.safetensors").items()}
    np.savez(scope / "params.npz", threshold=np.full(D_SAE, 0.5, np.float32), **tensors)
    (repository / "README.md").write_text("not read")
    (repository / "good" / "log.jsonl").write_text("never fetched")
    fake = make_fake_hub(tmp_path / "hub", monkeypatch)
    fake.put("owner/saes", repository)
    return fake


def add(ws: Workspace, backbone: Path, sae: str, **more: object) -> str:
    return add_space(ws, str(backbone), sae, max_length=48, **more)  # type: ignore[arg-type]


def test_an_sae_on_the_hub_is_the_same_space_as_in_a_folder(
    there: FakeHub, ws: Workspace, tiny_backbone_folder: Path, tiny_sae_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = add(ws, tiny_backbone_folder, str(tiny_sae_folder), block=BLOCK, name="Local")
    assert add(ws, tiny_backbone_folder, "owner/saes:good") == local
    spec = space(ws, local).spec
    assert spec.sae == f"owner/saes@{COMMIT}:good" and spec.name.endswith(f"block {BLOCK} · good")
    assert {Path(name).name for name in there.fetched} == SAELENS
    monkeypatch.setattr(extractor, "_loaded", {})
    there.main, there.offline = LATER, True
    read = load_extractor(spec, "cpu").read_one(LABELLED_TEXTS[0])
    assert len(read.features) and there.asked.count(("download", COMMIT)) == 1, "read from what was downloaded"


def test_an_sae_that_is_gone_from_the_cache_is_downloaded_again_at_its_commit(
    there: FakeHub, ws: Workspace, tiny_backbone_folder: Path
) -> None:
    spec = space(ws, add(ws, tiny_backbone_folder, "owner/saes:good")).spec
    shutil.rmtree(there.cache)
    there.main = LATER
    assert sae_digest(Path(spec.sae)) == spec.sae_digest
    assert there.asked[-1] == ("download", COMMIT)


def test_a_file_can_be_named_and_gemma_scope_says_its_block_by_its_folder(
    there: FakeHub, ws: Workspace, tiny_backbone_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = f"layer_{BLOCK - 1}/width_64/average_l0_4"
    there.put("owner/scope-res", there.folders["owner/saes"])
    there.put("owner/scope-mlp", there.folders["owner/saes"])
    by_folder = add(ws, tiny_backbone_folder, f"owner/scope-res:{folder}", declared={"l0": 4.0})
    assert space(ws, by_folder).spec.block == BLOCK and space(ws, by_folder).card["l0"] == 4.0
    assert there.fetched == [f"{folder}/params.npz"]
    by_file = add(ws, tiny_backbone_folder, f"owner/scope-res:{folder}/params.npz", block=BLOCK)
    assert by_file == by_folder, "told by content, not by how it was named"
    with pytest.raises(ModelError, match="hook_mlp_out is not the residual stream"):
        add(ws, tiny_backbone_folder, f"owner/scope-mlp:{folder}", block=BLOCK)
    with pytest.raises(InputError, match="does not say which block it reads"):
        add(ws, tiny_backbone_folder, f"owner/saes:{folder}", name="Other")


@pytest.mark.parametrize(
    ("sae", "more", "error", "sentence"),
    [
        (
            "owner/saes",
            {},
            ModelError,
            r"no one SAE at owner/saes@.*; name a folder .* such as owner/saes:good \(there are",
        ),
        ("owner/saes:nowhere", {}, ModelError, "There is no SAE at owner/saes@.*:nowhere"),
        ("owner/saes:wide", {"block": BLOCK}, ModelError, "reads vectors of width 40, but the model's .* has 32"),
        ("owner/saes@v1:good", {"sae_revision": "v2"}, InputError, "names a revision already"),
        ("owner/none:good", {}, ModelError, "There is no folder and no SAE on the Hugging Face Hub called owner/none"),
        ("../other", {}, ModelError, "There is no SAE at /"),
        (" ", {}, InputError, "Name the SAE"),
    ],
)
def test_what_is_not_there_is_told_and_nothing_is_registered(
    there: FakeHub,
    ws: Workspace,
    tiny_backbone_folder: Path,
    sae: str,
    more: dict[str, object],
    error: type[FacError],
    sentence: str,
) -> None:
    with pytest.raises(error, match=sentence) as told:
        add(ws, tiny_backbone_folder, sae, **more)
    assert "\n" not in str(told.value)
    assert ws.database.rows("SELECT * FROM space") == []


def test_only_an_sae_on_the_hub_has_a_revision(
    ws: Workspace, tiny_backbone_folder: Path, tiny_sae_folder: Path
) -> None:
    with pytest.raises(InputError, match="Only an SAE on the Hugging Face Hub has a revision"):
        add(ws, tiny_backbone_folder, str(tiny_sae_folder), sae_revision="main")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lambda: errors.GatedRepoError("403", response=answer(403)), "The SAE owner/saes is gated; ask for access"),
        (lambda: errors.RepositoryNotFoundError("404", response=answer(404)), "no SAE on the .* Hub called owner/saes"),
        (lambda: errors.RevisionNotFoundError("404", response=answer(404)), "The SAE owner/saes has no revision v9"),
        (lambda: errors.HfHubHTTPError("500", response=answer(500)), r"refused to give owner/saes \(status 500\)"),
        (lambda: TimeoutError("slow"), "The SAE owner/saes is not on this machine and the .* Hub cannot be reached"),
        (lambda: OSError(28, "No space left on device"), r"The SAE owner/saes could not be written .*\(No space left"),
    ],
    ids=["gated", "missing", "revision", "server", "no network", "disk full"],
)
def test_what_goes_wrong_on_the_hub_is_one_sentence(
    there: FakeHub, ws: Workspace, tiny_backbone_folder: Path, fault: Callable[[], BaseException], sentence: str
) -> None:
    there.fault = fault()
    with pytest.raises(ModelError, match=sentence) as told:
        add(ws, tiny_backbone_folder, "owner/saes@v9:good")
    assert "\n" not in str(told.value)
    assert ws.database.rows("SELECT * FROM space") == [] and there.fetched == []


def test_a_disk_without_room_is_told_before_the_sae_is_downloaded(
    there: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.full_disk(monkeypatch, 10)
    with pytest.raises(ModelError, match="0 MB free and the SAE owner/saes needs 0 MB; free some space"):
        load_sae(Path(f"owner/saes@{COMMIT}:good"))
    assert there.fetched == []


@pytest.mark.parametrize(
    ("names", "inside", "wanted"),
    [
        (["a.pth", "README.md"], "", ["a.pth"]),
        (["layers.6/cfg.json", "layers.6/sae.safetensors", "config.json"], "layers.6", None),
        (["L/hyperparams.json", "L/checkpoints/final.safetensors", "L/lm_config.json"], "L", ["L/checkpoints/final.safetensors", "L/hyperparams.json"]),
        (["t/config.json", "t/ae.pt", "t/eval.json"], "t", ["t/ae.pt", "t/config.json"]),
    ],
    ids=["paper", "sparsify with the file above it", "Llama Scope", "dictionary_learning"],
)  # fmt: skip
def test_of_each_format_only_its_files_are_wanted(names: list[str], inside: str, wanted: list[str] | None) -> None:
    assert places.wanted(names, hub.Place("owner/x", COMMIT, inside)) == (sorted(names) if wanted is None else wanted)


def test_names_that_are_no_plain_paths_are_never_used() -> None:
    names = [
        "../../cfg.json",
        "/sae_weights.safetensors",
        "a/../../x",
        "cfg.json\n",
        "good/cfg.json",
        "good/sae.safetensors",
    ]
    found = places.wanted(names, hub.Place("owner/x", COMMIT, "good"))
    assert found == ["good/cfg.json", "good/sae.safetensors"]


def test_several_checkpoints_of_the_paper_are_no_one_sae() -> None:
    with pytest.raises(ModelError, match=r"such as owner/x:a.pth \(there are a.pth, b.pth\)"):
        places.wanted(["a.pth", "b.pth"], hub.Place("owner/x", COMMIT))
