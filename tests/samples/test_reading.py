"""Every format gives the same rows, and every kind of bad file gets one sentence."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.errors import InputError
from fac_core.samples import reading_csv, reading_json
from fac_core.samples import rows as rows_module
from fac_core.samples import source as source_module
from fac_core.samples.importing import pasted
from fac_core.samples.source import Source, shown_name
from fac_core.samples.tables import open_table
from tests.samples.files import GOOD, jsonl


def read(path: Path) -> list[rows_module.Row]:
    with open_table(Source.of(path, path.name)) as table:
        return list(table.rows)


def values(path: Path) -> list[dict[str, object]]:
    found = read(path)
    assert all(row.problem is None for row in found)
    return [row.values for row in found]


def write_csv(path: Path, delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(GOOD[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(GOOD)
    return path


def test_every_format_gives_the_same_rows(tmp_path: Path):
    pq.write_table(pa.Table.from_pylist(GOOD), tmp_path / "a.parquet")
    (tmp_path / "a.json").write_text(json.dumps(GOOD), encoding="utf-8")
    paths = [
        jsonl(tmp_path / "a.jsonl", GOOD),
        write_csv(tmp_path / "a.csv"),
        write_csv(tmp_path / "semicolons.csv", ";"),
        write_csv(tmp_path / "a.tsv", "\t"),
        tmp_path / "a.parquet",
        tmp_path / "a.json",
    ]
    for path in paths:
        assert values(path) == GOOD, path.name


@pytest.mark.parametrize(("pack", "ending"), [(gzip.compress, ".gz"), (lzma.compress, ".xz"), (gzip.compress, "")])
def test_a_packed_file_is_known_by_its_content_whatever_its_name(tmp_path: Path, pack, ending: str):
    plain = jsonl(tmp_path / "a.jsonl", GOOD)
    packed = tmp_path / f"b.jsonl{ending}"
    packed.write_bytes(pack(plain.read_bytes()))
    assert values(packed) == GOOD


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-32"),
    ],
    ids=["utf-8 with mark", "utf-16", "utf-16-be", "utf-16 without mark", "utf-32"],
)
def test_byte_order_marks_and_wide_encodings_are_read(tmp_path: Path, encode):
    path = tmp_path / "a.csv"
    path.write_bytes(encode("text,label\nما هذا؟ 🙂,benign\nplain words here and some more of them,harmful\n"))
    assert [row["text"] for row in values(path)] == ["ما هذا؟ 🙂", "plain words here and some more of them"]


def test_latin_1_costs_the_lines_that_have_it_and_says_what_to_do(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nfine,benign\ncafé,benign\n".encode("latin-1"))
    good, bad = read(path)
    assert good.problem is None
    assert bad.number == 3 and bad.problem == "is not valid UTF-8 (byte 0xe9 at position 4); save the file as UTF-8"


def test_line_separators_of_unicode_are_not_ends_of_lines(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one\u2028two\u0085three"}\r\n\n{"text": "four"}', encoding="utf-8")
    assert [(row.number, row.values["text"]) for row in read(path)] == [(1, "one\u2028two\u0085three"), (3, "four")]


def test_a_text_file_has_one_text_a_line_with_any_line_ends(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\n\r\ntwo\nthree\rfour")
    assert [(row.number, row.values["text"]) for row in read(path)] == [
        (1, "one"),
        (3, "two"),
        (4, "three"),
        (5, "four"),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{broken", "is not valid JSON"),
        ('{"text": }', "is not valid JSON"),
        ('["a", "b"]', "is a list, not an object"),
        ('"just text"', "is a text, not an object"),
        ("17", "is a number, not an object"),
        ("null", "is empty, not an object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"text": "a", "n": ' + "9" * 5000 + "}", "a number is too long"),
    ],
)
def test_a_bad_json_line_costs_itself_alone(tmp_path: Path, line: str, problem: str):
    found = read(jsonl(tmp_path / "a.jsonl", [GOOD[0], line, GOOD[1]]))
    assert [row.problem is None for row in found] == [True, False, True]
    assert problem in str(found[1].problem)
    assert found[1].number == 2 and found[1].raw == line


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('["bad"]', "is a list, not an object"),
        ("[]", "is a list, not an object"),
        ('[{"text": "a row of an array"}]', "is a list, not an object"),
        ("[broken", "is not valid JSON"),
        ("[1, 2", "is not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[\udcff", "is not valid UTF-8"),
    ],
)
@pytest.mark.parametrize("blank", ["", "\n\n"])
def test_a_bad_first_json_line_costs_itself_alone(tmp_path: Path, line: str, problem: str, blank: str):
    path = tmp_path / "a.jsonl"
    text = "\n".join([blank + line, "{broken", json.dumps(GOOD[0]), "", json.dumps(GOOD[1])])
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    found = read(path)
    assert [row.problem is None for row in found] == [False, False, True, True]
    assert problem in str(found[0].problem)
    assert [row.number for row in found] == [n + len(blank) for n in (1, 2, 3, 5)]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("around", ["", "\n \n"])
def test_an_array_is_read_however_it_is_laid_out(tmp_path: Path, indent: int | None, around: str):
    path = tmp_path / "a.json"
    path.write_text(f"{around}{json.dumps(GOOD, indent=indent)}{around}", encoding="utf-8")
    assert values(path) == GOOD
    path.write_text("[\n" + ",\n".join(map(json.dumps, GOOD)) + "\n]\n", encoding="utf-8")
    assert values(path) == GOOD
    assert [row.number for row in read(path)] == [1, 2, 3]


@pytest.mark.parametrize(
    "text",
    [
        '[{"text": "a"}, {"text": ]',
        '[\n{"text": "a"},\n{"text": "b"}\n',
        '[\n  {\n    "text": "a"\n  },\n  {\n    "text": \n  }\n]',
        '[{"text": "a"},\n {"text": "b"},\n {"text": "c"\n',
    ],
)
def test_a_damaged_json_array_is_refused_whole(tmp_path: Path, text: str):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json is not valid JSON"):
        read(path)


def test_a_line_of_hundreds_of_megabytes_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows_module, "MAX_LINE", 1000)
    found = read(jsonl(tmp_path / "a.jsonl", [GOOD[0], {"text": "x" * 10_000}, GOOD[1]]))
    assert [row.number for row in found] == [1, 2, 3]
    assert "is longer than" in str(found[1].problem) and len(found[1].raw) <= 1000


def test_elements_of_an_array_that_are_no_rows_are_bad_rows(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text('[{"text": "a"}, ["b"], null]', encoding="utf-8")
    assert [(row.number, row.problem, row.raw) for row in read(path)] == [
        (1, None, '{"text": "a"}'),
        (2, "is a list, not an object with named fields", '["b"]'),
        (3, "is empty, not an object with named fields", "null"),
    ]


def test_an_array_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading_json, "MAX_ARRAY", 100)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    with pytest.raises(InputError, match="save it as JSONL"):
        read(path)


def test_a_parquet_file_damaged_in_the_middle_is_refused(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text number {i}" for i in range(5000)]}), path, use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:3000] = bytes(2996)
    path.write_bytes(data)
    with pytest.raises(InputError, match="is damaged after row 0"):
        read(path)


def test_a_stray_quote_costs_its_line_and_not_the_rest_of_the_file(tmp_path: Path):
    path = tmp_path / "a.csv"
    lines = [
        "text,label",
        'he said "hi" to me,benign',
        '"never closed,benign',
        *["fine,benign"] * 2000,
        '"q","benign"',
        "end,harmful",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = read(path)
    bad = [row for row in found if row.problem]
    assert len(found) == len(lines) - 1
    assert [(row.number, row.raw) for row in bad] == [(3, '"never closed,benign')]
    assert "quote" in str(bad[0].problem)
    assert found[-1].values == {"text": "end", "label": "harmful"}


def test_a_quote_that_never_closes_is_named_as_such(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"open to the end,benign\nfine,harmful\n', encoding="utf-8")
    assert [row.problem for row in read(path)] == ["opens a quote that is never closed", None]


def test_a_quoted_value_may_hold_line_ends_and_keeps_the_number_of_its_first_line(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"two\nlines, and ""quotes""",benign\nnext,harmful\n', encoding="utf-8")
    found = read(path)
    assert [(row.number, row.values["text"]) for row in found] == [(2, 'two\nlines, and "quotes"'), (4, "next")]


@pytest.mark.parametrize("line", ["", "a line", "word " * 200])
def test_a_quoted_text_of_thousands_of_lines_is_one_text(tmp_path: Path, line: str):
    path = tmp_path / "a.csv"
    text = "\n".join(["begins", *[line] * 2500, "ends"])
    path.write_text(f'text\n"{text}"\nok text\n', encoding="utf-8")
    assert [(row.number, row.problem, row.values) for row in read(path)] == [
        (2, None, {"text": text}),
        (2504, None, {"text": "ok text"}),
    ]


def test_a_quoted_value_that_is_too_long_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading_csv, "MAX_LINE", 2 << 20)
    path = tmp_path / "a.csv"
    path.write_text('text\n"begins\n' + "a line of twenty-odd\n" * 110_000 + 'ends"\nok text\n', encoding="utf-8")
    assert [(row.number, row.problem) for row in read(path)] == [(2, "is longer than 2 MB"), (110_004, None)]


def test_a_quote_without_an_end_in_sight_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading_csv, "MAX_AHEAD", 1 << 20)
    path = tmp_path / "a.csv"
    path.write_text('text\nfine\n"open\n' + "fine\n" * 10_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"Row 3 of a\.csv opens a quote that is not closed within 1 MB; close it"):
        read(path)


def test_a_text_with_a_wrong_character_is_one_bad_row_with_all_its_lines(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes('text,label\n"café\nau lait",benign\nfine,benign\n'.encode("latin-1"))
    bad, good = read(path)
    assert "is not valid UTF-8" in str(bad.problem) and bad.raw == '"caf\\xe9\nau lait",benign'
    assert (good.number, good.problem) == (4, None)


def test_no_line_is_searched_again_for_the_end_of_a_quote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    split, seen = reading_csv._split, [0]

    def counted(text: str, mark: str) -> Any:
        seen[0] += 1
        return split(text, mark)

    monkeypatch.setattr(reading_csv, "_split", counted)
    path = tmp_path / "a.csv"
    # each line opens a quote, and none of the others closes it
    path.write_text("text,label\n" + 'a",""",benign\n' * 3000, encoding="utf-8")
    assert [row.problem for row in read(path)] == ["opens a quote that is never closed"] * 3000
    assert seen[0] < 3 * 3000


def slowly(text: str) -> list[tuple[int, list[str], bool]]:
    """Line, values and whether the row is bad: each record is looked for in all that is left of the file."""
    found, left = [], list(enumerate(text.split("\n"), start=1))
    while left:
        taken: list[int] = []

        def feed(left: list[tuple[int, str]] = left, taken: list[int] = taken) -> Iterator[str]:
            for number, line in left:
                taken.append(number)
                yield line + "\n"

        try:
            cells = next(csv.reader(feed(), strict=True)) if left[0][1].strip() else []
        except csv.Error:
            cells, taken = [], [left[0][0]]
            found.append((left[0][0], cells, True))
        else:
            if left[0][1].strip():
                found.append((left[0][0], cells, len(cells) != 2))
            else:
                taken = [left[0][0]]
        left = left[len(taken) :]
    return found


@given(st.lists(st.text('",ab \n', max_size=8), max_size=30).map("\n".join))
def test_quotes_are_told_apart_as_by_reading_on_from_each_line(text: str):
    with open_table(Source("a.csv", pasted=f"x,y\n1,2\n{text}".encode())) as table:
        rows = [(row.number, list(row.values.values()), row.problem is not None) for row in table.rows]
    expected = [(line + 2, [] if bad else cells, bad) for line, cells, bad in slowly(text)]
    assert rows == [(2, ["1", "2"], False), *expected]


def test_a_row_with_too_many_or_too_few_values_is_bad(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,benign,oops\nb\nc,benign\n", encoding="utf-8")
    assert [row.problem for row in read(path)] == [
        "has 3 values, but the first line names 2 columns",
        "has 1 values, but the first line names 2 columns",
        None,
    ]


def test_unquoted_tabs_may_hold_quotes(tmp_path: Path):
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"Hi" she said\tbenign\n', encoding="utf-8")
    assert values(path) == [{"text": '"Hi" she said', "label": "benign"}]


def test_column_names_are_made_distinct(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("text,,text\na,b,c\n", encoding="utf-8")
    assert values(path) == [{"text": "a", "column 2": "b", "text (2)": "c"}]


def test_names_that_are_nobodys_column_are_left_out(tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", ['{"text": "a", "\\ud800": 1, "\\u0000": 2, "' + "n" * 10_000 + '": 3}'])
    with open_table(Source.of(path, path.name)) as table:
        assert table.columns == ["text"]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=30)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8))
def test_whatever_a_csv_writer_quotes_is_read_back(table: list[list[str]]):
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *table])
    source = Source("a.csv", pasted=file.getvalue().encode())
    with open_table(source) as opened:
        assert [list(row.values.values()) for row in opened.rows] == table


@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.tsv", "a.jsonl", "a.txt"]))
def test_any_bytes_are_read_or_refused_with_a_sentence(data: bytes, name: str):
    try:
        with open_table(Source(name, pasted=data)) as table:
            for row in table.rows:
                assert row.number > 0 and isinstance(row.raw, str)
    except InputError as error:
        assert str(error).endswith(".")


def test_a_parquet_file_with_column_names_that_are_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "unusual": ["b"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"unusual", b"\xff" * 7))
    with pytest.raises(InputError, match="no readable Parquet file"):
        read(path)


def test_columns_of_one_name_are_told_apart_in_every_format(tmp_path: Path):
    table = pa.table([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["text", "text", ""])
    pq.write_table(table, tmp_path / "a.parquet")
    assert values(tmp_path / "a.parquet") == [{"text": "a", "text (2)": "b", "column 3": "c"}]


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.csv", b"", "a.csv is empty"),
        ("a.jsonl", b"\n \n\n", "has no rows"),
        ("a.csv", b"text,label\n", "has no rows"),
        ("a.parquet", b"not parquet at all", "is not a Parquet file"),
        ("a.parquet", b"PAR1 and then nonsense", "no readable Parquet file"),
        ("a.csv", b"PK\x03\x04rest of a workbook", "Excel"),
        ("a.txt", b"%PDF-1.7", "PDF"),
        ("a.jsonl", pickle.dumps({"text": "a"}), "pickle"),
        ("a.jsonl", pickle.dumps({"text": "a"}, protocol=2), "pickle"),
        ("a.csv", b"\x8e\x01\xff\x00abcdDUCK\x43\x00" + bytes(100), "DuckDB"),
        ("a.duckdb", b"\x8e\x01\xff\x00abcdDUCK\x43\x00" + bytes(100), "DuckDB"),
        ("a.csv", bz2.compress(b"text\na\n"), "packed with bzip2"),
        ("a.csv.bz2", bz2.compress(b""), "packed with bzip2"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "old Excel"),
        ("a.pdf", b"%PDF-1.4\r\n%\xe2\xe3\xcf\xd3", "PDF"),
        ("a.csv.gz", gzip.compress(b"PK\x03\x04rest of a workbook", mtime=0), "Excel"),
        ("a.doc", b"words", "no known format"),
        ("noending", b"words", "no known format"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 1000, mtime=0)[:40], "damaged or cut off"),
        ("a.jsonl.xz", lzma.compress(b'{"text": "a"}\n' * 1000)[:40], "damaged or cut off"),
        ("a.csv", codecs.BOM_UTF16_LE + "text\nab".encode("utf-16-le")[:-1], "middle of a character"),
        ("a.csv", b"te\xffxt,label\na,b\n", "should name the columns"),
        ("a.csv", b"text,label\ra,b\rc,d\r", "holds a line end of its own"),
        ("a.json", b'[{"text": "\xff"}]', "is not valid UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_gets_one_sentence(tmp_path: Path, name: str, data: bytes, sentence: str):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=sentence) as caught:
        read(path)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_duckdb_file_is_known(tmp_path: Path):
    path = tmp_path / "a.txt"
    duckdb.connect(str(path)).close()
    with pytest.raises(InputError, match="is a DuckDB database"):
        read(path)


@pytest.mark.parametrize(
    "text",
    [
        "SHOOT A DUCK ON MY LAWN",
        "12345678DUCK",
        "%PDF files: how do I open them?",
        "%PDF-1.7 files: how do I open them?",
        "BZhang is a name",
        "BZh9 is no name",
        "PAR1 is the first of four parts",
        "PK stands for knock-out in Dutch",
    ],
)
def test_a_text_that_begins_like_another_format_is_a_text(tmp_path: Path, text: str):
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    assert values(path) == [{"text": text}]
    (tmp_path / "a.csv").write_text(f"{text}\nb\n", encoding="utf-8")
    assert values(tmp_path / "a.csv") == [{text: "b"}]


@pytest.mark.parametrize(
    "text", ["PAR1 of 2, not PAR1", "%PDF-1.7", "BZh91AY&SY", "PK\x03\x04", "12345678DUCK\x43" + "\0" * 99]
)
def test_what_was_pasted_is_text_however_it_begins(text: str):
    with open_table(pasted(text)) as table:
        assert [row.values for row in table.rows] == [{"text": text}]


def test_a_missing_file_and_a_folder_get_a_sentence(tmp_path: Path):
    for path in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read(path)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_packed_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack):
    monkeypatch.setattr(source_module, "MAX_UNPACKED", 2 << 20)
    path = tmp_path / "a.txt.gz"
    path.write_bytes(pack((b"x" * 999 + b"\n") * 5000))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="unpacks to more than"):
        read(path)


def test_a_parquet_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from fac_core.samples import reading_parquet

    monkeypatch.setattr(reading_parquet, "MAX_UNPACKED", 1000)
    pq.write_table(pa.table({"text": ["word " * 1000]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="unpacks to more than"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("brought", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\set.csv", "set.csv"),
        ("set\x00\u202e.csv", "set.csv"),
        ("", "unnamed file"),
        ("..\\", "unnamed file"),
        ("x" * 300 + ".csv", "x" * 116 + ".csv"),
    ],
)
def test_a_files_name_is_only_shown(brought: str, shown: str):
    assert shown_name(brought) == shown
