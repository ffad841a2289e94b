"""The shipped recipe runs from its texts to an SAE with a measured card, and a second call goes on instead of anew."""

from __future__ import annotations

import gzip
import json
import lzma
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from fac_core.cli import app
from fac_core.errors import FacError
from fac_core.feature_space.sae_formats import load_sae
from fac_core.feature_space.training.recipe import load_recipe
from tests.tiny import LABELLED_TEXTS

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "embedded" / "recipe.toml"
SMALL = {
    "block": "2",
    "max_length": "48",
    "d_sae": "64",
    "k": "4",
    "k_start": "8",
    "batch": "256",
    "checkpoint_steps": "8",
    "dead_after": "2000",
}
STEPS = 20


@pytest.fixture
def recipe(tmp_path: Path, tiny_backbone_folder: Path) -> Path:
    """The shipped recipe, every entry of it, at the size of the tiny model."""
    text = SHIPPED.read_text(encoding="utf-8").replace('"embedded"', json.dumps(str(tiny_backbone_folder)))
    for name, value in SMALL.items():
        text, n = re.subn(rf"(?m)^{name} = [0-9.e+-]+", f"{name} = {value}", text)
        assert n == 1, name
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path, recipe: Path) -> Path:
    """A few texts in every file that the recipe names."""
    for number, source in enumerate(load_recipe(recipe).corpus.source):
        path = tmp_path / "data" / source.path
        path.parent.mkdir(parents=True, exist_ok=True)
        packed = (lzma if path.suffix == ".xz" else gzip).open(path, "wt", encoding="utf-8")
        with packed as out:
            for text in LABELLED_TEXTS[number::3]:
                out.write(json.dumps({name: f"{text} {number} {name}" for name in source.fields}) + "\n")
    return tmp_path / "data"


def train(recipe: Path, data: Path, out: Path) -> dict[str, object]:
    command = ["train-sae", "--recipe", str(recipe), "--data", str(data), "--out", str(out), "--smoke", str(STEPS)]
    found = CliRunner().invoke(app, [*command, "--json"])
    assert found.exit_code == 0, found.output
    card: dict[str, object] = json.loads(found.stdout)["card"]
    return card


def test_twenty_steps_of_the_shipped_recipe_give_an_sae_with_a_card(recipe: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "sae"
    card = train(recipe, data, out)
    assert card["steps"] == STEPS and card["samples"] == STEPS * 256
    assert set(card["sources"]) == {source.path for source in load_recipe(recipe).corpus.source}  # type: ignore[call-overload]
    assert 0 < float(str(card["fvu"])) < 1 and float(str(card["l0"])) <= 4 and int(str(card["heldout_tokens"])) > 0
    sae = load_sae(out).sae
    assert sae.w_dec.shape == (64, 32)
    norms = sae.w_dec.norm(dim=1)
    assert torch.allclose(norms, norms.mean().expand_as(norms), rtol=1e-2)

    read = {path: path.stat().st_mtime_ns for path in (tmp_path / "sae.work" / "residuals").rglob("*.npy")}
    again = train(recipe, data, out)
    assert {key: again[key] for key in ("fvu", "l0", "steps")} == {key: card[key] for key in ("fvu", "l0", "steps")}
    assert all(path.stat().st_mtime_ns == at for path, at in read.items())


def test_a_changed_recipe_or_text_never_goes_on_from_the_run_of_another(
    recipe: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sae"
    card = train(recipe, data, out)
    before = recipe.read_text(encoding="utf-8")
    source = load_recipe(recipe).corpus.source[0].path
    changes = {
        "changed: space.block)": before.replace("block = 2", "block = 3"),
        "changed: sae.d_sae, sae.k)": before.replace("d_sae = 64", "d_sae = 32").replace("k = 4", "k = 2"),
    }
    for sentence, changed in changes.items():
        recipe.write_text(changed, encoding="utf-8")
        assert sentence in refusal(recipe, data, out) and "sae.work holds another run" in refusal(recipe, data, out)
    recipe.write_text(before, encoding="utf-8")
    packed = (data / source).read_bytes()
    (data / source).write_bytes(packed + packed)
    assert f"changed: {source})" in refusal(recipe, data, out)
    assert json.loads((out / "card.json").read_text(encoding="utf-8")) == card
    (data / source).write_bytes(packed)
    assert train(recipe, data, out)["fvu"] == card["fvu"]


def test_a_run_that_computed_nothing_yet_leaves_its_folder_to_the_next(
    recipe: Path, data: Path, tmp_path: Path
) -> None:
    before = recipe.read_text(encoding="utf-8")
    recipe.write_text(before.replace("block = 2", "block = 9"), encoding="utf-8")
    refusal(recipe, data, tmp_path / "sae")
    recipe.write_text(before, encoding="utf-8")
    assert train(recipe, data, tmp_path / "sae")["block"] == 2


def test_a_folder_that_does_not_say_whose_it_is_is_left_alone(recipe: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "sae.work").mkdir()
    (tmp_path / "sae.work" / "checkpoint.safetensors").write_bytes(b"")
    assert "it does not say which" in refusal(recipe, data, tmp_path / "sae")


def test_a_corpus_without_held_out_texts_is_refused_before_training(recipe: Path, data: Path, tmp_path: Path) -> None:
    text = recipe.read_text(encoding="utf-8").replace("heldout = 0.03", "heldout = 1e-9")
    recipe.write_text(text, encoding="utf-8")
    assert "fell into the held-out part (heldout = 1e-09)" in refusal(recipe, data, tmp_path / "sae")
    assert not (tmp_path / "sae.work" / "checkpoint.safetensors").exists()


def refusal(recipe: Path, data: Path, out: Path) -> str:
    command = ["train-sae", "--recipe", str(recipe), "--data", str(data), "--out", str(out), "--smoke", str(STEPS)]
    found = CliRunner().invoke(app, command)
    assert isinstance(found.exception, FacError), found.output
    return str(found.exception)
