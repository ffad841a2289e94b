"""What a pasted text activates is read once, by the extractor that read everything else, and listed without what fires
on nearly any text: those features say nothing about this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.content import normalise
from fac_core.feature_space.extractor import load_extractor
from fac_core.feature_space.spaces import space
from fac_core.features.facts import load_facts
from fac_core.features.probe import merged
from fac_core.features.states import DENSE_SHARE
from fac_core.store import coverage as coverage_store
from fac_core.store import feature_samples as samples
from fac_core.store import features as store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from fac_core.workspace import Workspace

A_TOKEN = 3
"""Features told of each token."""


class Found(NamedTuple):
    """One feature that a text activates."""

    feature_id: int
    name: str
    state: str
    value: float
    """Its maximum over the text's tokens."""
    token: str
    """Where it has its maximum."""
    density: float
    """Share of anchor samples above δ."""
    share_below: float
    """Share of anchor samples on which it is weaker than here, those without it included."""


class TokenFound(NamedTuple):
    """One token and what it activates most."""

    text: str
    start: int
    end: int
    features: list[tuple[int, str, float]]
    """(feature, name, activation), strongest first, A_TOKEN at most."""


@dataclass(frozen=True)
class TextFeatures:
    """What a text activates."""

    text: str
    """As it was read; offsets point into it."""
    tokens: list[TokenFound]
    features: list[Found]
    """Above δ and not too dense, strongest first."""
    n_dense: int
    """Features above δ that were left out because they fire on too much of the anchor."""
    n_truncated: int


def text_features(
    ws: Workspace, space_id: str, text: str, delta: float, max_density: float = DENSE_SHARE
) -> TextFeatures:
    """Features that a text of one's own activates above δ and that fire on at most `max_density` of the anchor.

    Raises:
        InputError: unknown space, δ is no step of the profiles, or nothing to read in the text.
        ModelError: the space's model or SAE cannot be loaded.
    """
    facts = load_facts(ws, space_id, delta)
    plain = normalise(text)
    read = load_extractor(space(ws, space_id).spec).read_tokens(plain)
    strong = read.values > delta
    position, feature, value = read.positions[strong], read.features[strong], read.values[strong]
    alive = np.unique(feature)
    told = alive[facts.counts.anchor_rate[alive] <= max_density]
    keep = np.isin(feature, told)
    position, feature, value = position[keep], feature[keep], value[keep]
    names = store.names_of(ws.database, space_id, told.tolist())
    marks = merged(plain, read.tokens.offsets)
    mark_of = np.searchsorted([mark.start for mark in marks], [start for start, _ in read.tokens.offsets], "right") - 1
    peaks = _peaks(mark_of[position], feature, value)
    n_anchor = max(1, coverage_store.samples_read(ws.database, space_id)["anchor"])
    stronger = samples.at_or_above(ws.database, space_id, [(f, top) for f, (top, _) in peaks.items()], "anchor")
    found = [
        Found(
            each,
            names.get(each, ""),
            str(facts.state[each]),
            top,
            marks[place].text,
            float(facts.counts.anchor_rate[each]),
            1 - stronger.get(each, 0) / n_anchor,
        )
        for each, (top, place) in peaks.items()
    ]
    found.sort(key=lambda one: (-one.value, one.feature_id))
    by_mark = _by_mark(mark_of[position], feature, value, len(marks))
    tokens = [
        TokenFound(mark.text, mark.start, mark.end, [(f, names.get(f, ""), v) for f, v in best])
        for mark, best in zip(marks, by_mark, strict=True)
    ]
    return TextFeatures(plain, tokens, found, len(alive) - len(told), read.tokens.n_truncated)


def _peaks(
    mark: NDArray[np.int64], feature: NDArray[np.int32], value: NDArray[np.float32]
) -> dict[int, tuple[float, int]]:
    """Highest value of each feature and the mark it lies on; of equal ones the first."""
    found: dict[int, tuple[float, int]] = {}
    for place in np.lexsort((mark, -value)).tolist():
        found.setdefault(int(feature[place]), (float(value[place]), int(mark[place])))
    return found


def _by_mark(
    mark: NDArray[np.int64], feature: NDArray[np.int32], value: NDArray[np.float32], n_marks: int
) -> Iterable[list[tuple[int, float]]]:
    """The strongest features on each mark, each once."""
    found: list[dict[int, float]] = [{} for _ in range(n_marks)]
    for place in np.lexsort((feature, -value)).tolist():
        here = found[int(mark[place])]
        if len(here) < A_TOKEN:
            here.setdefault(int(feature[place]), float(value[place]))
    return [list(here.items()) for here in found]
