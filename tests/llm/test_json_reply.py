"""Samples are found in whatever a model wraps around its JSON, and nothing is made up where it is broken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.llm.json_reply import objects_in

TWO = [{"text": "one, two"}, {"text": 'say "hi" }]'}]
PLAIN = json.dumps({"samples": TWO})


@pytest.mark.parametrize(
    "reply",
    [
        PLAIN,
        f"```json\n{PLAIN}\n```",
        f"Sure! Here are the samples you asked for:\n\n{PLAIN}\n\nLet me know [if] you need {{more}}.",
        f"<think>I could write {{'text': 'bad'}} … or {json.dumps(TWO[:1])}</think>{PLAIN}",
        json.dumps(TWO),
        "\n".join(json.dumps(one) for one in TWO),
        PLAIN.replace("}, {", "},\n {").replace("]}", ",],}"),
        json.dumps({"data": {"samples": TWO, "note": float("nan")}}),
        json.dumps({"samples": [{"Text ": one["text"]} for one in TWO]}),
        PLAIN.replace("one, two", "one, two"),
    ],
)
def test_whole_samples_are_found_in_any_wrapping(reply: str) -> None:
    found = [next(iter(one.values())) for one in objects_in(reply, "text")]
    assert found == ["one, two", 'say "hi" }]']


def test_of_a_reply_that_was_cut_off_the_whole_samples_count() -> None:
    assert objects_in(PLAIN[: PLAIN.index("say") + 2], "text") == TWO[:1]


@pytest.mark.parametrize(
    "reply", ["", "I'm sorry, I can't help with that.", "{}", "[]", '{"text": ', "[[[[", '"text"', "null"]
)
def test_a_reply_without_samples_holds_none(reply: str) -> None:
    assert objects_in(reply, "text") == []


def test_bare_strings_count_only_where_a_sample_is_one_text() -> None:
    assert objects_in('{"samples": ["a b c"]}', "text") == []
    assert objects_in('{"samples": ["a b c"]}', "text", bare=True) == [{"text": "a b c"}]
    assert objects_in('{"samples": [{"query": "a b c"}]}', "text", bare=True) == [{"text": "a b c"}]
    assert objects_in('{"error": "no such model"}', "text", bare=True) == []


@given(st.lists(st.text()), st.text(alphabet="ab {}[]\n", max_size=20))
def test_no_text_inside_a_sample_can_break_out_of_it(texts: list[str], around: str) -> None:
    reply = around.replace("{", "(").replace("[", "(") + json.dumps({"samples": [{"text": text} for text in texts]})
    assert [one["text"] for one in objects_in(reply, "text")] == texts


@pytest.mark.parametrize("nonsense", ["[" * 150_000, '{"a":' * 40_000, '{"' * 90_000, "<think>" * 30_000])
@pytest.mark.timeout(60)  # a parser that backtracks would take hours
def test_nonsense_of_any_size_holds_nothing_and_hangs_nothing(nonsense: str) -> None:
    assert objects_in(nonsense, "text") == []


def found(reply: str) -> list[str]:
    """Texts of a reply."""
    return [one["text"] for one in objects_in(reply, "text")]


def test_what_looks_like_a_thought_inside_a_sample_is_part_of_it() -> None:
    reply = 'Sure. {"samples": [{"text": "what does <think> do in html"}, {"text": "b </think> c"}]}'
    assert found(reply) == ["what does <think> do in html", "b </think> c"]
    assert found('<think>maybe ["x"] or {"text": "draft"}</think>' + reply) == found(reply)


@pytest.mark.parametrize("before", ['5" of rain: ', 'He said "', '{not json} 6" '])
def test_a_stray_quote_before_a_value_changes_no_string_in_it(before: str) -> None:
    assert found(before + '[{"text": "a list [1,] and {2,}"}, {"text": "b",}, ]') == ["a list [1,] and {2,}", "b"]


def test_values_after_a_mended_one_are_read_from_where_they_begin() -> None:
    assert found('{"text": "a", } 6" {"text": "b,]"} {"text": "c", "x": [1, ], } {"text": "d"}') == [
        "a",
        "b,]",
        "c",
        "d",
    ]
