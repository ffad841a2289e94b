"""A column of whole conversations comes in as if question and answer had each had a column of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fac_core import workspace
from fac_core.samples.mapping import conversations
from fac_core.samples.preview import Mapping, Preview, preview
from fac_core.tasks import load_task
from fac_core.workspace import Workspace
from tests.samples.files import bring, jsonl, reasons, texts

TASK = load_task("instruction")
BOTH = {"instruction": "messages", "output": "messages"}


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    opened = workspace.create("Project", "instruction", root=tmp_path)
    yield opened
    opened.close()


def messages(*said: tuple[str, str], role: str = "role", content: str = "content") -> list[dict[str, str]]:
    return [{role: who, content: what} for who, what in said]


def look(path: Path, mapping: Mapping | None = None) -> Preview:
    return preview(path, path.name, TASK, mapping)


ONE = messages(("user", "Sum up.\n\nA long story."), ("assistant", "Short."))
MANY = messages(
    ("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."), ("user", "Sum up."), ("assistant", "S.")
)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"messages": ONE}, "messages"),
        ({"conversations": messages(("human", "q"), ("gpt", "a"), role="from", content="value")}, "conversations"),
        ({"prompt": "Sum up.", "prompt_id": "7", "messages": ONE}, "messages"),
        ({"rows of talk": ONE}, "rows of talk"),
        ({"chosen": ONE, "messages": ONE}, "messages"),
        ({"transcript": "Human: q\n\nAssistant: a"}, "transcript"),
    ],
    ids=["messages", "conversations", "beside-the-prompt", "any-name", "of-two", "transcript"],
)
def test_a_column_of_conversations_is_found(tmp_path: Path, row: dict[str, Any], column: str) -> None:
    seen = look(jsonl(tmp_path / "a.jsonl", [row, row]))
    assert seen.mapping.fields == {"instruction": column, "output": column}
    assert conversations(TASK, seen.mapping) == column
    assert len(seen.rows) == 2


def test_a_question_with_its_answer_is_never_taken_for_a_conversation(tmp_path: Path) -> None:
    row = {"instruction": "q", "output": "a", "messages": ONE}
    assert look(jsonl(tmp_path / "a.jsonl", [row])).mapping.fields == {"instruction": "instruction", "output": "output"}
    assert conversations(TASK, Mapping({"instruction": "instruction", "output": "output"})) is None
    assert conversations(load_task("toxicity"), Mapping({"text": "messages"})) is None


def test_one_question_with_its_answer_reads_as_from_two_columns(tmp_path: Path, ws: Workspace) -> None:
    seen = look(jsonl(tmp_path / "a.jsonl", [{"messages": ONE}]))
    assert seen.rows == [{"instruction": "Sum up.\n\nA long story.", "output": "Short."}]
    bring(ws, tmp_path / "a.jsonl")
    two = bring(ws, jsonl(tmp_path / "b.jsonl", seen.rows), "anchor")
    assert two.n_rows == 1 and len({*texts(ws)}) == 1
    assert ws.database.one("SELECT count(DISTINCT content_id) FROM sample") == (1,), "the same text in the same turns"


def test_of_many_turns_the_last_answer_is_the_output_and_the_rest_is_read_with_it(tmp_path: Path) -> None:
    row = look(jsonl(tmp_path / "a.jsonl", [{"messages": MANY}])).rows[0]
    assert row["instruction"] == "System: Be brief.\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Sum up."
    assert row["output"] == "S."
    content = TASK.content(row)
    assert [(turn.role, content.text[turn.start : turn.end], turn.counts) for turn in content.turns] == [
        ("system", "Be brief.", False),
        ("user", "Hi", True),
        ("assistant", "Hello.", True),
        ("user", "Sum up.", True),
        ("assistant", "S.", True),
    ]


def test_an_empty_system_turn_says_nothing(tmp_path: Path) -> None:
    row = {"messages": [*messages(("system", "")), *ONE]}
    assert look(jsonl(tmp_path / "a.jsonl", [row])).rows[0]["instruction"] == "Sum up.\n\nA long story."


BAD: list[tuple[Any, str]] = [
    (messages(("user", "q")), "ends with what the user says, not with an answer of the assistant"),
    (messages(("system", "s"), ("assistant", "a")), "holds nothing that the user says before the last answer"),
    (messages(("assistant", "a")), "holds nothing that the user says before the last answer"),
    (messages(("user", "q"), ("tool", "x"), ("assistant", "a")), "has the role 'tool' in message 2"),
    ([{"role": "user", "content": "q"}, {"role": "assistant", "content": None}], "has no text in message 2"),
    (messages(("user", "q\n\nAssistant: b"), ("assistant", "a")), "that reads as the start of another turn"),
    ([], "is no list of messages"),
    ("just words", "is no list of messages"),
    (7, "is no list of messages"),
    ({"role": "user"}, "is no list of messages"),
    (None, "is missing or empty"),
    (messages(("user", "q"), ("assistant", "a\x00")), "holds a NUL character"),
]


def test_each_bad_conversation_is_quarantined_with_row_column_and_reason(tmp_path: Path, ws: Workspace) -> None:
    good = [{"messages": ONE}] * len(BAD)
    rows = [*good, *({"messages": value} for value, _ in BAD)]
    report = bring(ws, jsonl(tmp_path / "a.jsonl", rows), mapping=Mapping(BOTH))
    assert (report.n_rows, report.n_quarantined) == (len(good), len(BAD))
    found = reasons(report)
    for number, (_, why) in enumerate(BAD, start=len(good) + 1):
        assert found[number][0] == "messages"
        assert why in found[number][1]


def test_parquet_and_json_give_the_same_conversations(tmp_path: Path) -> None:
    pq.write_table(pa.table({"messages": [ONE, MANY]}), tmp_path / "a.parquet")
    (tmp_path / "a.json").write_text(json.dumps([{"messages": ONE}, {"messages": MANY}]))
    one, other = look(tmp_path / "a.parquet"), look(tmp_path / "a.json")
    assert one.rows == other.rows and one.mapping == other.mapping == Mapping(BOTH)


@pytest.mark.parametrize("prompt", [{}, {"prompt": "q"}], ids=["alone", "with-prompt"])
def test_pairs_of_conversations_need_no_prompt(tmp_path: Path, prompt: dict[str, str]) -> None:
    row = prompt | {
        "chosen": messages(("user", "q"), ("assistant", "good")),
        "rejected": messages(("user", "q"), ("assistant", "bad")),
    }
    ws = workspace.create("Pairs", "preference", root=tmp_path)
    report = bring(ws, jsonl(tmp_path / "a.jsonl", [row, row | {"chosen": messages(("tool", "x"))}]))
    assert reasons(report) == {2: ("chosen", "has the role 'tool' in message 1")}
    stored = ws.database.one("SELECT c.text, r.text FROM sample s JOIN content c USING (content_id) "
                             "JOIN content r ON r.content_id = s.contrast_id")  # fmt: skip
    assert stored == ("Human: q\n\nAssistant: good", "Human: q\n\nAssistant: bad")
