"""Every phrase of up to three words is counted once a text, so that a phrase's score has the whole corpus against it.

A phrase lies within one stretch of words: it never reaches across a mark, but may end in one. Forms of a word count
together. Phrases of several words that only one text has are dropped; they can name nothing that recurs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fac_core.features.words import Word, is_article, is_light, is_link, stem, words_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MAX_WORDS = 3
MAX_TEXT_WORDS = 600
NO_PHRASE = -1
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PhraseIndex:
    """Phrases of a corpus. Words of all texts lie behind one another; `first[i]:first[i + 1]` are those of text i."""

    texts: Sequence[str]
    words: list[Word]
    first: Ints
    start_key: Ints
    """[words] text index and character place in one number, ascending."""
    at: NDArray[np.int64]
    """[MAX_WORDS, words] phrase of n + 1 words beginning here, or NO_PHRASE."""
    df: Ints
    """[phrases] texts that have it."""
    quality: NDArray[np.float64]
    """[phrases] 0..1, how well it reads as a name."""
    place: Ints
    """[phrases, 2] (first word, number of words) of its first occurrence."""
    ends_in_mark: NDArray[np.bool_]
    """[phrases]"""
    has: csr_array
    """[texts, phrases] 0/1."""

    @property
    def n_phrases(self) -> int:
        """Number of phrases."""
        return len(self.df)

    def keys(self, phrase: int) -> tuple[str, ...]:
        """The words of a phrase, as compared but for their form."""
        begin, n = self.place[phrase]
        return tuple(word.key for word in self.words[begin : begin + n])

    def stems(self, phrase: int) -> tuple[str, ...]:
        """What the phrase is counted by."""
        return tuple(stem(key) for key in self.keys(phrase))

    def word_at(self, text: Ints, char: Ints) -> Ints:
        """Global index of the word at a character of a text; white space belongs to the word before it."""
        found = np.searchsorted(self.start_key, text * _SPAN + char, side="right") - 1
        return np.clip(found, self.first[text], np.maximum(self.first[text], self.first[text + 1] - 1))


_SPAN = 1 << 32


def build_index(texts: Sequence[str]) -> PhraseIndex:
    """Count the phrases of a corpus; each text is read up to MAX_TEXT_WORDS words."""
    per_text = [words_of(text)[:MAX_TEXT_WORDS] for text in texts]
    first = np.concatenate([[0], np.cumsum([len(words) for words in per_text])]).astype(np.int64)
    words = [word for found in per_text for word in found]
    text_of = np.repeat(np.arange(len(texts)), np.diff(first))
    vocabulary: dict[str, int] = {}
    word_ids = np.array([vocabulary.setdefault(stem(word.key), len(vocabulary)) for word in words], np.int64)
    is_word = np.array([word.is_word for word in words], bool)
    raw = _raw_phrases(word_ids, is_word, text_of, len(vocabulary))
    at, place = _number(raw, text_of)
    has = _presence(at, text_of, len(texts), len(place))
    df = np.bincount(has.indices, minlength=len(place)).astype(np.int64)
    start_key = text_of * _SPAN + np.array([word.start for word in words], np.int64)
    ends_in_mark = ~is_word[place.sum(axis=1) - 1] if len(place) else np.zeros(0, bool)
    return PhraseIndex(texts, words, first, start_key, at, df, _quality(words, place), place, ends_in_mark, has)


def _raw_phrases(word_ids: Ints, is_word: NDArray[np.bool_], text_of: Ints, n_words: int) -> Ints:
    """[MAX_WORDS, words] one number for the phrase beginning at each word, NO_PHRASE where there is none."""
    n = len(word_ids)
    raw = np.full((MAX_WORDS, n), NO_PHRASE, np.int64)
    base = n_words + 1
    key, valid, last_is_word = word_ids + 1, np.ones(n, bool), is_word
    raw[0] = key
    for length in range(2, MAX_WORDS + 1):
        ahead = length - 1
        if n <= ahead:
            break
        follows = np.zeros(n, bool)
        follows[:-ahead] = text_of[ahead:] == text_of[:-ahead]
        next_id, next_is_word = np.zeros(n, np.int64), np.zeros(n, bool)
        next_id[:-ahead], next_is_word[:-ahead] = word_ids[ahead:] + 1, is_word[ahead:]
        # all but the last must be words; a mark may only end a pair
        valid = valid & follows & last_is_word
        key = key * base + next_id
        ok = valid if length == 2 else valid & next_is_word
        raw[length - 1] = np.where(ok, key, NO_PHRASE)
        last_is_word = next_is_word
    return raw


def _number(raw: Ints, text_of: Ints) -> tuple[Ints, Ints]:
    """Dense phrase numbers in the place of the raw ones, and (first word, length) of each phrase."""
    at = np.full_like(raw, NO_PHRASE)
    places = []
    known = 0
    for n in range(raw.shape[0]):
        where = np.flatnonzero(raw[n] != NO_PHRASE)
        values, begin, inverse = np.unique(raw[n, where], return_index=True, return_inverse=True)
        pairs = np.unique(np.stack([inverse, text_of[where]]), axis=1)[0] if len(where) else np.empty(0, np.int64)
        keep = np.bincount(pairs, minlength=len(values)) > (1 if n else 0)
        number = np.where(keep, np.cumsum(keep) - 1 + known, NO_PHRASE)
        at[n, where] = number[inverse]
        places.append(np.stack([where[begin[keep]], np.full(int(keep.sum()), n + 1)], axis=1))
        known += int(keep.sum())
    return at, np.concatenate(places).astype(np.int64)


def _presence(at: Ints, text_of: Ints, n_texts: int, n_phrases: int) -> Any:
    from scipy.sparse import csr_array

    n, where = np.nonzero(at != NO_PHRASE)
    pairs = np.unique(text_of[where] * max(1, n_phrases) + at[n, where])
    rows, columns = np.divmod(pairs, max(1, n_phrases))
    ones = np.ones(len(pairs), np.float32)
    return csr_array((ones, (rows, columns)), shape=(n_texts, n_phrases))


def _quality(words: list[Word], place: Ints) -> NDArray[np.float64]:
    """A name that ends in *of the* reads worse than one that ends in a noun; marks and function words worst."""
    quality = np.ones(len(place))
    for phrase, (begin, n) in enumerate(place.tolist()):
        members = words[begin : begin + n]
        keys = [word.key for word in members]
        if not any(word.is_word for word in members):
            quality[phrase] = 0.5
            continue
        if not members[-1].is_word:
            quality[phrase] *= 0.8
        if all(is_light(key) for key in keys):
            quality[phrase] *= 0.6
        if n > 1 and is_link(keys[0]):
            quality[phrase] *= 0.85
        if n > 1 and is_article(keys[-1]):
            quality[phrase] *= 0.75
        elif n > 1 and is_link(keys[-1]):
            quality[phrase] *= 0.85
    return quality
