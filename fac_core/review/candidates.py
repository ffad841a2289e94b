"""A candidate is shown, measured and exported as it stands now: with its last edit, and never with an older text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fac_core.errors import InputError
from fac_core.store import review as store
from fac_core.synthesis.assign import MAX_RANK
from fac_core.synthesis.standing import APPROVED, Standing, fold
from fac_core.tasks import Task, load_task

if TYPE_CHECKING:
    import duckdb

    from fac_core.workspace import Workspace


@dataclass(frozen=True)
class Candidate:
    """A candidate with its standing."""

    made: store.CandidateRow
    """As it was made."""
    standing: Standing
    fields: dict[str, str]
    """The task's fields, as they stand."""
    text: str
    """The content that is read, as it stands."""
    content_id: int | None
    """None if the text was never read."""
    value: float
    """Activation of its feature in that content."""

    @property
    def candidate_id(self) -> str:
        """Its id."""
        return self.made.candidate_id

    @property
    def feature_id(self) -> int:
        """The feature it serves."""
        return self.made.feature_id

    @property
    def state(self) -> str:
        """One of `state.STATES`."""
        return self.standing.state

    @property
    def label(self) -> str | None:
        """The label that the last approval which stands and names one gave it, else the one it was made with."""
        return next((event.label for event in reversed(self.standing.events) if event.label), self.made.label)

    @property
    def verified(self) -> bool:
        """Whether the text as it stands was read and activates its feature above the run's δ."""
        good = self.standing.edit is not None or self.made.outcome == "hit"
        return good and self.content_id is not None and self.value > self.made.delta


def load(
    cursor: duckdb.DuckDBPyConnection,
    task: Task,
    space_id: str | None = None,
    ids: Sequence[str] | None = None,
    max_rank: int | None = None,
) -> list[Candidate]:
    """Candidates of a space, or those with the given ids, by id; see `store.review.candidate_rows`."""
    rows = store.candidate_rows(cursor, space_id, ids, max_rank)
    standings = fold(store.events(cursor, ids[0] if ids is not None and len(ids) == 1 else None))
    return [_as_it_stands(task, row, standings.get(row.candidate_id, Standing())) for row in rows]


def load_one(cursor: duckdb.DuckDBPyConnection, task: Task, candidate_id: str) -> Candidate:
    """One candidate.

    Raises:
        InputError: there is none with that id.
    """
    found = load(cursor, task, ids=[candidate_id])
    if not found:
        raise InputError(f"There is no candidate {candidate_id[:60]!r} in this project.")
    return found[0]


def candidates(ws: Workspace, space_id: str) -> list[Candidate]:
    """Candidates of a space that people are asked about, the best hits of each feature, or have decided on; by id."""
    with ws.database.cursor() as cursor:
        return load(cursor, load_task(ws.task), space_id, max_rank=MAX_RANK)


def approved(ws: Workspace, space_id: str) -> list[Candidate]:
    """The approved candidates of a space, by id."""
    return [found for found in candidates(ws, space_id) if found.state == APPROVED]


def _as_it_stands(task: Task, row: store.CandidateRow, standing: Standing) -> Candidate:
    edit = standing.edit
    if edit is None:
        return Candidate(row, standing, row.fields, row.text, row.content_id, row.value)
    fields = edit.fields
    if fields is None:  # an edit of an older version is kept as the task's item, which left out nothing that was there
        fields = task.tidy({**row.fields, **(task.parse_item(edit.text or "") or {})})
    return Candidate(row, standing, fields, task.content(fields).text, edit.content_id, edit.target_value or 0.0)
