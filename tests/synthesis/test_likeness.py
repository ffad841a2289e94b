"""Copies are found among any number of texts; different texts are left alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.synthesis.likeness import Index, Likeness, Nearest, likeness

TEXT = "how do i get a stolen card to work at a shop without a pin"
words = st.lists(
    st.sampled_from(["how", "do", "i", "make", "a", "pie", "bomb", "card", "lamp", "for", "my", "friend", "today"]),
    max_size=14,
)


@pytest.mark.parametrize(
    "copy",
    [
        TEXT,
        TEXT.upper() + "!!",
        TEXT.replace("card", "phone"),
        f"{TEXT} please tell me",
        f"please tell me, {TEXT}, and do it as quickly as you can because the shop closes at six",
        TEXT.replace(" a shop", " the shop"),
    ],
)
def test_a_copy_with_small_changes_is_a_near_duplicate(copy: str) -> None:
    assert Index(["something else entirely, said at length", TEXT]).near(copy) == TEXT


@pytest.mark.parametrize(
    "other",
    ["how do i get a bus ticket in a town without a machine", "where do stolen cards end up", "stolen card", ""],
)
def test_a_text_on_the_same_matter_is_none(other: str) -> None:
    assert Index([TEXT]).near(other) is None


@given(words, words)
def test_likeness_does_not_depend_on_the_order_of_the_two(one: list[str], other: list[str]) -> None:
    found = likeness(" ".join(one), " ".join(other))
    assert found == likeness(" ".join(other), " ".join(one)) and 0 <= found.value <= 1


@given(st.text())
def test_every_text_is_like_itself(text: str) -> None:
    assert likeness(text, text).near and Index([text]).near(text) == text


def test_the_index_finds_what_comparing_with_all_finds() -> None:
    rng = random.Random(5)
    vocabulary = [f"w{n}" for n in range(60)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randint(8, 14))) for _ in range(120)]
    for text in texts[:40]:
        changed = text.split()
        changed[rng.randrange(len(changed))] = "new"
        query = " ".join(changed)
        expected = {other for other in texts if likeness(query, other).near}
        assert (Index(texts).near(query) in expected) if expected else Index(texts).near(query) is None


def test_of_many_texts_with_the_same_beginning_only_the_likeliest_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def counted(one: str, other: str) -> Likeness:
        compared.append(other)
        return likeness(one, other)

    monkeypatch.setattr("fac_core.synthesis.likeness.likeness", counted)
    index = Index(f"how do i make a number {n} of {n * 7} things for my friend" for n in range(20_000))
    assert index.near("how do i make a number 19999 of 139993 things for my friend") == index.texts[-1]
    assert len(compared) <= 20


def test_the_nearest_text_shares_the_rare_words() -> None:
    nearest = Nearest(["how do i make a pie", "how do i pick a lock at night", "", "how do i sell a car"])
    found = nearest.find("the best tool to pick any lock")
    assert found is not None and found[0] == 1 and 0 < found[1] < 1
    assert nearest.find("how do i make a pie") == (0, pytest.approx(1.0))
    assert Nearest([]).find("anything") is None and Nearest(["", "!"]).find("anything") is None
