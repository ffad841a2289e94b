"""The whole loop from the command line, with real worker processes: import → ... → export → verify."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fac_core.feature_space.space import SpaceSpec, read_card
from fac_core.feature_space.spaces import register_space
from fac_core.workspace import open_project
from tests.cli.conftest import Ran
from tests.tiny import labelled_rows


@pytest.mark.slow
def test_a_gap_is_found_closed_and_exported(
    fac: Callable[..., Ran], tmp_path: Path, tiny_spec: SpaceSpec, tiny_sae_folder: Path
) -> None:
    folder = Path(fac("project", "create", "toxicity-real", "--task", "toxicity", "--json").json["folder"])
    for role in ("seed", "anchor", "pool"):
        path = tmp_path / f"{role}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in labelled_rows(role)), encoding="utf-8")
        assert fac("import", "--role", role, path).code == 0
    ws = open_project(folder)
    card = read_card(tiny_sae_folder)
    register_space(ws, tiny_spec, card, card["default_delta"])
    ws.close()

    read = fac("extract", "--json")
    assert read.json["health"]["state"] == "good"
    assert "100%" in read.err or "completed" in read.err
    assert fac("extract", "--json").json["job_id"] is None
    assert fac("relevance", "--mode", "alive", "--json").json["mode"] == "alive"
    before = fac("coverage", "--delta", 0, "--json").json["coverage"]
    assert 0 < before["fac"] <= 1

    at = ("--delta", "1")
    gaps = fac("gaps", *at, "--state", "missing", "--state", "undersampled", "--json").json["gaps"]
    assert fac("worklist", "add", *[gap["feature_id"] for gap in gaps]).code == 0
    assert fac("find", *at, "--json").json["found"] > 0
    run = fac("synthesise", "--generator", "local", "--no-pool", "--n-step1", 2, "--n-step2", 2, *at, "--json")
    assert run.json["summary"]["n_candidates"] == 4 * len(gaps)
    assert sum(run.json["summary"]["outcomes"].values()) == 4 * len(gaps)
    assert fac("run", "--json").json["run_id"] == run.json["run_id"]
    assert {each["state"] for each in fac("runs", "--json").json} == {"completed"}

    queue = fac("review", "list", "--json").json["queue"]
    assert queue[0]["n_new"] > 0
    assert fac("review", "reject", queue[-1]["candidate_id"], "--reason", "unnatural").code == 0
    decided = fac("review", "approve", queue[0]["candidate_id"], "--json").json
    assert decided["fac_after"] > decided["fac"]

    out = tmp_path / "out"
    assert fac("export", "--format", "jsonl", "--out", out).code == 0
    assert fac("verify", out).code == 0
    rows = [json.loads(line) for line in (out / "approved.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [queue[0]["candidate_id"]]
    assert all(job["state"] == "completed" for job in fac("jobs", "--json").json)
    assert fac("jobs", "wait").out == "No job is under way.\n"
