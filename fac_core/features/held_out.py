"""What explanations are scored on is like no text that names are made from; a score says which state of both it is of.

It is the scoring side of the split without near duplicates of the explaining side: a document with a twin there would
be recognised by the twin's words. That holds for all texts that names are made from, so for keywords and for what a
model wrote from some of them; texts alike by less, or in other words, stay (`split`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.spaces import delta
from fac_core.features import scoring, split
from fac_core.features.encoder import Encoder, Vectors
from fac_core.features.kept import Kept
from fac_core.features.scoring import Floats, Items, Mask, Result
from fac_core.features.split import EXPLAIN, MAX_EXPLAINING, SCORE, hashes
from fac_core.features.windows import cut
from fac_core.samples.duplicates import near_duplicates
from fac_core.store import documents
from fac_core.store import feature_samples as samples
from fac_core.store import feature_weights as weights
from fac_core.store.database import get_meta
from fac_core.store.explanations import BY_ENCODER

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.workspace import Workspace

MAX_DOCUMENTS = 2000
"""The anchor's first, then seed, synthetic and pool."""


class HeldOutTables(NamedTuple):
    """Tables that scores are measured on."""

    held_out: pa.Table
    """(content_id, text) of the scoring side without near duplicates of the explaining side, by id."""
    held_out_activation: pa.Table
    """(feature_id, content_id, value, char_start, char_end) of those, by feature, strongest first."""
    neighbour: pa.Table
    """(feature_id, other_id) by decoder cosine, by feature, nearest first."""


class Versions(NamedTuple):
    """What the scores of one state of the data are known by."""

    encoder: str
    """Of an encoder's score: the procedure and what it would be run on; equal ones would give the same score."""
    documents: str
    """State of the documents that a model judges on; the last word of the version of its scores."""

    def are_of(self, protocol: str, version: str) -> bool:
        """Whether a score is of this state; of a model that judges, whatever the prompt was."""
        return version == self.encoder if protocol in BY_ENCODER else version.endswith(f" {self.documents}")


_versions: Kept[Versions] = Kept(3)


class Scored(NamedTuple):
    """An explanation's score and how each document came out."""

    result: Result | None
    """None where no document fires, or all do."""
    intruder: Result | None
    """Of the feature, whatever the explanation says; None where too few documents fire."""
    content_ids: NDArray[np.int64]
    fires: Mask
    said: Mask
    likeness: Floats
    """[documents] each."""


def tables(ws: Workspace, space_id: str) -> HeldOutTables:
    """What scores of a space are measured on now."""
    texts = samples.described_contents(ws.database, space_id, MAX_DOCUMENTS, hashes(SCORE))
    explaining = samples.described_contents(ws.database, space_id, MAX_EXPLAINING, hashes(EXPLAIN))
    alike = near_duplicates(texts.column("text").to_pylist(), explaining.column("text").to_pylist())
    texts = texts.filter(alike.known < 0)
    return HeldOutTables(
        texts,
        samples.activations_of(ws.database, space_id, texts),
        weights.all_neighbours(ws.database, space_id),
    )


def versions(ws: Workspace, space_id: str) -> Versions:
    """What scores of a space must be of to be of its data as they are.

    Raises:
        InputError: the project does not know the space.
    """
    at = delta(ws, space_id)
    readings = [get_meta(ws.database, f"{what}.{space_id}") for what in ("statics", "read_again")]

    def of_now() -> Versions:
        texts = samples.described_state(ws.database, space_id, MAX_DOCUMENTS, hashes(SCORE))
        judged = documents.documents_state(ws.database, space_id)
        explaining = samples.described_state(ws.database, space_id, MAX_EXPLAINING, hashes(EXPLAIN))
        sides = [split.REVISION, hashes(SCORE)]
        by_encoder = _digest([at, *sides, texts, explaining, *readings])
        return Versions(f"{scoring.REVISION}-{by_encoder}", _digest([*sides, judged, *readings]))

    return _versions.get(ws, space_id, (at, *readings), of_now)


def _digest(basis: list[Any]) -> str:
    return hashlib.sha256(json.dumps(basis).encode()).hexdigest()[:8]


class HeldOut:
    """The held-out documents of a space, cut and indexed; each piece is encoded when it is first needed."""

    def __init__(self, given: HeldOutTables, delta: float, encoder: Encoder | None = None) -> None:
        """Without an encoder, the one that is installed.

        Raises:
            ModelError: the encoder's wheel is damaged.
        """
        from fac_core.features.encoder import encoder as installed

        self._texts: list[str] = given.held_out.column("text").to_pylist()
        self.encoder = encoder or installed(self._texts)
        self._content = _column(given.held_out, "content_id")
        rows = given.held_out_activation
        place = np.searchsorted(self._content, _column(rows, "content_id")).astype(np.int64)
        self._windows = cut(self._texts)
        self._rows = scoring.firing(
            _column(rows, "feature_id").astype(np.int64),
            place,
            _column(rows, "value").astype(np.float64),
            _column(rows, "char_start").astype(np.int64),
            self._windows,
            delta,
        )
        owners, self._near = _column(given.neighbour, "feature_id"), _column(given.neighbour, "other_id")
        self._owners, self._first_near = np.unique(owners, return_index=True)
        self._vectors: Vectors | None = None
        self._encoded = np.zeros(len(self._windows.text), bool)

    def score(self, explanations: Sequence[tuple[int, str]]) -> list[Scored]:
        """Scores of (feature, text) pairs, in their order."""
        drawn = {feature: self._items(feature) for feature, _ in explanations}
        vectors = self._encode(np.unique(np.concatenate([items.window for items in drawn.values()])))
        parts = {part: None for _, text in explanations for part in scoring.parts_of(text)}
        rows = {part: place for place, part in enumerate(parts)}
        said = self.encoder.encode(list(parts))
        found = []
        for feature, text in explanations:
            items = drawn[feature]
            mine = said[[rows[part] for part in scoring.parts_of(text)]]
            likeness = scoring.likenesses(mine, vectors[items.window])
            result, chosen = scoring.judged(likeness, items.fires)
            cohesion = scoring.intruder(items, vectors, feature)
            found.append(Scored(result, cohesion, self._content[items.document], items.fires, chosen, likeness))
        return found

    def _items(self, feature: int) -> Items:
        place = int(np.searchsorted(self._owners, feature))
        near: list[int] = []
        if place < len(self._owners) and self._owners[place] == feature:
            ends = [*self._first_near[place + 1 : place + 2].tolist(), len(self._near)]
            near = self._near[self._first_near[place] : ends[0]].tolist()
        return scoring.draw(feature, near, self._rows, self._windows)

    def _encode(self, wanted: NDArray[np.int64]) -> Vectors:
        missing = wanted[~self._encoded[wanted]]
        if self._vectors is None or len(missing):
            rows = zip(*(column[missing].tolist() for column in self._windows[:3]), strict=True)
            new = self.encoder.encode([self._texts[text][start:end] for text, start, end in rows])
            if self._vectors is None:
                self._vectors = np.zeros((len(self._encoded), new.shape[1]), np.float32)
            self._vectors[missing] = new
            self._encoded[missing] = True
        return self._vectors


def _column(table: pa.Table, name: str) -> NDArray[Any]:
    values: NDArray[Any] = table.column(name).to_numpy(zero_copy_only=False)
    return values
