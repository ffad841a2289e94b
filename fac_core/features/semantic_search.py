"""What is found by meaning is ranked by the likeness of unit vectors, and never by anything a name happens to spell.

Texts are encoded once, by a job; a handful that came since are encoded when someone searches. Without the sentence
encoder there is no search by meaning, and words are looked for instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.content import normalise
from fac_core.errors import InputError, ModelError
from fac_core.features import encoder as encoders
from fac_core.features.index_job import KIND, encoded
from fac_core.features.kept import Kept
from fac_core.jobs import owner
from fac_core.store import explanations as explanation_store
from fac_core.store import feature_samples as samples
from fac_core.store import vectors as store
from fac_core.store.feature_samples import EVERY_SAMPLE, SampleFilter
from fac_core.store.vectors import Vectors

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.features.examples import Example
    from fac_core.workspace import Workspace

EXPLANATION, CONTENT = store.EXPLANATION, store.CONTENT
"""What is searched."""
MOST_CONTENTS = 50_000
"""Texts of samples that are indexed, those of the anchor first: 75 MB of vectors."""
AT_ONCE = 64
"""Texts without a vector that a search encodes itself, in about a second."""
MAX_QUERY = 500
NOT_HERE = (
    f"Search by meaning needs the sentence encoder; {encoders.INSTALL_COMMAND} brings it. Words are found without."
)
_vectors: Kept[Vectors] = Kept(3)


class Hit(NamedTuple):
    """A feature or content found by meaning."""

    id: int
    likeness: float
    """Cosine of query and text, up to 1."""


def is_here() -> bool:
    """Whether meaning can be searched on this machine."""
    return encoders.is_installed()


def n_unindexed(ws: Workspace, space_id: str) -> int:
    """Texts that a search by meaning does not see yet."""
    return int(_unindexed(ws, space_id).num_rows)


def sees(ws: Workspace, space_id: str, subject: str) -> bool:
    """Whether a search by meaning sees most texts of a subject, all but `AT_ONCE` or half of them; words find more of
    fewer."""
    waiting = sum(each == subject for each in _unindexed(ws, space_id).column("subject").to_pylist())
    return bool(waiting <= max(AT_ONCE, len(_kept(ws, space_id, subject).ids)))


def start_index(ws: Workspace, space_id: str) -> str | None:
    """Encode what has no vector yet in a job; returns its id, or None if there is nothing to encode.

    Raises:
        ModelError: the sentence encoder is missing.
    """
    texts = _unindexed(ws, space_id)
    if not texts.num_rows:
        return None
    if not is_here():
        raise ModelError(NOT_HERE)
    spec = {"encoder": encoders.SENTENCES, "space_id": space_id}
    return owner.start(ws, KIND, "Index texts by meaning", spec, {"texts": texts})


def index_if_wanted(ws: Workspace, space_id: str) -> None:
    """Encode what a search would not see, unless the last such job was stopped or came to nothing."""
    with owner.turn(ws):
        mine = [job for job in owner.jobs(ws) if job.kind == KIND and job.spec["space_id"] == space_id]
        if is_here() and not (mine and mine[0].resumable) and n_unindexed(ws, space_id) > AT_ONCE:
            start_index(ws, space_id)


def features_by_meaning(ws: Workspace, space_id: str, query: str, n: int = 200) -> list[Hit]:
    """Features whose explanations are likest the query, each once, likest first.

    Raises:
        InputError: the query is empty or too long.
        ModelError: the sentence encoder is missing or damaged.
    """
    asked = _encoded(ws, space_id, query)
    found = _kept(ws, space_id, store.EXPLANATION)
    if not len(found.ids):
        return []
    likeness = np.full(int(found.ids.max()) + 1, -2.0, np.float32)
    np.maximum.at(likeness, found.ids, found.matrix @ asked)
    return _best(np.flatnonzero(likeness > -2), likeness, n)


def samples_by_meaning(
    ws: Workspace, space_id: str, query: str, n: int = 20, where: SampleFilter = EVERY_SAMPLE
) -> list[tuple[Example, float]]:
    """Samples whose texts are likest the query, and how like, likest first.

    Raises:
        InputError: the query is empty or too long.
        ModelError: the sentence encoder is missing or damaged.
    """
    asked = _encoded(ws, space_id, query)
    found = _kept(ws, space_id, store.CONTENT)
    if not len(found.ids):
        return []
    likeness = found.matrix @ asked
    allowed = np.isin(found.ids, samples.sample_contents(ws.database, where).column("content_id").to_numpy())
    hits = _best(np.flatnonzero(allowed), likeness, n)
    contents = {int(found.ids[hit.id]): hit.likeness for hit in hits}
    return [(example, contents[example.content_id]) for example in _examples(ws, space_id, list(contents), where)]


def samples_by_words(
    ws: Workspace, space_id: str, query: str, n: int = 20, where: SampleFilter = EVERY_SAMPLE
) -> list[Example]:
    """Samples whose text holds all words of the query (any case), in the order they came.

    Raises:
        InputError: the query is empty or too long.
    """
    words = normalise(_checked(query)).split()
    return _examples(ws, space_id, samples.contents_with(ws.database, words, n, where), where)


def places(text: str, query: str) -> list[tuple[int, int]]:
    """Where the words of a query stand in a text, in characters, from left to right without overlap."""
    words = sorted(set(query.split()), key=len, reverse=True)
    return [at.span() for at in re.finditer("|".join(map(re.escape, words)), text, re.IGNORECASE)] if words else []


def _examples(ws: Workspace, space_id: str, contents: list[int], where: SampleFilter) -> list[Example]:
    from fac_core.features.examples import as_example

    rows = samples.example_rows(ws.database, space_id, -1, contents, where)
    return [as_example(rows[content]) for content in contents if content in rows]


def _best(places: np.ndarray, likeness: np.ndarray, n: int) -> list[Hit]:
    order = places[np.lexsort((places, -likeness[places]))][:n]
    return [Hit(int(place), float(likeness[place])) for place in order]


def _encoded(ws: Workspace, space_id: str, query: str) -> np.ndarray:
    """The query's direction; a few texts that are not indexed yet are, first."""
    text = _checked(query)
    encoder = encoders.sentences()
    texts = _unindexed(ws, space_id)
    if 0 < texts.num_rows <= AT_ONCE:
        with ws.database.transaction() as cursor:
            store.put_vectors(cursor, encoders.SENTENCES, encoded(encoder, texts))
    return np.asarray(encoder.encode([text])[0])


def _checked(query: str) -> str:
    text = " ".join(query.split())
    if not text:
        raise InputError("Nothing is searched for; write a few words.")
    if len(text) > MAX_QUERY:
        raise InputError(f"A search has at most {MAX_QUERY} characters, and this one has {len(text)}.")
    return text


def _unindexed(ws: Workspace, space_id: str) -> pa.Table:
    return store.unindexed(ws.database, space_id, encoders.SENTENCES, MOST_CONTENTS)


def _kept(ws: Workspace, space_id: str, subject: str) -> Vectors:
    name = encoders.SENTENCES
    state = store.count_vectors(ws.database, name), explanation_store.newest_explanation(ws.database, space_id)

    def read() -> Vectors:
        if subject == store.EXPLANATION:
            return store.explanation_vectors(ws.database, space_id, name)
        return store.content_vectors(ws.database, name)

    return _vectors.get(ws, space_id, (subject, name, state), read)
