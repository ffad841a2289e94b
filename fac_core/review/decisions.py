"""A decision lands on the revision it was made on, once: a replay changes nothing and a stale one is refused.

Every act of a reviewer is one event keyed (candidate, reviewer, revision), where the revision is the number of events
the candidate had when it was shown. Two people, two tabs or a key held down can therefore never decide on a text that
they did not see. A verdict that stands already is not recorded again, so one undo always takes one back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fac_core.content import normalise
from fac_core.errors import InputError
from fac_core.review.approved import bring_in_line
from fac_core.review.candidates import Candidate, load_one
from fac_core.review.editing import Edited, clean_fields, read_edit, store_edit
from fac_core.review.repeats import repeat
from fac_core.store import review as store
from fac_core.synthesis.standing import APPROVED, fold, taken_back
from fac_core.tasks import Task, load_task
from fac_core.workspace import now

if TYPE_CHECKING:
    import duckdb

    from fac_core.workspace import Workspace

REASONS = ("off_topic", "unnatural", "wrong_label", "unsafe_detail", "near_copy", "bad_format", "other")
"""Why a candidate is rejected; a fixed list, so that reasons can be counted."""
ACTIONS = ("approve", "reject", "edit", "skip")
_DONE = {"approve": "approved", "reject": "rejected", "edit": "edited", "skip": "skipped", "undo": "reopened"}
_MAX_REVIEWER, _MAX_NOTE = 80, 2000


@dataclass(frozen=True)
class Decision:
    """What became of an act of a reviewer."""

    event_id: int
    candidate_id: str
    reviewer: str
    revision: int
    """The revision it was made on."""
    action: str
    """approve, reject, edit, skip or undo"""
    state: str
    """State of the candidate now."""
    replayed: bool
    """It had been recorded before and was not recorded again."""
    undid: str | None = None
    """Of an undo: the action it took back."""


def decide(
    ws: Workspace,
    candidate_id: str,
    reviewer: str,
    action: str,
    *,
    revision: int,
    reason: str | None = None,
    note: str | None = None,
    fields: Mapping[str, str] | None = None,
    label: str | None = None,
) -> Decision:
    """Record what a reviewer decided about a candidate as it stood at `revision`.

    `approve` takes it, with `label` if one is given, `reject` leaves it out (with one of REASONS, ``other`` by
    default), `skip` puts it last, `edit` puts `fields` in the place of its fields; the new text is read again and
    pending until approved.

    Raises:
        InputError: unknown candidate, action, reason or label; decided by somebody since `revision`; approving a text
            that does not activate its feature above the run's δ, that the project holds already (`repeats`) or that
            lacks its task's label; an edited text that is empty, unchanged or no sample.
        ModelError: the edited text cannot be read because the space's model cannot be loaded.
    """
    reviewer, note = _name(reviewer), _note(note)
    if action not in ACTIONS:
        raise InputError(f"There is no decision {action!r}; choose one of {', '.join(ACTIONS)}.")
    if action == "reject":
        reason = reason or "other"
    if reason is not None and reason not in REASONS:
        raise InputError(f"There is no reason {reason[:40]!r}; choose one of {', '.join(REASONS)}.")
    task = load_task(ws.task)
    edit = clean_fields(task, fields or {}) if action == "edit" else None
    act = _Act(reviewer, revision, action, reason, note, edit, _label(task, label) if action == "approve" else None)
    edited = None
    if action == "edit":
        # reading takes seconds, so it happens before the transaction, which looks at the revision again
        with ws.database.cursor() as cursor:
            candidate = load_one(cursor, task, candidate_id)
            if (before := _seen(cursor, candidate, act)) is not None:
                return before
        edited = read_edit(ws, candidate, act.fields or {})
    with ws.database.transaction() as cursor:
        candidate = load_one(cursor, task, candidate_id)
        if (before := _seen(cursor, candidate, act)) is not None:
            return before
        if action == "approve":
            _check_approval(ws, cursor, candidate)
            if task.labels is not None and not (act.label or candidate.label):
                raise InputError(
                    f"This {task.sample_word} has no label yet; approve it as {' or as '.join(task.label_words)}."
                )
        return _record(ws, cursor, _event(cursor, candidate, act, edited))


def undo(ws: Workspace, reviewer: str, event_id: int | None = None) -> Decision:
    """Take back a reviewer's last decision that stands, or the one named by `event_id`, as a new event.

    Naming the event makes a repeated click harmless: what is taken back already is not taken back again.

    Raises:
        InputError: nothing to take back, somebody else has decided on the candidate since, or it would be approved
            again and may not be any more.
    """
    reviewer = _name(reviewer)
    with ws.database.transaction() as cursor:
        log = store.events(cursor)
        gone = taken_back(log)
        if event_id is not None and event_id in gone and gone[event_id].reviewer == reviewer:
            done = gone[event_id]
            return _decision(cursor, done, replayed=True)
        standing = [event for found in fold(log).values() for event in found.events if event.reviewer == reviewer]
        last = max(standing, key=lambda event: event.event_id, default=None)
        if last is None:
            raise InputError(f"There is no decision of {reviewer} to undo.")
        if event_id is not None and event_id != last.event_id:
            raise InputError("Only your last decision can be undone; undo the later ones first.")
        newest = fold(log)[last.candidate_id].events[-1]
        if newest.event_id != last.event_id:
            raise InputError(
                f"{newest.reviewer} {_DONE[newest.action]} this sample after you; open it to decide anew instead."
            )
        candidate = load_one(cursor, load_task(ws.task), last.candidate_id)
        act = _Act(reviewer, candidate.standing.revision, "undo")
        taken = _record(ws, cursor, _event(cursor, candidate, act))
        if taken.state == APPROVED and candidate.state != APPROVED:
            _check_approval(ws, cursor, load_one(cursor, load_task(ws.task), last.candidate_id))
        return taken


class _Act(NamedTuple):
    """What a reviewer asks for, in the words in which it is recorded."""

    reviewer: str
    revision: int
    action: str
    reason: str | None = None
    note: str | None = None
    fields: dict[str, str] | None = None
    label: str | None = None


def _seen(cursor: duckdb.DuckDBPyConnection, candidate: Candidate, act: _Act) -> Decision | None:
    """The recorded decision if this is a replay or what stands already; None if it is new and its revision current."""
    log = store.events(cursor, candidate.candidate_id)
    for event in log:
        if act == _Act(*(getattr(event, name) for name in _Act._fields)):
            return _decision(cursor, event, replayed=True)
    if act.revision != len(log):
        last = log[-1] if log else None
        who = f" ({_DONE[last.action]} by {last.reviewer})" if last else ""
        raise InputError(f"This sample was already decided{who}; open it again to decide anew.")
    standing = candidate.standing.decision
    if standing is not None and _says_the_same(act, standing) and act.label in (None, candidate.label):
        return _decision(cursor, standing, replayed=True)
    return None


def _says_the_same(act: _Act, standing: store.Event) -> bool:
    """Whether an act only repeats the decision that stands; a skip puts the sample last for its reviewer alone."""
    if (act.action, act.reason) != (standing.action, standing.reason) or act.note not in (None, standing.note):
        return False
    return act.action in ("approve", "reject") or (act.action == "skip" and act.reviewer == standing.reviewer)


def _check_approval(ws: Workspace, cursor: duckdb.DuckDBPyConnection, candidate: Candidate) -> None:
    if not candidate.verified:
        raise InputError(
            f"Feature {candidate.feature_id} does not fire in this text above δ = {candidate.made.delta:g} "
            f"(it reaches {candidate.value:.2f}), so it closes nothing; edit or reject it."
        )
    if (why := repeat(ws, cursor, candidate)) is not None:
        raise InputError(why)


def _event(
    cursor: duckdb.DuckDBPyConnection, candidate: Candidate, act: _Act, edited: Edited | None = None
) -> store.Event:
    content_id, value = store_edit(cursor, candidate, edited) if edited else (None, None)
    return store.Event(
        event_id=store.next_event_id(cursor),
        candidate_id=candidate.candidate_id,
        text=None,
        content_id=content_id,
        target_value=value,
        created_at=now(),
        **act._asdict(),
    )


def _record(ws: Workspace, cursor: duckdb.DuckDBPyConnection, event: store.Event) -> Decision:
    store.append_event(cursor, event)
    bring_in_line(cursor, load_task(ws.task), [event.candidate_id])
    return _decision(cursor, event, replayed=False)


def _decision(cursor: duckdb.DuckDBPyConnection, event: store.Event, *, replayed: bool) -> Decision:
    log = store.events(cursor, event.candidate_id)
    undid = {undo.event_id: event_id for event_id, undo in taken_back(log).items()}.get(event.event_id)
    return Decision(
        event_id=event.event_id,
        candidate_id=event.candidate_id,
        reviewer=event.reviewer,
        revision=event.revision,
        action=event.action,
        state=fold(log)[event.candidate_id].state,
        replayed=replayed,
        undid=next((other.action for other in log if other.event_id == undid), None),
    )


def _name(reviewer: str) -> str:
    name = normalise("".join(char for char in reviewer if char.isprintable()))[:_MAX_REVIEWER]
    if not name:
        raise InputError("A decision needs the reviewer's name; enter it once in Settings or with --reviewer.")
    return name


def _note(note: str | None) -> str | None:
    kept = normalise((note or "").replace("\0", "").encode("utf-8", "replace").decode())[:_MAX_NOTE]
    return kept or None


def _label(task: Task, label: str | None) -> str | None:
    said = (label or "").strip()
    if not said:
        return None
    if task.labels is None:
        raise InputError(f"Samples of {task.title} have no label; leave it out.")
    if task.polarity(said) is None:
        raise InputError(f"There is no label {said[:40]!r}; choose {' or '.join(task.label_words)}.")
    return said
