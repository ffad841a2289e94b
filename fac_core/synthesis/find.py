"""Find before you make: a real sample of the pool that closes a gap is a candidate like any other, and comes first.

What a sample closes is read from its activations, measured when the pool was read; nothing is written or scored here.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fac_core.coverage.setcover import Pick, set_cover
from fac_core.store import synthesis as store
from fac_core.tasks import Task, load_task
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb

POOL = "pool"


def find_in_pool(ws: Workspace, space_id: str, delta: float, feature_ids: Sequence[int]) -> int:
    """Add the fewest pool samples that close as many of the features as the pool can, as candidates of their own run.

    Samples that are candidates already are not added again. Returns how many were added.
    """
    picks = new_picks(ws, space_id, delta, feature_ids)
    if not picks:
        return 0
    run_id = new_run_id()
    row = store.RunRow(run_id, space_id, delta, POOL, {}, sorted(set(feature_ids)), now())
    with ws.database.transaction() as cursor:
        store.insert_run(cursor, row)
        add_picks(ws, cursor, run_id, picks)
    return len(picks)


def new_run_id() -> str:
    """An id that sorts by time."""
    return f"run-{now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def new_picks(ws: Workspace, space_id: str, delta: float, feature_ids: Sequence[int]) -> list[Pick]:
    """What set cover takes from the pool, without samples that are candidates already."""
    held = store.pool_candidate_contents(ws.database, space_id)
    return [pick for pick in set_cover(ws, space_id, delta, feature_ids) if pick.content_id not in held]


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
