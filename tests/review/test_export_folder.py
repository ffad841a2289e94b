"""An export is whole or absent, strict, guarded, and says where each row comes from."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from fac_core.content import normalise
from fac_core.coverage.measure import coverage
from fac_core.errors import InputError, StoreError
from fac_core.features.held_out import versions
from fac_core.features.naming import rename
from fac_core.review import export as export_module
from fac_core.review.decisions import decide
from fac_core.review.export import export, exports, n_unexported
from fac_core.review.formats import guarded, json_line
from fac_core.review.manifest import plain, without_secrets
from fac_core.review.verify import verify
from fac_core.store import explanations
from fac_core.store.explanations import EMBEDDING, Score
from fac_core.workspace import Workspace, now, open_project
from tests.review.making import DELTA, add_candidate, strongest
from tests.tiny import add_dataset

ODD = normalise('Say "hi",\n=HYPERLINK("http://x") كيف 🧨 e\u0301 \u2028 <b>bold</b>')


@pytest.fixture
def approved_ws(reviewed_ws: Workspace) -> Workspace:
    """Three approved samples and a rejected one."""
    for number in range(3):
        decide(reviewed_ws, f"c{number:02}", "ann", "approve", revision=0)
    decide(reviewed_ws, "c03", "ann", "reject", reason="unnatural", revision=0)
    return reviewed_ws


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_row_says_where_it_comes_from(approved_ws: Workspace, space_id: str) -> None:
    done = export(approved_ws, space_id)
    rows = _rows(done.folder / "approved.jsonl")
    assert [row["id"] for row in rows] == ["c00", "c01", "c02"]
    assert list(rows[0]) == ["id", "text", "label", "provenance"]
    provenance = rows[0]["provenance"]
    assert isinstance(provenance, dict)
    assert provenance["run_id"] == "run-1"
    assert provenance["reviewer"] == "ann"
    assert provenance["space_id"] == space_id
    assert provenance["value"] > provenance["delta"] == DELTA
    assert len(provenance["prompt_sha256"]) == 64


def test_a_row_says_how_far_the_name_of_its_feature_was_borne_out(approved_ws: Workspace, space_id: str) -> None:
    first = _rows(export(approved_ws, space_id).folder / "approved.jsonl")[0]["provenance"]
    assert isinstance(first, dict) and (first["name_trust"], first["name_score"]) == ("unscored", None)
    feature = int(first["feature_id"])
    rename(approved_ws, space_id, feature, "bombs", "ann")
    said = explanations.explanations_of(approved_ws.database, space_id, [feature])[0].explanation_id
    current = versions(approved_ws, space_id).encoder
    score = Score(0, said, feature, EMBEDDING, "tf-idf", current, 25, 24, 20, 20, 0, 0.9, 0.8, 0.95, now())
    with approved_ws.database.transaction() as cursor:
        explanations.add_score(cursor, space_id, score)
    for format in ("jsonl", "parquet", "csv"):
        folder = export(approved_ws, space_id, format).folder
        if format == "parquet":
            told = parquet.read_table(folder / "approved.parquet").column("provenance").to_pylist()[0]
            assert [told[name] for name in told if name.startswith("name_")] == [
                *("high", 0.9, 0.8, 0.95, 25, 24, "embedding", "tf-idf")
            ]


def test_the_manifest_agrees_with_the_project(approved_ws: Workspace, space_id: str) -> None:
    done = export(approved_ws, space_id, "parquet")
    manifest = json.loads((done.folder / "manifest.json").read_text(encoding="utf-8"))
    measured = coverage(approved_ws, space_id, DELTA)
    assert manifest["coverage"]["fac_after"] == pytest.approx(measured.fac_after, abs=1e-6)
    assert manifest["coverage"]["fac_before"] == pytest.approx(measured.fac, abs=1e-6)
    counts = manifest["counts"]
    assert (counts["exported"], counts["approved"], counts["rejected"]) == (3, 3, 1)
    assert counts["rejected_by_reason"] == {"unnatural": 1}
    assert {each["role"] for each in manifest["datasets"]} == {"seed", "anchor", "pool"}
    assert [each.export_id for each in exports(approved_ws)] == [manifest["export_id"]]


def test_what_was_approved_since_the_last_export_is_counted(approved_ws: Workspace, space_id: str) -> None:
    assert n_unexported(approved_ws, space_id) == 3
    export(approved_ws, space_id)
    assert n_unexported(approved_ws, space_id) == 0
    decide(approved_ws, "c04", "ann", "approve", revision=0)
    assert n_unexported(approved_ws, space_id) == 1


def test_an_export_moves_with_its_project_and_stays_where_else_it_was_written(
    approved_ws: Workspace, space_id: str, tmp_path: Path
) -> None:
    inside, outside = export(approved_ws, space_id), export(approved_ws, space_id, folder=tmp_path / "elsewhere")
    place = inside.folder.relative_to(approved_ws.root)
    approved_ws.close()
    approved_ws.root.rename(tmp_path / "moved")
    moved = open_project(tmp_path / "moved")
    try:
        assert {each.folder for each in exports(moved)} == {moved.root / place, outside.folder}
        assert all(verify(each.folder).ok for each in exports(moved))
    finally:
        moved.close()


def test_no_place_on_disk_and_no_secret_leaves(approved_ws: Workspace, space_id: str, tmp_path: Path) -> None:
    with approved_ws.database.transaction() as cursor:
        settings = {"base_url": "https://me:hunter2@host.example/v1", "api_key": "sk-planted", "n_step1": 6}
        cursor.execute("UPDATE synthesis_run SET settings = ?", [json.dumps(settings)])
    done = export(approved_ws, space_id)
    written = "".join(path.read_text(encoding="utf-8") for path in done.folder.iterdir())
    assert "sk-planted" not in written and "hunter2" not in written
    assert str(tmp_path.parent) not in written
    assert done.manifest["runs"][0]["settings"] == {"base_url": "host.example", "n_step1": 6}


def test_secrets_are_found_at_any_depth_and_token_counts_are_none() -> None:
    settings = {"max_tokens": 40, "headers": {"x": "y"}, "extra": {"Authorization": "Bearer z", "temperature": 0.9}}
    assert without_secrets(settings) == {"max_tokens": 40, "extra": {"temperature": 0.9}}


@pytest.mark.parametrize("format", ["jsonl", "parquet", "csv"])
def test_the_same_samples_give_the_same_bytes(approved_ws: Workspace, space_id: str, format: str) -> None:
    first, second = (export(approved_ws, space_id, format) for _ in range(2))
    assert first.folder != second.folder
    name = f"approved.{format}"
    assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_odd_texts_come_back_as_they_were(approved_ws: Workspace, space_id: str) -> None:
    decide(approved_ws, "c04", "ann", "edit", fields={"text": ODD}, revision=0)
    with approved_ws.database.transaction() as cursor:
        cursor.execute("UPDATE decision SET target_value = 9 WHERE action = 'edit'")
    decide(approved_ws, "c04", "ann", "approve", revision=1)
    lines = export(approved_ws, space_id).folder / "approved.jsonl"
    assert len(lines.read_text(encoding="utf-8").splitlines()) == 4
    assert _rows(lines)[3]["text"] == ODD
    table = parquet.read_table(export(approved_ws, space_id, "parquet").folder / "approved.parquet")
    assert table.column("text").to_pylist()[3] == ODD
    assert table.column("provenance").to_pylist()[3]["edited"] is True
    with (export(approved_ws, space_id, "csv").folder / "approved.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert rows[3]["text"] == ODD
    assert rows[3]["provenance_run_id"] == "run-1"


def test_a_formula_is_guarded_in_csv_only_and_counted(approved_ws: Workspace, space_id: str) -> None:
    formula = '=HYPERLINK("http://x", "click")'
    decide(approved_ws, "c04", "ann", "edit", fields={"text": formula}, revision=0)
    with approved_ws.database.transaction() as cursor:
        cursor.execute("UPDATE decision SET target_value = 9 WHERE action = 'edit'")
    decide(approved_ws, "c04", "ann", "approve", revision=1)
    safe = export(approved_ws, space_id, "csv")
    assert safe.manifest["counts"]["guarded_cells"] == 1
    assert "apostrophe" in (safe.folder / "README.md").read_text(encoding="utf-8")
    with (safe.folder / "approved.csv").open(encoding="utf-8", newline="") as handle:
        assert list(csv.DictReader(handle))[3]["text"] == f"'{formula}"
    plain_csv = export(approved_ws, space_id, "csv", guard=False)
    assert plain_csv.manifest["counts"]["guarded_cells"] == 0
    assert _rows(export(approved_ws, space_id).folder / "approved.jsonl")[3]["text"] == formula


STARTS = ["", " ", "\ufeff", "\u00a0", "\u200b", "\u3000", "\v", "\u2060", " \u00a0\ufeff", "\t", "\x00"]


@pytest.mark.parametrize("unseen", STARTS)
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d"])
def test_a_formula_is_guarded_whatever_unseen_characters_come_first(unseen: str, sign: str) -> None:
    text = f"{unseen}{sign}1+1"
    assert guarded(text) == f"'{text}"
    assert guarded(f"'{text}") == f"''{text}"


@pytest.mark.parametrize("text", ["'tis fine", "don't", "''", "a = b", "\u00a0plain", "'"])
def test_what_is_no_formula_is_left_as_it_is(text: str) -> None:
    assert guarded(text) == text


def read_back(cell: str) -> str:
    """What the card tells a reader to do."""
    after = re.sub(r"\A'+", "", cell)
    unseen = re.match(r"(?:\s|[\u200b\u2060\ufeff\x00])*", after)
    assert unseen is not None
    starts = after[unseen.end() :].startswith(("=", "+", "-", "@", "\uff1d")) or after.lstrip(" ")[:1] in (
        "\t",
        "\n",
        "\r",
    )
    return cell[1:] if cell.startswith("'") and starts else cell


@given(text=st.text(st.sampled_from(["'", "=", " ", "\t", "\n", "\ufeff", "\u200b", "a", "-", "\u00a0"])))
def test_one_apostrophe_off_a_guarded_cell_is_always_the_text(text: str) -> None:
    assert read_back(guarded(text)) == text


@given(text=st.text())
def test_a_guarded_cell_never_begins_like_a_formula(text: str) -> None:
    assert not guarded(text).lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert guarded(text).removeprefix("'") == text or guarded(text) == text


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_json_line_is_one_line_for_every_reader(text: str) -> None:
    line = json_line({"text": text})
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {"text": text}


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_name_in_the_card_is_plain_text_on_one_line(text: str) -> None:
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert "<" not in shown.replace("\\<", "") and "[" not in shown.replace("\\[", "")


def test_the_card_has_front_matter_that_parses(approved_ws: Workspace, space_id: str) -> None:
    text = (export(approved_ws, space_id).folder / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["configs"][0]["data_files"] == "approved.jsonl"
    assert "3 user queries" in body


def test_a_project_whose_name_cannot_be_written_can_be_exported(approved_ws: Workspace, space_id: str) -> None:
    ws = dataclasses.replace(approved_ws, name="bad \udcff")
    done = export(ws, space_id)
    assert verify(done.folder).ok
    assert json.loads((done.folder / "manifest.json").read_bytes())["project"] == "bad \\udcff"
    assert [each.export_id for each in exports(ws)] == [done.export_id]
    with pytest.raises(InputError, match="has a name that cannot be kept"):
        export(ws, space_id, folder=ws.root / "bad \udcff")


def test_a_crash_while_writing_leaves_no_folder(
    approved_ws: Workspace, space_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_module, "_to_disk", full)
    with pytest.raises(StoreError, match="No space left on device"):
        export(approved_ws, space_id, folder=tmp_path / "out" / "set")
    assert list((tmp_path / "out").iterdir()) == []
    assert exports(approved_ws) == []


def test_a_folder_with_something_in_it_is_left_alone(approved_ws: Workspace, space_id: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert export(approved_ws, space_id, folder=tmp_path / "mine").folder == tmp_path / "mine"
    with pytest.raises(InputError, match="not empty"):
        export(approved_ws, space_id, folder=tmp_path / "mine")


def test_nothing_approved_and_an_unknown_format_are_refused(reviewed_ws: Workspace, space_id: str) -> None:
    with pytest.raises(InputError, match="nothing to export yet"):
        export(reviewed_ws, space_id)
    with pytest.raises(InputError, match="no export format 'docx'"):
        export(reviewed_ws, space_id, "docx")


def test_a_sample_that_turned_up_in_a_holdout_set_is_left_out_and_counted(
    approved_ws: Workspace, space_id: str
) -> None:
    with approved_ws.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO dataset SELECT 'late', 'late', 'holdout', '', '', '{}', 1, 0, 0, 0, created_at, NULL "
            "FROM dataset LIMIT 1"
        )
        cursor.execute(
            "INSERT INTO sample SELECT nextval('sample_seq'), 'late', 1, NULL, content_id, NULL, NULL, '{}', '{}' "
            "FROM candidate WHERE candidate_id = 'c01'"
        )
    done = export(approved_ws, space_id)
    assert [row["id"] for row in _rows(done.folder / "approved.jsonl")] == ["c00", "c02"]
    assert done.manifest["counts"]["left_out"] == {"in_holdout": 1, "repeated": 0, "not_read": 0}


def test_the_label_an_approval_gives_is_exported(approved_ws: Workspace, space_id: str) -> None:
    decide(approved_ws, "c00", "ann", "approve", label="benign", revision=1)
    rows = _rows(export(approved_ws, space_id).folder / "approved.jsonl")
    assert [row["label"] for row in rows] == ["benign", "harmful", "harmful"]


def test_a_near_copy_of_a_held_out_text_and_a_second_copy_are_left_out_and_counted(
    approved_ws: Workspace, space_id: str
) -> None:
    text = approved_ws.database.rows("SELECT text FROM candidate WHERE candidate_id = 'c01'")[0][0]
    add_dataset(approved_ws, "holdout", [{"text": f"{text.upper()} !"}], name="late")
    with approved_ws.database.transaction() as cursor:
        cursor.execute(
            "UPDATE candidate SET content_id = (SELECT content_id FROM candidate WHERE candidate_id = 'c00'), "
            "assigned_feature = (SELECT assigned_feature FROM candidate WHERE candidate_id = 'c00') "
            "WHERE candidate_id = 'c02'"
        )
    done = export(approved_ws, space_id)
    assert [row["id"] for row in _rows(done.folder / "approved.jsonl")] == ["c00"]
    assert done.manifest["counts"]["left_out"] == {"in_holdout": 1, "repeated": 1, "not_read": 0}


def test_an_approved_candidate_that_was_never_read_is_left_out_under_its_own_reason(
    approved_ws: Workspace, space_id: str
) -> None:
    with approved_ws.database.transaction() as cursor:
        cursor.execute("UPDATE candidate SET content_id = NULL WHERE candidate_id = 'c01'")
    done = export(approved_ws, space_id)
    assert done.manifest["counts"]["left_out"] == {"in_holdout": 0, "repeated": 0, "not_read": 1}


def test_an_exported_file_can_be_read_by_people_of_the_group(approved_ws: Workspace, space_id: str) -> None:
    folder = export(approved_ws, space_id).folder
    assert folder.stat().st_mode & 0o777 == 0o755
    assert not list(folder.parent.glob(".partial-*"))


def test_pool_samples_say_that_they_were_found(reviewed_ws: Workspace, space_id: str) -> None:
    text = reviewed_ws.database.rows("SELECT text FROM candidate WHERE candidate_id = 'c00'")[0][0]
    add_candidate(reviewed_ws, "found", text, strongest(reviewed_ws, text), origin="pool")
    decide(reviewed_ws, "found", "ann", "approve", revision=0)
    (row,) = _rows(export(reviewed_ws, space_id).folder / "approved.jsonl")
    assert isinstance(row["provenance"], dict) and row["provenance"]["origin"] == "pool"
