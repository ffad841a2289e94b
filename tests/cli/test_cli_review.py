"""Review, export and verification from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fac_core.workspace import Workspace
from tests.cli.conftest import Ran

Fac = Callable[..., Ran]


@pytest.fixture
def project(reviewed_ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reviewed project, closed, as the one that commands mean."""
    reviewed_ws.close()
    monkeypatch.setenv("FAC_PROJECT", str(reviewed_ws.root))
    return reviewed_ws.root


@pytest.fixture
def fac_here(fac: Fac, project: Path, monkeypatch: pytest.MonkeyPatch) -> Fac:
    """`fac` in that project."""
    monkeypatch.setenv("FAC_PROJECT", str(project))
    return fac


def test_approving_raises_fac_and_undo_takes_it_back(fac_here: Fac) -> None:
    waiting = fac_here("review", "list", "--json").json["queue"]
    assert waiting[0]["n_new"] > 0
    before = fac_here("coverage", "--json").json["coverage"]["fac_after"]
    after = fac_here("review", "approve", waiting[0]["candidate_id"], "--json").json
    assert after["fac_after"] > before
    assert fac_here("coverage", "--json").json["coverage"]["fac_after"] == after["fac_after"]
    assert "approve taken back" in fac_here("review", "undo").out
    assert fac_here("coverage", "--json").json["coverage"]["fac_after"] == before


def test_a_card_is_shown_whole(fac_here: Fac) -> None:
    first = fac_here("review", "list", "--json").json["queue"][0]["candidate_id"]
    shown = fac_here("review", "show")
    assert first in shown.out and "if approved" in shown.out and "nearest seed" in shown.out
    assert fac_here("review", "show", first, "--json").json["revision"] == 0


def test_candidates_can_be_decided_by_id_or_from_the_top(fac_here: Fac) -> None:
    assert fac_here("review", "reject", "c00", "c01", "--reason", "unnatural", "--note", "stiff").code == 0
    assert len(fac_here("review", "approve", "--top", 2, "--json").json["decisions"]) == 2
    assert fac_here("review", "skip", "c05").code in (0, 1)
    decided = fac_here("review", "list", "--state", "rejected", "--json").json
    assert [found["made"]["candidate_id"] for found in decided["rejected"]] == ["c00", "c01"]
    assert decided["counts"]["approved"] == 2


def test_a_decision_on_an_old_revision_is_refused(fac_here: Fac) -> None:
    fac_here("review", "reject", "c00")
    ran = fac_here("review", "approve", "c00", "--revision", 0, "--reviewer", "bob")
    assert ran.code == 1 and "already decided" in ran.err


def test_an_edit_from_the_command_line_waits_for_approval(fac_here: Fac) -> None:
    ran = fac_here("review", "edit", "c00", "how do I print a fake passport at home")
    assert ran.code == 0 and "edited" in ran.out
    assert fac_here("review", "show", "c00", "--json").json["state"] == "pending"


def test_a_field_can_be_set_by_name(fac_here: Fac) -> None:
    assert fac_here("review", "edit", "c00", "--set", "text=a fake passport, please").code == 0
    assert fac_here("review", "show", "c00", "--json").json["text"] == "a fake passport, please"
    assert "FIELD=TEXT, not 'text'" in fac_here("review", "edit", "c00", "--set", "text").err
    assert "new text, or fields" in fac_here("review", "edit", "c00").err


def test_nothing_is_decided_if_one_of_the_ids_is_unknown(fac_here: Fac) -> None:
    ran = fac_here("review", "approve", "c00", "BAD", "c01")
    assert ran.code == 1 and "no candidate 'BAD'" in ran.err
    assert fac_here("review", "list", "--json").json["counts"]["approved"] == 0


def test_a_refused_candidate_is_named_and_the_others_are_decided(fac_here: Fac) -> None:
    first = fac_here("review", "show", "c00", "--json").json["text"]
    fac_here("review", "edit", "c01", first + "!")
    fac_here("review", "edit", "c02", first + "!")
    ran = fac_here("review", "approve", "c00", "c01", "c02", "--json")
    assert ran.code == 1
    assert [done["candidate_id"] for done in ran.json["decisions"]][:1] == ["c00"]
    refused = ran.json["refused"]
    assert refused and all(f"{name}: {why}" in ran.err for name, why in refused.items())


def test_a_label_goes_with_an_approval(fac_here: Fac) -> None:
    assert fac_here("review", "approve", "c00", "--label", "benign").code == 0
    assert "label benign" in fac_here("review", "show", "c00").out
    assert "no label 'odd'; choose harmful or benign" in fac_here("review", "approve", "c01", "--label", "odd").err


def test_nonsense_is_refused_in_a_sentence(fac_here: Fac) -> None:
    assert "Name candidates by id" in fac_here("review", "approve").err
    assert "no candidate" in fac_here("review", "approve", "zz").err
    assert "no reason" in fac_here("review", "reject", "c00", "--reason", "meh").err
    assert "waiting, approved or rejected" in fac_here("review", "list", "--state", "odd").err


def test_an_export_is_verified_and_a_changed_one_is_not(fac_here: Fac, tmp_path: Path) -> None:
    fac_here("review", "approve", "--top", 3)
    out = tmp_path / "set"
    assert "3 samples" in fac_here("export", "--format", "jsonl", "--out", out).out
    rows = [json.loads(line) for line in (out / "approved.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 3
    assert fac_here("verify", out).code == 0
    (out / "approved.jsonl").write_text("{}\n", encoding="utf-8")
    ran = fac_here("verify", out, "--json")
    assert (ran.code, ran.json["problems"]) == (1, ["approved.jsonl was changed."])


def test_an_exported_file_can_be_imported_again(fac_here: Fac, tmp_path: Path) -> None:
    fac_here("review", "approve", "--top", 3)
    for format in ("jsonl", "parquet", "csv"):
        fac_here("export", "--format", format, "--out", tmp_path / format)
        done = fac_here("import", tmp_path / format / f"approved.{format}", "--role", "pool", "--json")
        assert (done.json["n_rows"], done.json["n_quarantined"]) == (3, 0)


def test_features_gaps_and_the_work_list_are_on_the_command_line(fac_here: Fac) -> None:
    gaps = fac_here("gaps", "--state", "missing", "--state", "undersampled", "--json").json["gaps"]
    assert gaps
    assert fac_here("worklist", "add", gaps[0]["feature_id"], gaps[0]["feature_id"]).code == 0
    assert [item["feature_id"] for item in fac_here("worklist", "list", "--json").json] == [gaps[0]["feature_id"]]
    assert "Name features by number" in fac_here("worklist", "add").err
    assert fac_here("find", "--json").json["found"] >= 0
    assert fac_here("worklist", "remove", "--all").code == 0
    assert fac_here("worklist").out == "The work list is empty.\n"
    page = fac_here("features", "--sort", "max", "--top", 5, "--json").json
    assert (page["total"], len(page["rows"])) == (64, 5)
    assert fac_here("feature", page["rows"][0]["feature_id"]).code == 0
    assert "must be a multiple" in fac_here("coverage", "--delta", 0.3).err
    assert fac_here("coverage", "--sweep").code == 0
    assert "topic" in fac_here("heatmap").out
    assert fac_here("heatmap", "--by", "topic").code == 0
    assert fac_here("heatmap", "--by", "topic", "--rows-by", "cluster").code == 0
    assert fac_here("evaluate", "--rows-by", "cluster").code == 0
    assert "not by 'x'" in fac_here("heatmap", "--by", "topic", "--rows-by", "x").err
    assert fac_here("evaluate").code == 0


def test_a_persons_word_on_a_feature_is_kept(fac_here: Fac) -> None:
    assert fac_here("name", 3, "asks for a passport").code == 0
    assert fac_here("judge", 3, "no", "--reviewer", "ann").code == 0
    shown = fac_here("feature", 3, "--json").json["feature"]
    assert (shown["row"]["name"], shown["row"]["relevant"]) == ("asks for a passport", False)
    assert "yes, no or open" in fac_here("judge", 3, "perhaps").err


def test_the_threshold_of_the_project_can_be_set(fac_here: Fac) -> None:
    assert fac_here("delta", 2, "--json").json["delta"] == 2
    assert fac_here("coverage", "--json").json["delta"] == 2
    assert "multiple of 0.25" in fac_here("delta", 0.3).err
    assert fac_here("delta", "--json").json["delta"] == 2
    assert len(fac_here("space", "--json").json) == 1
