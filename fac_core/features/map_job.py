"""Job kind *map*: what the weights alone say about features (place on the map, neighbours, decoder clusters,
boosted tokens, template).

The layout is repeatable: exact nearest neighbours by cosine, fixed seed, one thread. Facts that are there already, as
with the shipped space, are not computed again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.spaces import space
from fac_core.features.refresh import refresh
from fac_core.jobs import owner
from fac_core.jobs.folder import JobFolder
from fac_core.store import feature_weights as weights
from fac_core.store.activations import carry_profiles
from fac_core.store.spaces import replace_statics
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from torch import Tensor

KIND = "map"
N_NEIGHBOURS = 15
CHUNK = 1024
SEED = 42
PCA_INIT_FROM = 10_000
"""Features from which the layout starts from principal axes; below, from the spectrum of the neighbour graph."""


def start_map(ws: Workspace, space_id: str) -> str:
    """Lay the features out in a job; returns its id.

    Raises:
        InputError: the project does not know the space.
    """
    chosen = space(ws, space_id)
    spec = {
        "space_id": space_id,
        "space": json.loads(chosen.spec.to_json()),
        "facts": not all(
            known(ws.database, space_id) for known in (weights.has_static, weights.has_opposites, weights.has_clusters)
        ),
    }
    return owner.start(ws, KIND, "Map of the features", spec)


def run(job: JobFolder) -> dict[str, Any]:
    """Compute the facts that are missing, then the layout; returns {"n_features"}."""
    from fac_core.feature_space import statics
    from fac_core.feature_space.extractor import load_extractor
    from fac_core.feature_space.space import SpaceSpec

    done = job.shards()
    job.progress(0, 3, "Loading the model")
    extractor = load_extractor(SpaceSpec.from_json(job.spec["space"]))
    if job.spec["facts"] and "facts" not in done:
        job.progress(1, 3, "Comparing directions")
        tables = {
            "feature_static": statics.feature_static(extractor),
            "feature_neighbour": statics.neighbours(extractor),
            "feature_token": statics.boosted_tokens(extractor),
        }
        job.commit_shard("facts", tables)
    if job.cancelled():
        return {}
    if "layout" not in done:
        job.progress(2, 3, "Laying out the map")
        job.commit_shard("layout", {"layout": layout_table(statics.directions(extractor))})
    job.progress(3, 3)
    return {"n_features": extractor.sae.d_sae}


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Store facts, or places on the map."""
    if "layout" in tables:
        weights.set_layout(cursor, spec["space_id"], tables["layout"])
        carry_profiles(cursor)
    else:
        replace_statics(cursor, spec["space_id"], tables, "computed here")


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Directions that were unknown before may join families: describe the features anew."""
    if spec["facts"]:
        refresh(ws, spec["space_id"])


def layout_table(unit: Tensor) -> pa.Table:
    """UMAP of unit directions [d_sae, d_in]: (feature_id, umap_x, umap_y)."""
    import pyarrow as pa

    place = umap_layout(unit)
    ids = np.arange(len(place), dtype=np.int32)
    return pa.table({"feature_id": ids, "umap_x": place[:, 0], "umap_y": place[:, 1]})


def umap_layout(unit: Tensor) -> NDArray[np.float32]:
    """UMAP of unit directions, [d_sae, 2]; cosine neighbours are exact, so nothing depends on an approximate search."""
    n = len(unit)
    k = min(N_NEIGHBOURS, n - 1)
    if k < 2:
        return np.zeros((n, 2), np.float32)
    import umap  # takes seconds, and half a minute the first time on a machine

    reducer = umap.UMAP(
        n_neighbors=k,
        metric="cosine",
        precomputed_knn=(*cosine_knn(unit, k), None),
        random_state=SEED,
        n_jobs=1,
        init="pca" if n > PCA_INIT_FROM else "spectral",
        low_memory=True,
    )
    place: NDArray[np.float32] = reducer.fit_transform(unit.cpu().numpy()).astype(np.float32)
    return place


def cosine_knn(unit: Tensor, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Indices and cosine distances of the k nearest directions, each feature first among its own, [d_sae, k]."""
    indices, distances = [], []
    for begin in range(0, len(unit), CHUNK):
        similarity = unit[begin : begin + CHUNK] @ unit.T
        rows = np.arange(len(similarity))
        similarity[rows, rows + begin] = 2.0  # itself first, whatever rounding says
        top = similarity.topk(k, dim=1)
        indices.append(top.indices.cpu().numpy().astype(np.int32))
        distances.append((1 - top.values).clamp(min=0).cpu().numpy().astype(np.float32))
    return np.concatenate(indices), np.concatenate(distances)
