"""Words are whole words in any script, and a phrase is counted once a text."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.features.phrases import NO_PHRASE, build_index
from fac_core.features.words import stem, words_of


def _keys(text: str) -> list[str]:
    return [word.key for word in words_of(text)]


def test_words_keep_their_marks_hyphens_and_apostrophes() -> None:
    assert _keys("Don’t self-harm, José!") == ["don't", "self-harm", ",", "josé", "!"]
    assert _keys("cafe\u0301 costs 3.50 or 1,000") == ["cafe\u0301", "costs", "3.50", "or", "1,000"]
    assert _keys("كَيْفَ أفتح") == ["كَيْفَ", "أفتح"]


def test_scripts_without_spaces_are_read_sign_by_sign_and_a_joined_picture_is_one_mark() -> None:
    assert _keys("日本 abc") == ["日", "本", "abc"]
    assert len(words_of("👩‍👩‍👧 👍🏽 ok")) == 3


@given(st.text(max_size=60))
def test_words_lie_in_order_within_the_text_and_leave_out_white_space_only(text: str) -> None:
    words = words_of(text)
    end = 0
    for word in words:
        assert end <= word.start < word.end <= len(text)
        assert not text[end : word.start].strip()
        end = word.end
    assert not text[end:].strip()


@pytest.mark.parametrize(
    ("one", "other"), [("hacking", "hacks"), ("robberies", "robbery"), ("stopped", "stops"), ("house", "houses")]
)
def test_forms_of_a_word_share_a_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("caring", "cars"), ("water", "wat"), ("this", "thing"), ("bus", "but")])
def test_different_words_keep_different_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_phrases_are_counted_once_a_text_and_never_cross_a_mark() -> None:
    index = build_index(["hack into it, hack into that", "Hacking into it", "stop. into it", ""])
    known = {index.keys(phrase): int(index.df[phrase]) for phrase in range(index.n_phrases)}
    assert known["hack", "into"] == 2 and known["into", "it"] == 3 and known["hack", "into", "it"] == 2
    assert ("into", "that") not in known, "only one text has it"
    assert ("it", ",") not in known and ("it", "hack") not in known
    assert index.has.sum(axis=0).tolist() == index.df.tolist()


@given(st.lists(st.text(alphabet="ab ,.", max_size=12), max_size=6))
def test_the_index_finds_exactly_the_words_of_each_text(texts: list[str]) -> None:
    index = build_index(texts)
    for text, (low, high) in enumerate(pairwise(index.first)):
        assert [word.key for word in index.words[low:high]] == _keys(texts[text])
        for place in range(low, high):
            assert index.at[0, place] != NO_PHRASE
            for n in (2, 3):
                phrase = index.at[n - 1, place]
                if phrase != NO_PHRASE:
                    assert place + n <= high
                    assert index.stems(phrase) == tuple(stem(word.key) for word in index.words[place : place + n])


def test_a_character_is_found_in_its_word_or_the_one_before() -> None:
    index = build_index(["one two", "", "three"])
    found = index.word_at(np.array([0, 0, 0, 2]), np.array([1, 3, 6, 4]))
    assert [index.words[place].key for place in found] == ["one", "one", "two", "three"]
