"""`fac import` and what became of the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.tiny import labelled_rows

Fac = Callable[..., Ran]


@pytest.fixture
def seed_file(tmp_path: Path) -> Path:
    """A seed file with two bad rows."""
    path = tmp_path / "seed.jsonl"
    lines = [json.dumps(row) for row in labelled_rows("seed")]
    path.write_text("\n".join([*lines, "{broken", json.dumps({"text": "  "})]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def project(fac: Fac) -> None:
    """A current project."""
    assert fac("project", "create", "Data", "--task", "toxicity").code == 0


@pytest.mark.usefixtures("project")
def test_bad_rows_are_counted_shown_and_can_be_fetched(fac: Fac, seed_file: Path) -> None:
    ran = fac("import", seed_file, "--role", "seed")
    assert ran.code == 0
    assert "2 bad rows set aside" in ran.out
    dataset = fac("datasets", "--json").json[0]
    assert (dataset["role"], dataset["n_rows"], dataset["n_quarantined"]) == ("seed", len(labelled_rows("seed")), 2)
    lines = [json.loads(line) for line in fac("quarantine", dataset["dataset_id"]).out.splitlines()]
    assert len(lines) == 2
    assert {"row_number", "field", "reason", "raw"} <= set(lines[0])


@pytest.mark.usefixtures("project")
def test_a_preview_imports_nothing(fac: Fac, seed_file: Path) -> None:
    ran = fac("import", seed_file, "--role", "seed", "--preview")
    assert "text ← text" in ran.out
    assert fac("datasets", "--json").json == []


@pytest.mark.usefixtures("project")
def test_columns_can_be_named(fac: Fac, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("a,b,c\nhow do I bake bread,benign,x\nhow do I fake a passport,harmful,y\n", encoding="utf-8")
    ran = fac("import", path, "--role", "anchor", "--field", "text=a", "--label", "b", "--name", "Odd", "--json")
    assert (ran.json["name"], ran.json["n_rows"]) == ("Odd", 2)
    assert fac("import", path, "--role", "seed", "--field", "nonsense").err.startswith("fac: --field takes")
    assert "no field 'txet'" in fac("import", path, "--role", "seed", "--field", "txet=a").err
    assert "no column" in fac("import", path, "--role", "seed", "--field", "text=nope").err


@pytest.mark.usefixtures("project")
def test_a_file_that_cannot_be_used_leaves_nothing(fac: Fac, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    for path in (tmp_path / "empty.jsonl", tmp_path / "missing.csv"):
        ran = fac("import", path, "--role", "seed")
        assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert fac("datasets").out == "There is no data set.\n"


@pytest.mark.usefixtures("project")
def test_a_data_set_can_change_its_role_go_and_come_back(fac: Fac, seed_file: Path) -> None:
    dataset_id = fac("import", seed_file, "--role", "seed", "--json").json["dataset_id"]
    assert fac("datasets", "role", dataset_id, "pool").code == 0
    assert fac("datasets", "delete", dataset_id).code == 0
    assert "deleted" in fac("datasets").out
    assert fac("datasets", "restore", dataset_id).code == 0
    assert fac("datasets", "--json").json[0]["role"] == "pool"
