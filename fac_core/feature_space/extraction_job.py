"""Job kind *extract*: each shard of texts is read once, and a job killed anywhere goes on with the next shard.

Input `input` (content_id, text). A shard holds `content_read` and `activation` for its texts; its journal entry carries
the sums from which the health card follows. With ``again`` in the spec the texts were read before: the shard takes the
place of what is stored of them, and is compared with it as it was when the job began (input `before`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fac_core.feature_space.engines import Engine, Task, Work
from fac_core.feature_space.extraction import start_extraction
from fac_core.feature_space.extractor import Health
from fac_core.feature_space.rereading import Before, Difference
from fac_core.feature_space.shards import TextReader, text_shard
from fac_core.jobs.folder import JobFolder
from fac_core.jobs.kinds import follow_up
from fac_core.store.activations import (
    insert_activations,
    rebuild_by_feature,
    replace_activations,
    update_profiles,
)
from fac_core.store.contents import count_unread
from fac_core.store.database import bump_data_version, set_meta
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def run(job: JobFolder) -> dict[str, Any]:
    """Read the job's texts shard by shard; returns {"health": {fvu, l0, n_tokens, truncated_texts, suspects}}
    and, after reading again, {"again": {n_texts, n_changed, largest}}."""
    texts, size = job.input_rows(), int(job.spec["shard_size"])
    begins = {text_shard(begin): begin for begin in range(0, len(texts), size)}
    committed = job.committed()
    waiting = [
        Task(name, partial(texts.slice, begin, size), min(size, len(texts) - begin))
        for name, begin in begins.items()
        if name not in committed
    ]
    if waiting:
        stored = Before(job.input_rows("before")) if job.spec.get("again") else None
        # a job of an earlier version is not told what the card declares
        reader = TextReader(job.spec["space"], job.spec.get("declared"))
        for done in Engine.of(job.spec).read(Work(job, job, reader, waiting, len(texts))):
            if stored is not None:
                ids = texts.slice(begins[done.name], size)["content_id"].to_pylist()
                done.extra["again"] = stored.difference(ids, job.shard_table(done.name, "activation"))._asdict()
            job.note_shard(done.name, done.rows, done.extra)
        if job.observed_cancel:
            return {}
    job.progress(len(texts), len(texts), "Storing")
    return {"health": health_of(job)} | ({"again": _difference(job)._asdict()} if job.spec.get("again") else {})


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Store a shard's rows."""
    put = replace_activations if spec.get("again") else insert_activations
    put(cursor, spec["space_id"], tables["content_read"], tables["activation"])
    bump_data_version(cursor)


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Lay the rows by feature, count profiles, then read what arrived meanwhile or describe the features."""
    space_id = spec["space_id"]
    with ws.database.transaction() as cursor:
        bump_data_version(cursor)
        rebuild_by_feature(cursor, space_id)
        update_profiles(cursor, space_id)
        if "again" in result and not Difference(**result["again"]).is_none:
            set_meta(cursor, f"read_again.{space_id}", job_id)  # the features are described from other values now
    if count_unread(ws.database, space_id):
        start_extraction(ws, space_id, int(spec["shard_size"]), after=job_id, engine=Engine.of(spec))
    else:
        follow_up("extract", ws, space_id)


def _difference(job: JobFolder) -> Difference:
    total = Difference()
    for shard in job.each_shard():
        total = total.plus(Difference(**shard["extra"]["again"]))
    return total


def health_of(job: JobFolder) -> dict[str, Any]:
    """What the sums of all shards of a folder come to."""
    merged, truncated, found = Health(), 0, []
    calibration: dict[str, Any] | None = None
    for shard in job.each_shard():
        extra = shard["extra"]
        merged.merge(Health(**{**extra["health"], "sum_x": np.asarray(extra["health"]["sum_x"])}))
        truncated += extra["truncated_texts"]
        found += extra.get("suspects", [])
        calibration = extra.get("calibration", calibration)
    return {
        "fvu": merged.fvu,
        "l0": merged.l0,
        "n_tokens": merged.n_tokens,
        "truncated_texts": truncated,
        "suspects": found,
        "calibration": calibration,
    }
