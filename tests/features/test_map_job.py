"""The map job stores what the weights say and a layout that comes out the same every time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.statics import directions
from fac_core.features import map_job
from fac_core.features.map import feature_map
from fac_core.jobs.folder import JobFolder
from fac_core.store import feature_weights as weights
from fac_core.store.activations import profiles_current
from fac_core.workspace import Workspace
from tests.planted import Planted, plant


def test_neighbours_are_the_nearest_by_cosine_with_each_feature_first_among_its_own(extractor: Extractor) -> None:
    unit = directions(extractor)
    index, distance = map_job.cosine_knn(unit, 6)
    cosine = (unit @ unit.T).numpy()
    assert (index[:, 0] == np.arange(len(unit))).all()
    for feature in range(len(unit)):
        others = np.delete(cosine[feature], feature)
        assert distance[feature, 1:] == pytest.approx(1 - np.sort(others)[::-1][:5], abs=1e-5)


@pytest.mark.slow
def test_the_job_fills_the_map_and_runs_again_only_for_what_is_missing(
    filled_ws: Workspace, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = filled_ws, tiny_spec.space_id
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    described: list[str] = []
    monkeypatch.setattr(map_job, "refresh", lambda _, subject: described.append(subject))
    folder = JobFolder(ws.jobs / map_job.start_map(ws, space))
    result = map_job.run(folder)
    shards = folder.shards()
    assert list(shards) == ["facts", "layout"]
    for name, shard in shards.items():
        with ws.database.transaction() as cursor:
            map_job.ingest(cursor, folder.job_id, folder.spec, name, folder.shard_tables(shard))
    map_job.finalise(ws, folder.job_id, folder.spec, result)
    found = feature_map(ws, space, 0.0, only_relevant=False)
    assert found.method == "umap" and np.isfinite(found.x).all() and described == [space]
    assert len(weights.neighbours(ws.database, space, 0)) == 10 and weights.tokens(ws.database, space, 0)
    assert map_job.run(folder) == result and len(folder.shards()) == 2
    table = folder.shard_tables(shards["layout"])["layout"]
    again = map_job.layout_table(directions(map_job_extractor(tiny_spec)))
    assert again.equals(table)


def map_job_extractor(spec: SpaceSpec) -> Extractor:
    """The extractor the job used."""
    from fac_core.feature_space.extractor import load_extractor

    return load_extractor(spec)


def test_a_handful_of_features_has_a_map_without_a_layout() -> None:
    import torch

    assert map_job.umap_layout(torch.eye(2)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_what_was_kept_of_the_map_before_its_layout_is_not_taken_for_the_map(ws: Workspace) -> None:
    space, version = plant(ws, [Planted("anchor", "a text", {1: 2.0})]), ws.data_version
    layout = pa.table({"feature_id": pa.array([1], pa.int32()), "umap_x": [0.5], "umap_y": [0.5]})
    with ws.database.transaction() as cursor:
        map_job.ingest(cursor, "", {"space_id": space}, "layout", {"layout": layout})
    assert ws.data_version > version and profiles_current(ws.database, space)
