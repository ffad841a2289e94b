"""Every item comes out exactly once, and a batch's padded size stays within its token budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from fac_core.feature_space.tokens import ContentTokens

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


def batches(contents: Sequence[ContentTokens], budget: int) -> Iterator[list[int]]:
    """Batches of contents that have tokens, as places in `contents`; in one batch all share the prefix or none does."""
    for shares in (True, False):
        some = [number for number, one in enumerate(contents) if one.ids and one.shares_prefix == shares]
        yield from length_sorted(some, lambda number: len(contents[number].ids), budget)
