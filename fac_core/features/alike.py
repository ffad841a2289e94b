"""Of all features' texts the ones that say the same as one are found without reading the others.

Two texts say the same when their telling words coincide by NEAR (Jaccard). Sets of so few words that one more or less
is too many must be equal, so they are looked up whole. Of a larger set all but a few words must be shared, so one of
any few too many is: texts that hold one of its rarest words are compared (prefix filter, Bayardo et al. 2007).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from fac_core.features.kept import Kept
from fac_core.features.keywords import UNCLEAR
from fac_core.features.words import is_light, stem, words_of
from fac_core.store import features as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

NEAR = 0.9
"""Share of telling words two explanations have in common from which they say the same."""
_LARGE = math.ceil(NEAR / (1 - NEAR) - 1e-9)
"""Words from which a set can be near another without being equal."""


class Sayings:
    """What features are said to be, by their telling words."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._equal: dict[frozenset[str], list[int]] = defaultdict(list)
        self._holding: dict[str, list[frozenset[str]]] = defaultdict(list)
        for feature, text in texts.items():
            if words := telling(text.removesuffix(UNCLEAR)):
                self._equal[words].append(feature)
        for words in self._equal:
            if len(words) >= _LARGE:
                for word in words:
                    self._holding[word].append(words)

    def same_as(self, text: str, of: int | None = None) -> int | None:
        """The lowest feature, other than the one it is `of`, whose text says the same."""
        mine = telling(text)
        near = [mine] if mine in self._equal else []
        if len(mine) >= _LARGE:
            rare = sorted(mine, key=lambda word: (len(self._holding.get(word, ())), word))
            prefix = rare[: len(mine) - math.ceil(NEAR * len(mine) - 1e-9) + 1]
            near += [theirs for word in prefix for theirs in self._holding.get(word, ()) if _near(mine, theirs)]
        return min((feature for words in near for feature in self._equal[words] if feature != of), default=None)


_sayings: Kept[Sayings] = Kept(2)


def sayings(ws: Workspace, space_id: str) -> Sayings:
    """What the features of a space are called now."""
    state = store.names_state(ws.database, space_id)
    return _sayings.get(ws, space_id, (state,), lambda: Sayings(store.names_of(ws.database, space_id, None)))


@lru_cache(maxsize=100_000)
def telling(text: str) -> frozenset[str]:
    """Stems of the words of a text that tell something."""
    return frozenset(stem(word.key) for word in words_of(text) if word.is_word and not is_light(word.key))


def _near(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= NEAR * len(one | other) - 1e-9
