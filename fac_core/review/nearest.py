"""Beside a candidate stand the texts it is most like, so that a copy shows; they are found as synthesis finds them.

The seed's index is kept while the seed stays the same, since a card must be on screen at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from fac_core.store import review as store
from fac_core.synthesis.likeness import Nearest

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


class Near(NamedTuple):
    """A text beside a candidate."""

    text: str
    similarity: float
    """Cosine of weighted words: 0 is no word in common, 1 the same words."""


def nearest_seed(ws: Workspace, text: str) -> Near | None:
    """The seed sample most like a text; None without a seed set."""
    with ws.database.cursor() as cursor:
        mark = store.role_fingerprint(cursor, "seed")
    texts, index = _seed_index(ws, mark)
    return _near(texts, index, text)


def nearest_of(text: str, others: Sequence[str]) -> Near | None:
    """The one of some texts most like a text; None without others."""
    texts = list(others)
    return _near(texts, Nearest(texts), text) if texts else None


def _near(texts: list[str], index: Nearest, text: str) -> Near | None:
    found = index.find(text)
    return None if found is None else Near(texts[found[0]], found[1])


@lru_cache(maxsize=2)
def _seed_index(ws: Workspace, _fingerprint: str) -> tuple[list[str], Nearest]:
    with ws.database.cursor() as cursor:
        texts = store.texts_in_role(cursor, "seed")
    return texts, Nearest(texts)
