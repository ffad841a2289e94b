"""A feature that fires on one token has no more to explain than that token, and is marked as such.

Counted over the strongest firings in the texts that names are made from: the token at the peak, and what stands before
it (the beginning of the same word, else the word or mark before). Case and blanks do not count.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.store import explanations as store

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.workspace import Workspace

STRONGEST = 200
"""Firings of a feature that are looked at."""
SINGLE, MIN_FIRINGS = 0.9, 10
"""Share of the commonest token, of so many firings or more, from which a feature is called one of a single token."""
_LOOK_BACK = 60
_LAST = re.compile(r"(\w+|[^\w\s])\s*$")


class Purity(NamedTuple):
    """How far the peaks of a feature are one token."""

    n: int
    """Firings looked at."""
    token: str
    """The commonest token at the peak."""
    share: float
    entropy: float
    """Of the tokens at the peak, in bits; 0 where it is always the same."""
    before: str
    """The commonest of what stands before the peak; empty at the beginning of a text."""
    before_share: float
    before_entropy: float

    @property
    def is_single_token(self) -> bool:
        """Whether the feature fires on one token, as far as enough firings show."""
        return self.n >= MIN_FIRINGS and self.share >= SINGLE and bool(self.token)


def purity(ws: Workspace, space_id: str, feature_id: int) -> Purity | None:
    """Purity of a feature as it was last described; None if no explaining text activates it."""
    row = store.purity_row(ws.database, space_id, feature_id)
    return None if row is None else Purity(*row)


def purities(contents: pa.Table, activation: pa.Table) -> pa.Table:
    """Purity of every feature that fires in `contents` (content_id, text): columns of `feature_token_purity`.

    `activation` has (feature_id, content_id, char_start, char_end) by feature, strongest first.
    """
    import pyarrow as pa

    texts: dict[int, str] = dict(
        zip(contents.column("content_id").to_pylist(), contents.column("text").to_pylist(), strict=True)
    )
    feature, content, start, end = (
        _column(activation, name) for name in ("feature_id", "content_id", "char_start", "char_end")
    )
    known = np.isin(content, np.fromiter(texts, np.int64, len(texts)))
    feature, content, start, end = (column[known] for column in (feature, content, start, end))
    ids, first = np.unique(feature, return_index=True)
    rows = []
    for feature_id, low, high in zip(ids.tolist(), first.tolist(), [*first[1:].tolist(), len(feature)], strict=True):
        part = slice(low, min(high, low + STRONGEST))
        places = zip(content[part].tolist(), start[part].tolist(), end[part].tolist(), strict=True)
        rows.append((feature_id, *_counted([(texts[text], at, to) for text, at, to in places])))
    schema = [("feature_id", pa.int32()), ("n", pa.int32()), ("token", pa.string()), ("share", pa.float64())]
    schema += [("entropy", pa.float64()), ("before", pa.string()), ("before_share", pa.float64())]
    schema += [("before_entropy", pa.float64())]
    names = [name for name, _ in schema]
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=pa.schema(schema))


def _counted(peaks: list[tuple[str, int, int]]) -> Purity:
    tokens = Counter(text[start:end].strip().casefold() for text, start, end in peaks)
    before = Counter(_before(text, start) for text, start, _ in peaks)
    return Purity(len(peaks), *_commonest(tokens), *_commonest(before))


def _before(text: str, start: int) -> str:
    found = _LAST.search(text[max(0, start - _LOOK_BACK) : start])
    return found[1].casefold() if found else ""


def _commonest(counts: Counter[str]) -> tuple[str, float, float]:
    n = counts.total()
    token, most = min(counts.items(), key=lambda each: (-each[1], each[0]))
    return token, most / n, abs(sum(k / n * math.log2(n / k) for k in counts.values()))


def _column(table: pa.Table, name: str) -> NDArray[Any]:
    values: NDArray[Any] = table.column(name).to_numpy(zero_copy_only=False)
    return values
