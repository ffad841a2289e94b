"""A description (names, relevance, families, themes) is of what it was made from, and is made anew when that changed.

The fingerprint covers all of it: the texts that names come from and their side of the split, the anchor's samples with
labels and contrasts, δ, the last reading again that changed a value, what is known of the weights, and the way of
describing. What is not in it (decisions, names people gave, which of the other sets holds a text) changes no
description.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.spaces import delta
from fac_core.features import split
from fac_core.features.describe import Inputs
from fac_core.features.families import MIN_COSINE
from fac_core.features.relevance_check import halves
from fac_core.features.split import EXPLAIN, MAX_EXPLAINING, hashes
from fac_core.jobs import owner
from fac_core.store import feature_samples as samples
from fac_core.store import feature_weights as weights
from fac_core.store import features as store
from fac_core.store import relevance as relevance_store
from fac_core.store.database import get_meta, set_meta
from fac_core.store.features import DescriptionRow
from fac_core.store.jobs import active_jobs
from fac_core.tasks import load_task

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.workspace import Workspace

KIND, READING = "describe", "extract"
REVISION = 5
"""The way of describing; raised when the same data would now be described otherwise."""
_SIDES = "sides.{}"


def made(ws: Workspace, space_id: str) -> DescriptionRow | None:
    """What the features of a space were last described from; None if they were not, or only in part."""
    return store.description_row(ws.database, space_id)


def is_current(ws: Workspace, space_id: str) -> bool:
    """Whether describing anew would change nothing, because the description is of the data and δ as they are.

    Raises:
        InputError: the project does not know the space.
    """
    found = made(ws, space_id)
    return found is not None and found.fingerprint == _spec(ws, space_id)["fingerprint"]


def keeps_apart(ws: Workspace, space_id: str) -> bool:
    """Whether keywords, if any, are of the explaining side of the split as it is; others saw what is scored on now."""
    is_of_now = get_meta(ws.database, _SIDES.format(space_id)) == split.state()
    return is_of_now or not store.has_keywords(ws.database, space_id)


def note_sides(cursor: duckdb.DuckDBPyConnection, spec: dict[str, Any]) -> None:
    """Note from which split the keywords of a description were made."""
    set_meta(cursor, _SIDES.format(spec["space_id"]), str(spec.get("sides", "")))


def is_reading(ws: Workspace, space_id: str) -> bool:
    """Whether texts are being read, after which the features will be described."""
    return any(row.kind == READING and row.spec["space_id"] == space_id for row in active_jobs(ws.database))


def start(ws: Workspace, space_id: str, after: str | None = None) -> str | None:
    """Describe the features in a job; returns its id, or None if nothing was read yet.

    While they are being described the id of that job is returned: it looks again when it ends, and a further one then
    comes `after` it.

    Raises:
        InputError: the project does not know the space.
    """
    for row in active_jobs(ws.database):
        if row.kind == KIND and row.spec["space_id"] == space_id and row.state != "cancelling" and row.job_id != after:
            return row.job_id
    spec, inputs = prepared(ws, space_id)
    if not inputs.anything:
        return None
    return owner.start(ws, KIND, "Describe the features", spec, inputs._asdict())


def prepared(ws: Workspace, space_id: str) -> tuple[dict[str, Any], Inputs]:
    """What a description is made with and from.

    Raises:
        InputError: the project does not know the space.
    """
    return _spec(ws, space_id), _inputs(ws, space_id)


def _spec(ws: Workspace, space_id: str) -> dict[str, Any]:
    method, at = load_task(ws.task).relevance, delta(ws, space_id)
    basis = [
        REVISION,
        method,
        at,
        get_meta(ws.database, f"statics.{space_id}"),
        get_meta(ws.database, f"read_again.{space_id}"),
        hashes(EXPLAIN),
        samples.described_state(ws.database, space_id, MAX_EXPLAINING, hashes(EXPLAIN)),
        samples.anchor_state(ws.database, space_id),
    ]
    fingerprint = hashlib.sha256(json.dumps(basis).encode()).hexdigest()
    return {"space_id": space_id, "delta": at, "method": method, "sides": split.state(), "fingerprint": fingerprint}


def _inputs(ws: Workspace, space_id: str) -> Inputs:
    import pyarrow as pa

    contents = samples.described_contents(ws.database, space_id, MAX_EXPLAINING, hashes(EXPLAIN))
    items = samples.anchor_items(ws.database, space_id)
    task = load_task(ws.task)
    positive = pa.array([task.polarity(label) for label in items.column("label").to_pylist()], pa.bool_())
    items = items.drop_columns(["label"]).append_column("positive", positive)
    items = items.append_column("held_out", pa.array(_held_out(ws, items), pa.bool_()))
    wanted = [contents.column("content_id"), items.column("content_id"), items.column("contrast_id").drop_null()]
    ids = np.unique(np.concatenate([column.to_numpy() for column in wanted]))
    activation = samples.activations_of(ws.database, space_id, pa.table({"content_id": ids}))
    pairs = weights.close_pairs(ws.database, space_id, MIN_COSINE)
    return Inputs(contents, activation, items, pairs, weights.clusters(ws.database, space_id))


def _held_out(ws: Workspace, items: pa.Table) -> NDArray[np.bool_]:
    """Which of the anchor's items the test is measured on."""
    import pyarrow as pa

    content, contrast = (items.column(name).to_pylist() for name in ("content_id", "contrast_id"))
    wanted = np.unique([id_ for id_ in [*content, *contrast] if id_ is not None]).astype(np.int64)
    hashes = relevance_store.content_hashes(ws.database, pa.table({"content_id": wanted}))
    return halves(content, contrast, hashes)
