"""A curator's own words are read by the one extractor that read everything else, so their numbers compare.

Nothing is stored. Tokens that share a character as a person sees it (parts of an emoji, a letter and its accent) are
one mark, so a highlight never cuts one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fac_core.content import Content, normalise
from fac_core.errors import InputError
from fac_core.feature_space.extractor import load_extractor
from fac_core.feature_space.spaces import space
from fac_core.features.graphemes import widen
from fac_core.features.relevance import check_feature
from fac_core.store import coverage as coverage_store
from fac_core.store import feature_samples as samples
from fac_core.store import features as store
from fac_core.store.contents import content_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fac_core.workspace import Workspace


class Mark(NamedTuple):
    """A stretch of text and the feature's activation on it."""

    text: str
    start: int
    end: int
    value: float


class Active(NamedTuple):
    """One feature that a text activates."""

    feature_id: int
    name: str
    value: float
    share_below: float
    """Share of anchor samples on which the feature is weaker than here, those without it included."""


@dataclass(frozen=True)
class Probe:
    """What a text activates."""

    text: str
    """As it was read; offsets point into it."""
    tokens: list[tuple[str, int, int]]
    """(token text, start, end) in the text."""
    features: list[Active]
    """Strongest first."""
    n_truncated: int


def probe(ws: Workspace, space_id: str, text: str) -> Probe:
    """Read a text of one's own.

    Raises:
        InputError: unknown space, or nothing to read in the text.
        ModelError: the space's model or SAE cannot be loaded.
    """
    extractor = load_extractor(space(ws, space_id).spec)
    plain = normalise(text)
    read = extractor.read_one(plain)
    content = extractor.backbone.tokenize(plain, extractor.spec.max_length)
    pairs = list(zip(read.features.tolist(), read.values.tolist(), strict=True))
    names = store.names_of(ws.database, space_id, [feature for feature, _ in pairs])
    n_anchor = max(1, coverage_store.samples_read(ws.database, space_id)["anchor"])
    stronger = samples.at_or_above(ws.database, space_id, pairs, "anchor")
    features = [
        Active(feature, names.get(feature, ""), value, 1 - stronger.get(feature, 0) / n_anchor)
        for feature, value in pairs
    ]
    features.sort(key=lambda active: (-active.value, active.feature_id))
    marks = merged(plain, content.offsets)
    return Probe(plain, [mark[:3] for mark in marks], features, content.n_truncated)


def heat(ws: Workspace, space_id: str, feature_id: int, what: int | str) -> list[Mark]:
    """Activation of one feature, token by token, along a content of the project (its id) or a text of one's own.

    Raises:
        InputError: unknown space, feature or content, or nothing to read in it.
        ModelError: the space's model or SAE cannot be loaded.
    """
    check_feature(ws, space_id, feature_id)
    content = Content(normalise(what)) if isinstance(what, str) else content_of(ws.database, what)
    if content is None:
        raise InputError(f"There is no content {what} in this project.")
    read = load_extractor(space(ws, space_id).spec).read_tokens(content)
    return _merge(content.text, read.tokens.offsets, read.of_feature(feature_id))


def merged(text: str, offsets: Sequence[tuple[int, int]]) -> list[Mark]:
    """Tokens of a text as marks without activation; those that share a character are one."""
    return _merge(text, offsets, [0.0] * len(offsets))


def _merge(text: str, offsets: Sequence[tuple[int, int]], values: Sequence[float]) -> list[Mark]:
    """One mark for each stretch of tokens that share a character, with the highest of their values."""
    marks: list[Mark] = []
    for (start, end), value in zip(widen(text, offsets), values, strict=True):
        if marks and start < marks[-1].end:
            last = marks.pop()
            start, end, value = last.start, max(end, last.end), max(value, last.value)
        marks.append(Mark(text[start:end], start, end, float(value)))
    return marks
