"""On a cluster of two nodes the rows are those of the local engine, whatever is killed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from fac_core import workspace
from fac_core.feature_space.engines import RAY, Engine
from fac_core.feature_space.extraction import start_extraction
from fac_core.feature_space.pool import start_pool
from fac_core.feature_space.space import SpaceSpec, read_card
from fac_core.feature_space.spaces import register_space
from fac_core.jobs import kinds, owner, process, worker
from fac_core.jobs.folder import JobFolder
from fac_core.workspace import Workspace
from tests.tiny import LABELLED_TEXTS, ODD_TEXTS, add_dataset

ROOT = Path(__file__).parents[2]
MEMORY = 80 << 20
SIZE = 2
TABLES = ("content_read", "activation", "activation_by_feature", "profile", "profile_total")
ROWS = [{"text": f"{text} number {n}"} for n in range(2) for text in [*LABELLED_TEXTS, *ODD_TEXTS]]
pytestmark = [pytest.mark.ray, pytest.mark.timeout(150)]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "FOLLOW_UPS", {})
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.fixture
def cluster(_alone: None) -> Iterator[Any]:
    """Two nodes with one CPU each; nothing of it is left."""
    from ray.cluster_utils import Cluster

    before = set(psutil.pids())
    patience = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000, "health_check_timeout_ms": 2000}
    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": MEMORY}
    made = Cluster(
        initialize_head=True,
        head_node_args={**node, "_system_config": {**patience, "health_check_failure_threshold": 2}},
    )
    try:
        made.add_node(**node)
        yield made
    finally:
        made.shutdown()
        assert _left(before) == []


def _left(before: set[int]) -> list[str]:
    """Processes of Ray that were started since and do not end."""
    deadline = time.monotonic() + 20
    while (found := _of_ray(before)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return [" ".join(left.cmdline()[:3]) for left in found]


def _of_ray(before: set[int]) -> list[psutil.Process]:
    found = []
    for new in set(psutil.pids()) - before:
        with suppress(psutil.NoSuchProcess):
            running = psutil.Process(new)
            if running.status() != psutil.STATUS_ZOMBIE and "ray" in " ".join(running.cmdline()[:3]):
                found.append(running)
    return found


def _end_agents(before: set[int]) -> None:
    """Ray's two agents take a minute or two to see that the rest of it is gone; not so long here."""
    for left in _of_ray(before):
        if "Agent" in left.cmdline()[0]:
            left.kill()


def _project(root: Path, name: str, spec: SpaceSpec) -> Workspace:
    ws = workspace.create(name, "toxicity", root=root)
    card = read_card(Path(spec.sae))
    register_space(ws, spec, card, card["default_delta"])
    add_dataset(ws, "seed", ROWS)
    return ws


def _rows(ws: Workspace) -> dict[str, list[tuple[Any, ...]]]:
    return {table: ws.database.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in TABLES}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, tiny_spec: SpaceSpec) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the local engine."""
    ws = _project(tmp_path_factory.mktemp("local"), "Local", tiny_spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "FOLLOW_UPS", {})
        patch.setattr(process, "launch", lambda folder: worker.main([str(folder)]))
        job_id = start_extraction(ws, tiny_spec.space_id, shard_size=SIZE)
        assert job_id is not None
        assert owner.wait(ws, job_id, timeout=100).state == "completed"
        rows = _rows(ws)
        rows["pool"] = _profile_of_pool(ws, tiny_spec, tmp_path_factory.mktemp("pool"), Engine())
    ws.close()
    return rows


def _profile_of_pool(ws: Workspace, spec: SpaceSpec, folder: Path, engine: Engine) -> list[tuple[Any, ...]]:
    """Profile of a pool that holds the same texts."""
    pool = folder / "pool.jsonl"
    pool.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    job = owner.wait(ws, start_pool(ws, spec.space_id, str(pool), part_bytes=1500, engine=engine), timeout=100)
    assert (job.state, job.message) == ("completed", "")
    return ws.database.rows(
        "SELECT feature_id, bin, n FROM profile WHERE dataset_id = ? ORDER BY ALL", [job.spec["dataset"]["dataset_id"]]
    )


def _wait_for_shards(ws: Workspace, folder: JobFolder, n: int) -> int:
    deadline = time.monotonic() + 90
    while (found := len(folder.shards())) < n:
        assert owner.get(ws, folder.job_id).active and time.monotonic() < deadline, folder.log.read_text()
        owner.poll(ws)
        time.sleep(0.02)
    return found


def test_a_node_is_killed_and_the_rows_are_those_of_the_local_engine(
    cluster: Any, tmp_path: Path, tiny_spec: SpaceSpec, expected: dict[str, list[tuple[Any, ...]]]
) -> None:
    ws = _project(tmp_path / "far", "Far", tiny_spec)
    engine = Engine(RAY, address=cluster.address)
    job_id = start_extraction(ws, tiny_spec.space_id, shard_size=SIZE, engine=engine)
    assert job_id is not None
    folder = JobFolder(ws.jobs / job_id)
    n_shards = -(-len(ROWS) // SIZE)
    assert _wait_for_shards(ws, folder, 4) < n_shards, "killed too late to say anything"
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    assert len(folder.shards()) < n_shards, "killed too late to say anything"
    job = owner.wait(ws, job_id, timeout=120)
    assert (job.state, job.message) == ("completed", ""), folder.log.read_text()
    assert _rows(ws) == {table: expected[table] for table in TABLES}
    assert _profile_of_pool(ws, tiny_spec, tmp_path, engine) == expected["pool"]
    ws.close()


def test_the_driver_is_killed_and_only_what_is_missing_is_read_again(
    tmp_path: Path, tiny_spec: SpaceSpec, expected: dict[str, list[tuple[Any, ...]]], _alone: None
) -> None:
    before = set(psutil.pids())
    ws = _project(tmp_path / "far", "Far", tiny_spec)
    shared = f"file://{tmp_path / 'shared'}"
    job_id = start_extraction(ws, tiny_spec.space_id, shard_size=SIZE, engine=Engine(RAY, folder=shared, actors=1))
    assert job_id is not None
    folder = JobFolder(ws.jobs / job_id)
    _wait_for_shards(ws, folder, 4)
    driver = process.worker_of(folder.root)
    assert driver is not None
    driver.kill()
    driver.wait(20)
    kept = folder.shards()
    assert len(kept) < -(-len(ROWS) // SIZE), "killed too late to say anything"
    assert owner.wait(ws, job_id, timeout=30).state == "interrupted"
    _end_agents(before)
    assert _left(before) == [], "a Ray that was started for a job ends with it"
    owner.resume(ws, job_id)
    job = owner.wait(ws, job_id, timeout=120)
    assert (job.state, job.message) == ("completed", ""), folder.log.read_text()
    assert [event for event in folder.events() if event.get("name") in kept] == list(kept.values()), "read once"
    assert _rows(ws) == {table: expected[table] for table in TABLES}
    assert not list((tmp_path / "shared").rglob("*.parquet")), "nothing is left in the shared folder"
    assert _left(before) == []
    ws.close()
