"""A GGUF file is a backbone like any other: the same tensors, one identity, and a sentence for one that cannot be read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fac_core.errors import ModelError
from fac_core.feature_space import extractor, gguf, sealed
from fac_core.feature_space.adding import add_space
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.backbones import backbone_location, folder_of, resolve
from fac_core.feature_space.extractor import load_extractor
from fac_core.feature_space.model_files import folder_digest
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.spaces import space
from fac_core.workspace import Workspace
from tests.fake_hub import COMMIT, LATER, make_fake_hub
from tests.tiny import BLOCK, LABELLED_TEXTS, ODD_TEXTS
from tests.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="module")
def written(tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama as a GGUF file."""
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tiny_backbone_folder)


@pytest.fixture
def file(written: Path, tmp_path: Path) -> Path:
    """A copy of it to change, beside files that are no part of it."""
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    return Path(shutil.copy(written, tmp_path))


def unpack(file: Path) -> Path:
    return gguf.model_folder(file, gguf.digest_of(file), f"the model {file.name}")


def in_cache() -> list[str]:
    root = gguf.cache_root()
    return [path.name for path in root.iterdir() if path.suffix != ".lock"] if root.exists() else []


def test_a_gguf_file_gives_the_tensors_and_tokens_of_the_model_it_was_made_from(
    file: Path, tiny_backbone_folder: Path
) -> None:
    ours, theirs = Backbone.load(unpack(file), BLOCK), Backbone.load(tiny_backbone_folder, BLOCK)
    assert ours.prefix_ids == theirs.prefix_ids
    for text in ODD_TEXTS:
        tokens = ours.tokenize(text, 48)
        assert tokens == theirs.tokenize(text, 48)
        torch.testing.assert_close(ours.residuals([tokens]), theirs.residuals([tokens]))


def test_a_quantised_file_gives_nearly_the_same_and_is_another_model(
    file: Path, tiny_backbone_folder: Path, tmp_path: Path
) -> None:
    q8 = write_tiny_gguf(tmp_path / "q8.gguf", tiny_backbone_folder, quantised=True)
    assert resolve(str(q8)).digest != resolve(str(file)).digest
    ours, theirs = Backbone.load(unpack(q8), BLOCK), Backbone.load(tiny_backbone_folder, BLOCK)
    tokens = ours.tokenize(ODD_TEXTS[1], 48)
    found, exact = ours.residuals([tokens]), theirs.residuals([tokens])
    assert not torch.equal(found, exact)
    assert float((found - exact).norm() / exact.norm()) < 0.05


def test_p22_a_gguf_file_is_kept_under_its_full_digest_and_unpacked_once(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = sealed.sha256_of(file)
    folder = unpack(file)
    assert in_cache() == [f"gguf-{digest}"] and folder_digest(folder) == digest
    monkeypatch.setattr(gguf, "_dequantise", lambda *_: pytest.fail("unpacked again"))
    assert unpack(file) == folder
    renamed = file.rename(file.with_name("other.gguf"))
    assert unpack(renamed) == folder, "told by content, not by name"


def test_a_folder_elsewhere_never_stands_for_a_gguf_file(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / f"gguf-{'0' * 64}"
    shutil.copytree(unpack(file), copy)
    assert gguf.source_digest(copy) is None
    assert folder_digest(copy) != "0" * 64


def test_a_space_of_a_gguf_file_is_read_even_when_the_file_is_gone(
    ws: Workspace, file: Path, tiny_sae_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = space(ws, add_space(ws, str(file), tiny_sae_folder, max_length=48)).spec
    assert (spec.backbone, spec.backbone_digest, spec.revision) == (str(file), sealed.sha256_of(file), "")
    assert spec.name == f"tiny, block {BLOCK} · {tiny_sae_folder.name}"
    file.unlink()
    monkeypatch.setattr(extractor, "_loaded", {})
    assert len(load_extractor(spec, "cpu").read_one(LABELLED_TEXTS[0]).features)
    shutil.rmtree(gguf.folder_of_digest(spec.backbone_digest))
    with pytest.raises(ModelError, match=r"There is no file .*tiny\.gguf"):
        backbone_location(spec)


def test_a_file_that_changed_since_is_another_model(ws: Workspace, file: Path, tiny_sae_folder: Path) -> None:
    spec = space(ws, add_space(ws, str(file), tiny_sae_folder, max_length=48)).spec
    shutil.rmtree(gguf.folder_of_digest(spec.backbone_digest))
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"The model tiny.gguf has digest .* so it is damaged or another file"):
        backbone_location(spec)


def test_a_gguf_file_on_the_hub_is_the_same_model_and_keeps_its_commit(
    ws: Workspace, file: Path, tiny_sae_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = make_fake_hub(tmp_path / "hub", monkeypatch)
    (tmp_path / "repository").mkdir()
    shutil.copy(file, tmp_path / "repository" / "tiny.gguf")
    there.put("owner/model", tmp_path / "repository")
    local = add_space(ws, str(file), tiny_sae_folder, max_length=48, name="Local")
    assert add_space(ws, "owner/model:tiny.gguf", tiny_sae_folder, max_length=48) == local
    spec = space(ws, local).spec
    assert spec.backbone == f"owner/model@{COMMIT}:tiny.gguf" and there.fetched == ["tiny.gguf"]
    shutil.rmtree(there.cache)
    shutil.rmtree(gguf.cache_root())
    there.main = LATER
    assert folder_digest(backbone_location(spec)) == spec.backbone_digest
    assert there.asked[-1] == ("download", COMMIT)
    with pytest.raises(ModelError, match=r"There is no file q4.gguf in the model owner/model"):
        resolve("owner/model:q4.gguf")
    with pytest.raises(ModelError, match=r"names no model; of a repository .* a GGUF file"):
        resolve("owner/model:folder")
    with pytest.raises(ModelError, match="names a revision already"):
        resolve("owner/model@v1:tiny.gguf", "v2")


def test_only_a_model_on_the_hub_has_a_revision(file: Path) -> None:
    with pytest.raises(ModelError, match="Only a model on the Hugging Face Hub has a revision"):
        resolve(str(file), "main")


def _cut(share: float) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])


@pytest.mark.parametrize(
    "happened",
    [
        _cut(0.0),
        _cut(0.001),
        _cut(0.05),
        _cut(0.6),
        lambda file: file.write_bytes(b"nonsense" * 1000),
        lambda file: file.write_bytes(file.read_bytes().replace(b"blk.1.attn_k", b"blk.1.attn_x")),
    ],
    ids=["empty", "cut in the head", "cut in the tokenizer", "cut in the weights", "nonsense", "a tensor missing"],
)
def test_a_damaged_file_is_one_sentence_and_leaves_nothing(file: Path, happened: Callable[[Path], object]) -> None:
    happened(file)
    with pytest.raises(ModelError, match=r"The model tiny.gguf cannot be unpacked .*; fetch the file again") as told:
        folder_of(str(file))
    assert "\n" not in str(told.value) and len(str(told.value)) < 400
    assert in_cache() == []


def test_an_architecture_that_is_not_known_is_named(tiny_backbone_folder: Path, tmp_path: Path) -> None:
    odd = write_tiny_gguf(tmp_path / "odd.gguf", tiny_backbone_folder, architecture="oddity")
    with pytest.raises(ModelError, match=r"The model odd.gguf cannot be unpacked .*oddity") as told:
        folder_of(str(odd))
    assert "\n" not in str(told.value)
    assert in_cache() == []


def test_a_full_disk_and_too_little_memory_are_one_sentence_and_leave_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(error: Exception) -> Callable[[Path, Path], None]:
        def run(_: Path, folder: Path) -> None:
            (folder / "half").touch()
            raise error

        return run

    for error, sentence in (
        (OSError(28, "No space left on device"), r"could not be written to .* \(No space left on device\)"),
        (ValueError("I/O error: No space left on device (os error 28)"), r"could not be written to .* \(No space left"),
        (MemoryError(), "The model tiny.gguf does not fit into memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "The model tiny.gguf does not fit into memory"),
    ):
        with monkeypatch.context() as patched, pytest.raises(ModelError, match=sentence) as told:
            patched.setattr(gguf, "_dequantise", fails(error))
            folder_of(str(file))
        assert "\n" not in str(told.value)
        assert in_cache() == []


def test_a_cached_folder_that_changed_is_made_again_from_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = unpack(file)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-4] + b"\0\0\0\1")
    monkeypatch.setattr(sealed, "_looked_at", {})
    assert folder_digest(folder) != gguf.digest_of(file), "until it is made again it is what it is"
    assert (unpack(file) / "model.safetensors").read_bytes() == weights


def test_the_backbone_of_a_space_is_its_digest_whatever_the_file_is_called(file: Path, tiny_spec: SpaceSpec) -> None:
    spec = replace(tiny_spec, backbone=str(file), backbone_digest=gguf.digest_of(file))
    assert replace(spec, backbone="owner/model@x:tiny.gguf").space_id == spec.space_id
