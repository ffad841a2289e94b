"""Job kind *describe*: relevance and its check, names, families, themes and names of rows, then purity; each shard
replaces what was.

Inputs are the tables of `describe.Inputs`; spec: space_id, delta, method, sides (of the
split), fingerprint (of what it describes). Only the
end notes what the description was made from, so one that was left half-made counts as none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fac_core.features import description
from fac_core.features.describe import (
    Inputs,
    describe_check,
    describe_clusters,
    describe_families,
    describe_names,
    describe_relevance,
    describe_themes,
)
from fac_core.features.purity import purities
from fac_core.jobs.folder import JobFolder
from fac_core.jobs.kinds import follow_up
from fac_core.store import features as store
from fac_core.store import relevance as relevance_store
from fac_core.store.activations import carry_profiles
from fac_core.store.explanations import replace_purity
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

RELEVANCE, CHECK, PURITY = "relevance", "check", "purity"
NAMES, FAMILIES, ROW_NAMES = "names", "families", "row_names"
AUTHOR = "contrastive keywords"
NAMES_A_SHARD = 4096


def run(job: JobFolder) -> dict[str, Any]:
    """Describe the features; returns {"n_features"}: how many were named."""
    inputs = Inputs(**{name: job.input(name) for name in Inputs._fields})
    total = len(set(inputs.activation.column("feature_id").to_pylist())) + 3
    done = 0
    job.progress(0, total, "Testing against the task")
    for name, tables in shards(inputs, job.spec, set(job.shards())):
        job.commit_shard(name, tables)
        done += sum(table.num_rows for key, table in tables.items() if key == NAMES) or 1
        job.progress(min(done, total), total, "Naming features")
        if job.cancelled():
            return {}
    return {"n_features": total - 3}


def shards(inputs: Inputs, spec: dict[str, Any], have: set[str]) -> Iterator[tuple[str, dict[str, pa.Table]]]:
    """The shards that are not there yet, as (name, tables)."""
    import pyarrow as pa

    if RELEVANCE not in have:
        method = str(spec["method"])
        yield RELEVANCE, {RELEVANCE: describe_relevance(inputs, method), CHECK: describe_check(inputs, method)}
    waiting: list[pa.Table] = []
    names: dict[int, str] = {}
    number = 0
    for table in describe_names(inputs):
        names.update(zip(table.column("feature_id").to_pylist(), table.column("text").to_pylist(), strict=True))
        waiting.append(table)
        if sum(part.num_rows for part in waiting) >= NAMES_A_SHARD:
            yield from _names(number, waiting, have)
            number, waiting = number + 1, []
    if waiting:
        yield from _names(number, waiting, have)
    if FAMILIES not in have:
        delta = float(spec["delta"])
        themes, theme_names = describe_themes(inputs, delta, names)
        families = pa.concat_tables([describe_families(inputs, delta, names), themes])
        row_names = pa.concat_tables([theme_names, describe_clusters(inputs, delta, names)])
        yield FAMILIES, {FAMILIES: families, ROW_NAMES: row_names}
    if PURITY not in have:
        yield PURITY, {PURITY: purities(inputs.contents, inputs.activation)}


def _names(number: int, parts: list[pa.Table], have: set[str]) -> Iterator[tuple[str, dict[str, pa.Table]]]:
    import pyarrow as pa

    name = f"{NAMES}-{number:03d}"
    if name not in have:
        yield name, {NAMES: pa.concat_tables(parts)}


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Put a shard's rows in the place of the old ones; names are added only where they changed."""
    space_id = spec["space_id"]
    store.drop_description(cursor, space_id)
    if FAMILIES in tables:
        store.replace_families(cursor, space_id, tables[FAMILIES])
        store.replace_row_names(cursor, space_id, tables[ROW_NAMES])
    if RELEVANCE in tables:
        relevance_store.replace_relevance(cursor, space_id, tables[RELEVANCE])
        checked = tables[CHECK].column("found").to_pylist()
        relevance_store.replace_check(cursor, space_id, json.loads(checked[0]) if checked else None)
    if PURITY in tables:
        replace_purity(cursor, space_id, tables[PURITY])
    if NAMES in tables:
        store.add_method_names(cursor, space_id, store.KEYWORDS, tables[NAMES], AUTHOR, now())


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Note what was described and tell caches; describe anew if that changed meanwhile, else the next step begins."""
    space_id = spec["space_id"]
    with ws.database.transaction() as cursor:
        store.put_description(cursor, space_id, str(spec.get("fingerprint", "")), float(spec["delta"]), now())
        description.note_sides(cursor, spec)
        carry_profiles(cursor)
    if description.is_reading(ws, space_id):
        return
    if description.is_current(ws, space_id):
        follow_up("describe", ws, space_id)
    else:
        description.start(ws, space_id, after=job_id)
