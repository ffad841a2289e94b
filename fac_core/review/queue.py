"""The next card is the one that adds most to coverage, and a card says what hangs on it before anybody decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fac_core.feature_space.spaces import delta as delta_of
from fac_core.review.candidates import Candidate, candidates, load_one
from fac_core.review.effect import Effects, by_marginal_coverage
from fac_core.review.nearest import Near, nearest_of, nearest_seed
from fac_core.store import review as store
from fac_core.store.features import names_of
from fac_core.store.spaces import space_rows
from fac_core.synthesis.standing import APPROVED, PENDING, REJECTED, SKIPPED
from fac_core.tasks import load_task

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


@dataclass(frozen=True)
class QueueItem:
    """One line of the list of candidates that wait."""

    candidate_id: str
    text: str
    feature_id: int
    feature_name: str
    """Empty if the feature has no name."""
    value: float
    margin: float
    """Value minus the project's δ."""
    n_new: int
    """Features of F(P) it would newly cover now."""
    state: str
    """pending or skipped"""
    revision: int
    origin: str
    run_id: str


@dataclass(frozen=True)
class Span:
    """Where a feature peaks in the text."""

    feature_id: int
    name: str
    value: float
    start: int
    end: int
    """[start, end) in characters of the text."""


@dataclass(frozen=True)
class ReviewCard:
    """Everything a person needs to decide about one candidate."""

    candidate: Candidate
    text: str
    """The content that is read."""
    item: str
    """The sample as one text: the task's item."""
    fields: dict[str, str]
    label: str | None
    label_words: tuple[str, ...]
    """Labels to choose from when it is approved; empty if the task has none."""
    state: str
    revision: int
    """Goes back with the decision."""
    verified: bool
    """Whether it may be approved: its feature fires above the run's δ in the text as it stands."""
    original: str | None
    """The text before it was edited; None if it was not."""
    target_feature: int
    target_name: str
    value: float
    delta: float
    """The project's δ."""
    margin: float
    percentile: float | None
    """Share of the anchor samples the feature fires in that reach less; None if the anchor never shows it."""
    newly_covers: list[tuple[int, str]]
    """(id, name) of the features of F(P) that it alone covers, or would cover."""
    spans: list[Span]
    """Peaks of the target and of the newly covered features, the target first."""
    nearest_seed: Near | None
    nearest_accepted: Near | None
    fac_now: float
    fac_if_approved: float
    fac_if_rejected: float

    @property
    def candidate_id(self) -> str:
        """The candidate's id."""
        return self.candidate.candidate_id


@dataclass(frozen=True)
class Counts:
    """How many candidates stand where."""

    pending: int
    approved: int
    rejected: int
    skipped: int

    @property
    def waiting(self) -> int:
        """Pending and skipped."""
        return self.pending + self.skipped


def queue(ws: Workspace, space_id: str) -> list[QueueItem]:
    """Candidates that wait, each adding as many features as possible to those before it; skipped ones last."""
    delta = delta_of(ws, space_id)
    waiting = {found.candidate_id: found for found in candidates(ws, space_id) if found.state in (PENDING, SKIPPED)}
    effects = Effects(ws, space_id, delta, list(waiting.values()))
    covers = {key: set(effects.of(found).newly_covers) for key, found in waiting.items()}
    order = by_marginal_coverage(covers, {key: found.value - delta for key, found in waiting.items()})
    order.sort(key=lambda key: waiting[key].state == SKIPPED)
    names = names_of(ws.database, space_id, sorted({found.feature_id for found in waiting.values()}))
    return [_queue_item(waiting[key], names, delta, len(covers[key])) for key in order]


def next_item(ws: Workspace, space_id: str, reviewer: str, after: str | None = None) -> ReviewCard | None:
    """The card that comes after candidate `after`, or the first; None when nothing waits.

    Among the skipped ones those that this reviewer skipped come last; behind the last card the first one follows.
    """
    items = queue(ws, space_id)
    if not items:
        return None
    with ws.database.cursor() as cursor:
        mine = {event.candidate_id for event in store.events(cursor, reviewer=reviewer) if event.action == "skip"}
    items.sort(key=lambda item: item.state == SKIPPED and item.candidate_id in mine)
    ids = [item.candidate_id for item in items]
    place = ids.index(after) + 1 if after in ids else 0
    return card(ws, ids[place % len(ids)])


def card(ws: Workspace, candidate_id: str) -> ReviewCard:
    """The card of one candidate, whatever its state.

    Raises:
        InputError: there is no such candidate.
    """
    task = load_task(ws.task)
    with ws.database.cursor() as cursor:
        found = load_one(cursor, task, candidate_id)
        n_below, n_firing = store.anchor_rank(cursor, found.made.space_id, found.feature_id, found.value)
    space_id = found.made.space_id
    delta = delta_of(ws, space_id)
    effects = Effects(ws, space_id, delta, [found])
    effect = effects.of(found)
    names = names_of(ws.database, space_id, [found.feature_id, *effect.newly_covers])
    shown = {found.feature_id, *effect.newly_covers}
    firings = [firing for firing in effects.active(found) if firing.feature_id in shown]
    firings.sort(key=lambda firing: firing.feature_id != found.feature_id)
    accepted = [
        other.text
        for other in candidates(ws, space_id)
        if other.state == APPROVED and other.candidate_id != candidate_id
    ]
    return ReviewCard(
        candidate=found,
        text=found.text,
        item=task.item(found.fields),
        fields=found.fields,
        label=found.label,
        label_words=task.label_words,
        state=found.state,
        revision=found.standing.revision,
        verified=found.verified,
        original=found.made.text if found.standing.edit else None,
        target_feature=found.feature_id,
        target_name=names.get(found.feature_id, ""),
        value=found.value,
        delta=delta,
        margin=found.value - delta,
        percentile=n_below / n_firing if n_firing else None,
        newly_covers=[(feature, names.get(feature, "")) for feature in effect.newly_covers],
        spans=[Span(f.feature_id, names.get(f.feature_id, ""), f.value, f.char_start, f.char_end) for f in firings],
        nearest_seed=nearest_seed(ws, found.text),
        nearest_accepted=nearest_of(found.text, accepted),
        fac_now=effect.fac_now,
        fac_if_approved=effect.fac_if_approved,
        fac_if_rejected=effect.fac_if_rejected,
    )


def counts(ws: Workspace, space_id: str | None = None) -> Counts:
    """How many candidates of a space (default: of all) are pending, approved, rejected and skipped."""
    spaces = [row.space_id for row in space_rows(ws.database)] if space_id is None else [space_id]
    states = Counter(found.state for each in spaces for found in candidates(ws, each))
    return Counts(states[PENDING], states[APPROVED], states[REJECTED], states[SKIPPED])


def _queue_item(found: Candidate, names: dict[int, str], delta: float, n_new: int) -> QueueItem:
    return QueueItem(
        candidate_id=found.candidate_id,
        text=found.text,
        feature_id=found.feature_id,
        feature_name=names.get(found.feature_id, ""),
        value=found.value,
        margin=found.value - delta,
        n_new=n_new,
        state=found.state,
        revision=found.standing.revision,
        origin=found.made.origin,
        run_id=found.made.run_id,
    )
