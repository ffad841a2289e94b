"""A hard document looks as if the feature should fire: its nearest decoder neighbour does, or the words are the same.

A judge that knows only the topic fails on them, and on random documents it would not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fac_core.store import documents as store
from fac_core.store import feature_weights as weights

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

N_NEIGHBOURS = 3
MAX_COMPARED = 2000
"""Documents whose words are compared."""


class Hard:
    """Hard documents among those of one side [n]."""

    def __init__(self, ws: Workspace, space_id: str, side: NDArray[np.int64]) -> None:
        self._ws, self._space_id, self._side = ws, space_id, side

    def near(self, feature: int, texts: Sequence[str], silent: NDArray[np.int64]) -> Iterator[int]:
        """Silent documents, hardest first: on which a neighbour fires, those nearest by words after them."""
        yield from self._neighbours(feature, silent)
        yield from self._by_words(texts, silent)

    def _neighbours(self, feature: int, silent: NDArray[np.int64]) -> Iterator[int]:
        nearest = [other for other, _ in weights.neighbours(self._ws.database, self._space_id, feature)]
        seen: set[int] = set()
        for other in nearest[:N_NEIGHBOURS]:
            table = store.firings(self._ws.database, self._space_id, [other])
            ids = table.column("content_id").to_numpy()
            for content_id in ids[np.isin(ids, silent)].tolist():
                if content_id not in seen:
                    seen.add(content_id)
                    yield content_id

    def _by_words(self, texts: Sequence[str], silent: NDArray[np.int64]) -> Iterator[int]:
        ids, vectors, model = self._words
        likeness = np.asarray(vectors @ model.transform(texts).mean(axis=0).T).ravel()
        order = np.lexsort((ids, -likeness))
        alike = ids[order[likeness[order] > 0]]
        yield from alike[np.isin(alike, silent)].tolist()

    @cached_property
    def _words(self) -> tuple[NDArray[np.int64], Any, Any]:
        """Some documents of the side (ids, TF-IDF vectors, what makes them)."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        some = np.random.default_rng(0).permutation(self._side)[:MAX_COMPARED]
        found = store.contents(self._ws.database, some.tolist())
        model = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", sublinear_tf=True)
        vectors = model.fit_transform([found[content_id].text for content_id in some.tolist()])
        return some, vectors, model
