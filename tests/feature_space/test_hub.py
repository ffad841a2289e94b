"""A model of the Hub is one commit of it, and what goes wrong on the way is one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import errors

from fac_core.errors import ModelError
from fac_core.feature_space import extractor, hub
from fac_core.feature_space.adding import add_space
from fac_core.feature_space.extractor import load_extractor
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.spaces import space
from fac_core.workspace import Workspace
from tests.fake_hub import COMMIT, LATER, FakeHub, answer, make_fake_hub
from tests.tiny import BLOCK, D_SAE


@pytest.fixture
def there(tiny_backbone_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """The tiny backbone on a Hub without a network."""
    fake = make_fake_hub(tmp_path / "hub", monkeypatch)
    fake.put("owner/tiny", Path(shutil.copytree(tiny_backbone_folder, tmp_path / "repository")))
    return fake


def test_main_becomes_the_commit_it_is_now_and_stays_it(
    there: FakeHub, ws: Workspace, tiny_sae_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space_id = add_space(ws, "owner/tiny", tiny_sae_folder, block=BLOCK, max_length=48)
    kept = hub.kept("owner/tiny", COMMIT)
    assert {path.suffix for path in kept.iterdir()} == {".json", ".jinja"}, "no weights yet"
    there.main = LATER
    spec = space(ws, space_id).spec
    assert (spec.backbone, spec.revision, spec.backbone_digest) == ("owner/tiny", COMMIT, COMMIT)
    monkeypatch.setattr(extractor, "_loaded", {})
    assert load_extractor(spec, "cpu").backbone.n_blocks == 4
    assert there.asked[-1] == ("download", COMMIT)
    assert (kept / "model.safetensors").exists()
    assert add_space(ws, "owner/tiny", tiny_sae_folder, block=BLOCK, max_length=48, name="Later") != space_id


def test_the_same_model_from_a_folder_is_another_space(
    there: FakeHub, ws: Workspace, tiny_spec: SpaceSpec, tiny_sae_folder: Path
) -> None:
    """A commit and a digest of files cannot be compared, so nothing is taken for the same that may not be."""
    added = space(ws, add_space(ws, "owner/tiny", tiny_sae_folder, block=BLOCK, max_length=48)).spec
    assert added.space_id != tiny_spec.space_id
    same = replace(added, backbone_digest=tiny_spec.backbone_digest, revision="")
    assert same.space_id == tiny_spec.space_id, "but for where it comes from"
    assert added.d_sae == D_SAE


def unreachable() -> BaseException:
    return httpx2.ConnectError("no route")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lambda: errors.RepositoryNotFoundError("404", response=answer(404)), "There is no folder and no model .* owner/tiny"),
        (lambda: errors.GatedRepoError("403", response=answer(403)), "is gated; ask for access at https://huggingface.co/owner"),
        (lambda: errors.RevisionNotFoundError("404", response=answer(404)), "owner/tiny has no revision v9"),
        (lambda: errors.HfHubHTTPError("500", response=answer(500)), r"refused to give owner/tiny \(status 500\)"),
        (lambda: errors.HFValidationError("bad"), "neither a folder nor the name of a model"),
        (lambda: errors.OfflineModeIsEnabled("offline"), "not on this machine and the Hugging Face Hub cannot be reached"),
        (lambda: errors.LocalEntryNotFoundError("none"), "not on this machine and the Hugging Face Hub cannot be reached"),
        (unreachable, "not on this machine and the Hugging Face Hub cannot be reached"),
        (lambda: TimeoutError("slow"), "not on this machine and the Hugging Face Hub cannot be reached"),
        (lambda: OSError(28, "No space left on device"), r"could not be written .* \(No space left on device\)"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_sentence_and_nothing_is_registered(
    there: FakeHub, ws: Workspace, tiny_sae_folder: Path, fault: Callable[[], BaseException], sentence: str
) -> None:
    there.fault = fault()
    with pytest.raises(ModelError, match=sentence) as told:
        add_space(ws, "owner/tiny", tiny_sae_folder, block=BLOCK, revision="v9")
    assert "\n" not in str(told.value)
    with pytest.raises(ModelError, match=sentence.replace("v9", COMMIT)):
        hub.fetch("owner/tiny", COMMIT)
    assert ws.database.rows("SELECT * FROM space") == []


def test_without_a_network_a_commit_that_is_on_the_machine_is_read(
    there: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise errors.OfflineModeIsEnabled("offline")

    monkeypatch.setattr(huggingface_hub, "model_info", offline)
    assert hub.commit_of("owner/tiny", COMMIT) == COMMIT
    with pytest.raises(ModelError, match="cannot be reached"):
        hub.commit_of("owner/tiny", "main")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (["config.json", "pytorch_model.bin"], "owner/tiny has its weights as pickle files"),
        (["config.json", "notes.txt"], r"owner/tiny cannot be loaded: it has no weights \(model.safetensors\)"),
        (["config.json", "q4.gguf"], "it has no weights in safetensors; name one of its GGUF files, such as q4.gguf"),
        (["adapter_config.json", "adapter_model.safetensors"], "owner/tiny is an adapter"),
    ],
)
def test_a_model_without_safetensors_is_refused_before_it_is_downloaded(
    there: FakeHub, tmp_path: Path, files: list[str], sentence: str
) -> None:
    (tmp_path / "other").mkdir()
    for name in files:
        (tmp_path / "other" / name).touch()
    there.put("owner/tiny", tmp_path / "other")
    with pytest.raises(ModelError, match=sentence):
        hub.commit_of("owner/tiny")
    assert [what for what, _ in there.asked] == ["info"]


def test_a_disk_without_room_is_told_before_the_download_starts(
    there: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.full_disk(monkeypatch, 20_000)
    with pytest.raises(ModelError, match=r"has 0 MB free and the model owner/tiny needs .* set HF_HOME"):
        hub.fetch("owner/tiny", COMMIT)
    assert there.fetched == []


def test_only_what_is_read_of_a_model_is_downloaded_and_never_twice(there: FakeHub) -> None:
    folder = there.folders["owner/tiny"]
    for name in ("consolidated.safetensors", "pytorch_model.bin", "onnx/model.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"large")
    read = set(hub.read_of_model(hub.look("owner/tiny").files))
    hub.fetch("owner/tiny", COMMIT)
    assert set(there.fetched) == read and "model.safetensors" in read
    assert not read & {"consolidated.safetensors", "pytorch_model.bin", "onnx/model.json"}
    hub.fetch("owner/tiny", COMMIT)
    assert len(there.fetched) == len(read)


def test_what_was_downloaded_is_read_without_a_network(there: FakeHub) -> None:
    folder = hub.fetch("owner/tiny", COMMIT)
    there.offline = True
    assert hub.fetch("owner/tiny", COMMIT) == folder
    with pytest.raises(ModelError, match="cannot be reached"):
        hub.fetch("owner/tiny", LATER)


@pytest.mark.parametrize("name", ["gpt2", "owner/model", "HuggingFaceTB/SmolLM2-135M-Instruct", "a_b/c.d-e"])
def test_a_name_of_the_hub_is_known_as_one(name: str) -> None:
    assert hub.is_id(name)


@pytest.mark.parametrize(
    ("named", "place"),
    [
        ("owner/sae", ("owner/sae", "", "")),
        (" owner/sae:layers.6 ", ("owner/sae", "", "layers.6")),
        ("owner/sae@v1.0:a/b.npz", ("owner/sae", "v1.0", "a/b.npz")),
        ("owner/sae@refs/pr/2", ("owner/sae", "refs/pr/2", "")),
        ("owner/sae:folder/", ("owner/sae", "", "folder")),
    ],
)
def test_a_place_on_the_hub_is_a_repository_a_revision_and_what_is_inside(
    named: str, place: tuple[str, str, str]
) -> None:
    found = hub.place(named)
    assert found == place and hub.place(str(found)) == found


@pytest.mark.parametrize(
    "named", ["sae", "/a/b", "./a/b", "a/b/c", "a/b:../x", "a/b:x//y", "a/b@", "a/b:x y", "C:/x", "a/b:.", ""]
)
def test_other_names_are_no_place_on_the_hub(named: str) -> None:
    assert hub.place(named) is None


@pytest.mark.parametrize("name", ["", "/abs/olute", "a/b/c", "../x", "a/..", "a b", "owner/", "x\n"])
def test_other_names_never_leave_the_machine(name: str) -> None:
    assert not hub.is_id(name)


def test_the_hubs_own_client_gives_what_is_kept_and_a_sentence_for_what_is_not(
    tiny_sae_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a stand-in, and without a network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    kept = hub.kept("owner/sae", COMMIT)
    with pytest.raises(ModelError, match=r"The SAE owner/sae is not on this machine and the .* cannot be reached"):
        hub.fetch_files("owner/sae", COMMIT, ["cfg.json"], "SAE")
    shutil.copytree(tiny_sae_folder, kept)
    assert hub.fetch_files("owner/sae", COMMIT, ["cfg.json"], "SAE") == kept
