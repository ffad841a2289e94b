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


JUDGED = {
    "type": "object",
    "properties": {
        "analysis": {"type": "string"},
        "rating": {"type": "string", "enum": ["yes", "probably", "maybe", "no"]},
    },
    "required": ["analysis", "rating"],
    "additionalProperties": False,
}
NUMBERED = {
    "type": "object",
    "properties": {str(n): {"type": "string", "enum": ["yes", "no"]} for n in (1, 2, 3)},
    "required": ["1", "2", "3"],
    "additionalProperties": False,
}
YNY = {"1": "yes", "2": "no", "3": "yes"}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Yes", ("yes", "")),
        ("**Answer: Maybe**", ("maybe", "")),
        ("Probably. They do.", ("probably", "They do.")),
        ("**No**\n\nNone of them shows it.", ("no", "None of them shows it.")),
        ("Analysis: It asks for it twice.\nRating: probably", ("probably", "It asks for it twice.")),
        ("It asks for it. The final rating is **yes**.", ("yes", "It asks for it.")),
        ("{'analysis': 'it isn\\'t there', 'rating': 'no'}", ("no", "it isn't there")),
        ('```json\n{"rating": "Maybe"}\n```\nI hope this helps!', ("maybe", "")),
        ('{"analysis": "so", "rating": "**yes**"}', ("yes", "so")),
        ("Yes, I think so", None),
        ("Yes. No.", None),
        ("Rating: yes\nRating: no", None),
        ("yes or no", None),
        ("No passage shows it.", None),
        ("I would say yes", None),
        ("The passage says: yes. It is about no.", None),
        ("Yesterday.", None),
        ("I can't say.", None),
        ("No. I’m sorry, I can’t help with that.", None),
        ("No. I can't find it in any of them.", ("no", "I can't find it in any of them.")),
        ("Yes! Please share the passages.", None),
        ("Answer: Yes. Actually, the answer is probably not.", None),
        ("Yes\n\nWait, it is not.", None),
        ("No. 5 is about it, and so are the others.", None),
        ("Rating: no\n1. None shows it.", ("no", "1. None shows it.")),
    ],
)
def test_a_choice_in_plain_words_counts_where_it_can_be_read_one_way(
    reply: str, expected: tuple[str, str] | None
) -> None:
    found = fitting(reply, JUDGED)
    assert (found and (found["rating"], found["analysis"])) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("1. yes\n2. no\n3. yes", YNY),
        ("Text 1: Yes\nText 2: No\nText 3: **Yes**", YNY),
        ("1: yes, 2: no, 3: yes", YNY),
        ('["yes", "no", "yes"]', YNY),
        ('[{"1": "yes"}, {"2": "no"}, {"3": "yes"}]', YNY),
        ('{"1": true, "2": false, "3": true}', YNY),
        ("{'1': 'yes', '2': 'no', '3': 'yes'}", YNY),
        ("1. yes\n2. no", None),
        ("1. yes\n2. no\n3. yes\n3. no", None),
        ("1. yes it does\n2. no\n3. yes", None),
        ('["yes", "no"]', None),
        ('["yes", "no", "yes", "no"]', None),
        ("yes, no, yes", None),
        ("Yes.", None),
    ],
)
def test_numbered_choices_count_where_each_is_said_once(reply: str, expected: dict[str, str] | None) -> None:
    assert fitting(reply, NUMBERED) == expected


def test_a_choice_at_the_end_of_a_reply_that_was_cut_may_be_half_a_word() -> None:
    assert fitting("no", JUDGED, whole=False) is None
    assert fitting("1. yes\n2. no\n3. no", NUMBERED, whole=False) is None
    assert fitting("No. The", JUDGED, whole=False) == {"rating": "no", "analysis": "The"}


@given(st.text(alphabet="yesnopraybl .,:;!*\n1234{}'\"", max_size=80))
def test_no_reply_is_read_two_ways_or_breaks_the_reader(reply: str) -> None:
    for schema in (JUDGED, NUMBERED):
        found = fitting(reply, schema)
        assert found is None or set(found) == set(schema["properties"])  # type: ignore[arg-type]


def test_half_a_sentence_is_no_answer() -> None:
    assert fitting("words about bre", TEXT, whole=False) is None


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
