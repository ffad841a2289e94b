"""Feature spaces from the terminal: a second one is added, read, measured, chosen; one is read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fac_core.feature_space.space import SpaceSpec
from fac_core.workspace import Workspace
from tests.cli.conftest import Ran
from tests.tiny import BLOCK, make_tiny_sae

Fac = Callable[..., Ran]


@pytest.fixture
def fac_here(fac: Fac, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Fac:
    """`fac` in a project with texts read in the tiny space."""
    monkeypatch.setenv("FAC_PROJECT", str(filled_ws.root))
    filled_ws.close()
    return fac


@pytest.fixture
def other_sae(tmp_path: Path, tiny_backbone_folder: Path) -> Path:
    """Another SAE of the tiny model."""
    (tmp_path / "other").mkdir()
    return make_tiny_sae(tmp_path / "other", tiny_backbone_folder, seed=7)


@pytest.mark.usefixtures("jobs_in_process")
def test_a_space_is_added_read_measured_and_chosen(
    fac_here: Fac, tiny_spec: SpaceSpec, tiny_backbone_folder: Path, other_sae: Path
) -> None:
    first = fac_here("coverage", "--json").json
    added = fac_here(
        "space",
        "add",
        tiny_backbone_folder,
        other_sae,
        "--block",
        f"blocks.{BLOCK - 1}.hook_resid_post",
        "--name",
        "Second",
        "--json",
    )
    second = added.json["space_id"]
    assert added.json["name"] == "Second" and second != tiny_spec.space_id
    assert [each["current"] for each in fac_here("space", "--json").json] == [True, False]
    assert fac_here("extract", "--space", "Second").code == 0
    found = fac_here("coverage", "--space", "Second", "--json").json
    assert found["space_id"] == second and found["coverage"]["n_anchor"] > 0
    assert fac_here("coverage", "--json").json == first, "what was read in the first space stays as it was"
    assert "now works in Second" in fac_here("space", "use", "Second").out
    assert fac_here("coverage", "--json").json["space_id"] == second
    assert fac_here("space", "list").out.splitlines()[2].startswith("*")
    assert fac_here("gaps", "--space", tiny_spec.space_id, "--json").json["space_id"] == tiny_spec.space_id


@pytest.mark.usefixtures("jobs_in_process")
def test_everything_is_read_again_and_what_that_changes_is_said(fac_here: Fac) -> None:
    before = fac_here("coverage", "--json").json["coverage"]
    ran = fac_here("extract", "--again")
    assert ran.code == 0 and "90 texts were read again: the same features fire in all of them" in ran.out
    again = fac_here("extract", "--again", "--json").json["again"]
    assert (again["n_texts"], again["n_changed"]) == (90, 0)
    assert fac_here("extract", "--json").json["again"] is None
    assert fac_here("coverage", "--json").json["coverage"]["fac"] == before["fac"]


def test_what_does_not_fit_is_one_line(
    fac_here: Fac, tiny_backbone_folder: Path, tiny_sae_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "wide").mkdir()
    wide = make_tiny_sae(tmp_path / "wide", tiny_backbone_folder, d_in=40)
    for arguments, said in (
        ((tiny_backbone_folder, wide, "--block", BLOCK), "reads vectors of width 40"),
        ((tiny_backbone_folder, tiny_sae_folder, "--block", 9), "has blocks 1 to 4"),
        ((tiny_backbone_folder, tiny_sae_folder, "--block", "hidden_states[3]"), "choose block 2"),
        ((tiny_backbone_folder, tiny_sae_folder, "--block", "the middle"), "The place 'the middle' is not known"),
        ((tmp_path / "nowhere", tiny_sae_folder, "--block", BLOCK), "There is no model folder"),
    ):
        ran = fac_here("space", "add", *arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1) and said in ran.err
    assert "list them with: fac space list" in fac_here("space", "use", "nothing").err
    assert len(fac_here("space", "--json").json) == 1


def test_a_space_that_does_not_fit_is_told_with_its_numbers_until_it_is_accepted(
    fac_here: Fac, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {"fvu": 9.0, "l0": 60.0, "n_tokens": 900, "truncated_texts": 0, "suspects": []}
    monkeypatch.setattr("fac_core.feature_space.health.measured_health", lambda ws, space_id: bad)
    assert fac_here("coverage").out.startswith("Do not trust these numbers. The SAE may not fit")
    assert "no longer marked" in fac_here("space", "accept", "only a trial").out
    assert "Do not trust" not in fac_here("coverage").out
