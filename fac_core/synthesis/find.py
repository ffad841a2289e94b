"""Find before you make: a real sample of the pool that closes a gap is a candidate like any other, and comes first.

What a sample closes is read from its activations, measured when the pool was read; nothing is written or scored here.
A pool sample is a candidate at most once. While it waits for review or is approved, what it activates needs no other;
once it is rejected, the next best sample is found.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.coverage.setcover import Pick, set_cover
from fac_core.errors import InputError
from fac_core.feature_space.spaces import space, step_of
from fac_core.jobs import owner
from fac_core.store import coverage as coverage_store
from fac_core.store import review as review_store
from fac_core.store import synthesis as store
from fac_core.synthesis.standing import REJECTED, Standing, fold
from fac_core.tasks import Task, load_task
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb

POOL = "pool"


class Found(NamedTuple):
    """What the pool has for some features."""

    held: set[int]
    """Features that a pool sample found earlier activates, waiting for review or approved."""
    picks: list[Pick]
    """New candidates for the others."""

    @property
    def closed(self) -> set[int]:
        """Features that a real sample closes, found earlier or now."""
        return self.held | {feature for pick in self.picks for feature in pick.covers}


def find_in_pool(ws: Workspace, space_id: str, delta: float, feature_ids: Sequence[int]) -> int:
    """Add the fewest pool samples that close as many of the features as the pool can, as candidates of their own run.

    Features that a sample found earlier closes, waiting for review or approved, are left out. Returns how many samples
    were added.

    Raises:
        InputError: unknown space or feature, or δ is no step of the profiles.
    """
    wanted = checked(ws, space_id, delta, feature_ids)
    with owner.turn(ws):  # two that search at once would find the same samples
        found = search_pool(ws, space_id, delta, wanted)
        if not found.picks:
            return 0
        targets = [feature for feature in wanted if feature not in found.held]
        row = store.RunRow(new_run_id(), space_id, delta, POOL, {}, targets, now())
        with ws.database.transaction() as cursor:
            store.insert_run(cursor, row)
            add_picks(ws, cursor, row.run_id, found.picks)
    return len(found.picks)


def checked(ws: Workspace, space_id: str, delta: float, feature_ids: Sequence[int]) -> list[int]:
    """The features, each once, in their order.

    Raises:
        InputError: unknown space or feature, or δ is no step of the profiles.
    """
    step_of(delta)
    d_sae = space(ws, space_id).d_sae
    if unknown := [feature for feature in feature_ids if not 0 <= feature < d_sae]:
        raise InputError(f"The space has features 0 to {d_sae - 1}, and no feature {unknown[0]}.")
    return list(dict.fromkeys(feature_ids))


def new_run_id() -> str:
    """An id that sorts by time."""
    return f"run-{now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def search_pool(ws: Workspace, space_id: str, delta: float, feature_ids: Sequence[int]) -> Found:
    """What set cover takes from the pool for the features that no sample found earlier closes.

    Samples that are candidates already are never picked, whatever was decided about them.
    """
    candidates = store.pool_candidates(ws.database, space_id)
    with ws.database.cursor() as cursor:
        standings = fold(review_store.events(cursor))
    closers = []
    for candidate_id, content_id in candidates:
        standing = standings.get(candidate_id, Standing())
        edited = None if standing.edit is None else standing.edit.content_id
        if standing.state != REJECTED:
            closers.append(content_id if edited is None else edited)
    fired = coverage_store.counts_in_contents(ws.database, space_id, closers, delta).column("feature_id").to_pylist()
    held = set(fired) & set(feature_ids)
    wanted = [feature for feature in feature_ids if feature not in held]
    taken = {content_id for _, content_id in candidates}
    return Found(held, set_cover(ws, space_id, delta, wanted, without=taken))


def add_picks(ws: Workspace, cursor: duckdb.DuckDBPyConnection, run_id: str, picks: Sequence[Pick]) -> None:
    """Make pool samples candidates of a run; each stands for the feature that it closes most strongly."""
    import pyarrow as pa

    task = load_task(ws.task)
    samples = store.pool_rows(ws.database, [pick.sample_id for pick in picks])
    contents = {_candidate_id(run_id, pick): pick.content_id for pick in picks}
    rows = [_row(task, run_id, pick, samples[pick.sample_id]) for pick in picks]
    table = pa.Table.from_pylist(rows, schema=store.candidate_schema())
    store.insert_candidates(cursor, run_id, table, contents, now())
    store.place_found(cursor, run_id)


def _row(task: Task, run_id: str, pick: Pick, sample: store.PoolRow) -> dict[str, Any]:
    generation = {"sample_id": pick.sample_id, "covers": pick.covers, "values": pick.values}
    return {
        "candidate_id": _candidate_id(run_id, pick),
        "target_feature": pick.covers[0],
        "step": 0,
        "attempt": 0,
        "origin": POOL,
        "text": pick.text,
        "fields": json.dumps(task.tidy(sample.fields), ensure_ascii=False),
        "label": sample.label,
        "outcome": "hit",
        "target_value": pick.values[0],
        "prompt": "",
        "generation": json.dumps(generation),
    }


def _candidate_id(run_id: str, pick: Pick) -> str:
    return f"{run_id}-pool-{pick.sample_id}"
