"""What is excluded is never read, nothing is read twice, and the held-out part does not depend on order."""

from __future__ import annotations

import gzip
import json
import re
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
    found = [item.content.text for item in texts(corpus("a.jsonl.gz"), data, 0)]
    assert ROWS[10]["text"] not in found
    assert len(found) == 299


def test_a_text_that_occurs_twice_is_read_once_across_sources(data: Path) -> None:
    found = [item.content.text for item in texts(corpus("a.jsonl.gz", "b.jsonl.gz"), data, 0)]
    assert sum("number 5 about" in text for text in found) == 1
    assert "An answer." in found


def test_the_same_texts_are_held_out_whatever_the_order(data: Path) -> None:
    first = {item.content.text for item in texts(corpus("a.jsonl.gz"), data, 0) if item.heldout}
    second = {item.content.text for item in texts(corpus("b.jsonl.gz", "a.jsonl.gz"), data, 9) if item.heldout}
    assert first <= second
    assert 30 < len(first) < 90


LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"A page that quotes it: “{LONG}.” And more follows.", False),
        ("  three FOUR five six seven eight nine ten  eleven\ntwelve thir", False),
        (LONG.replace("seven", "7"), True),
        ("yes", True),
        ("harmful", False),
    ],
)
def test_a_text_that_holds_a_test_row_or_lies_in_one_is_left_out(tmp_path: Path, text: str, kept: bool) -> None:
    write(tmp_path / "a.jsonl.gz", [{"text": text}])
    write(tmp_path / "test.jsonl.gz", [{"text": LONG, "label": "harmful"}, {"text": "say yes or no, please"}])
    found = [item.content.text for item in texts(corpus("a.jsonl.gz"), tmp_path, 0)]
    assert found == ([text.strip()] if kept else [])


def test_a_test_row_longer_than_what_is_read_is_left_out(tmp_path: Path) -> None:
    row = " ".join(f"word{number}" for number in range(2000))
    write(tmp_path / "a.jsonl.gz", [{"text": row}, {"text": row + " and on"}, {"text": row[:4500]}])
    write(tmp_path / "test.jsonl.gz", [{"text": row.upper()}])
    assert list(texts(corpus("a.jsonl.gz"), tmp_path, 0)) == []


def windowed(tmp_path: Path, **more: object) -> Corpus:
    documents = [" ".join(f"d{n} says {word}." for word in range(2000)) for n in range(12)]
    write(tmp_path / "long.jsonl.gz", [{"text": text} for text in documents])
    source = Source(path="long.jsonl.gz", fields=["text"], tokens=99, window=True)
    return Corpus(heldout=0.4, source=[source], **more)  # type: ignore[arg-type]


def test_windows_of_one_document_are_all_held_out_or_none(tmp_path: Path) -> None:
    found = list(texts(windowed(tmp_path), tmp_path, 0))
    parts: dict[str, set[bool]] = {}
    for item in found:
        (document,) = set(re.findall(r"\bd\d+\b", item.content.text))
        parts.setdefault(document, set()).add(item.heldout)
    assert len(found) > 2 * len(parts) and all(len(held) == 1 for held in parts.values())
    assert set.union(*parts.values()) == {True, False}


def test_windows_of_an_excluded_document_are_left_out(tmp_path: Path) -> None:
    every = windowed(tmp_path, exclude=["test*"])
    row = " ".join(f"d3 says {word}." for word in range(2000))
    write(tmp_path / "test.jsonl.gz", [{"text": row}, {"text": " ".join(f"d5 says {word}." for word in range(90, 99))}])
    found = " ".join(item.content.text for item in texts(every, tmp_path, 0))
    assert "d3 says" not in found and "d5 says" not in found and "d4 says" in found


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", b'{"text": "fine"}\n{"text": \n', "Line 2 of the corpus file .*a.jsonl is no valid JSON"),
        ("a.jsonl", b'\n["text"]\n', "Line 2 of the corpus file .*a.jsonl is no JSON object"),
        ("a.jsonl", b'{"text": "\xff"}\n', "a.jsonl is not UTF-8"),
        ("a.jsonl.xz", b"not packed", "a.jsonl.xz cannot be unpacked"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 99, mtime=0)[:-9], "a.jsonl.gz cannot be unpacked"),
        ("a.jsonl.gz", b"not packed", "a.jsonl.gz cannot be read"),
    ],
    ids=["cut off", "a list", "not UTF-8", "no xz", "gz cut off", "no gz"],
)
def test_a_damaged_corpus_file_is_told_in_a_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        list(texts(Corpus(source=[Source(path=name, fields=["text"], tokens=1)]), tmp_path, 0))


RECIPE = """
[space]
block = 1
[sae]
d_sae = 64
k = 4
[training]
samples = 100
[corpus]
exclude = []
[[corpus.source]]
path = "a.jsonl"
fields = ["text"]
tokens = 1
"""


@pytest.mark.parametrize(
    ("entry", "wrong", "sentence"),
    [
        ("exclude = []", 'exclude = ["/etc/*"]', "corpus.exclude.0: a path of the corpus lies inside the data folder"),
        ('path = "a.jsonl"', 'path = "../a.jsonl"', "corpus.source.0.path: a path of the corpus lies inside"),
        ("k = 4", "k = 65", "at sae: k and k_start can be at most d_sae, 64"),
        ("k = 4", "k = 4\nk_start = 65", "at sae: k and k_start can be at most d_sae, 64"),
        ("samples = 100", "samples = 100\ncheckpoint_steps = 0", "training.checkpoint_steps"),
        ("tokens = 1", "tokens = 0", "corpus.source.0.tokens"),
        ("block = 1", "block = 0", "space.block"),
    ],
)
def test_entries_that_cannot_work_are_told_before_anything_is_read(
    tmp_path: Path, entry: str, wrong: str, sentence: str
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    assert load_recipe(path).sae.k == 4
    path.write_text(RECIPE.replace(entry, wrong))
    with pytest.raises(InputError, match=sentence):
        load_recipe(path)
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        load_recipe(path)


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
