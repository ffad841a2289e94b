"""Datasets change role, leave and come back without losing a row or a count."""

from __future__ import annotations

from pathlib import Path

import pytest

from fac_core.errors import InputError
from fac_core.samples.datasets import (
    delete_dataset,
    list_datasets,
    restore_dataset,
    sample,
    sample_page,
    set_role,
)
from fac_core.samples.mapping import Mapping
from fac_core.store.activations import profiles_current
from fac_core.workspace import Workspace, now
from tests.samples.files import GOOD, bring, jsonl


def test_a_dataset_is_listed_with_what_is_known_of_it(ws: Workspace, tmp_path: Path):
    report = bring(ws, jsonl(tmp_path / "a.jsonl", [*GOOD, "{bad"]), name="My set")
    (found,) = list_datasets(ws)
    assert (found.dataset_id, found.name, found.role, found.source) == (report.dataset_id, "My set", "seed", "a.jsonl")
    assert (found.n_rows, found.n_quarantined, found.deleted) == (3, 1, False)
    assert found.mapping == Mapping({"text": "text"}, "label", meta=["topic"])


def test_ids_sort_by_time(ws: Workspace, tmp_path: Path):
    for number in range(3):
        bring(ws, jsonl(tmp_path / f"{number}.jsonl", [{"text": f"text number {number}"}]))
    assert [found.source for found in list_datasets(ws)] == ["0.jsonl", "1.jsonl", "2.jsonl"]


def test_a_sample_is_shown_with_its_fields_and_place(ws: Workspace, tmp_path: Path):
    bring(ws, jsonl(tmp_path / "a.jsonl", GOOD), "anchor")
    found = sample(ws, 2)
    assert (found.text, found.fields, found.meta) == (
        "how do I bake bread",
        {"text": "how do I bake bread"},
        {"topic": "food"},
    )
    assert (found.label, found.dataset, found.role, found.row_number) == ("benign", "a", "anchor", 2)
    with pytest.raises(InputError, match="no sample 99"):
        sample(ws, 99)


@pytest.mark.parametrize(("search", "n"), [("", 6), ("BAKE", 1), ("50%", 1), ("_", 1), ("'; --", 1), ("absent", 0)])
def test_samples_are_searched_as_plain_text(ws: Workspace, tmp_path: Path, search: str, n: int):
    rows = [*GOOD, {"text": "50% off"}, {"text": "snake_case"}, {"text": "x'; -- y"}]
    report = bring(ws, jsonl(tmp_path / "a.jsonl", rows))
    page = sample_page(ws, report.dataset_id, search=search, page_size=2)
    assert page.total == n and len(page.rows) == min(n, 2)


def test_pages_of_samples_follow_the_file(ws: Workspace, tmp_path: Path):
    report = bring(ws, jsonl(tmp_path / "a.jsonl", GOOD))
    assert [s.row_number for s in sample_page(ws, report.dataset_id, page=2, page_size=2).rows] == [3]


def test_a_deleted_dataset_counts_nowhere_and_comes_back_as_it_was(filled_ws: Workspace):
    space_id = filled_ws.database.rows("SELECT space_id FROM space")[0][0]
    profile = "SELECT * FROM profile ORDER BY ALL"
    totals = "SELECT space_id, dataset_id, n_samples, n_unread FROM profile_total ORDER BY ALL"
    before = filled_ws.database.rows(profile), filled_ws.database.rows(totals)
    delete_dataset(filled_ws, "seed")
    assert [found.deleted for found in list_datasets(filled_ws) if found.dataset_id == "seed"] == [True]
    assert profiles_current(filled_ws.database, space_id)
    assert filled_ws.database.one("SELECT count(*) FROM profile WHERE dataset_id = 'seed'") == (0,)
    delete_dataset(filled_ws, "seed")
    restore_dataset(filled_ws, "seed")
    assert profiles_current(filled_ws.database, space_id)
    assert (filled_ws.database.rows(profile), filled_ws.database.rows(totals)) == before


def test_a_changed_role_leaves_profiles_true_and_notes_the_change(filled_ws: Workspace):
    space_id = filled_ws.database.rows("SELECT space_id FROM space")[0][0]
    version = "SELECT value FROM meta WHERE key = 'data_version'"
    before = filled_ws.database.one(version)
    set_role(filled_ws, "pool", "anchor")
    assert filled_ws.database.one(version) != before
    assert profiles_current(filled_ws.database, space_id)
    assert [found.role for found in list_datasets(filled_ws) if found.dataset_id == "pool"] == ["anchor"]


def test_a_file_brought_again_since_is_not_restored_beside_itself(ws: Workspace, tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", GOOD)
    first = bring(ws, path).dataset_id
    delete_dataset(ws, first)
    again = bring(ws, path, name="again").dataset_id
    with pytest.raises(InputError, match=r"a\.jsonl is in this project already, as the seed set “again”; .*take that"):
        restore_dataset(ws, first)
    assert [found.dataset_id for found in list_datasets(ws) if not found.deleted] == [again]
    set_role(ws, first, "pool")
    restore_dataset(ws, first)
    assert [found.role for found in list_datasets(ws)] == ["pool", "seed"]


def test_a_file_does_not_take_a_role_it_has_already(ws: Workspace, tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", GOOD)
    bring(ws, path)
    other = bring(ws, path, "anchor").dataset_id
    with pytest.raises(InputError, match="is in this project already, as the seed set “a”"):
        set_role(ws, other, "seed")
    set_role(ws, other, "anchor")
    assert [found.role for found in list_datasets(ws)] == ["seed", "anchor"]
    third = bring(ws, path, "pool", mapping=Mapping({"text": "topic"})).dataset_id
    set_role(ws, third, "seed")


def test_unknown_datasets_and_roles_are_refused(filled_ws: Workspace):
    with pytest.raises(InputError, match="no dataset"):
        delete_dataset(filled_ws, "nowhere")
    with pytest.raises(InputError, match="no role"):
        set_role(filled_ws, "seed", "boss")


def test_what_was_approved_is_changed_in_review_only(ws: Workspace):
    with ws.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO dataset VALUES ('approved', 'Approved', 'synthetic', 'review', '', '{}', 0, 0, 0, 0, ?, NULL)",
            [now()],
        )
    with pytest.raises(InputError, match="change it in Review"):
        delete_dataset(ws, "approved")
