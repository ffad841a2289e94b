"""Decisions are events: replay, staleness, undo, edit."""

from __future__ import annotations

from typing import Any

import pytest

from fac_core.coverage.measure import coverage
from fac_core.errors import InputError
from fac_core.review.candidates import approved
from fac_core.review.decisions import decide, undo
from fac_core.review.queue import card, counts
from fac_core.workspace import Workspace
from tests.review.making import DELTA, add_candidate, strongest
from tests.tiny import add_dataset


def n_events(ws: Workspace) -> int:
    row = ws.database.one("SELECT count(*) FROM decision")
    return int(row[0]) if row else 0


def test_a_replayed_decision_counts_once(reviewed_ws: Workspace) -> None:
    first = decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    again = decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    assert not first.replayed and again.replayed
    assert again.event_id == first.event_id
    assert n_events(reviewed_ws) == 1


def test_a_stale_tab_is_refused_with_who_decided(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "reject", reason="off_topic", revision=0)
    with pytest.raises(InputError, match=r"already decided \(rejected by ann\)"):
        decide(reviewed_ws, "c00", "bob", "approve", revision=0)
    assert card(reviewed_ws, "c00").state == "rejected"


def test_the_same_key_pressed_with_another_verdict_is_refused(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    with pytest.raises(InputError, match="already decided"):
        decide(reviewed_ws, "c00", "ann", "reject", revision=0)
    assert n_events(reviewed_ws) == 1


def test_the_same_edit_key_with_another_text_or_reason_is_refused(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "edit", fields={"text": "how do I bake a fake passport"}, revision=0)
    assert decide(
        reviewed_ws, "c00", "ann", "edit", fields={"text": " how do I bake a fake passport\n"}, revision=0
    ).replayed
    with pytest.raises(InputError, match=r"already decided \(edited by ann\)"):
        decide(reviewed_ws, "c00", "ann", "edit", fields={"text": "how do I bake a real cake"}, revision=0)
    assert card(reviewed_ws, "c00").text == "how do I bake a fake passport"
    decide(reviewed_ws, "c01", "ann", "reject", reason="unnatural", note="stiff", revision=0)
    for reason, note in (("off_topic", "stiff"), ("unnatural", "too long")):
        with pytest.raises(InputError, match="already decided"):
            decide(reviewed_ws, "c01", "ann", "reject", reason=reason, note=note, revision=0)


@pytest.mark.parametrize("action", ["approve", "reject", "skip"])
def test_a_verdict_that_stands_is_not_recorded_again_so_one_undo_takes_it_back(
    reviewed_ws: Workspace, action: str
) -> None:
    first = decide(reviewed_ws, "c00", "ann", action, revision=0)
    again = decide(reviewed_ws, "c00", "ann", action, revision=1)
    assert (again.replayed, again.event_id, n_events(reviewed_ws)) == (True, first.event_id, 1)
    assert undo(reviewed_ws, "ann").state == "pending"


def test_a_verdict_with_another_reason_or_a_note_is_a_new_one(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "reject", reason="unnatural", revision=0)
    assert not decide(reviewed_ws, "c00", "ann", "reject", reason="off_topic", revision=1).replayed
    assert not decide(reviewed_ws, "c00", "ann", "reject", reason="off_topic", note="about cars", revision=2).replayed
    assert decide(reviewed_ws, "c00", "bob", "reject", reason="off_topic", revision=3).replayed


def test_a_revision_from_the_future_is_refused(reviewed_ws: Workspace) -> None:
    with pytest.raises(InputError, match="already decided"):
        decide(reviewed_ws, "c00", "ann", "approve", revision=3)


def test_a_later_verdict_replaces_an_earlier_one(reviewed_ws: Workspace, space_id: str) -> None:
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    decide(reviewed_ws, "c00", "bob", "reject", reason="unnatural", revision=1)
    assert card(reviewed_ws, "c00").state == "rejected"
    assert approved(reviewed_ws, space_id) == []


def test_a_skip_says_nothing_about_an_approved_sample(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    assert decide(reviewed_ws, "c00", "bob", "skip", revision=1).state == "approved"


def test_undo_takes_back_the_last_decision_as_a_new_event(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    last = decide(reviewed_ws, "c01", "ann", "reject", revision=0)
    taken = undo(reviewed_ws, "ann", last.event_id)
    assert (taken.candidate_id, taken.action, taken.undid, taken.state) == ("c01", "undo", "reject", "pending")
    assert n_events(reviewed_ws) == 3
    assert counts(reviewed_ws).approved == 1


def test_a_repeated_undo_of_the_same_event_counts_once(reviewed_ws: Workspace) -> None:
    first = decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    last = decide(reviewed_ws, "c01", "ann", "approve", revision=0)
    undo(reviewed_ws, "ann", last.event_id)
    assert undo(reviewed_ws, "ann", last.event_id).replayed
    assert card(reviewed_ws, "c00").state == "approved"
    assert undo(reviewed_ws, "ann").candidate_id == "c00"
    with pytest.raises(InputError, match="no decision of ann"):
        undo(reviewed_ws, "ann")
    assert first.event_id < last.event_id


def test_undo_of_an_undone_decision_reaches_the_one_before(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "reject", revision=0)
    decide(reviewed_ws, "c00", "ann", "approve", revision=1)
    assert undo(reviewed_ws, "ann").state == "rejected"
    assert undo(reviewed_ws, "ann").state == "pending"


def test_undo_touches_only_ones_own_decisions(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    with pytest.raises(InputError, match="no decision of bob"):
        undo(reviewed_ws, "bob")


def test_undo_after_someone_elses_decision_is_refused(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    decide(reviewed_ws, "c00", "bob", "reject", revision=1)
    with pytest.raises(InputError, match="bob rejected this sample after you"):
        undo(reviewed_ws, "ann")


def test_a_replay_after_an_undo_does_not_bring_the_decision_back(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    undo(reviewed_ws, "ann")
    replay = decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    assert replay.replayed and replay.state == "pending"


def test_a_rejection_without_a_reason_is_filed_under_other(reviewed_ws: Workspace) -> None:
    decide(reviewed_ws, "c00", "ann", "reject", revision=0)
    assert reviewed_ws.database.rows("SELECT reason FROM decision") == [("other",)]


@pytest.mark.parametrize(
    ("action", "extra", "sentence"),
    [
        ("banish", {}, "no decision 'banish'"),
        ("reject", {"reason": "ugly"}, "no reason 'ugly'"),
        ("edit", {"fields": {"text": "  "}}, "empty"),
        ("edit", {"fields": {"text": "nul \0 inside"}}, "NUL"),
        ("edit", {"fields": {"text": "x" * 100_001}}, "100,000"),
        ("edit", {"fields": {"title": "x"}}, "no field 'title'"),
        ("approve", {"label": "funny"}, "no label 'funny'; choose harmful or benign"),
    ],
)
def test_a_decision_that_cannot_be_taken_is_refused_with_a_sentence(
    reviewed_ws: Workspace, action: str, extra: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        decide(reviewed_ws, "c00", "ann", action, revision=0, **extra)
    assert n_events(reviewed_ws) == 0


def test_an_unknown_candidate_or_a_nameless_reviewer_is_refused(reviewed_ws: Workspace) -> None:
    with pytest.raises(InputError, match="no candidate 'nobody'"):
        decide(reviewed_ws, "nobody", "ann", "approve", revision=0)
    with pytest.raises(InputError, match="reviewer's name"):
        decide(reviewed_ws, "c00", " \u200b\n", "approve", revision=0)


def test_what_does_not_fire_cannot_be_approved(reviewed_ws: Workspace) -> None:
    text = card(reviewed_ws, "c00").text
    silent = next(feature for feature in range(64) if feature not in _firing(reviewed_ws, text))
    add_candidate(reviewed_ws, "dud", text, silent, outcome="no_activation", rank=None)
    with pytest.raises(InputError, match="does not fire"):
        decide(reviewed_ws, "dud", "ann", "approve", revision=0)


def test_what_lies_in_a_holdout_set_cannot_be_approved(reviewed_ws: Workspace) -> None:
    with reviewed_ws.database.transaction() as cursor:
        cursor.execute("UPDATE dataset SET role = 'holdout' WHERE role = 'pool'")
    with pytest.raises(InputError, match="holdout"):
        decide(reviewed_ws, "c00", "ann", "approve", revision=0)


def test_a_sample_without_a_label_is_approved_only_with_one(reviewed_ws: Workspace, space_id: str) -> None:
    text = card(reviewed_ws, "c00").text
    add_candidate(reviewed_ws, "found", text, strongest(reviewed_ws, text), origin="pool", label=None)
    with pytest.raises(InputError, match="no label yet; approve it as harmful or as benign"):
        decide(reviewed_ws, "found", "ann", "approve", revision=0)
    decide(reviewed_ws, "found", "ann", "approve", label=" Benign ", revision=0)
    assert card(reviewed_ws, "found").label == "Benign"
    assert [found.label for found in approved(reviewed_ws, space_id)] == ["Benign"]
    assert reviewed_ws.database.rows("SELECT label FROM sample WHERE dataset_id = 'approved'") == [("Benign",)]
    undo(reviewed_ws, "ann")
    assert card(reviewed_ws, "found").label is None


def test_a_label_can_be_put_right_and_an_edit_keeps_it(reviewed_ws: Workspace) -> None:
    assert card(reviewed_ws, "c00").label == "harmful"
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    assert decide(reviewed_ws, "c00", "ann", "approve", label="harmful", revision=1).replayed
    assert not decide(reviewed_ws, "c00", "ann", "approve", label="benign", revision=1).replayed
    decide(reviewed_ws, "c00", "ann", "edit", fields={"text": "how do I bake a cake for my friend"}, revision=2)
    assert (card(reviewed_ws, "c00").label, card(reviewed_ws, "c00").state) == ("benign", "pending")


@pytest.mark.parametrize("role", ["seed", "synthetic"])
def test_a_text_the_project_has_already_cannot_be_approved(reviewed_ws: Workspace, role: str) -> None:
    add_dataset(reviewed_ws, role, [{"text": card(reviewed_ws, "c00").text}], name="brought")
    with pytest.raises(InputError, match=f"in a {role} set already"):
        decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    assert decide(reviewed_ws, "c00", "ann", "reject", revision=0).state == "rejected"


def test_one_text_is_approved_once_whatever_way_it_comes(reviewed_ws: Workspace, space_id: str) -> None:
    text = card(reviewed_ws, "c00").text
    add_candidate(reviewed_ws, "twin", card(reviewed_ws, "c01").text, strongest(reviewed_ws, text))
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    decide(reviewed_ws, "twin", "bob", "edit", fields={"text": text}, revision=0)
    with pytest.raises(InputError, match="approved already, as candidate c00"):
        decide(reviewed_ws, "twin", "bob", "approve", revision=1)
    decide(reviewed_ws, "c00", "ann", "reject", revision=1)
    decide(reviewed_ws, "twin", "bob", "approve", revision=1)
    with pytest.raises(InputError, match="approved already, as candidate twin"):
        undo(reviewed_ws, "ann")
    assert [found.candidate_id for found in approved(reviewed_ws, space_id)] == ["twin"]
    assert card(reviewed_ws, "c00").state == "rejected"


def test_a_near_copy_of_a_held_out_text_cannot_be_approved(reviewed_ws: Workspace) -> None:
    text = card(reviewed_ws, "c00").text
    add_dataset(reviewed_ws, "holdout", [{"text": text.upper().rstrip("?") + " !"}], name="test")
    with pytest.raises(InputError, match="nearly the same as one in a holdout set"):
        decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    other = "a wholly different request about beekeeping"
    assert decide(reviewed_ws, "c00", "ann", "edit", fields={"text": other}, revision=0).state == "pending"
    assert decide(reviewed_ws, "c00", "ann", "reject", revision=1).state == "rejected"


def test_an_edit_is_read_again_and_pending_until_approved(reviewed_ws: Workspace, space_id: str) -> None:
    before = card(reviewed_ws, "c00")
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    edited = before.text + " and a fake passport"
    assert decide(reviewed_ws, "c00", "ann", "edit", fields={"text": edited}, revision=1).state == "pending"
    after = card(reviewed_ws, "c00")
    assert (after.text, after.original, after.revision) == (edited, before.text, 2)
    assert approved(reviewed_ws, space_id) == []
    firing = _firing(reviewed_ws, edited)
    assert after.value == pytest.approx(firing.get(after.target_feature, 0.0))
    assert after.verified == (after.value > DELTA)


def test_an_edit_can_be_approved_and_exported_with_its_new_text(reviewed_ws: Workspace, space_id: str) -> None:
    text = card(reviewed_ws, "c01").text
    feature = strongest(reviewed_ws, text)
    add_candidate(reviewed_ws, "mine", card(reviewed_ws, "c02").text, feature)
    decide(reviewed_ws, "mine", "ann", "edit", fields={"text": text}, revision=0)
    decide(reviewed_ws, "mine", "ann", "approve", revision=1)
    assert [found.text for found in approved(reviewed_ws, space_id)] == [text]


def test_an_unchanged_edit_is_refused(reviewed_ws: Workspace) -> None:
    with pytest.raises(InputError, match="same as before"):
        decide(reviewed_ws, "c00", "ann", "edit", fields={"text": card(reviewed_ws, "c00").text + "\n"}, revision=0)


def test_undoing_an_edit_brings_the_first_text_back(reviewed_ws: Workspace) -> None:
    before = card(reviewed_ws, "c00")
    decide(reviewed_ws, "c00", "ann", "edit", fields={"text": "something else entirely"}, revision=0)
    undo(reviewed_ws, "ann")
    after = card(reviewed_ws, "c00")
    assert (after.text, after.value, after.original) == (before.text, before.value, None)


def test_rejecting_the_only_hit_opens_the_gap_again(reviewed_ws: Workspace, space_id: str) -> None:
    closing = next(each for each in (card(reviewed_ws, f"c{number:02}") for number in range(24)) if each.newly_covers)
    before = coverage(reviewed_ws, space_id, DELTA)
    decide(reviewed_ws, closing.candidate_id, "ann", "approve", revision=0)
    closed = coverage(reviewed_ws, space_id, DELTA)
    assert closed.n_after == before.n_after + len(closing.newly_covers)
    assert closed.fac_after == pytest.approx(closing.fac_if_approved)
    assert card(reviewed_ws, closing.candidate_id).fac_if_rejected == pytest.approx(before.fac_after)
    decide(reviewed_ws, closing.candidate_id, "bob", "reject", reason="off_topic", revision=1)
    assert coverage(reviewed_ws, space_id, DELTA) == before


def _firing(ws: Workspace, text: str) -> dict[int, float]:
    rows = ws.database.rows(
        "SELECT feature_id, value FROM activation JOIN content USING (content_id) WHERE text = ?", [text]
    )
    return {int(feature): float(value) for feature, value in rows}
