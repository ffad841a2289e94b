"""A span is widened to whole characters as a person sees them; the oracle is the Unicode library's own cutting."""

from __future__ import annotations

from itertools import accumulate

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from fac_core.feature_space.extractor import Extractor
from fac_core.features.graphemes import widen
from fac_core.features.words import words_of
from pages.ui import heat

WHOLE = ["👩‍👩‍👧‍👦", "👍🏽", "❤️‍🔥", "1️⃣", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "é̂", "né", "कि", "한", "नि", "ก็", "a"]
ALPHABET = ["a", " ", "\n", "e", "\u0301", "\u0323", "👩", "\u200d", "❤", "\ufe0f", "🏽", "🇩", "🇪", "क", "ि", "한", "ᄒ", "ᅡ", "ᆫ"]  # fmt: skip
texts = st.lists(st.sampled_from([*WHOLE, *ALPHABET]), max_size=14).map("".join)


@given(texts, st.data())
def test_no_span_begins_or_ends_inside_a_character(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    ((low, high),) = widen(text, [(start, end)])
    assert low <= start <= end <= high <= len(text)
    if start == end:
        assert (low, high) == (start, end)
        return
    places = {match.start() for match in regex.finditer(r"\X", text)} | {len(text)}
    assert {low, high} <= places
    assert widen(text, [(low, high)]) == [(low, high)], "what is whole stays as it is"


@pytest.mark.parametrize("whole", WHOLE)
def test_a_span_of_any_part_is_the_whole_character_and_nothing_beside_it(whole: str) -> None:
    text = f"x {whole} y"
    parts = [(2 + place, 3 + place) for place in range(len(whole))]
    assert set(widen(text, parts)) <= {(2, 2 + len(whole)), *parts}
    if len(regex.findall(r"\X", whole)) == 1:
        assert set(widen(text, parts)) == {(2, 2 + len(whole))}


def test_a_span_outside_its_text_is_left_to_whoever_draws_it() -> None:
    assert widen("né", [(-1, 1), (2, 9)]) == [(-1, 1), (2, 9)]


def test_words_and_highlights_join_the_same_sequences() -> None:
    text = "ok 👩‍👩‍👧‍👦 🇩🇪 ❤️‍🔥"
    marks = [(word.start, word.end) for word in words_of(text) if not word.is_word]
    assert [text[start:end] for start, end in marks] == ["👩‍👩‍👧‍👦", "🇩🇪", "❤️‍🔥"]
    assert widen(text, [(start, start + 1) for start, _ in marks]) == marks


def test_a_drawn_peak_and_a_cut_of_a_long_text_keep_characters_whole() -> None:
    family = "👩‍👩‍👧‍👦"
    assert [piece.text for piece in heat.text_pieces(f"a {family} b", [(4, 5, 1.0)])] == ["a ", family, " b"]
    drawn = heat.text_pieces(family * 40, [(0, 1, 1.0)], limit=30)
    shown = "".join(piece.text for piece in drawn if piece.kind == "")
    assert shown and set(regex.findall(r"\X", shown)) == {family}


@pytest.mark.parametrize(
    "text",
    ["日本語と中文混在", "a 👩‍👩‍👧‍👦 family ❤️‍🔥", "Привет, мир", "كيف يمكنني فتح هذا", "<script>alert('né')</script>"],
    ids=["chinese", "joined emoji", "cyrillic", "arabic", "script"],
)
def test_p23_tokens_are_drawn_as_ranges_of_whole_characters_of_the_text(text: str, extractor: Extractor) -> None:
    # a byte-level tokenizer cuts these inside a character, where a token has no text of its own
    offsets = extractor.backbone.tokenize(text, 512).offsets
    assert len(offsets) > 3
    for peak in range(len(offsets)):
        spans = [(*span, 2.0 if number == peak else 1.0) for number, span in enumerate(offsets)]
        pieces = heat.text_pieces(text, spans)
        assert "".join(piece.text for piece in pieces) == text
        assert sum(piece.value > 0 for piece in pieces) >= 1
        places = {match.start() for match in regex.finditer(r"\X", text)} | {len(text)}
        ends = list(accumulate(len(piece.text) for piece in pieces))
        assert set(ends) <= places
