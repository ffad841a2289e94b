"""Job kind *read_pool*: a pool too large for rows is read part by part, and counts and top examples enter the store.

Input `parts`, one row for each part. Parts are committed in a job folder of their own inside this one, since they are
no rows of the store; when all are there, their sum is: shard `profile`, and shards of examples. Killed anywhere, the
job goes on with the parts that are missing, and the sum does not show in what order they came.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fac_core.feature_space.engines import Engine, Task, Work
from fac_core.feature_space.extraction_job import health_of
from fac_core.feature_space.pool_reader import PoolReader, put_floor
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.summary import Summary, Top, key_of
from fac_core.jobs.folder import JobFolder
from fac_core.jobs.kinds import follow_up
from fac_core.store import held
from fac_core.store.activations import rebuild_by_feature, rebuild_profiles
from fac_core.store.database import bump_data_version
from fac_core.store.datasets import DatasetRow, insert_dataset
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pyarrow as pa

PROFILE = "profile"
KEPT_BAD = 100
SHARD_TEXTS = 512


def run(job: JobFolder) -> dict[str, Any]:
    """Read the pool; returns {n_samples, n_bad, bad, health}."""
    parts = job.input("parts")
    sizes, parts = parts["n_texts"].to_pylist(), parts.drop_columns(["n_texts"])
    tasks = [Task(_name(i), partial(parts.slice, i, 1), size) for i, size in enumerate(sizes)]
    total = sum(task.n_texts for task in tasks)
    folder = JobFolder(job.work / "parts")
    folder.root.mkdir(exist_ok=True)
    spec, engine = job.spec, Engine.of(job.spec)
    summary = Summary(SpaceSpec.from_json(spec["space"]).d_sae, int(spec["n_examples"]))
    committed = folder.shards()
    for name, shard in committed.items():
        summary.add(_summary(folder, name, shard["extra"], summary))
    if waiting := [task for task in tasks if task.name not in committed]:
        reader = PoolReader(spec["space"], spec["task"], spec["mapping"], summary.n)
        work = Work(job, folder, reader, waiting, total)
        exchange = engine.exchange(work)
        put_floor(exchange, summary)
        for done in engine.read(work):
            folder.note_shard(done.name, done.rows, done.extra)
            summary.add(_summary(folder, done.name, done.extra, summary))
            put_floor(exchange, summary)
        if job.observed_cancel:
            return {}
    job.progress(total, total, "Putting it together")
    _commit(job, folder, summary)
    return _result(folder, summary)


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Hold the profile, or store a shard of examples; neither counts before the dataset is there."""
    space_id, dataset_id = spec["space_id"], spec["dataset"]["dataset_id"]
    if shard_name == PROFILE:
        held.replace_profile(cursor, space_id, dataset_id, tables["profile"])
    else:
        held.insert_examples(cursor, space_id, dataset_id, tables["text"], tables["activation"])


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Let the dataset count, and describe the features."""
    space_id, brought = spec["space_id"], spec["dataset"]
    with ws.database.transaction() as cursor:
        bump_data_version(cursor)
        if cursor.execute("SELECT 1 FROM dataset WHERE dataset_id = ?", [brought["dataset_id"]]).fetchone() is None:
            row = DatasetRow(
                **{**brought, "created_at": datetime.fromisoformat(brought["created_at"])},
                n_rows=result["n_samples"],
                n_quarantined=result["n_bad"],
                n_exact_duplicates=0,
                n_near_duplicates=0,
                deleted_at=None,
            )
            insert_dataset(cursor, row, held.no_samples(), held.bad_rows(result["bad"]))
            held.mark_profile_only(cursor, row.dataset_id)
        held.complete_profile(cursor, space_id, brought["dataset_id"], result["n_samples"])
        rebuild_by_feature(cursor, space_id)
        rebuild_profiles(cursor, space_id)
    shutil.rmtree(JobFolder(ws.jobs / job_id).work, ignore_errors=True)  # the parts
    follow_up("extract", ws, space_id)


def _name(number: int) -> str:
    return f"part-{number:07d}"


def _summary(folder: JobFolder, name: str, extra: dict[str, Any], like: Summary) -> Summary:
    """The summary of a part."""
    found = Summary(len(like.counts), like.n)
    profile, top = folder.shard_table(name, "profile"), folder.shard_table(name, "top")
    found.counts[profile["feature_id"].to_numpy(), profile["bin"].to_numpy()] = profile["n"].to_numpy()
    found.n_samples = int(extra["n_samples"])
    found.top = Top(*(top[column].to_numpy() for column in ("feature_id", "value", "key")))
    return found


def _commit(job: JobFolder, folder: JobFolder, summary: Summary) -> None:
    """The sum as shards of the job."""
    import pyarrow as pa

    feature, at = summary.counts.nonzero()
    columns = {"feature_id": feature.astype(np.int32), "bin": at.astype(np.int16), "n": summary.counts[feature, at]}
    job.commit_shard(PROFILE, {"profile": pa.table(columns)})
    for number, tables in enumerate(_examples(folder, set(summary.top.key.tolist()))):
        job.commit_shard(f"examples-{number:07d}", tables)


def _examples(folder: JobFolder, wanted: set[int]) -> Iterator[dict[str, pa.Table]]:
    """Texts of the sum's examples with all that fires in them, each from the first part that has it."""
    import pyarrow as pa

    shards, first_row = folder.shards(), 0
    for name in sorted(shards):
        text = folder.shard_table(name, "text")
        keys = [key_of(each) for each in text["content_hash"].to_pylist()]
        chosen = [place for place, key in enumerate(keys) if key in wanted]
        wanted.difference_update(keys[place] for place in chosen)
        activation = folder.shard_table(name, "activation") if chosen else None
        for begin in range(0, len(chosen), SHARD_TEXTS):
            assert activation is not None
            places = np.array(chosen[begin : begin + SHARD_TEXTS])
            texts = text.take(places)
            rows = pa.array(texts["row_number"].to_numpy() + first_row)
            texts = texts.set_column(texts.column_names.index("row_number"), "row_number", rows)
            of_text = activation["content_id"].to_numpy()
            mine = activation.take(np.flatnonzero(np.isin(of_text, places)))
            hashes = text["content_hash"].take(mine["content_id"])
            mine = mine.drop_columns(["content_id"]).add_column(0, "content_hash", hashes)
            yield {"text": texts, "activation": mine}
        first_row += int(shards[name]["extra"]["n_rows"])


def _result(folder: JobFolder, summary: Summary) -> dict[str, Any]:
    bad: list[dict[str, Any]] = []
    n_bad = first_row = 0
    shards = folder.shards()
    for name in sorted(shards):
        extra = shards[name]["extra"]
        n_bad += extra["n_bad"]
        if extra["n_bad"] and len(bad) < KEPT_BAD:
            rows = folder.shard_table(name, "bad").to_pylist()
            bad += [row | {"row_number": row["row_number"] + first_row} for row in rows]
        first_row += extra["n_rows"]
    health = health_of(folder)
    return {"n_samples": summary.n_samples, "n_bad": n_bad, "bad": bad[:KEPT_BAD], "health": health}
