"""What holds of a candidate follows from its events alone, in event order; nothing else remembers it.

An undo takes back its reviewer's last event that still stands. An edit puts a new text in place and makes the
candidate pending again, whoever approved the old one. Of several verdicts on a text the last one counts; a skip only
puts an open question last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from fac_core.store.review import Event

PENDING, APPROVED, REJECTED, SKIPPED = "pending", "approved", "rejected", "skipped"
STATES = (PENDING, APPROVED, REJECTED, SKIPPED)
_VERDICTS = {"approve": APPROVED, "reject": REJECTED}


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands."""

    state: str = PENDING
    """One of STATES."""
    revision: int = 0
    """Number of its events; a decision names the revision it was made on."""
    edit: Event | None = None
    """The edit whose text holds; None if that is the text it was made with."""
    decision: Event | None = None
    """The event that put it into its state; None while pending."""
    events: tuple[Event, ...] = ()
    """Its events that were not taken back."""


def fold(events: Iterable[Event]) -> dict[str, Standing]:
    """Standing of every candidate that has events; `events` in event order."""
    counts: dict[str, int] = defaultdict(int)
    stacks: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        counts[event.candidate_id] += 1
        stack = stacks[event.candidate_id]
        if event.action != "undo":
            stack.append(event)
        elif (last := _last_of(stack, event.reviewer)) is not None:
            del stack[last]
    return {candidate_id: _standing(stacks[candidate_id], n) for candidate_id, n in counts.items()}


def taken_back(events: Iterable[Event]) -> dict[int, Event]:
    """The undo that took back each event that was taken back, by the event's id; `events` in event order."""
    stacks: dict[str, list[Event]] = defaultdict(list)
    found = {}
    for event in events:
        stack = stacks[event.candidate_id]
        if event.action != "undo":
            stack.append(event)
        elif (last := _last_of(stack, event.reviewer)) is not None:
            found[stack.pop(last).event_id] = event
    return found


def _standing(stack: list[Event], revision: int) -> Standing:
    edits = [index for index, event in enumerate(stack) if event.action == "edit"]
    since = stack[edits[-1] + 1 :] if edits else stack
    verdicts = [event for event in since if event.action in _VERDICTS]
    decision = verdicts[-1] if verdicts else since[-1] if since else None
    state = PENDING if decision is None else _VERDICTS.get(decision.action, SKIPPED)
    return Standing(state, revision, stack[edits[-1]] if edits else None, decision, tuple(stack))


def _last_of(stack: list[Event], reviewer: str) -> int | None:
    return next((index for index in range(len(stack) - 1, -1, -1) if stack[index].reviewer == reviewer), None)
