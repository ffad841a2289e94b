"""`fac extract`: what it is told, and a pool that stays where it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fac_core import workspace
from fac_core.cli import context
from fac_core.feature_space.space import SpaceSpec, read_card
from fac_core.feature_space.spaces import register_space
from fac_core.jobs import kinds
from tests.cli.conftest import Ran
from tests.tiny import labelled_rows

Fac = Callable[..., Ran]


@pytest.fixture
def project(fac: Fac, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch, jobs_in_process: None) -> None:
    """A current project with the tiny space."""
    monkeypatch.setattr(kinds, "FOLLOW_UPS", {})
    assert fac("project", "create", "Large", "--task", "toxicity").code == 0
    ws = workspace.open_project(context.find("Large").folder)
    card = read_card(Path(tiny_spec.sae))
    register_space(ws, tiny_spec, card, card["default_delta"])
    ws.close()


@pytest.mark.usefixtures("project")
def test_a_pool_is_read_where_it_lies(fac: Fac, tmp_path: Path) -> None:
    rows = [{"frage": row["text"]} for row in labelled_rows("pool")]
    for number in range(2):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows[number::2]), encoding="utf-8")
    ran = fac("extract", "--pool", f"{tmp_path}/*.jsonl", "--name", "Big", "--field", "text=frage", "--examples", 1)
    assert (ran.code, ran.err.startswith("fac:")) == (0, False)
    assert f"{len(rows)} texts read as pool set Big" in ran.out
    assert f"Of {len(rows)} texts the counts are kept" in ran.out
    dataset = fac("datasets", "--json").json[0]
    assert (dataset["role"], dataset["n_rows"]) == ("pool", len(rows))
    assert 0 < dataset["n_kept"] <= len(rows)
    again = fac("extract", "--pool", f"{tmp_path}/*.jsonl", "--field", "text=frage")
    assert (again.code, "was read in this space before" in again.err) == (1, True)
    assert "can be pool or anchor" in fac("datasets", "role", dataset["dataset_id"], "seed").err
    assert fac("datasets", "role", dataset["dataset_id"], "anchor").code == 0
    assert "cannot be grouped" in fac("heatmap").out


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--engine", "spark"], "There is no engine 'spark'"),
        (["--address", "auto"], "belong to --engine ray"),
        (["--engine", "ray", "--cpus", "0"], "CPUs are more than 0"),
        (["--name", "Big"], "belong to --pool"),
        (["--pool", "x", "--again"], "read once in a space"),
        (["--pool", "/nowhere/at/all"], "There is no file or folder"),
    ],
    ids=["engine", "address", "cpus", "name", "again", "nowhere"],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(fac: Fac, arguments: list[str], sentence: str) -> None:
    ran = fac("extract", *arguments)
    assert (ran.code, sentence in ran.err) == (1, True), ran.err


@pytest.mark.usefixtures("project")
def test_without_ray_the_sentence_says_how_to_get_it(fac: Fac, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'fac-explorer[ray]'" in fac("extract", "--engine", "ray").err
