"""What counts as an answer: written down otherwise it does, saying something else or half of it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.llm.reading import fitting, refuses

RATING = {
    "type": "object",
    "properties": {"rating": {"enum": ["Yes", "Probably", "No"]}, "why": {"type": "string"}},
    "required": ["rating"],
    "additionalProperties": False,
}
ITEMS = {
    "type": "object",
    "properties": {"fires": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 5}}},
    "required": ["fires"],
    "additionalProperties": False,
}
TEXT = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}


@pytest.mark.parametrize(
    ("reply", "schema", "expected"),
    [
        ('{"rating": "Yes"}', RATING, {"rating": "Yes"}),
        ('x {"RATING": " probably. ", "n": 3} y', RATING, {"rating": "Probably"}),
        ('{"answer": {"rating": "No", "why": "a"}}', RATING, {"rating": "No", "why": "a"}),
        ('[{"rating": "No"}]', RATING, {"rating": "No"}),
        ('{"rating": "Maybe"} {"rating": "Yes"}', RATING, {"rating": "Yes"}),
        ("Probably.", RATING, {"rating": "Probably"}),
        ("<think>Yes? No.</think> Yes", RATING, {"rating": "Yes"}),
        ("Yes, I think so", RATING, None),
        ('{"rating": ["Yes"]}', RATING, None),
        ('{"rating": "Yes"', RATING, None),
        ('{"why": "no idea"}', RATING, None),
        ("", RATING, None),
        ('{"fires": ["1", 2.0, 5]}', ITEMS, {"fires": [1, 2, 5]}),
        ("[1, 3]", ITEMS, {"fires": [1, 3]}),
        ("[1, 9]", ITEMS, None),
        ('{"fires": "all"}', ITEMS, None),
        ('"words about bread"', TEXT, {"label": "words about bread"}),
        ("I'm sorry, but I can't help with that.", TEXT, None),
        ("one line\nand more", TEXT, None),
        ("so it goes " * 60, TEXT, None),
        ('{"label": "half a \\ud83d smile"}', TEXT, {"label": "half a ? smile"}),
    ],
)
def test_an_answer_is_taken_if_it_fits_and_left_if_it_does_not(
    reply: str, schema: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    assert fitting(reply, schema) == expected


def test_half_a_sentence_is_no_answer() -> None:
    assert fitting("words about bre", TEXT, plain=False) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda of: st.lists(of) | st.dictionaries(st.text(), of),
        max_leaves=20,
    )
)
def test_whatever_a_reply_holds_it_fits_or_is_left(value: Any) -> None:
    found = fitting(json.dumps(value), RATING)
    assert found is None or found["rating"] in {"Yes", "Probably", "No"}
    assert fitting(json.dumps({"wrapped": [value, {"rating": "No"}]}), RATING) is not None


@pytest.mark.parametrize(
    "text", ["I’m sorry, but I can’t.", "I cannot do that.", "As an AI language model, I", "Sorry"]
)
def test_a_refusal_in_words_is_one(text: str) -> None:
    assert refuses(text) and not refuses(f"The text says: {text}")
