"""Which phrases could name a feature: those that stand near its peaks more than chance would put them there.

*Recall*: share of the feature's firings, weighted by the square of their strength, with the phrase within eight words
of the peak, less the farther away and less after it, since the model had not read on. *Precision*: mean activation,
relative to the maximum, over all texts of the corpus that have the phrase; texts that have it where the feature is
silent are the matched negatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.features.phrases import MAX_WORDS, NO_PHRASE, Ints, PhraseIndex

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WINDOW = 8
TOP_ROWS = 48
"""Strongest firings a feature is named from."""
MAX_CANDIDATES = 30
_BEFORE, _AFTER, _BEYOND, _TRAILING_MARK = 0.88, 0.75, 0.9, 0.4
Floats = NDArray[np.float64]


class Firings(NamedTuple):
    """Activations by feature, strongest first within each; all arrays are [rows]."""

    feature: Ints
    text: Ints
    """Index of the text in the corpus."""
    value: Floats
    peak: Ints
    """Global index of the word at the peak."""


class Candidates(NamedTuple):
    """Phrases near the peaks of one feature, best first, and the firings they were found near."""

    phrase: Ints
    """[phrases]"""
    precision: Floats
    """[phrases]"""
    near: Floats
    """[phrases, firings] closeness of the phrase to the peak of each firing, 0 = not there."""
    weight: Floats
    """[firings]"""
    text: Ints
    """[firings]"""
    peak: Ints
    """[firings]"""


class _Pairs(NamedTuple):
    """Phrases by feature; rows [first, first + n_firings) of `row` and `near` are where each stands."""

    owner: Ints
    phrase: Ints
    first: Ints
    n_firings: Ints
    row: Ints
    near: Floats


def candidates_of(index: PhraseIndex, rows: Firings, begin: Ints, ends: Ints) -> Iterator[Candidates]:
    """Candidates of features whose firings are rows [begin, end)."""
    n_features = len(begin)
    local = np.repeat(np.arange(n_features), ends - begin)
    all_rows = np.concatenate([np.arange(a, b) for a, b in zip(begin, ends, strict=True)])
    strength = rows.value[all_rows] / rows.value[begin][local]
    rank = all_rows - begin[local]
    top = np.flatnonzero(rank < TOP_ROWS)
    weight, text, peak = strength[top] ** 2, rows.text[all_rows[top]], rows.peak[all_rows[top]]
    pairs = _pair(local[top], *_phrases_near(index, text, peak), index.n_phrases)
    precision = _precision(index, local, rows.text[all_rows], strength, pairs)
    recall = _sum(weight[pairs.row] * pairs.near, pairs.first) / np.bincount(local[top], weight)[pairs.owner]
    n_top = np.bincount(local[top])
    score = np.sqrt(recall * precision) * index.quality[pairs.phrase] * _supported(index, pairs, n_top)
    by_feature = np.lexsort((pairs.phrase, -score, pairs.owner))
    starts = np.searchsorted(pairs.owner[by_feature], np.arange(n_features + 1))
    firings = np.searchsorted(local[top], np.arange(n_features + 1))
    for feature in range(n_features):
        chosen = by_feature[starts[feature] : starts[feature + 1]][:MAX_CANDIDATES]
        chosen = chosen[score[chosen] > 0]
        mine = slice(firings[feature], firings[feature + 1])
        near = np.zeros((len(chosen), n_top[feature]))
        for place, pair in enumerate(chosen):
            members = slice(pairs.first[pair], pairs.first[pair] + pairs.n_firings[pair])
            near[place, pairs.row[members] - firings[feature]] = pairs.near[members]
        yield Candidates(pairs.phrase[chosen], precision[chosen], near, weight[mine], text[mine], peak[mine])


def _phrases_near(index: PhraseIndex, text: Ints, peak: Ints) -> tuple[Ints, Ints, Floats]:
    """Phrases within WINDOW words of each peak: (row, phrase, closeness), the closest occurrence of each."""
    low, high = index.first[text], index.first[text + 1]
    found_row, found_phrase, found_near = [], [], []
    for n in range(1, MAX_WORDS + 1):
        shift = np.arange(-WINDOW, WINDOW - n + 2)
        begin = peak[:, None] + shift
        inside = (begin >= low[:, None]) & (begin + n <= high[:, None])
        phrase = np.where(inside, index.at[n - 1][np.clip(begin, 0, index.at.shape[1] - 1)], NO_PHRASE)
        row, column = np.nonzero(phrase != NO_PHRASE)
        before, beyond = np.maximum(0, -(shift + n - 1)), np.maximum(0, shift + n - 1)
        across = np.where(shift > 0, _AFTER ** (beyond + 1), _BEYOND**beyond)
        closeness = np.where(before > 0, _BEFORE**before, across)
        found_row.append(row)
        found_phrase.append(phrase[row, column])
        # a mark after the word at the peak says nothing; one the feature fires on does
        trailing = index.ends_in_mark[phrase[row, column]] & (beyond[column] > 0)
        found_near.append(closeness[column] * np.where(trailing, _TRAILING_MARK, 1.0))
    row, phrase, near = (np.concatenate(parts) for parts in (found_row, found_phrase, found_near))
    order = np.lexsort((-near, phrase, row))
    row, phrase, near = row[order], phrase[order], near[order]
    fresh = np.ones(len(row), bool)
    fresh[1:] = (row[1:] != row[:-1]) | (phrase[1:] != phrase[:-1])
    return row[fresh], phrase[fresh], near[fresh]


def _pair(owner: Ints, row: Ints, phrase: Ints, near: Floats, n_phrases: int) -> _Pairs:
    key = owner[row] * n_phrases + phrase
    order = np.argsort(key, kind="stable")
    pairs, first, count = np.unique(key[order], return_index=True, return_counts=True)
    return _Pairs(*np.divmod(pairs, max(1, n_phrases)), first, count, row[order], near[order])


def _sum(values: Floats, first: Ints) -> Floats:
    return np.add.reduceat(values, first) if len(first) else np.empty(0)


def _supported(index: PhraseIndex, pairs: _Pairs, n_top: Ints) -> NDArray[np.bool_]:
    """Away from the peak a phrase may be there by chance; at the peak even a word met once is what the feature read."""
    nearest = np.maximum.reduceat(pairs.near, pairs.first) if len(pairs.first) else np.empty(0)
    single = (index.place[pairs.phrase, 1] == 1) & (nearest == 1)
    enough = np.minimum(np.where(nearest == 1, 2, 3), n_top[pairs.owner])
    supported: NDArray[np.bool_] = single | (pairs.n_firings >= enough)
    return supported


def _precision(index: PhraseIndex, local: Ints, text: Ints, strength: Floats, pairs: _Pairs) -> Floats:
    """Mean relative activation over the texts that have a phrase, shrunk by one text without it."""
    from scipy.sparse import csr_array

    n_features = int(local[-1]) + 1
    fires = csr_array((strength, (local, text)), shape=(n_features, len(index.texts)))
    together: csr_array = fires @ index.has
    together.sort_indices()
    owner = np.repeat(np.arange(n_features), np.diff(together.indptr))
    keys = owner * index.n_phrases + together.indices
    found = np.searchsorted(keys, pairs.owner * index.n_phrases + pairs.phrase)
    shared: Floats = together.data[found].astype(np.float64)
    return shared / (index.df[pairs.phrase] + 1)
