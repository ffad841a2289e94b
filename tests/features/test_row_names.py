"""A row's name tells it from the other rows, in words that can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.features.row_names import NAMED_AFTER, name_rows
from fac_core.features.words import is_light, words_of


def _named(*names: str, beside: tuple[str, ...] = ()) -> str:
    """Name of a row of features with these keywords, beside a row with others."""
    called = dict(enumerate([*names, *beside]))
    rows = {0: dict.fromkeys(range(len(names)), 1.0), 1: dict.fromkeys(range(len(names), len(called)), 1.0)}
    return name_rows(rows, called)[0]


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (["4", "2", "two hundred · 4"], "two hundred"),
        (["said", '"', 'said · "'], "said"),
        (["n", "wat", "wat · n"], "wat"),
        (["the", "of the", "in the house · of"], "house"),
        (["isn't", "don't", "whats", "havent", "garage"], "garage"),
        (["die ?", "die"], "die"),
        (["of", "4", "!"], "of"),
        (["4", "!", "4"], "4 · !"),
        (["水", "的水 · 4"], "水"),
        (["", ""], ""),
        ([], ""),
    ],
)
def test_marks_digits_letters_and_function_words_are_said_only_where_nothing_better_is(
    members: list[str], name: str
) -> None:
    assert _named(*members) == name


def test_a_word_that_many_rows_carry_is_not_what_a_row_is_called() -> None:
    rows = {row: {row * 10 + i: 1.0 for i in range(4)} for row in range(6)}
    names = {row * 10 + i: f"please · own{row}" if i else f"own{row}" for row in range(6) for i in range(4)}
    assert name_rows(rows, names) == {row: f"own{row} · please" for row in range(6)}


def test_no_word_is_said_twice_in_another_form() -> None:
    assert _named("hack into", "hacking", "hacks · password", beside=("train",)) == "hack into · password"


def test_central_members_count_more() -> None:
    assert name_rows({0: {1: 0.9, 2: 0.1}}, {1: "river", 2: "bank"}) == {0: "river · bank"}
    assert name_rows({0: {1: 0.1, 2: 0.9}}, {1: "river", 2: "bank"}) == {0: "bank · river"}


def test_unclear_keywords_are_not_listened_to_where_any_is_clear() -> None:
    assert _named("noise (unclear)", "noise (unclear)", "river") == "river"
    assert _named("noise (unclear)") == "noise"


KEYWORD = st.text(st.sampled_from("ab4 !\"'é水the"), min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.lists(st.lists(KEYWORD, min_size=1, max_size=3).map(" · ".join), max_size=6))
def test_a_name_is_made_of_parts_of_its_members_keywords(members: list[str]) -> None:
    name = _named(*members)
    parts = [part for part in name.split(" · ") if part]
    assert len(parts) <= NAMED_AFTER and bool(name) == bool(members)
    assert all(any(part in member for member in members) for part in parts)
    telling = [word.key for member in members for word in words_of(member) if len(word.key) > 2 and word.key.isalpha()]
    if any(not is_light(key) for key in telling):
        assert all(any(char.isalpha() for char in part) for part in parts)
