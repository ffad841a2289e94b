"""Job kind *extract*: each shard of texts is read once, and a job killed anywhere goes on with the next shard.

Input `input` (content_id, text). A shard holds `content_read` and `activation` for its texts; its journal entry carries
the sums from which the health card follows. With ``again`` in the spec the texts were read before: the shard takes the
place of what is stored of them, and is compared with it as it was when the job began (input `before`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fac_core.feature_space.extraction import activation_tables, contents_of, start_extraction
from fac_core.feature_space.extractor import Extractor, Health, load_extractor
from fac_core.feature_space.rereading import Before, Difference
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.suspects import suspects
from fac_core.jobs.folder import JobFolder
from fac_core.jobs.kinds import follow_up
from fac_core.store.activations import (
    count_unread,
    insert_activations,
    rebuild_by_feature,
    replace_activations,
    update_profiles,
)
from fac_core.store.database import bump_data_version, set_meta
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def run(job: JobFolder) -> dict[str, Any]:
    """Read the job's texts shard by shard; returns {"health": {fvu, l0, n_tokens, truncated_texts, suspects}}
    and, after reading again, {"again": {n_texts, n_changed, largest}}."""
    texts, size = job.input(), int(job.spec["shard_size"])
    total = texts.num_rows
    committed = job.shards()
    waiting = [begin for begin in range(0, total, size) if _name(begin) not in committed]
    if waiting:
        job.progress(_read_so_far(total, size, waiting, 0), total, "Loading the model")
        extractor = load_extractor(SpaceSpec.from_json(job.spec["space"]))
        stored = Before(job.input("before")) if job.spec.get("again") else None
        for position, begin in enumerate(waiting):
            before = _read_so_far(total, size, waiting, position)
            if not _read_shard(job, extractor, texts.slice(begin, size), _name(begin), before, total, stored):
                return {}
    job.progress(total, total, "Storing")
    return {"health": _health(job)} | ({"again": _difference(job)._asdict()} if job.spec.get("again") else {})


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
        start_extraction(ws, space_id, int(spec["shard_size"]), after=job_id)
    else:
        follow_up("extract", ws, space_id)


def _read_shard(
    job: JobFolder,
    extractor: Extractor,
    texts: pa.Table,
    name: str,
    before: int,
    total: int,
    stored: Before | None,
) -> bool:
    """Read and commit one shard; False if the job was cancelled meanwhile."""
    ids = texts["content_id"].to_pylist()
    extractor.health = Health()
    read = []
    contents = contents_of(texts)
    for number, item in enumerate(extractor.read(contents)):
        if job.cancelled():
            return False
        read.append(item)
        job.progress(before + number, total, "Reading")
    read.sort(key=lambda item: item[0])
    tables = activation_tables((ids[index], found) for index, found in read)
    truncated = sum(found.n_truncated > 0 for _, found in read)
    extra: dict[str, Any] = {"health": _sums(extractor.health), "truncated_texts": truncated}
    if name == _name(0) and "declared" in job.spec:  # a job of an earlier version is not told
        job.progress(before + len(ids), total, "Checking the SAE")
        found = suspects(extractor, contents, job.spec["declared"])
        extra["suspects"] = [each._asdict() for each in found]
    if stored is not None:
        extra["again"] = stored.difference(ids, tables["activation"])._asdict()
    job.commit_shard(name, tables, extra)
    return True


def _difference(job: JobFolder) -> Difference:
    total = Difference()
    for shard in job.shards().values():
        total = total.plus(Difference(**shard["extra"]["again"]))
    return total


def _name(begin: int) -> str:
    return f"texts-{begin:09d}"


def _read_so_far(total: int, size: int, waiting: list[int], position: int) -> int:
    """Texts in shards that are committed when `position` of the waiting ones are done."""
    return total - sum(min(size, total - begin) for begin in waiting[position:])


def _sums(health: Health) -> dict[str, Any]:
    return {
        "n_tokens": health.n_tokens,
        "n_active": health.n_active,
        "sq_error": health.sq_error,
        "sum_sq": health.sum_sq,
        "sum_x": health.sum_x.tolist(),
    }


def _health(job: JobFolder) -> dict[str, Any]:
    merged, truncated, found = Health(), 0, []
    for shard in job.shards().values():
        extra = shard["extra"]
        merged.merge(Health(**{**extra["health"], "sum_x": np.asarray(extra["health"]["sum_x"])}))
        truncated += extra["truncated_texts"]
        found += extra.get("suspects", [])
    return {
        "fvu": merged.fvu,
        "l0": merged.l0,
        "n_tokens": merged.n_tokens,
        "truncated_texts": truncated,
        "suspects": found,
    }
