"""What is excluded is never read, nothing is read twice, and the held-out part does not depend on order."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from fac_core.errors import InputError
from fac_core.feature_space.training.corpus import texts
from fac_core.feature_space.training.recipe import Corpus, Source, load_recipe

ROWS = [{"text": f"Sentence number {n} about topic {n % 7}."} for n in range(400)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "a.jsonl.gz", [*ROWS[:300], ROWS[0]])
    write(
        tmp_path / "b.jsonl.gz", [{"q": "  SENTENCE number 5 about   topic 5.", "a": "An answer."}, {"q": None, "a": 3}]
    )
    write(tmp_path / "test.jsonl.gz", [{"text": ROWS[10]["text"].upper(), "label": "x"}])
    return tmp_path


def write(path: Path, rows: list[dict]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as handle:
        handle.writelines(json.dumps(row) + "\n" for row in rows)


def corpus(*names: str) -> Corpus:
    fields = {"a.jsonl.gz": ["text"], "b.jsonl.gz": ["q", "a"]}
    return Corpus(
        heldout=0.2, exclude=["test*"], source=[Source(path=name, fields=fields[name], tokens=99) for name in names]
    )


def test_a_test_row_is_left_out_however_it_is_spelled(data: Path) -> None:
    found = [item.text for item in texts(corpus("a.jsonl.gz"), data, 0)]
    assert ROWS[10]["text"] not in found
    assert len(found) == 299


def test_a_text_that_occurs_twice_is_read_once_across_sources(data: Path) -> None:
    found = [item.text for item in texts(corpus("a.jsonl.gz", "b.jsonl.gz"), data, 0)]
    assert sum("number 5 about" in text for text in found) == 1
    assert "An answer." in found


def test_the_same_texts_are_held_out_whatever_the_order(data: Path) -> None:
    first = {item.text for item in texts(corpus("a.jsonl.gz"), data, 0) if item.heldout}
    second = {item.text for item in texts(corpus("b.jsonl.gz", "a.jsonl.gz"), data, 9) if item.heldout}
    assert first <= second
    assert 30 < len(first) < 90


def test_a_missing_corpus_file_and_a_wrong_recipe_are_told_in_a_sentence(data: Path) -> None:
    gone = Corpus(source=[Source(path="gone.jsonl", fields=["text"], tokens=1)])
    with pytest.raises(InputError, match=r"gone\.jsonl cannot be read"):
        list(texts(gone, data, 0))
    recipe = data / "recipe.toml"
    recipe.write_text("[space]\nblock = 'x'\n")
    with pytest.raises(InputError, match=r"wrong entry at space\.block"):
        load_recipe(recipe)
    recipe.write_text("[space\n")
    with pytest.raises(InputError, match="not valid TOML"):
        load_recipe(recipe)


def test_the_shipped_recipe_is_valid_and_leaves_the_test_rows_out() -> None:
    shipped = load_recipe(Path(__file__).parents[2] / "data" / "embedded" / "recipe.toml")
    assert (shipped.sae.d_sae, shipped.sae.k, shipped.space.block) == (16384, 16, 15)
    assert shipped.training.samples >= 4_000_000
    assert any("test" in pattern for pattern in shipped.corpus.exclude)
