"""Which project a command means, and what a person sees when something is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.cli.show import jsonable, safe, short, table
from tests.cli.conftest import Ran

Fac = Callable[..., Ran]


def test_a_new_project_is_the_current_one(fac: Fac) -> None:
    assert fac("project", "create", "One", "--task", "toxicity").code == 0
    assert fac("project", "create", "Two", "--task", "preference").code == 0
    assert fac("project", "show", "--json").json["name"] == "Two"
    assert fac("project", "use", "One").code == 0
    assert fac("project", "show", "--json").json["name"] == "One"
    assert [each["name"] for each in fac("project", "list", "--json").json] == ["One", "Two"]


def test_a_project_can_be_named_by_name_or_folder(fac: Fac) -> None:
    folder = fac("project", "create", "Größe <b>", "--task", "toxicity", "--json").json["folder"]
    fac("project", "create", "Other", "--task", "toxicity")
    for named in ("Größe <b>", folder, Path(folder).name):
        assert fac("project", "show", "--project", named, "--json").json["name"] == "Größe <b>"


def test_without_a_current_project_none_is_guessed_among_several(
    fac: Fac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAC_HOME", str(tmp_path / "fresh"))
    assert fac("datasets").err == ("fac: There is no project yet; make one with: fac project create NAME --task TASK\n")
    fac("project", "create", "One", "--task", "toxicity")
    fac("project", "create", "Two", "--task", "toxicity")
    (tmp_path / "fresh" / "current").unlink()
    assert "'One', 'Two'" in fac("datasets").err


def test_the_current_project_stays_current_where_the_home_is_moved_to(
    fac: Fac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAC_HOME", str(tmp_path / "here"))
    fac("project", "create", "One", "--task", "toxicity")
    fac("project", "create", "Two", "--task", "toxicity")
    (tmp_path / "here").rename(tmp_path / "there")
    monkeypatch.setenv("FAC_HOME", str(tmp_path / "there"))
    moved = fac("project", "show", "--json").json
    assert moved["name"] == "Two" and moved["folder"].startswith(str(tmp_path / "there"))


def test_a_mistake_is_one_line_on_stderr_and_exit_code_1(fac: Fac) -> None:
    for arguments in (
        ("project", "create", "X", "--task", "juggling"),
        ("datasets", "--project", "nowhere\n\x1b[31m"),
        ("verify", "/nowhere"),
    ):
        ran = fac(*arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert "\x1b" not in ran.err
        assert ran.err.startswith("fac: ")


def test_wrong_usage_is_exit_code_2(fac: Fac) -> None:
    assert fac("import").code == 2
    assert fac("no-such-command").code == 2


def test_every_command_has_help(fac: Fac) -> None:
    for words in (
        "project create", "project list", "project use", "demo", "space list", "space add", "space use", "space accept", "delta", "import", "datasets role",
        "quarantine", "extract", "features", "feature", "relevance", "judge", "name", "coverage", "gaps", "heatmap",
        "worklist add", "worklist remove", "find", "synthesise", "runs", "run", "review list", "review show",
        "review approve", "review reject", "review skip", "review edit", "review undo", "review rebuild", "export",
        "verify", "evaluate", "jobs list", "jobs cancel", "jobs resume", "jobs wait", "train-sae",
    ):  # fmt: skip
        ran = fac(*words.split(), "--help")
        assert ran.code == 0 and "Usage" in ran.out, words


def test_the_module_runs_as_a_program_and_tells_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fac_core.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.startswith("fac-explorer ")


@given(text=st.text())
def test_no_text_can_act_on_the_terminal(text: str) -> None:
    shown = safe(text)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    assert not set(shown) & {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\u200e\u200f"}
    assert len(short(text, 20)) <= 20


@given(cells=st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_a_table_has_one_line_for_each_row(cells: list[tuple[str, str]]) -> None:
    lines = table(["one", ">two"], cells)
    assert len(lines) == (len(cells) + 1 if cells else 0)
    assert all(len(line.splitlines()) <= 1 for line in lines)


def test_json_has_no_nan_and_no_foreign_types() -> None:
    import numpy as np

    found = jsonable({"a": float("nan"), "b": np.float32(1.5), "c": np.arange(2), "d": Path("x"), "e": {1: (2, 3)}})
    assert found == {"a": None, "b": 1.5, "c": [0, 1], "d": "x", "e": {"1": [2, 3]}}
