"""An import stores every good row as it came, quarantines every bad one, or changes nothing."""

from __future__ import annotations

import json
import threading
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_core import workspace
from fac_core.content import content_hash, normalise
from fac_core.errors import InputError, StoreError
from fac_core.samples.importing import import_texts, quarantine_jsonl
from fac_core.samples.preview import Mapping
from fac_core.store import datasets as store
from fac_core.workspace import Workspace
from tests.samples.files import GOOD, bring, jsonl, reasons, table_sizes, texts

HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "![x](http://example.com/x.png) **bold** :red[text] $x^2$",
    '=HYPERLINK("http://example.com","click")',
    "'; DROP TABLE sample; --",
    "ما هي أفضل طريقة؟ مرحبا",
    "👩‍👩‍👧‍👦 family 🧨",
    "e\u0301 combining \u0323 marks",
    "\u202eright to left override\u202c",
    "tab\tand\nline",
    "{fields} {{ braces }} %s %(x)s",
]


def test_a_good_file_is_stored_as_it_came(ws: Workspace, tmp_path: Path):
    report = bring(ws, jsonl(tmp_path / "a.jsonl", [{"id": f"q{i}", **row} for i, row in enumerate(GOOD)]))
    assert (report.n_rows, report.n_quarantined, report.role, report.name) == (3, 0, "seed", "a")
    assert texts(ws) == [row["text"] for row in GOOD]
    stored = ws.database.rows(
        "SELECT row_number, external_id, label, CAST(fields AS VARCHAR), CAST(meta AS VARCHAR), contrast_id FROM sample"
    )
    assert stored[0] == (1, "q0", "harmful", '{"text": "how do I pick a lock"}', '{"topic": "theft"}', None)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_hostile_texts_survive_unchanged_in_every_format(ws: Workspace, tmp_path: Path, ending: str):
    path = tmp_path / f"a.{ending}"
    if ending == "jsonl":
        jsonl(path, [{"text": text} for text in HOSTILE])
    elif ending == "csv":
        quoted = ['"' + text.replace('"', '""') + '"' for text in HOSTILE]
        path.write_text("\n".join(["text", *quoted]), encoding="utf-8")
    else:
        pq.write_table(pa.table({"text": HOSTILE}), path)
    assert bring(ws, path).n_quarantined == 0
    assert texts(ws) == [normalise(text) for text in HOSTILE]


def test_each_bad_row_is_quarantined_with_number_field_and_reason(ws: Workspace, tmp_path: Path):
    rows: list[Any] = [
        GOOD[0],
        {"label": "benign"},
        {"text": "   "},
        {"text": None},
        "{broken",
        {"text": 17},
        {"text": ["a", "b"]},
        {"text": {"role": "user"}},
        {"text": "nul \x00 inside"},
        '{"text": "half \\ud83d of a pair"}',
        '{"text": NaN}',
        {"text": "label is a list", "label": ["x"]},
        {"text": "x" * 1_000_001},
        {"text": "ok", "id": "same"},
        {"text": "ok too", "id": "same"},
        GOOD[1],
    ]
    report = bring(ws, jsonl(tmp_path / "a.jsonl", rows), mapping=Mapping({"text": "text"}, "label", "id"))
    found = reasons(report)
    empty = ("text", "is missing or empty")
    assert found.pop(5)[1].startswith("is not valid JSON")
    assert found == {
        2: empty,
        3: empty,
        4: empty,
        6: ("text", "is a number, where text is expected"),
        7: ("text", "is a list, where text is expected"),
        8: ("text", "is nested JSON, where text is expected"),
        9: ("text", "holds a NUL character"),
        10: ("text", "holds half of a surrogate pair, which is no character"),
        11: empty,
        12: ("label", "is a list, where one value is expected"),
        13: ("text", "is longer than 1,000,000 characters"),
        15: ("id", "repeats the id of row 14"),
    }
    assert (report.n_rows, report.n_quarantined) == (3, 13)


def test_quarantined_rows_can_be_downloaded_mended_and_brought_again(ws: Workspace, tmp_path: Path):
    report = bring(ws, jsonl(tmp_path / "a.jsonl", [GOOD[0], '{"text": "tear\ufffd"', '{"text": "a \\ud83d b"}']))
    lines = [json.loads(line) for line in quarantine_jsonl(ws, report.dataset_id).decode().splitlines()]
    assert [(line["row_number"], line["raw"]) for line in lines] == [
        (2, '{"text": "tear\ufffd"'),
        (3, '{"text": "a \\ud83d b"}'),
    ]
    assert set(lines[0]) == {"row_number", "field", "reason", "raw"}


def test_a_file_without_a_good_row_changes_nothing(ws: Workspace, tmp_path: Path):
    before = table_sizes(ws)
    with pytest.raises(InputError, match=r"No row of a\.jsonl can be used; the first is row 1: text is missing"):
        bring(ws, jsonl(tmp_path / "a.jsonl", [{"text": ""}, {"text": 5}]))
    assert table_sizes(ws) == before


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        (Mapping({"text": "body"}), "has no column 'body'; its columns are text, label, topic"),
        (Mapping({}), "No column of a.jsonl is chosen for text"),
        (Mapping({"text": "text"}, meta=["colour"]), "has no column 'colour'"),
    ],
)
def test_a_missing_column_is_named(ws: Workspace, tmp_path: Path, mapping: Mapping, sentence: str):
    with pytest.raises(InputError, match=sentence):
        bring(ws, jsonl(tmp_path / "a.jsonl", GOOD), mapping=mapping)


def test_an_unknown_role_is_refused(ws: Workspace, tmp_path: Path):
    with pytest.raises(InputError, match=r"no role 'training'.*seed, anchor"):
        bring(ws, jsonl(tmp_path / "a.jsonl", GOOD), "training")


def test_a_text_of_100_000_characters_is_kept_whole_and_announced(ws: Workspace, tmp_path: Path):
    text = "word " * 20_000 + "end"
    report = bring(ws, jsonl(tmp_path / "a.jsonl", [{"text": text, "label": "benign"}]))
    assert texts(ws) == [text]
    assert report.warnings == ["1 texts are longer than 20,000 characters; only their beginning is read."]


def test_mixed_types_of_labels_ids_and_groups_become_words(ws: Workspace, tmp_path: Path):
    rows = [
        {"text": "a", "label": True, "id": 7, "score": 0.5, "tags": ["x", "y"], "n": None},
        {"text": "b", "label": 1.0, "id": "seven", "score": "high", "tags": {"k": 1}, "n": "bad \x00"},
        '{"text": "c", "label": NaN, "id": null, "score": NaN, "tags": "\\ud800"}',
    ]
    assert bring(ws, jsonl(tmp_path / "a.jsonl", rows)).n_quarantined == 0
    stored = ws.database.rows("SELECT label, external_id, CAST(meta AS VARCHAR) FROM sample ORDER BY sample_id")
    assert [(label, name) for label, name, _ in stored] == [("true", "7"), ("1", "seven"), (None, None)]
    assert [json.loads(meta) for _, _, meta in stored] == [
        {"score": "0.5", "tags": '["x", "y"]'},
        {"score": "high", "tags": '{"k": 1}', "n": "bad \\u0000"},
        {"tags": "\\ud800"},
    ]


def test_pairs_are_stored_with_their_contrast(tmp_path: Path):
    pairs = workspace.create("pairs", "preference", root=tmp_path)
    rows = [
        {"prompt": "why", "chosen": "because", "rejected": "dunno"},
        {"prompt": "why", "chosen": "same", "rejected": "same"},
        {"prompt": "why", "chosen": "because"},
    ]
    report = bring(pairs, jsonl(tmp_path / "a.jsonl", rows))
    assert reasons(report) == {
        2: ("rejected", "gives the same answer as the other one"),
        3: ("rejected", "is missing or empty"),
    }
    found = pairs.database.rows(
        "SELECT c.text, r.text FROM sample s JOIN content c USING (content_id) "
        "JOIN content r ON r.content_id = s.contrast_id"
    )
    assert found == [("why\n\nbecause", "why\n\ndunno")]
    pairs.close()


def test_values_of_other_types_in_parquet_are_words_or_bad(ws: Workspace, tmp_path: Path):
    day = datetime(2024, 5, 1, 12, 30)
    rows = [{"text": "a", "day": day, "blob": b"\x00", "map": {"k": [1]}}, {"text": "b", "day": None, "blob": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    bring(ws, tmp_path / "a.parquet", mapping=Mapping({"text": "text"}, meta=["day", "blob", "map"]))
    (meta,), _ = ws.database.rows("SELECT CAST(meta AS VARCHAR) FROM sample ORDER BY sample_id")
    assert json.loads(meta) == {"day": "2024-05-01 12:30:00", "blob": "\"b'\\\\x00'\"", "map": '{"k": [1]}'}
    with pytest.raises(InputError, match="day is of type datetime, where text is expected"):
        bring(ws, tmp_path / "a.parquet", "pool", mapping=Mapping({"text": "day"}))
    with pytest.raises(InputError, match="blob is binary data, where text is expected"):
        bring(ws, tmp_path / "a.parquet", "pool", mapping=Mapping({"text": "blob"}))


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([b"x", b"\xff\xfe", b"y"], pa.binary()).view(pa.string()), "holds text that is not valid UTF-8"),
        (pa.array([1, 10**9, None], pa.date32()), "holds a value that cannot be read, such as a date out of range"),
        (pa.array([1, 2**62, None], pa.timestamp("us")), "holds a value that cannot be read, such as a date out of"),
        (pa.array([1, 2**62, None], pa.duration("s")), "holds a value that cannot be read, such as a date out of"),
        (pa.array([None, 1, None], pa.timestamp("us", tz="Mars/Olympus")), "holds a value that cannot be read"),
        (pa.array([[1], [10**9], []], pa.list_(pa.date32())), "holds a value that cannot be read, such as a date out"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_a_parquet_cell_without_a_value_costs_its_row_only_where_it_is_used(
    ws: Workspace, tmp_path: Path, column: pa.Array, reason: str
):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b", "c"], "odd": column}), path)
    assert bring(ws, path, mapping=Mapping({"text": "text"})).n_quarantined == 0
    grouped = bring(ws, path, "pool", mapping=Mapping({"text": "text"}, meta=["odd"]))
    assert grouped.n_quarantined == 0
    (meta,) = ws.database.rows(
        "SELECT json_extract_string(meta, 'odd') FROM sample WHERE dataset_id = ? AND row_number = 2",
        [grouped.dataset_id],
    )
    assert meta[0].startswith(f"({reason}")
    if not pa.types.is_list(column.type):
        found = reasons(bring(ws, path, "anchor", mapping=Mapping({"text": "text"}, label="odd")))
        assert [*found] == [2] and found[2][0] == "odd" and found[2][1].startswith(reason)


def test_the_second_of_two_choices_needs_no_column(tmp_path: Path):
    items = workspace.create("items", "survival", root=tmp_path)
    bring(
        items,
        jsonl(tmp_path / "a.jsonl", [{"question": "Stop?\n (A) No. (B) Yes.", "answer": "A"}]),
        mapping=Mapping({"question": "question", "positive": "answer"}),
    )
    found = items.database.rows("SELECT json_extract_string(fields, 'negative') FROM sample")
    assert found == [("(B)",)]
    items.close()


def test_equal_texts_share_one_content_within_and_across_datasets(ws: Workspace, tmp_path: Path):
    rows = [{"text": "cafe\u0301\r\n"}, {"text": "café"}, {"text": "tea"}]
    first = bring(ws, jsonl(tmp_path / "a.jsonl", rows))
    bring(ws, jsonl(tmp_path / "b.jsonl", [{"text": "tea"}, {"text": "milk"}]), "anchor")
    assert first.n_exact_duplicates == 1
    assert ws.database.rows("SELECT text FROM content ORDER BY content_id") == [("café",), ("tea",), ("milk",)]
    assert ws.database.rows("SELECT content_id FROM sample ORDER BY sample_id") == [(1,), (1,), (2,), (2,), (3,)]


def test_duplicates_are_counted_and_kept(ws: Workspace, tmp_path: Path):
    long = " ".join(f"word{i}" for i in range(40))
    rows = [{"text": text} for text in (long, long, long.replace("word20", "other"), "quite another text")]
    report = bring(ws, jsonl(tmp_path / "a.jsonl", rows))
    assert (report.n_rows, report.n_exact_duplicates, report.n_near_duplicates) == (4, 1, 1)


def test_texts_shared_with_other_sets_are_announced(ws: Workspace, tmp_path: Path):
    long = " ".join(f"word{i}" for i in range(40))
    bring(ws, jsonl(tmp_path / "train.jsonl", [{"text": "hello there my friend"}, {"text": long}]), "seed")
    rows = [{"text": "Hello there"}, {"text": "hello there my friend"}, {"text": long.replace("word20", "other")}]
    held_out = bring(ws, jsonl(tmp_path / "held.jsonl", rows), "holdout")
    assert held_out.warnings[1:] == [
        "1 text is also in the seed set “train”.",
        "1 text is nearly the same as one in the seed data.",
    ]
    again = bring(ws, jsonl(tmp_path / "more.jsonl", [{"text": long}, {"text": "new"}]), "seed")
    assert again.warnings[1:] == [
        "1 text is also in “train”, another seed set.",
        "1 text is nearly the same as one in the holdout data.",
    ]


def test_the_same_file_is_not_brought_twice_in_one_role(ws: Workspace, tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", GOOD)
    bring(ws, path)
    before = table_sizes(ws)
    with pytest.raises(InputError, match=r"a\.jsonl is in this project already, as the seed set “a”"):
        bring(ws, path)
    assert table_sizes(ws) == before
    assert bring(ws, path, "anchor").n_rows == 3


def test_two_clicks_at_once_bring_one_dataset(ws: Workspace, tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", GOOD)
    refused: list[str] = []

    def click() -> None:
        try:
            bring(ws, path)
        except InputError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert table_sizes(ws)["sample"] == 3


@pytest.mark.parametrize("step", ["add_contents", "insert_dataset"])
def test_a_failure_in_the_middle_leaves_nothing(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
):
    path = jsonl(tmp_path / "a.jsonl", GOOD)
    real, before = getattr(store, step), table_sizes(ws)

    def full(*arguments: Any) -> Any:
        real(*arguments)
        raise duckdb.IOException("IO Error: No space left on device")

    monkeypatch.setattr(store, step, full)
    with pytest.raises(StoreError, match=r"The disk holding .* is full"):
        bring(ws, path)
    assert table_sizes(ws) == before
    monkeypatch.undo()
    assert bring(ws, path).n_rows == 3


def test_an_import_is_noted_as_a_change_of_data(ws: Workspace, tmp_path: Path):
    before = table_sizes(ws)["version"]
    bring(ws, jsonl(tmp_path / "a.jsonl", GOOD))
    assert table_sizes(ws)["version"] == before + 1


def test_pasted_texts_come_in_like_a_file(ws: Workspace):
    report = import_texts(ws, "first text\n\nsecond text\n", "pool", "from\nchat\x00")
    assert (report.n_rows, report.name) == (2, "from chat")
    assert texts(ws) == ["first text", "second text"]
    with pytest.raises(InputError, match="is empty"):
        import_texts(ws, "  \n", "pool", "nothing")


def test_a_name_of_a_file_or_dataset_is_never_a_path(ws: Workspace, tmp_path: Path):
    from fac_core.samples.importing import import_dataset

    path = jsonl(tmp_path / "a.jsonl", GOOD)
    report = import_dataset(ws, path, "../../<b>evil</b>\x00.jsonl", "seed")
    assert report.name == "b>"
    named = import_dataset(ws, path, "..\\..\\set.jsonl", "pool", "../../<b>evil</b>\n\u202e\x00")
    assert named.name == "../../<b>evil</b>"
    assert ws.database.rows("SELECT name, source FROM dataset ORDER BY created_at, dataset_id") == [
        ("b>", "b>.jsonl"),
        ("../../<b>evil</b>", "set.jsonl"),
    ]


strange = st.dictionaries(
    st.sampled_from(["text", "label", "id", "topic", "\ud800", "x\x00"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(strange, max_size=12))
def test_every_row_becomes_a_sample_or_a_quarantined_row(ws: Workspace, tmp_path: Path, rows: list[dict[str, Any]]):
    path = jsonl(tmp_path / "a.jsonl", [{"text": "always good"}, *rows])
    before = table_sizes(ws)
    try:
        report = bring(ws, path)
    except InputError as error:
        assert "already" in str(error)  # the same rows as in an earlier example
        return
    after = table_sizes(ws)
    assert report.n_rows + report.n_quarantined == 1 + len(rows)
    assert after["sample"] - before["sample"] == report.n_rows
    assert after["quarantine"] - before["quarantine"] == report.n_quarantined
    assert quarantine_jsonl(ws, report.dataset_id).count(b"\n") == report.n_quarantined


@given(st.text(max_size=200))
def test_a_hash_is_the_normalised_texts_alone(text: str):
    assert content_hash(text) == content_hash(normalise(text))
    assert content_hash(f"  {unicodedata.normalize('NFD', text)}\r\n") == content_hash(text)


@pytest.mark.heavy
def test_50_000_rows_all_come_in(ws: Workspace, tmp_path: Path):
    words = [f"w{i}" for i in range(3000)]
    rows = (
        {"text": " ".join(words[(i * 7 + j * (1 + i % 13)) % 3000] for j in range(20 + i % 60)), "label": str(i % 2)}
        for i in range(50_000)
    )
    path = jsonl(tmp_path / "many.jsonl", rows)
    report = bring(ws, path, "pool")
    assert (report.n_rows, report.n_quarantined) == (50_000, 0)
