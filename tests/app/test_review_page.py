"""Review, export and evaluation: one key a decision, on the card that was shown; what is approved counts and leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fac_core.coverage.measure import coverage
from fac_core.feature_space import spaces
from fac_core.review.candidates import candidates
from fac_core.review.export import exports
from fac_core.review.queue import counts, queue
from fac_core.workspace import Workspace
from tests.app.conftest import App
from tests.app.reading import drawn, said
from tests.review.making import DELTA, RUN, add_candidate, strongest


@pytest.fixture
def space_id(tiny_spec: Any) -> str:
    return str(tiny_spec.space_id)


@pytest.fixture
def review_app(app: App, filled_ws: Workspace, space_id: str) -> App:
    """The app on a project with a run whose candidates are the pool's texts."""
    from fac_core.workspace import now

    spaces.set_delta(filled_ws, space_id, DELTA)
    with filled_ws.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO synthesis_run VALUES (?, ?, ?, 'local', '{}', [], ?)", [RUN, space_id, DELTA, now()]
        )
    texts = filled_ws.database.rows(
        "SELECT c.text FROM sample s JOIN content c USING (content_id) WHERE s.dataset_id = 'pool' ORDER BY sample_id"
    )
    for number, (text,) in enumerate(texts[:8]):
        add_candidate(filled_ws, f"c{number:02}", text, strongest(filled_ws, text))
    return app


def key_of(at: AppTest, start: str) -> str:
    return next(button.key for button in at.button if str(button.key).startswith(start))


def sample_in_address(at: AppTest) -> str:
    said = at.query_params["sample"]
    return said if isinstance(said, str) else said[0]


def press(at: AppTest, start: str) -> AppTest:
    at.button(key=key_of(at, start)).click().run()
    assert not at.exception
    return at


def state_of(ws: Workspace, space_id: str, candidate_id: str) -> str:
    return next(found.state for found in candidates(ws, space_id) if found.candidate_id == candidate_id)


def test_approve_decides_the_card_shown_and_brings_the_next(
    review_app: App, filled_ws: Workspace, space_id: str
) -> None:
    at = review_app("review")
    first = queue(filled_ws, space_id)[0].candidate_id
    assert sample_in_address(at) == first
    press(at, "approve_")
    assert state_of(filled_ws, space_id, first) == "approved"
    assert sample_in_address(at) != first
    assert f"{counts(filled_ws, space_id).pending} left" in drawn(at)


def test_reject_asks_why_and_each_reason_has_its_digit(review_app: App, filled_ws: Workspace, space_id: str) -> None:
    at = review_app("review")
    first = sample_in_address(at)
    press(at, "reject_")
    assert [b.proto.shortcut for b in at.button if str(b.key).startswith("why_") and b.label != "Back"] == list(
        "1234567"
    )
    press(at, "why_unnatural")
    found = next(c for c in candidates(filled_ws, space_id) if c.candidate_id == first)
    assert found.standing.decision is not None
    assert (found.state, found.standing.decision.reason) == ("rejected", "unnatural")


def test_leaving_the_reasons_decides_nothing(review_app: App, filled_ws: Workspace, space_id: str) -> None:
    at = review_app("review")
    press(press(at, "reject_"), "why_back")
    assert counts(filled_ws, space_id).rejected == 0
    assert key_of(at, "approve_")


def test_a_sample_without_a_label_asks_for_one_when_it_is_approved(
    review_app: App, filled_ws: Workspace, space_id: str
) -> None:
    with filled_ws.database.transaction() as cursor:
        cursor.execute("UPDATE candidate SET label = NULL")
    at = review_app("review")
    first = sample_in_address(at)
    press(at, "approve_")
    assert state_of(filled_ws, space_id, first) == "pending"
    labels = [button for button in at.button if str(button.key).startswith("as_") and button.label != "Back"]
    assert [(b.label, b.proto.shortcut) for b in labels] == [("Approve as harmful", "1"), ("Approve as benign", "2")]
    press(at, "as_1")
    found = next(c for c in candidates(filled_ws, space_id) if c.candidate_id == first)
    assert (found.state, found.label) == ("approved", "benign")


def test_a_sample_can_be_approved_with_another_label(review_app: App, filled_ws: Workspace, space_id: str) -> None:
    at = review_app("review")
    first = sample_in_address(at)
    press(press(at, "label_"), "as_1")
    found = next(c for c in candidates(filled_ws, space_id) if c.candidate_id == first)
    assert (found.state, found.label) == ("approved", "benign")


def test_undo_takes_back_the_last_decision_and_shows_its_sample(
    review_app: App, filled_ws: Workspace, space_id: str
) -> None:
    at = review_app("review")
    first = sample_in_address(at)
    press(at, "approve_")
    second = sample_in_address(at)
    press(at, "skip_")
    press(at, "undo_")
    assert sample_in_address(at) == second
    press(at, "undo_")
    assert sample_in_address(at) == first
    assert counts(filled_ws, space_id).approved == 0
    press(at, "undo_")
    assert "no decision" in said(at)


def test_an_edited_text_is_read_again_before_it_can_be_approved(
    review_app: App, filled_ws: Workspace, space_id: str
) -> None:
    at = review_app("review")
    first = sample_in_address(at)
    press(at, "edit_")
    area = at.text_area[0]
    area.set_value(area.value + " tonight please").run()
    press(at, "save_")
    found = next(c for c in candidates(filled_ws, space_id) if c.candidate_id == first)
    assert found.text.endswith("tonight please")
    assert (found.state, found.standing.revision) == ("pending", 1)
    assert sample_in_address(at) == first
    assert "what the edit changed" in drawn(at)


def test_an_edit_that_changes_nothing_is_refused_in_one_sentence(review_app: App) -> None:
    at = review_app("review")
    press(press(at, "edit_"), "save_")
    assert "is the same as before" in said(at)


def test_a_decision_made_elsewhere_meanwhile_is_not_overwritten(
    review_app: App, filled_ws: Workspace, space_id: str
) -> None:
    from fac_core.review.decisions import decide

    at = review_app("review")
    first = sample_in_address(at)
    decide(filled_ws, first, "somebody else", "reject", revision=0, reason="other")
    press(at, "approve_")
    assert state_of(filled_ws, space_id, first) == "rejected"
    assert "already decided (rejected by somebody else)" in said(at)


def test_a_card_says_what_happens_to_fac_either_way(review_app: App, filled_ws: Workspace, space_id: str) -> None:
    at = review_app("review")
    figures = {metric.label: float(metric.value) for metric in at.metric}
    assert figures["FAC if approved"] >= figures["FAC now"] == figures["FAC if rejected"]
    before = coverage(filled_ws, space_id, DELTA)
    assert figures["FAC now"] == pytest.approx(before.fac_after, abs=1e-4)
    press(at, "approve_")
    assert coverage(filled_ws, space_id, DELTA).fac_after == pytest.approx(figures["FAC if approved"], abs=1e-4)


def test_a_veiled_text_is_lifted_for_one_sample_only(review_app: App) -> None:
    at = review_app("review")
    assert '"veiled": true' in drawn(at) or '"veiled":true' in drawn(at)
    press(at, "veil_")
    assert '"veiled": true' not in drawn(at) and '"veiled":true' not in drawn(at)
    press(at, "skip_")
    assert '"veiled": true' in drawn(at) or '"veiled":true' in drawn(at)


@pytest.mark.parametrize("sample", ["nothing", "<script>", "c00' OR 1=1", "x" * 5000])
def test_an_unknown_sample_in_the_address_shows_the_first_of_the_queue(
    review_app: App, filled_ws: Workspace, space_id: str, sample: str
) -> None:
    at = review_app("review", sample=sample)
    assert sample_in_address(at) == queue(filled_ws, space_id)[0].candidate_id


def test_an_empty_queue_teaches_what_will_be_here(app: App) -> None:
    at = app("review")
    assert "wait here for a decision" in said(at)


def test_when_all_is_decided_the_page_says_what_comes_next(review_app: App) -> None:
    at = review_app("review")
    for _ in range(8):
        press(at, "approve_")
    assert "All samples are decided" in said(at)
    press(at, "undo_end")
    assert key_of(at, "approve_")


def test_nothing_can_be_exported_before_something_is_approved(review_app: App) -> None:
    at = review_app("export")
    assert "Nothing is approved yet" in said(at)


@pytest.mark.parametrize("format", ["jsonl", "parquet", "csv"])
def test_what_was_approved_is_exported_checked_and_listed(
    review_app: App, filled_ws: Workspace, space_id: str, format: str
) -> None:
    at = review_app("review")
    press(at, "approve_")
    at.switch_page("pages/export.py").run()
    at.radio(key="format").set_value(format).run()
    press(at, "export")
    made = exports(filled_ws)
    assert [(done.n_rows, done.files[0]) for done in made] == [(1, f"approved.{format}")]
    assert "nothing was changed since the export" in said(at)
    assert {button.label for button in at.get("download_button")} >= {
        f"approved.{format}",
        "manifest.json",
        "README.md",
    }
    (Path(made[0].folder) / f"approved.{format}").write_bytes(b"changed")
    at.run()
    assert f"approved.{format} was changed" in said(at)


def test_a_second_export_keeps_the_first_in_the_list(review_app: App, filled_ws: Workspace) -> None:
    at = review_app("review")
    press(at, "approve_")
    at.switch_page("pages/export.py").run()
    press(press(at, "export"), "export")
    assert len(exports(filled_ws)) == 2
    assert any(box.value == "Earlier" for box in at.subheader)


def test_evaluation_shows_the_rise_that_coverage_measures(review_app: App, filled_ws: Workspace, space_id: str) -> None:
    at = review_app("evaluation")
    assert "before and after are the same" in said(at)
    at.switch_page("pages/review.py").run()
    for _ in range(8):
        press(at, "approve_")
    at.switch_page("pages/evaluation.py").run()
    assert not at.exception
    cov = coverage(filled_ws, space_id, DELTA)
    figures = {metric.label: metric.value for metric in at.metric}
    assert float(figures["Rise of FAC"]) == pytest.approx(cov.fac_after - cov.fac, abs=1e-4)
    assert "8 added samples closed" in said(at)
    table = next(frame.value for frame in at.dataframe if "distinct-1" in frame.value.columns)
    assert list(table["texts"])[:2] == ["seed", "seed + approved"]
