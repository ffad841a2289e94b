"""The fast search finds what comparing all pairs finds."""

from __future__ import annotations

import random
import re
import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.samples.duplicates import near_duplicates


@cache
def grams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold()) or [text]
    words += [""] * (3 - len(words))
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def similarity(a: str, b: str) -> float:
    return len(grams(a) & grams(b)) / len(grams(a) | grams(b))


def slow(texts: list[str], known: list[str]) -> tuple[list[bool], list[bool]]:
    """All pairs: text by text, one that resembles an earlier kept text goes."""
    kept: list[str] = []
    earlier = []
    for text in texts:
        earlier.append(any(similarity(text, other) >= 0.8 for other in kept))
        if not earlier[-1]:
            kept.append(text)
    return earlier, [any(similarity(text, other) >= 0.8 for other in known) for text in texts]


def mutated(seed: int, n: int) -> list[str]:
    """Sentences and copies of them with a few words changed, dropped or doubled."""
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(40)]
    found: list[str] = []
    for _ in range(n):
        if found and rng.random() < 0.6:
            line = rng.choice(found).split()
            for _ in range(rng.randint(0, 3)):
                line[rng.randrange(len(line))] = rng.choice(words)
            if rng.random() < 0.3:
                line.insert(rng.randrange(len(line)), rng.choice(words))
            found.append(" ".join(line))
        else:
            found.append(" ".join(rng.choices(words, k=rng.randint(1, 40))))
    return found


@given(st.integers(0, 10_000))
def test_near_duplicates_are_those_of_comparing_all_pairs(seed: int):
    texts, known = mutated(seed, 40), mutated(seed + 1, 10) + mutated(seed, 5)
    fast = near_duplicates(texts, known)
    earlier, of_known = slow(texts, known)
    assert [i >= 0 for i in fast.earlier.tolist()] == earlier
    assert [i >= 0 for i in fast.known.tolist()] == of_known


@given(st.integers(0, 10_000))
def test_what_is_named_as_the_duplicate_really_is_one(seed: int):
    texts, known = mutated(seed, 40), mutated(seed, 10)
    found = near_duplicates(texts, known)
    for i, (j, k) in enumerate(zip(found.earlier.tolist(), found.known.tolist(), strict=True)):
        assert j < i
        assert j < 0 or similarity(texts[i], texts[j]) >= 0.8
        assert k < 0 or similarity(texts[i], known[k]) >= 0.8


@given(st.lists(st.text(max_size=40), max_size=15))
def test_any_texts_can_be_compared(texts: list[str]):
    assert len(near_duplicates(texts).earlier) == len(texts)


def test_case_and_punctuation_make_no_difference_and_a_changed_word_in_a_long_text_little():
    text = " ".join(f"word{i}" for i in range(40))
    assert near_duplicates(["Hello there, world", "hello THERE world!"]).earlier.tolist() == [-1, 0]
    assert near_duplicates([text, text.replace("word20", "other")]).earlier.tolist() == [-1, 0]
    assert near_duplicates(["how to kill a process", "how to kill a person"]).earlier.tolist() == [-1, -1]


def test_texts_without_words_or_spaces_are_told_apart():
    assert near_duplicates(["🙂", "🧨", "!!!", "🙂"]).earlier.tolist() == [-1, -1, -1, 0]
    near = near_duplicates(["今天天气很好我们去公园散步吧朋友们", "今天天气很好我们去公园散步吧朋友"])
    assert near.earlier.tolist() == [-1, 0]
    assert near_duplicates(["今天天气很好", "明天下雨了吗"]).earlier.tolist() == [-1, -1]


@pytest.mark.parametrize(
    "texts",
    [
        [f"please tell me in a few simple words what the number {i} means to you my dear friend" for i in range(3000)],
        ["the very same words over and over again in each of them"] * 3000,
    ],
)
def test_masses_of_texts_alike_by_half_do_not_make_it_quadratic(texts: list[str]):
    started = time.process_time()
    near_duplicates(texts)
    assert time.process_time() - started < 8
