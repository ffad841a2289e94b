"""A run is started from measured gaps: the pool is searched first, and only what it leaves open is written for.

Each target gets its examples, label and control before the start; nothing is decided while candidates are written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fac_core.coverage.worklist import in_worklist
from fac_core.errors import InputError
from fac_core.feature_space.spaces import space
from fac_core.features.trust import left_out_sentence, mistrusted
from fac_core.jobs import owner
from fac_core.llm.prices import Cap
from fac_core.llm.terms import Terms, make_terms
from fac_core.store import synthesis as store
from fac_core.store.features import names_of
from fac_core.synthesis.find import Found, add_picks, checked, new_run_id, search_pool
from fac_core.synthesis.plan import RunSettings, job_spec
from fac_core.synthesis.results import RunSummary, TargetRow, run_summary, run_table
from fac_core.synthesis.targets import N_EXAMPLES, Example, Target, derangement, majority_label, targets_to_tables
from fac_core.tasks import Task, load_task
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "Run",
    "RunSettings",
    "RunSummary",
    "TargetRow",
    "left_out",
    "run_summary",
    "run_table",
    "runs",
    "start_run",
]

JOB_KIND = "synthesise"


@dataclass(frozen=True)
class Run:
    """A run in a list."""

    run_id: str
    space_id: str
    delta: float
    generator: str
    """local, openai or pool"""
    settings: dict[str, Any]
    n_targets: int
    created_at: datetime
    job_id: str | None
    """None if nothing had to be written."""
    state: str
    """State of its job; completed if it needed none."""


def start_run(
    ws: Workspace, space_id: str, delta: float, settings: RunSettings, feature_ids: Sequence[int] | None = None
) -> str:
    """Search the pool, then write candidates for the features that stay open, in a job; returns the run's id.

    `feature_ids` defaults to the work list. With the pool, features that a sample found earlier closes, waiting for
    review or approved, are left out, and so are those whose name is trusted less than the project asks (`left_out`
    names them). The run and its job are noted together or not at all.

    Raises:
        InputError: no features, none whose name is trusted enough, or none that the pool's samples leave open; unknown
            space or feature; δ is no step of the profiles; a setting out of range; or an endpoint that is not set up.
        StoreError: the job folder cannot be written.
    """
    wanted = wanted_of(ws, space_id, delta, settings, feature_ids)
    terms = terms_of(ws, settings)
    if terms is not None:
        settings = replace(settings, base_url=terms.base_url, model=terms.model)
    chosen, task = space(ws, space_id), load_task(ws.task)
    with owner.turn(ws):  # two that search at once would find the same samples
        found, aimed = found_for(ws, space_id, delta, settings, wanted)
        left = [feature for feature in aimed if feature not in found.closed]
        row = store.RunRow(new_run_id(), space_id, delta, settings.generator, asdict(settings), aimed, now())

        def note(cursor: duckdb.DuckDBPyConnection) -> None:
            store.insert_run(cursor, row)
            add_picks(ws, cursor, row.run_id, found.picks)

        if left:
            targets = make_targets(ws, task, space_id, delta, left, settings.seed)
            inputs = {**targets_to_tables(targets), "known": store.known_texts(ws.database, space_id)}
            spec = dict(job_spec(row.run_id, chosen.spec, task.id, delta, settings, terms))
            title = f"Write {task.sample_words} for {len(left)} feature{'s' * (len(left) != 1)}"
            owner.start(ws, JOB_KIND, title, spec, inputs, beside=note)
        else:
            with ws.database.transaction() as cursor:
                note(cursor)
    return row.run_id


def wanted_of(
    ws: Workspace, space_id: str, delta: float, settings: RunSettings, feature_ids: Sequence[int] | None
) -> list[int]:
    """Features that a run is for, those left out whose name is trusted less than the project asks.

    Raises:
        InputError: as for `start_run`.
    """
    settings.check()
    wanted = checked(ws, space_id, delta, in_worklist(ws, space_id) if feature_ids is None else feature_ids)
    if not wanted:
        raise InputError("The work list is empty; add missing features to it on the coverage page first.")
    untrusted = mistrusted(ws, space_id, wanted)
    wanted = [feature for feature in wanted if feature not in untrusted]
    if not wanted:
        raise InputError(left_out_sentence(ws, untrusted))
    return wanted


def terms_of(ws: Workspace, settings: RunSettings) -> Terms | None:
    """How a run asks its endpoint; None where the local model writes.

    Raises:
        InputError: no endpoint is set up, or the cap cannot be kept.
    """
    if settings.generator != "openai":
        return None
    cap = Cap(settings.cap_money, settings.cap_tokens)
    return make_terms(ws, base_url=settings.base_url, model=settings.model, cap=cap)


def found_for(
    ws: Workspace, space_id: str, delta: float, settings: RunSettings, wanted: Sequence[int]
) -> tuple[Found, list[int]]:
    """What the pool has for some features if it is to be searched, and those that no sample found earlier closes.

    Raises:
        InputError: there are none of these.
    """
    found = search_pool(ws, space_id, delta, wanted) if settings.use_pool else Found(set(), [])
    aimed = [feature for feature in wanted if feature not in found.held]
    if not aimed:
        raise InputError(
            "Real samples of the pool that were found before close all of these features; review those first, or "
            "write without searching the pool."
        )
    return found, aimed


def left_out(ws: Workspace, space_id: str, feature_ids: Sequence[int] | None = None) -> str:
    """Which features a run would leave out for want of trust in their names, in one sentence; empty if none.

    `feature_ids` defaults to the work list.
    """
    wanted = in_worklist(ws, space_id) if feature_ids is None else feature_ids
    return left_out_sentence(ws, mistrusted(ws, space_id, wanted))


def make_targets(
    ws: Workspace, task: Task, space_id: str, delta: float, feature_ids: Sequence[int], seed: int
) -> list[Target]:
    """Targets with names, controls, labels and the anchor's texts that activate them most."""
    names = names_of(ws.database, space_id, feature_ids)
    controls = derangement(feature_ids, seed)
    examples: dict[int, list[Example]] = defaultdict(list)
    for row in store.top_examples(ws.database, space_id, feature_ids, "anchor", N_EXAMPLES):
        fields = task.tidy(row.fields)
        if task.check(fields) is None:
            examples[row.feature_id].append(Example(fields, *row[2:]))
    return [
        Target(
            feature_id=feature,
            name=names.get(feature, ""),
            control_id=controls[feature],
            label=majority_label(task, examples[feature], delta),
            examples=tuple(examples[feature]),
        )
        for feature in feature_ids
    ]


def runs(ws: Workspace) -> list[Run]:
    """All runs, newest first."""
    return [_run(row, store.jobs_of_runs(ws.database)) for row in store.run_rows(ws.database)]


def _run(row: store.RunRow, jobs: Mapping[str, tuple[str, str]]) -> Run:
    job_id, state = jobs.get(row.run_id, (None, "completed"))
    return Run(
        row.run_id,
        row.space_id,
        row.delta,
        row.generator,
        row.settings,
        len(row.targets),
        row.created_at,
        job_id,
        state,
    )
