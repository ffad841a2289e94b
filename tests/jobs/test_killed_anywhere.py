"""kill -9, of the worker and of the owner, at random moments: nothing is lost and nothing counts twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fac_core import workspace
from fac_core.feature_space.extraction import start_extraction
from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.space import SpaceSpec
from fac_core.jobs import kinds, owner, process
from fac_core.jobs.kinds import KINDS
from fac_core.llm.pace import AT_ONCE
from fac_core.synthesis.runs import RunSettings, start_run
from fac_core.workspace import Workspace
from tests.llm.fake_endpoint import says, serving, slow
from tests.synthesis.conftest import DELTA, firing
from tests.tiny import LABELLED_TEXTS, add_dataset

SPEC = {"n": 40, "rows": 3, "sleep": 0.02}
EXPECTED = [(number, f"part-{number // 3:04d}") for number in range(120)]


@pytest.fixture(autouse=True)
def _test_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "count", "tests.jobs.counting_kind")
    monkeypatch.setattr(process, "WORKER_MODULE", "tests.jobs.worker_with_test_kinds")
    monkeypatch.setattr(kinds, "FOLLOW_UPS", {})


def _kill_worker(folder: Path) -> bool:
    worker = process.worker_of(folder)
    if worker is None:
        return False
    worker.kill()
    return True


def _counted(ws: Workspace) -> list[tuple[int, str]]:
    return ws.database.rows("SELECT row_number, reason FROM quarantine ORDER BY ALL")


def _survive_worker_kills(ws: Workspace, job_id: str, kills: int, longest: float, rng: random.Random) -> int:
    """Kill the job's worker up to `kills` times at random moments, resuming each time; returns how often it hit."""
    hits = 0
    for _ in range(kills):
        end = time.monotonic() + rng.uniform(0, longest)
        while time.monotonic() < end:
            owner.poll(ws)
            time.sleep(0.01)
        hits += _kill_worker(ws.jobs / job_id)
        job = owner.wait(ws, job_id, timeout=280)
        if job.state == "completed":
            break
        assert job.state == "interrupted"
        owner.resume(ws, job_id)
    return hits


def _survive_owner_kills(root: Path, kills: int, longest: float, rng: random.Random) -> int:
    """Kill the owner, and half of the time its worker too, until the job is done; returns how often it was running."""
    command = [sys.executable, "-P", str(Path(__file__).with_name("owner_process.py")), str(root), json.dumps(SPEC)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    hits = 0
    for number in range(kills + 1):
        running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert running.stdout is not None
        assert running.stdout.readline() == b"open\n"
        try:
            running.wait(timeout=280 if number == kills else rng.uniform(0, longest))
            break
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            running.wait()
            hits += 1
            if rng.random() < 0.5:
                for folder in (root / "jobs").glob("2*"):
                    _kill_worker(folder)
    assert running.returncode == 0
    return hits


@pytest.mark.heavy
def test_a_worker_killed_at_random_moments_loses_nothing(ws: Workspace) -> None:
    job_id = owner.start(ws, "count", "Count", SPEC)
    hits = _survive_worker_kills(ws, job_id, 20, 0.45, random.Random(1))
    assert owner.wait(ws, job_id, timeout=280).state == "completed"
    assert hits > 2
    assert _counted(ws) == EXPECTED


@pytest.mark.heavy
def test_an_owner_killed_at_random_moments_loses_nothing(ws: Workspace) -> None:
    root = ws.root
    ws.close()
    _survive_owner_kills(root, 7, 0.6, random.Random(2))
    again = workspace.open_project(root)
    completed = [job for job in owner.jobs(again) if job.state == "completed"]
    assert len(completed) == 1
    assert _counted(again) == EXPECTED
    again.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [pytest.param(1, marks=pytest.mark.heavy), pytest.param(20, marks=pytest.mark.slow)])
def test_an_extraction_killed_in_the_middle_gives_what_an_undisturbed_one_gives(
    ws_with_space: Workspace, tiny_spec: SpaceSpec, extractor: Extractor, kills: int
) -> None:
    ws = ws_with_space
    texts = LABELLED_TEXTS if kills == 1 else [f"{text} {n}" for text in LABELLED_TEXTS for n in range(20)]
    add_dataset(ws, "anchor", [{"text": text} for text in texts])
    job_id = start_extraction(ws, tiny_spec.space_id, shard_size=1)
    assert job_id is not None
    while not (ws.jobs / job_id / "journal.jsonl").read_bytes().count(b"shard"):
        time.sleep(0.02)
    hits = _survive_worker_kills(ws, job_id, kills // 2 or 1, 0.1 if kills == 1 else 4, random.Random(3))
    root = ws.root
    ws.close()
    hits += _survive_owner_kills(root, kills // 2 or 1, 4, random.Random(6))
    assert hits > kills // 2
    ws = workspace.open_project(root)
    assert owner.wait(ws, job_id, timeout=280).state == "completed"
    expected = [
        (text, int(feature))
        for text, read in zip(texts, extractor.read_all(texts), strict=True)
        for feature in read.features
    ]
    found = ws.database.rows("SELECT text, feature_id FROM activation JOIN content USING (content_id) ORDER BY ALL")
    assert found == sorted(expected)
    assert ws.database.one("SELECT count(*), count(DISTINCT content_id) FROM content_read") == (len(texts),) * 2
    assert ws.database.one("SELECT sum(n) FROM profile") == (len(expected),)
    ws.close()


def _written(ws: Workspace) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The candidates and the activations that a run has put into the store, without its own id."""
    candidates = ws.database.rows(
        "SELECT target_feature, step, attempt, text, outcome, target_value, rank, assigned_feature FROM candidate "
        "ORDER BY ALL"
    )
    stored = ws.database.rows(
        "SELECT c.text, a.feature_id, a.value FROM activation a JOIN content c USING (content_id) "
        "WHERE content_id IN (SELECT content_id FROM candidate) ORDER BY ALL"
    )
    return candidates, stored


def _answer(handler: Any, body: dict[str, Any]) -> None:
    """Texts that depend on the request alone, after a moment in which one can be killed."""
    rng = random.Random(json.dumps(body["messages"]) + str(body.get("seed")))
    words = " ".join(LABELLED_TEXTS).split()
    texts = [" ".join(rng.choices(words, k=6)) for _ in range(6)]
    slow(0.2, says(json.dumps({"samples": [{"text": text} for text in texts]})))(handler, body)


def _undisturbed(ws: Workspace, space_id: str, settings: RunSettings, targets: list[int]) -> Any:
    """What a run writes that nobody disturbs; nothing of it is left in the project."""
    start_run(ws, space_id, DELTA, settings, targets)
    job_id = owner.jobs(ws)[0].job_id
    assert owner.wait(ws, job_id, timeout=280).state == "completed"
    written = _written(ws)
    with ws.database.transaction() as cursor:
        for table in ("activation", "activation_by_feature", "content_read"):
            cursor.execute(f"DELETE FROM {table} WHERE content_id IN (SELECT content_id FROM candidate)")
        for table in ("candidate", "synthesis_run", "job", "ingested_shard"):
            cursor.execute(f"DELETE FROM {table}")
    shutil.rmtree(ws.jobs / job_id)
    return written


def _killed(ws: Workspace, space_id: str, settings: RunSettings, targets: list[int], kills: int) -> tuple[Any, int]:
    """What a run writes whose worker and owner are killed again and again, and how often that hit."""
    start_run(ws, space_id, DELTA, settings, targets)
    job_id = owner.jobs(ws)[0].job_id
    hits = _survive_worker_kills(ws, job_id, kills, 5, random.Random(4))
    root = ws.root
    ws.close()
    hits += _survive_owner_kills(root, kills, 5, random.Random(5))
    again = workspace.open_project(root)
    assert owner.wait(again, job_id, timeout=280).state == "completed"
    written = _written(again)
    again.close()
    return written, hits


def _targets(ws: Workspace, space_id: str, n: int) -> list[int]:
    anchor, seed = (firing(ws, space_id, role) for role in ("anchor", "seed"))
    return sorted(anchor.keys() - seed.keys())[:n]


KILLS = pytest.mark.parametrize(
    "kills", [pytest.param(1, marks=pytest.mark.heavy), pytest.param(10, marks=pytest.mark.slow)]
)


@pytest.mark.timeout(900)
@KILLS
def test_a_run_with_an_endpoint_killed_anywhere_writes_what_an_undisturbed_one_writes_and_pays_nothing_twice(
    filled_ws: Workspace, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    monkeypatch.setenv("FAC_LLM_API_KEY", "k")
    ws, space_id = filled_ws, tiny_spec.space_id
    targets = _targets(ws, space_id, 12)
    with serving(_answer) as endpoint:
        settings = RunSettings("openai", n_step1=6, n_step2=6, use_pool=False, base_url=endpoint.url, model="fake")
        expected = _undisturbed(ws, space_id, settings, targets)
        assert len(expected[0]) == 12 * len(targets) and {row[4] for row in expected[0]} >= {"hit", "no_activation"}
        n_calls = len(endpoint.bodies)
        written, hits = _killed(ws, space_id, settings, targets, kills)
        repeated = len(endpoint.bodies) - 2 * n_calls
    assert written == expected and hits >= kills
    assert 0 <= repeated <= 2 * AT_ONCE * kills, "only calls that were under way when their worker was killed"


@pytest.mark.timeout(900)
@KILLS
def test_a_run_with_the_local_model_killed_anywhere_writes_what_an_undisturbed_one_writes(
    filled_ws: Workspace, tiny_spec: SpaceSpec, kills: int
) -> None:
    targets = _targets(filled_ws, tiny_spec.space_id, 3 if kills == 1 else 12)
    settings = RunSettings("local", n_step1=3, n_step2=3, use_pool=False)
    expected = _undisturbed(filled_ws, tiny_spec.space_id, settings, targets)
    assert len(expected[0]) == 6 * len(targets)
    written, _ = _killed(filled_ws, tiny_spec.space_id, settings, targets, kills)
    assert written == expected
