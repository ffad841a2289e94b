"""A recipe of an earlier version is the same run today, and what cannot work is refused before anything is read."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fac_core.errors import InputError
from fac_core.feature_space.training.corpus import MAX_CHARS, corpus_files, texts
from fac_core.feature_space.training.exclusion import digest
from fac_core.feature_space.training.identity import identity
from fac_core.feature_space.training.presets import load_preset, preset_names
from fac_core.feature_space.training.reading import shards
from fac_core.feature_space.training.recipe import Corpus, Source, load_recipe, make_recipe, merged

SHIPPED = Path(__file__).parents[2] / "data" / "embedded" / "recipe.toml"
BEFORE = {
    "corpus": ["exclude", "heldout", "source"],
    "sae": ["d_sae", "k", "k_anneal", "k_start"],
    "space": ["block", "max_length"],
    "training": [
        *("aux_k", "aux_weight", "batch", "checkpoint_steps", "dead_after", "decay", "lr", "samples", "seed", "warmup")
    ],
}
"""What the first version's identity held."""


def test_the_identity_of_a_recipe_without_the_newer_entries_is_what_it_was(tmp_path: Path) -> None:
    found = identity(load_recipe(SHIPPED), "digest", tmp_path, [])
    assert sorted(found) == sorted(
        [f"{part}.{name}" for part, names in BEFORE.items() for name in names] + ["the backbone"]
    )


@pytest.mark.parametrize(
    ("part", "entry", "value"),
    [
        ("sae", "kind", "batchtopk"),
        ("sae", "tied", True),
        ("training", "optimizer", "adamw"),
        ("space", "dtype", "bfloat16"),
    ],
)
def test_a_newer_entry_makes_another_run(part: str, entry: str, value: object, tmp_path: Path) -> None:
    shipped = load_recipe(SHIPPED)
    changed = make_recipe(merged(shipped.model_dump(), {part: {entry: value}}))
    assert identity(changed, "", tmp_path, [])[f"{part}.{entry}"]
    assert identity(changed, "", tmp_path, []) != identity(shipped, "", tmp_path, [])


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"sae": {"kind": "gated"}}, "sae.kind"),
        ({"sae": {"kind": "batchtopk", "tied": True}}, "only a dictionary of kind topk can be tied"),
        ({"sae": {"kind": "jumprelu"}}, "jumprelu has no k_start"),
        ({"training": {"weight_decay": 0.1}}, "weight_decay belongs to adamw"),
        ({"training": {"optimizer": "sgd"}}, "training.optimizer"),
        ({"space": {"dtype": "int4"}}, "space.dtype"),
    ],
    ids=["unknown kind", "tied batchtopk", "k_start of jumprelu", "decay of adam", "optimizer", "dtype"],
)
def test_what_cannot_be_is_one_sentence(entries: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_recipe(merged(load_recipe(SHIPPED).model_dump(), entries))


def test_every_preset_is_whole_but_for_place_and_texts_and_the_papers_is_the_papers() -> None:
    assert preset_names() == ["small", "paper"]
    for name in preset_names():
        make_recipe({**load_preset(name).entries, "space": {"block": 1}, "corpus": {"source": []}})
    sae, training = load_preset("paper").entries["sae"], load_preset("paper").entries["training"]
    assert (sae["tied"], sae["k_start"], sae["k"], sae["d_sae"]) == (True, 200, 20, 2**16)
    assert (training["optimizer"], training["lr"]) == ("adamw", 1e-3)
    with pytest.raises(InputError, match="no preset"):
        load_preset("../paper")


def test_a_recipe_file_may_leave_to_a_preset_what_that_gives(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[space]\nblock = 3\n[sae]\nd_sae = 16384\n[corpus]\nsource = []\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"wrong entry at sae\.k"):
        load_recipe(path)
    found = load_recipe(path, load_preset("paper").entries)
    assert (found.sae.d_sae, found.sae.k, found.training.samples) == (16384, 20, 339_000_000)


def slow_order(rows: list[str], path: str, seed: int) -> list[str]:
    """All texts in memory, shuffled there."""
    found = [(text.strip()[:MAX_CHARS], digest(text)) for text in rows]
    random.Random(f"{seed}/{path}").shuffle(found)
    return [text for text, _ in found]


def test_texts_shuffled_on_disk_come_in_the_order_they_had_in_memory(tmp_path: Path) -> None:
    rows = [f"  text {n} ✓ ü {'x' * (n % 9)}\n" for n in range(300)]
    parquet.write_table(pa.table({"text": rows}), tmp_path / "a.parquet")
    corpus = Corpus(source=[Source(path="a.parquet", fields=["text"], tokens=9)])
    assert corpus_files(corpus, tmp_path) == [tmp_path / "a.parquet"]
    assert [item.content.text for item in texts(corpus, tmp_path, 7)] == slow_order(rows, "a.parquet", 7)


def test_a_damaged_table_of_texts_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    for name in ("a.parquet", "gone.parquet"):
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            list(texts(Corpus(source=[Source(path=name, fields=["text"], tokens=9)]), tmp_path, 0))


def test_residual_shards_stay_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "train-00000.npy", np.zeros((4, 3), np.float16))
    (found,) = shards(tmp_path, "train", 1)
    assert isinstance(found, np.memmap) and not found.flags.writeable
