"""Gaps of the tiny project, and a generator whose every text is scripted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fac_core.feature_space.space import SpaceSpec
from fac_core.jobs.folder import JobFolder
from fac_core.store.synthesis import RunRow, insert_run, known_texts
from fac_core.synthesis.generator import Request, Response, Style
from fac_core.synthesis.plan import Plan, RunSettings, job_spec
from fac_core.synthesis.runs import make_targets
from fac_core.synthesis.targets import targets_to_tables
from fac_core.tasks import load_task
from fac_core.workspace import Workspace, now

DELTA = 1.0
RUN = "run-test"


@dataclass
class Scripted:
    """Continues with the given texts in turn, from the first again when they run out."""

    texts: Sequence[str]
    style: Style = "continuation"
    requests: list[Request] = field(default_factory=list)
    after_each: Callable[[], None] = lambda: None

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        for request in requests:
            self.requests.append(request)
            text = self.texts[(len(self.requests) - 1) % len(self.texts)]
            yield Response(text, "stop", {"tokens_out": 3})
            self.after_each()


def firing(ws: Workspace, space_id: str, role: str, delta: float = DELTA) -> dict[int, list[str]]:
    """Texts of a role by feature they activate above δ, strongest first."""
    rows = ws.database.rows(
        "SELECT a.feature_id, c.text FROM activation a JOIN sample s USING (content_id) JOIN dataset d "
        "USING (dataset_id) JOIN content c USING (content_id) WHERE d.role = ? AND a.space_id = ? AND a.value > ? "
        "ORDER BY a.feature_id, a.value DESC, c.text",
        [role, space_id, delta],
    )
    found: dict[int, list[str]] = {}
    for feature, text in rows:
        found.setdefault(int(feature), []).append(text)
    return found


@pytest.fixture
def gap_ids(filled_ws: Workspace, tiny_spec: SpaceSpec) -> list[int]:
    """Features that anchor texts activate above δ and seed texts do not, those that most texts activate first."""
    anchor, seed = (firing(filled_ws, tiny_spec.space_id, role) for role in ("anchor", "seed"))
    found = sorted(anchor.keys() - seed.keys(), key=lambda feature: (-len(anchor[feature]), feature))
    assert len(found) >= 3
    return found


@pytest.fixture
def make_job(filled_ws: Workspace, tiny_spec: SpaceSpec, tmp_path: Path) -> Callable[..., JobFolder]:
    """A job folder and a run in the store, as `start_run` makes them, without a process."""

    def make(features: Sequence[int], run_id: str = RUN, delta: float = DELTA, **changes: object) -> JobFolder:
        ws, task = filled_ws, load_task("toxicity")
        settings = RunSettings(n_step1=3, n_step2=4, use_pool=False, **changes)  # type: ignore[arg-type]
        targets = make_targets(ws, task, tiny_spec.space_id, delta, list(features), settings.seed)
        spec = dict(job_spec(run_id, tiny_spec, task.id, delta, settings))
        row = RunRow(run_id, tiny_spec.space_id, delta, settings.generator, {}, list(features), now())
        with ws.database.transaction() as cursor:
            insert_run(cursor, row)
        inputs = {**targets_to_tables(targets), "known": known_texts(ws.database, tiny_spec.space_id)}
        return JobFolder.create(tmp_path / f"job-{run_id}", "synthesise", spec, inputs)

    return make


@pytest.fixture
def read_plan() -> Callable[[JobFolder], Plan]:
    """Plan of a job folder."""
    return Plan.read
