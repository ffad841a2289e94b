"""Names, relevance and families are made anew from everything that was read; what a person said about them stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fac_core.feature_space.spaces import delta
from fac_core.features import describe_job
from fac_core.features.describe import Inputs
from fac_core.features.families import MIN_COSINE
from fac_core.jobs import owner
from fac_core.store import feature_samples as samples
from fac_core.store import feature_weights as weights
from fac_core.store.database import data_version
from fac_core.tasks import load_task

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

KIND = "describe"
MAX_CONTENTS = 6000
"""Texts that names are made from: the anchor first, then seed, synthetic and pool."""


def refresh(ws: Workspace, space_id: str, wait: bool = False) -> str | None:
    """Describe the features of a space anew, in a job or, with `wait`, before returning.

    Returns the job's id, or None if it is done or nothing was read yet.

    Raises:
        InputError: the project does not know the space.
    """
    inputs = _inputs(ws, space_id)
    if inputs.contents.num_rows == 0:
        return None
    spec = {
        "space_id": space_id,
        "delta": delta(ws, space_id),
        "method": load_task(ws.task).relevance,
        "data_version": data_version(ws.database),
    }
    if not wait:
        return owner.start(ws, KIND, "Describe the features", spec, inputs._asdict())
    for name, tables in describe_job.shards(inputs, spec, set()):
        with ws.database.transaction() as cursor:
            describe_job.ingest(cursor, "", spec, name, tables)
    describe_job.finalise(ws, "", spec, {})
    return None


def _inputs(ws: Workspace, space_id: str) -> Inputs:
    import pyarrow as pa

    contents = samples.described_contents(ws.database, space_id, MAX_CONTENTS)
    items = samples.anchor_items(ws.database, space_id)
    task = load_task(ws.task)
    positive = pa.array([task.polarity(label) for label in items.column("label").to_pylist()], pa.bool_())
    items = items.drop_columns(["label"]).append_column("positive", positive)
    wanted = [contents.column("content_id"), items.column("content_id"), items.column("contrast_id").drop_null()]
    ids = np.unique(np.concatenate([column.to_numpy() for column in wanted]))
    activation = samples.activations_of(ws.database, space_id, pa.table({"content_id": ids}))
    return Inputs(contents, activation, items, weights.close_pairs(ws.database, space_id, MIN_COSINE))
