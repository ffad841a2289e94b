"""A model folder is its own model in safetensors, whole, or it is refused with a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fac_core.errors import ModelError
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.model_files import folder_digest


@pytest.fixture
def folder(tmp_path: Path, tiny_backbone_folder: Path) -> Path:
    """A model to damage."""
    return Path(shutil.copytree(tiny_backbone_folder, tmp_path / "model"))


def _write(name: str, content: str | bytes) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data) and None


def _cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100]) and None


def _weights(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors") | changes
        kept = {name: tensor for name, tensor in weights.items() if tensor is not None}
        save_file(kept, folder / "model.safetensors", {"format": "pt"})

    return change


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


UP = "model.layers.0.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("happened", "sentence"),
    [
        (_cut("model.safetensors"), "cannot be loaded: Error while deserializing header"),
        (_write("model.safetensors", b""), "cannot be loaded"),
        (_weights(**{UP: None}), f"its weights lack {UP}"),
        (_weights(**{UP: torch.zeros(3, 3)}), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"it has no weights \(model.safetensors\)"),
        (_pickled, "has its weights as pickle files, which can run code when opened"),
        (_write("adapter_config.json", "{}"), "is an adapter"),
        (_cut("tokenizer.json"), "cannot be loaded"),
        (_write("tokenizer.json", "[]"), "cannot be loaded"),
        (_write("config.json", "[]"), "cannot be loaded"),
        (_write("chat_template.jinja", "{% for"), "chat template cannot be rendered"),
        (shutil.rmtree, "there is no such folder"),
    ],
)
def test_a_model_that_cannot_be_read_as_it_stands_is_refused(
    folder: Path, happened: Callable[[Path], None], sentence: str
) -> None:
    happened(folder)
    with pytest.raises(ModelError, match=sentence) as told:
        Backbone.load(folder, 1)
    assert "\n" not in str(told.value)


def test_a_model_that_brings_code_is_not_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    with pytest.raises(ModelError, match="cannot be loaded"):
        Backbone.load(folder, 1)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_p21_the_digest_changes_with_each_file_that_is_read(folder: Path, name: str) -> None:
    before = folder_digest(folder)
    (folder / "notes.md").write_text("no part of the model")
    assert folder_digest(folder) == before
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    assert folder_digest(folder) != before


def test_p22_models_that_differ_only_in_the_middle_of_a_file_have_different_digests(folder: Path) -> None:
    before, weights = folder_digest(folder), bytearray((folder / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert folder_digest(folder) != before and len(before) == 64


def test_a_model_that_has_pickled_weights_beside_is_read_from_safetensors(folder: Path) -> None:
    before = folder_digest(folder)
    (folder / "pytorch_model.bin").write_bytes(b"never opened")
    assert folder_digest(folder) == before
    assert Backbone.load(folder, 1).n_blocks == 4


def test_pickled_weights_have_no_digest(folder: Path) -> None:
    _pickled(folder)
    with pytest.raises(ModelError, match="pickle"):
        folder_digest(folder)
