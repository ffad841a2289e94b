"""Waiting for jobs, and training an SAE from the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fac_core.cli import waiting
from fac_core.cli.context import Stopped
from fac_core.jobs import owner
from fac_core.jobs.owner import Job
from fac_core.workspace import Workspace, now
from tests.cli.conftest import Ran

Fac = Callable[..., Ran]


def job(state: str, message: str = "") -> Job:
    """A job in some state."""
    at = now()
    return Job("j1", "extract", "Read 3 texts", state, 1.0, 3.0, message, 5.0, None, {}, at, at, None)


def test_a_job_that_did_not_complete_says_how_to_go_on(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "wait", lambda *_args, **_kwargs: job("failed", "The disk is full."))
    with pytest.raises(Stopped, match=r"Read 3 texts: The disk is full\. Go on with: fac jobs resume j1"):
        waiting.wait(ws, "j1")


def test_a_wait_that_is_stopped_stops_the_job(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def interrupted(*_args: object, timeout: float | None = None, **_kwargs: object) -> Job:
        if timeout is None:
            raise KeyboardInterrupt
        return job("cancelled")

    monkeypatch.setattr(owner, "wait", interrupted)
    monkeypatch.setattr(owner, "cancel", lambda _ws, job_id: asked.append(job_id))
    monkeypatch.setattr(owner, "get", lambda *_: job("cancelled"))
    with pytest.raises(KeyboardInterrupt):
        waiting.wait(ws, "j1")
    assert asked == ["j1"]
    assert "fac jobs resume j1" in capsys.readouterr().err


def test_a_job_that_is_slow_to_stop_is_said_to_be_stopping(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow(*_args: object, timeout: float | None = None, **_kwargs: object) -> Job:
        raise KeyboardInterrupt if timeout is None else TimeoutError

    monkeypatch.setattr(owner, "wait", slow)
    monkeypatch.setattr(owner, "cancel", lambda *_: None)
    monkeypatch.setattr(owner, "get", lambda *_: job("cancelling"))
    assert waiting.stop(ws, "j1").state == "cancelling"
    with pytest.raises(KeyboardInterrupt):
        waiting.wait(ws, "j1")
    assert capsys.readouterr().err.startswith("Stopping; ")


def test_an_unknown_job_is_refused(fac: Fac) -> None:
    fac("project", "create", "Jobs", "--task", "toxicity")
    assert fac("jobs").out == "There is no job yet.\n"
    for verb in ("cancel", "resume"):
        assert "no job nope" in fac("jobs", verb, "nope").err


def test_training_runs_the_recipe_and_says_how_the_sae_measured(
    fac: Fac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_core.feature_space.training import job as training

    seen: dict[str, Any] = {}

    def train(recipe: Path, data: Path, work: Path, out: Path, progress: Any, max_steps: int | None) -> dict[str, Any]:
        seen.update(recipe=recipe, data=data, work=work, out=out, max_steps=max_steps)
        progress(1, 1, "step 20 of 20")
        return {"fvu": 0.2, "l0": 16.0, "alive_share": 0.9}

    monkeypatch.setattr(training, "train_sae", train)
    (tmp_path / "recipe.toml").write_text(
        "[space]\nblock = 1\n[sae]\nd_sae = 512\nk = 4\n[training]\nsamples = 9\n[corpus]\nsource = []\n",
        encoding="utf-8",
    )
    out = tmp_path / "sae"
    ran = fac("train-sae", "--recipe", tmp_path / "recipe.toml", "--data", tmp_path, "--out", out, "--smoke", 20)
    assert ran.code == 0
    assert "FVU 0.200, L0 16.0" in ran.out
    assert "step 20 of 20" in ran.err
    assert (seen["max_steps"], seen["out"], seen["work"]) == (20, out, tmp_path / "sae.work")
    assert (seen["recipe"].sae.d_sae, seen["recipe"].sae.tied) == (512, False)
    again = ("train-sae", "--recipe", tmp_path / "recipe.toml", "--data", tmp_path, "--out", out, "--preset", "paper")
    assert fac(*again, "--k", 5).code == 0
    sae = seen["recipe"].sae
    assert (sae.tied, sae.k_start, sae.d_sae, sae.k) == (True, 200, 512, 5), "the recipe, then what was typed, go first"


def test_a_missing_recipe_is_refused(fac: Fac, tmp_path: Path) -> None:
    ran = fac("train-sae", "--recipe", tmp_path / "no.toml", "--data", tmp_path, "--out", tmp_path / "sae")
    assert ran.code == 1 and "no recipe" in ran.err
