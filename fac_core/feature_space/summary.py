"""The summary of two sets of texts is the sum of their summaries, however they were cut and in whatever order.

A summary holds, for each feature, how many texts reach each bin of activation, and the few texts that activate it most.
Counts add; of the strongest the stronger stay. Equal values go by the text's hash, so that no order of reading shows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.store.activations import BIN_WIDTH, LAST_BIN

Counts = NDArray[np.int64]
N_BINS = LAST_BIN + 1
MAX_EXAMPLES = 20
MAX_EXAMPLE_TEXTS = 327_680
"""Texts a pool keeps at most: 20 for each of 16,384 features, 5 of 65,536."""


class Top(NamedTuple):
    """Strongest texts of features, one entry for each (feature, text), by feature, strongest first."""

    feature: NDArray[np.int32]
    """[n]"""
    value: NDArray[np.float32]
    """[n]"""
    key: NDArray[np.uint64]
    """[n], see `key_of`"""

    @classmethod
    def none(cls) -> Top:
        """Nothing."""
        return cls(np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.uint64))

    def at(self, which: NDArray[Any]) -> Top:
        """Some entries, by place or mask."""
        return Top(self.feature[which], self.value[which], self.key[which])

    def plus(self, other: Top) -> Top:
        """Entries of both."""
        return Top(
            np.concatenate([self.feature, other.feature]),
            np.concatenate([self.value, other.value]),
            np.concatenate([self.key, other.key]),
        )


class Summary:
    """Counts and strongest texts of some texts."""

    def __init__(self, d_sae: int, n: int) -> None:
        """`n`: texts kept for each feature."""
        self.n = n
        self.n_samples = 0
        self.counts: Counts = np.zeros((d_sae, N_BINS), np.int64)
        """[d_sae, bins] texts by bin of the maximum activation."""
        self.top = Top.none()

    def add(self, other: Summary) -> None:
        """Take in the summary of other texts."""
        self.counts += other.counts
        self.n_samples += other.n_samples
        self.keep(other.top)

    def add_texts(self, keys: list[int], features: list[NDArray[np.int32]], values: list[NDArray[np.float32]]) -> None:
        """Take in texts, each with its active features and their values."""
        self.n_samples += len(keys)
        if not keys:
            return
        feature, value = np.concatenate(features), np.concatenate(values)
        np.add.at(self.counts, (feature, bins_of(value)), 1)
        key = np.repeat(np.array(keys, np.uint64), [len(each) for each in features])
        self.keep(Top(feature.astype(np.int32), value.astype(np.float32), key))

    def keep(self, more: Top) -> None:
        """Keep the strongest of what is here and what comes."""
        rising = more.value >= self.floor[more.feature]
        self.top = strongest(self.top.plus(more.at(rising)), self.n)

    @property
    def floor(self) -> NDArray[np.float32]:
        """[d_sae]: a text below it is none of the feature's `n` strongest, whatever else is read."""
        found = np.full(len(self.counts), -np.inf, np.float32)
        feature, starts, sizes = np.unique(self.top.feature, return_index=True, return_counts=True)
        full = sizes == self.n
        found[feature[full]] = self.top.value[starts[full] + self.n - 1]
        return found


def strongest(entries: Top, n: int) -> Top:
    """The `n` strongest different texts of each feature."""
    # the same text twice is the same example; its values may differ in the last digit
    order = np.lexsort((-entries.value, entries.key, entries.feature))
    feature, key = entries.feature[order], entries.key[order]
    first = np.ones(len(order), bool)
    first[1:] = (feature[1:] != feature[:-1]) | (key[1:] != key[:-1])
    once = order[first]
    order = once[np.lexsort((entries.key[once], -entries.value[once], entries.feature[once]))]
    feature = entries.feature[order]
    rank = np.arange(len(order)) - np.searchsorted(feature, feature, side="left")
    kept = order[rank < n]
    return entries.at(kept)


def bins_of(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Bin of each value: b holds (b*0.25, (b+1)*0.25], the last one everything above."""
    bins: NDArray[np.int64] = np.clip(np.ceil(values.astype(np.float64) / BIN_WIDTH) - 1, 0, LAST_BIN).astype(np.int64)
    return bins


def key_of(content_hash: str) -> int:
    """The first 64 bits of a text's hash."""
    return int(content_hash[:16], 16)


def examples_for(d_sae: int) -> int:
    """Texts kept for each feature where nobody says how many."""
    return max(1, min(MAX_EXAMPLES, MAX_EXAMPLE_TEXTS // d_sae))
