"""What a run reports is counted from its candidates, never from what was hoped.

Own-hit rate and its baseline have the same candidates in the denominator: all that were written, failures included. A
target is closed by any candidate that goes to review and activates it, whoever it was written for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fac_core.errors import InputError
from fac_core.store import synthesis as store
from fac_core.store.features import names_of
from fac_core.synthesis.find import POOL
from fac_core.synthesis.outcomes import OUTCOMES, SCORED
from fac_core.workspace import Workspace


@dataclass(frozen=True)
class TargetRow:
    """One target of a run, as it stands."""

    feature_id: int
    name: str
    attempts: int
    """Candidates written for it, failures included."""
    best_value: float
    """Its highest activation in any candidate of the run."""
    delta: float
    outcomes: dict[str, int]
    """Of the candidates written or found for it; outcomes that did not occur are left out."""
    closed: bool
    """Whether a candidate that goes to review activates it above δ."""
    best_text: str
    """The candidate with that activation; empty if none was scored."""


@dataclass(frozen=True)
class RunSummary:
    """A run in numbers."""

    own_hit_rate: float | None
    """Share of all written candidates that fire the target they were written for; None before the first."""
    shuffled_hit_rate: float | None
    """Share of the same candidates that fire another target, drawn before the start; None if there is no other."""
    n_candidates: int
    """Written candidates, failures included; real samples of the pool are not counted here."""
    n_found: int
    """Real samples of the pool."""
    outcomes: dict[str, int]
    """Of the written candidates, every outcome named."""
    n_closed: int
    n_targets: int
    open: list[tuple[int, str]]
    """Targets that stayed open, and why."""


def run_table(ws: Workspace, run_id: str) -> list[TargetRow]:
    """Every target of a run as it stands, in the order of the work list.

    Raises:
        InputError: unknown run.
    """
    row = _known(ws, run_id)
    names = names_of(ws.database, row.space_id, row.targets)
    with ws.database.cursor() as cursor:
        candidates = store.candidates_of(cursor, run_id)
        closed = _closed(candidates, store.target_firings(cursor, run_id))
    best = store.best_values(ws.database, run_id)
    outcomes: dict[int, Counter[str]] = defaultdict(Counter)
    attempts: Counter[int] = Counter()
    for candidate in candidates:
        outcomes[candidate.target_feature][candidate.outcome] += 1
        attempts[candidate.target_feature] += candidate.origin != POOL
    return [
        TargetRow(
            feature_id=feature,
            name=names.get(feature, ""),
            attempts=attempts[feature],
            best_value=best.get(feature, (0.0, ""))[0],
            delta=row.delta,
            outcomes=dict(outcomes[feature]),
            closed=feature in closed,
            best_text=best.get(feature, (0.0, ""))[1],
        )
        for feature in row.targets
    ]


def run_summary(ws: Workspace, run_id: str) -> RunSummary:
    """A run in numbers.

    Raises:
        InputError: unknown run.
    """
    row = _known(ws, run_id)
    table = run_table(ws, run_id)
    with ws.database.cursor() as cursor:
        candidates = store.candidates_of(cursor, run_id)
    written = [candidate for candidate in candidates if candidate.origin != POOL]
    counted = Counter(candidate.outcome for candidate in written)
    own = sum(candidate.target_value is not None and candidate.target_value > row.delta for candidate in written)
    controls = [candidate.control_hit for candidate in written if candidate.control_hit is not None]
    return RunSummary(
        own_hit_rate=own / len(written) if written else None,
        shuffled_hit_rate=sum(controls) / len(written) if controls else None,
        n_candidates=len(written),
        n_found=len(candidates) - len(written),
        outcomes={outcome: counted[outcome] for outcome in OUTCOMES},
        n_closed=sum(target.closed for target in table),
        n_targets=len(table),
        open=[(target.feature_id, _why_open(target, row.generator)) for target in table if not target.closed],
    )


def _known(ws: Workspace, run_id: str) -> store.RunRow:
    found = store.run_rows(ws.database, run_id)
    if not found:
        raise InputError(f"There is no run {run_id[:60]!r} in this project.")
    return found[0]


def _closed(candidates: Iterable[store.CandidateRow], firing: Mapping[int, Mapping[int, float]]) -> set[int]:
    """Targets that some hit activates."""
    hits = (c.content_id for c in candidates if c.outcome == "hit" and c.content_id is not None)
    return {feature for content in hits for feature in firing.get(content, ())}


def _why_open(target: TargetRow, generator: str) -> str:
    """Why nothing closes a target, by what became of the candidates written for it."""
    if not target.attempts:
        return "the pool had no further text that activates it" if generator == POOL else "not written for yet"
    scored = sum(target.outcomes.get(outcome, 0) for outcome in SCORED)
    if not scored:
        most = max(target.outcomes, key=lambda outcome: target.outcomes[outcome])
        return f"none of {target.attempts} candidates could be scored, most often: {most.replace('_', ' ')}"
    if target.best_value > 0:
        return f"the best of {scored} reaches {target.best_value:.2f}, not above δ = {target.delta:g}"
    return f"none of {scored} activates it"
