"""Diversity of texts: counted from words, compared at equal length."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.errors import InputError
from fac_core.evaluation.diversity import compare, diversity, diversity_at, words

texts = st.lists(st.text(alphabet="abcd éم😀'.\n", max_size=40), max_size=12)


def test_counts_of_a_small_collection_are_those_counted_by_hand():
    found = diversity(["The cat saw the cat.", "A cat!"])
    assert found.n_texts == 2
    assert found.n_words == 9  # the cat saw the cat . a cat !
    assert found.distinct_1 == pytest.approx(6 / 9)
    assert found.distinct_2 == pytest.approx(6 / 7)  # "the cat" twice
    assert found.bigram_entropy == pytest.approx(-(2 / 7 * math.log2(2 / 7) + 5 * (1 / 7 * math.log2(1 / 7))))


def test_words_keep_apostrophes_and_fold_case():
    assert words("Don't PANIC, ok?") == ["don't", "panic", ",", "ok", "?"]


def test_bigrams_do_not_cross_texts():
    assert diversity(["a b", "c d"]).bigram_entropy == pytest.approx(1.0)


def test_no_words_give_zeros_and_no_error():
    for empty in ([], ["", "  "]):
        found = diversity(empty)
        assert (found.distinct_1, found.distinct_2, found.bigram_entropy, found.n_words) == (0, 0, 0, 0)


@given(texts)
def test_diversity_equals_a_slow_count(collection):
    found = diversity(collection)
    tokens = [word for text in collection for word in words(text)]
    pairs = Counter(p for t in collection for p in zip(words(t), words(t)[1:], strict=False))
    total = sum(pairs.values())
    assert found.n_words == len(tokens)
    assert found.distinct_1 == pytest.approx(len(set(tokens)) / len(tokens) if tokens else 0)
    assert found.distinct_2 == pytest.approx(len(pairs) / total if total else 0)
    assert 0 <= found.bigram_entropy <= math.log2(max(1, len(pairs))) + 1e-9


@given(texts, st.randoms())
def test_the_order_of_texts_changes_nothing(collection, rng):
    shuffled = list(collection)
    rng.shuffle(shuffled)
    first, second = diversity(collection), diversity(shuffled)
    assert (first.distinct_1, first.distinct_2) == (second.distinct_1, second.distinct_2)
    assert first.bigram_entropy == pytest.approx(second.bigram_entropy)


@given(texts)
def test_drawing_all_words_measures_the_whole_collection(collection):
    whole = diversity(collection)
    if whole.n_words:
        assert diversity_at(collection, whole.n_words, draws=2).distinct_2 == pytest.approx(whole.distinct_2)


def test_repeating_texts_lowers_plain_distinct_and_the_comparison_is_at_the_length_before():
    base = ["one two three four", "five six seven eight"]
    change = compare(base, base)
    assert change.after.distinct_1 < change.before.distinct_1
    assert change.before_equal.distinct_2 == pytest.approx(change.before.distinct_2)
    assert change.equal_words == change.before.n_words == change.after_equal.n_words


def test_new_words_raise_diversity_at_equal_length():
    base = ["the same words again and again"] * 5
    change = compare(base, ["quite different vocabulary", "nothing shared here", "fresh terms only"] * 3)
    assert change.after_equal.distinct_1 > change.before_equal.distinct_1
    assert change.after_equal.bigram_entropy > change.before_equal.bigram_entropy


def test_the_same_seed_draws_the_same_words():
    base = [f"word{i} other{i} third{i % 3}" for i in range(30)]
    assert diversity_at(base, 20, draws=3) == diversity_at(base, 20, draws=3)
    assert diversity_at(base, 20, draws=3) != diversity_at(base, 20, draws=3, seed=1)


def test_asking_for_more_words_than_there_are_is_one_sentence():
    with pytest.raises(InputError, match="hold 3 words, too few to draw 5"):
        diversity_at(["only three words"], 5)
    with pytest.raises(InputError, match="at least one word"):
        diversity_at(["only three words"], 0)
    for empty in ([], [" \n"]):
        with pytest.raises(InputError, match="seed set holds no words to compare with; import its texts first"):
            compare(empty, ["new text"])
