"""The pages that bring texts, show features and keep settings, walked as a person would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fac_core import workspace
from fac_core.coverage import worklist
from fac_core.feature_space import spaces
from fac_core.feature_space.space import SpaceSpec
from fac_core.features.naming import history
from fac_core.jobs import owner
from fac_core.samples.datasets import list_datasets
from fac_core.store.jobs import end_job
from fac_core.workspace import Workspace, now
from tests.app.conftest import App, address, opener
from tests.app.reading import said

CSV = b"prompt,label,topic\nhow do i get in,harmful,locks\nwhere is the key,benign,locks\n,benign,none\n"
HOSTILE = "<img src=x onerror=alert(1)> ![](http://canary/x.png) :red[x] =HYPERLINK(1)"


def test_home_says_how_much_is_covered_and_what_comes_next(described_app: App) -> None:
    at = described_app()
    assert "features that the anchor shows" in said(at)
    assert any(button.key == "head_Home" for button in at.button)


def test_a_file_is_mapped_shown_imported_and_read_and_then_another(
    app: App, filled_ws: Workspace, jobs_in_process: None
) -> None:
    at = app("seed_set")
    at.file_uploader(key="bring_file_0").upload("mine.csv", CSV).run()
    assert not at.exception
    assert next(box for box in at.selectbox if box.label == "text").value == 1
    at.button(key="bring_go_0").click().run()
    assert not at.exception
    assert "cannot be used" in said(at)
    added = [dataset for dataset in list_datasets(filled_ws) if dataset.name == "mine"]
    assert [(dataset.role, dataset.n_rows, dataset.n_quarantined) for dataset in added] == [("seed", 2, 1)]
    at.button(key="head_Seed set").click().run()
    assert not at.exception
    assert [job.kind for job in owner.jobs(filled_ws)][-1] == "extract"
    # load → change → load again: the second file starts from an empty form
    row = json.dumps({"text": HOSTILE, "label": "harmful"}).encode()
    at.file_uploader(key="bring_file_1").upload("more.jsonl", row).run()
    at.segmented_control(key="bring_role_1").set_value("pool").run()
    at.button(key="bring_go_1").click().run()
    assert not at.exception
    assert [d.role for d in list_datasets(filled_ws) if d.name == "more"] == ["pool"]


def test_a_column_of_conversations_is_shown_divided(
    tmp_path: Path, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = workspace.create("Instructions", "instruction", root=tmp_path / "projects")
    spaces.register_space(ws, tiny_spec, {}, 1.0)
    said_by = [{"role": role, "content": text} for role, text in (("user", "Why?"), ("assistant", "Because."))]
    at = opener(ws, monkeypatch)("seed_set")
    at.file_uploader(key="bring_file_0").upload("talks.jsonl", json.dumps({"messages": said_by}).encode()).run()
    assert not at.exception
    shown = next(frame.value for frame in at.dataframe if "output" in frame.value.columns)
    assert shown.to_dict("list") == {"instruction": ["Why?"], "output": ["Because."]}
    assert "the assistant's last answer is the output" in said(at)
    ws.close()


def test_a_wrong_guess_of_the_mapping_can_be_mended(app: App) -> None:
    at = app("seed_set")
    at.file_uploader(key="bring_file_0").upload(
        "odd.csv", b"label,harm,words\na,benign,first text\nb,harmful,second\n"
    ).run()
    box = next(box for box in at.selectbox if box.label == "label")
    assert box.value == 1
    box.set_value(2).run()
    assert not at.exception
    shown = next(frame.value for frame in at.dataframe if "label" in frame.value.columns)
    assert list(shown["label"]) == ["benign", "harmful"]


def test_a_file_that_cannot_be_read_is_one_sentence_and_a_good_one_works_after_it(app: App) -> None:
    at = app("seed_set")
    at.file_uploader(key="bring_file_0").upload("empty.csv", b"").run()
    assert not at.exception
    assert "empty" in said(at)
    at.segmented_control(key="bring_way").set_value("Path on this machine").run()
    at.text_input(key="bring_path_0").set_value("/nowhere/at/all.jsonl").run()
    assert "cannot be read" in said(at)
    at.segmented_control(key="bring_way").set_value("Paste").run()
    at.text_area(key="bring_text_0").set_value("one query\nanother query").run()
    at.button(key="bring_go_0").click().run()
    assert not at.exception
    assert "14 seed" in said(at)


def test_a_dataset_that_was_taken_out_comes_back(app: App, filled_ws: Workspace) -> None:
    at = app("seed_set")
    at.button(key="delete_pool").click().run()
    assert "24 pool" not in said(at)
    at.button(key="restore_pool").click().run()
    assert "24 pool" in said(at)
    at.selectbox(key="role_pool").select("holdout").run()
    assert {d.dataset_id: d.role for d in list_datasets(filled_ws)}["pool"] == "holdout"


def test_features_are_filtered_and_the_filters_survive_a_reload(described_app: App) -> None:
    at = described_app("features", f_task="all")
    assert "All 64 features" in said(at)
    at.text_input(key="f_search").set_value("steps").run()
    passed = next(text.value for text in at.text if "pass 1 filter" in text.value)
    again = described_app("features", f_task="all", f_search="steps")
    assert passed in said(again)
    again.text_input(key="f_search").set_value("'; DROP TABLE dataset; -- % _ \\").run()
    assert not again.exception


def test_a_feature_opens_from_the_url_and_closes(described_app: App) -> None:
    at = described_app("features", feature="25", f_task="all")
    assert any(button.key == "enlist" for button in at.button)
    assert address(at)["feature"] == "25"
    at.button(key="feature_close").click().run()
    assert "feature" not in address(at)


@pytest.mark.parametrize("nonsense", ["abc", "99999999999999999999", "-3", "1e3", "٣"])
def test_a_feature_that_does_not_exist_shows_the_table(app: App, nonsense: str) -> None:
    at = app("features", feature=nonsense, f_task="all")
    assert "All 64 features" in said(at)


def test_a_person_names_overrules_and_lists_a_feature(described_app: App, filled_ws: Workspace) -> None:
    space_id = spaces.spaces(filled_ws)[0].space_id
    at = described_app("features", feature="25", f_task="all")
    at.text_input(key="new_name_25").set_value(HOSTILE)
    next(button for button in at.form_submit_button if button.label == "Keep").click().run()
    assert not at.exception
    assert history(filled_ws, space_id, 25)[0].text == HOSTILE
    assert HOSTILE not in said(at)  # never Markdown
    at.segmented_control(key="belongs_25").set_value("no").run()
    assert "does not belong" in said(at)
    at.button(key="enlist").click().run()
    assert worklist.in_worklist(filled_ws, space_id) == [25]
    at.button(key="unlist").click().run()
    assert worklist.in_worklist(filled_ws, space_id) == []


def test_ones_own_text_is_read_with_the_space_of_the_project(described_app: App) -> None:
    at = described_app("features", feature="25", f_task="all")
    at.text_area(key="own_text").set_value("hey how do i get a pipe bomb tonight")
    next(button for button in at.form_submit_button if button.label == "Read it").click().run()
    assert not at.exception
    assert any("What else it activates" in expander.label for expander in at.expander)
    sent = described_app("features", feature="25", f_task="all", **{"try": address(at)["try"]})
    assert sent.text_area(key="own_text").value == "hey how do i get a pipe bomb tonight"
    assert any("What else it activates" in expander.label for expander in sent.expander)


def test_delta_moves_every_number_and_goes_back_to_the_calibrated_one(app: App, filled_ws: Workspace) -> None:
    space = spaces.spaces(filled_ws)[0]
    at = app("settings")
    before: Any = at.metric[0].value
    at.slider(key="settings_delta").set_value(2.5).run()
    assert spaces.delta(filled_ws, space.space_id) == 2.5
    assert float(at.metric[0].value) <= float(before)
    at.switch_page("pages/features.py").run()
    assert "δ = 2.5" in said(at)
    at.switch_page("pages/settings.py").run()
    at.button(key="settings_delta_reset").click().run()
    assert spaces.delta(filled_ws, space.space_id) == space.default_delta


def test_settings_are_kept_and_a_bad_endpoint_is_refused_in_a_sentence(app: App, filled_ws: Workspace) -> None:
    at = app("settings")
    at.text_input(key="settings_reviewer").set_value("  Ada   L ").run()
    assert filled_ws.setting("reviewer") == "Ada L"
    at.toggle(key="settings_veil").set_value(False).run()
    assert filled_ws.setting("veil") == "off"
    at.text_input(key="settings_url").set_value("file:///etc/passwd")
    at.text_input(key="settings_model").set_value("m")
    next(button for button in at.form_submit_button if button.label == "Keep").click().run()
    assert not at.exception
    assert "no web address" in said(at)
    assert filled_ws.setting("llm.base_url") == ""


def test_a_stopped_job_offers_to_resume(app: App, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    job_id = owner.start(filled_ws, "extract", "Read 5 texts", {"space_id": "x"})
    at = app()
    assert any(button.key == f"cancel_{job_id}" for button in at.button)
    at.button(key=f"cancel_{job_id}").click().run()
    assert owner.get(filled_ws, job_id).state == "cancelling"
    with filled_ws.database.transaction() as cursor:
        end_job(cursor, job_id, "interrupted", "gone", now())
    at.run()
    assert not at.exception
    assert any(button.key == f"resume_{job_id}" for button in at.button)
