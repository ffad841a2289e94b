"""Whatever reviewers do, state follows from the event log alone, and approving never lowers FAC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_core.coverage.measure import coverage
from fac_core.errors import InputError
from fac_core.review.approved import rebuild
from fac_core.review.candidates import approved, candidates
from fac_core.review.decisions import decide, undo
from fac_core.review.queue import card
from fac_core.store import review as store
from fac_core.store.activations import profiles_current, rebuild_profiles
from fac_core.synthesis.standing import fold
from fac_core.workspace import Workspace
from tests.review.making import DELTA

acts = st.lists(
    st.tuples(
        st.sampled_from(["approve", "reject", "skip", "edit", "undo"]),
        st.integers(0, 5),
        st.sampled_from(["ann", "bob"]),
        st.integers(0, 3),
    ),
    max_size=10,
)


def play(ws: Workspace, script: list[tuple[str, int, str, int]]) -> None:
    """Carry out a script; acts that are refused change nothing."""
    texts = [found.made.text for found in candidates(ws, next(iter(_spaces(ws))))]
    for action, number, reviewer, late in script:
        candidate_id = f"c{number:02}"
        try:
            if action == "undo":
                undo(ws, reviewer)
            else:
                revision = max(0, revision_of(ws, candidate_id) - (late == 3))
                fields = {"text": texts[(number + late + 1) % len(texts)]} if action == "edit" else None
                decide(ws, candidate_id, reviewer, action, revision=revision, fields=fields)
        except InputError:
            continue


def revision_of(ws: Workspace, candidate_id: str) -> int:
    """What a card shows, without the rest of the card."""
    with ws.database.cursor() as cursor:
        return sum(event.candidate_id == candidate_id for event in store.events(cursor))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=acts)
def test_state_rebuilt_from_the_event_log_equals_the_live_state(
    reviewed_ws: Workspace, space_id: str, table: Callable[[], list[tuple[Any, ...]]], script: list[Any]
) -> None:
    _forget(reviewed_ws)
    play(reviewed_ws, script)
    live, shown = table(), coverage(reviewed_ws, space_id, DELTA)
    assert rebuild(reviewed_ws) == 0
    assert table() == live
    assert profiles_current(reviewed_ws.database, space_id)
    with reviewed_ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM sample WHERE dataset_id = 'approved'")
        cursor.execute("DELETE FROM dataset WHERE dataset_id = 'approved'")
    rebuild(reviewed_ws)
    assert table() == live
    with reviewed_ws.database.transaction() as cursor:
        rebuild_profiles(cursor, space_id)
    assert table() == live
    assert coverage(reviewed_ws, space_id, DELTA) == shown


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=acts)
def test_the_fold_agrees_with_a_slow_reading_of_the_log(reviewed_ws: Workspace, script: list[Any]) -> None:
    _forget(reviewed_ws)
    play(reviewed_ws, script)
    with reviewed_ws.database.cursor() as cursor:
        log = store.events(cursor)
    for candidate_id, standing in fold(log).items():
        mine = [event for event in log if event.candidate_id == candidate_id]
        assert standing.revision == len(mine)
        assert (standing.state, standing.edit) == _slow_state(mine)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(8)))
def test_approving_never_lowers_fac_and_does_what_the_card_said(
    reviewed_ws: Workspace, space_id: str, order: list[int]
) -> None:
    _forget(reviewed_ws)
    fac = coverage(reviewed_ws, space_id, DELTA).fac_after
    for number in order:
        shown = card(reviewed_ws, f"c{number:02}")
        decide(reviewed_ws, f"c{number:02}", "ann", "approve", revision=0)
        after = coverage(reviewed_ws, space_id, DELTA).fac_after
        assert after >= fac
        assert after == shown.fac_if_approved
        fac = after
    assert len(approved(reviewed_ws, space_id)) == len(order)


def _slow_state(events: list[store.Event]) -> tuple[str, store.Event | None]:
    """Strike out what was undone, pair by pair, then read what is left from the end."""
    struck: set[int] = set()
    for place, event in enumerate(events):
        if event.action == "undo":
            struck.add(event.event_id)
            for earlier in reversed(events[:place]):
                if earlier.reviewer == event.reviewer and earlier.event_id not in struck:
                    struck.add(earlier.event_id)
                    break
    left = [event for event in events if event.event_id not in struck]
    state = "pending"
    edit = None
    for event in left:
        if event.action == "edit":
            state, edit = "pending", event
        elif event.action in ("approve", "reject"):
            state = {"approve": "approved", "reject": "rejected"}[event.action]
        elif state == "pending":
            state = "skipped"
    return state, edit


def _forget(ws: Workspace) -> None:
    """Start the next example without decisions."""
    with ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM decision")
    rebuild(ws)


def _spaces(ws: Workspace) -> list[str]:
    return [str(row[0]) for row in ws.database.rows("SELECT space_id FROM space")]
