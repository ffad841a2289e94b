"""Every item comes out exactly once, and a batch's padded size stays within its token budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def length_sorted(items: Iterable[T], length: Callable[[T], int], budget: int) -> Iterator[list[T]]:
    """Batches of items of similar length, longest first, at most `budget` padded tokens each (one item at least)."""
    batch: list[T] = []
    for item in sorted(items, key=length, reverse=True):
        if batch and (len(batch) + 1) * length(batch[0]) > budget:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
