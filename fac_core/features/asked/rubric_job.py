"""Job kind *judge*: a model rates features against the task's rubric, shard by shard of some tens.

Input: `span` (feature_id, explanation_id, explanation, text), the spans of each feature together; spec: space_id, task,
rubric_version, terms (of asking). A feature whose call came to nothing is in no shard's table and counted. The rubric
is that of the plan: if it was changed since, the job says so rather than rate against another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError
from fac_core.features.asked.asking_job import Round, Stopped, parts, totals
from fac_core.features.asked.rubric import VERSION, Subject, rating_question, read_rating
from fac_core.llm.spending import take_in
from fac_core.llm.terms import Terms, make_asker
from fac_core.store import relevance as store
from fac_core.store.activations import carry_profiles
from fac_core.tasks import load_task
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.jobs.folder import JobFolder
    from fac_core.llm.asking import Asker

RATING = "rating"


def run(job: JobFolder) -> dict[str, Any]:
    """Worker side: rate the features with the endpoint of the spec.

    Raises:
        InputError: the address or the key cannot be used, or the rubric is another one now.
        EndpointError: the endpoint cannot be used; what was answered is kept.
    """
    return work(job, make_asker(job, Terms.from_spec(job.spec["terms"])))


def work(job: JobFolder, asker: Asker) -> dict[str, Any]:
    """Rate what no shard is of yet; returns counts of ratings and outcomes."""
    task = load_task(str(job.spec["task"]))
    if task.rubric_version != job.spec["rubric_version"]:
        raise InputError(f"The rubric of {task.title} was changed since this job was started; start a new one.")
    subjects = from_table(job.input("span"))
    asking, committed = Round(job, asker, len(subjects)), job.shards()
    for name, part in parts(subjects):
        if name in committed:
            asking.done += len(part)
            continue
        try:
            answers = asking.ask([rating_question(task, each) for each in part], "Judging")
        except Stopped:
            return {}
        read = ((each, answers.get(f"judge/{each.feature_id}")) for each in part)
        found = [(each, said) for each, answer in read if answer and (said := read_rating(answer)) is not None]
        ratings = Counter(rating for _, (rating, _) in found)
        job.commit_shard(name, {RATING: _table(found, job.spec)}, {"ratings": ratings, **asking.told()})
        if job.cancelled():
            return {}
    return {"n_features": len(subjects), **totals(job)}


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Owner side: note the ratings beside earlier ones; what is relevant may change with them."""
    store.add_ratings(cursor, spec["space_id"], tables[RATING])
    carry_profiles(cursor)


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Owner side, after the last shard: what the calls cost goes into the ledger."""
    take_in(ws, job_id)


def stopped(ws: Workspace, job_id: str, spec: dict[str, Any]) -> None:
    """Owner side, when the job goes no further, for now or for good: the same."""
    take_in(ws, job_id)


def to_table(subjects: Sequence[Subject]) -> pa.Table:
    """The job's input."""
    import pyarrow as pa

    rows = [(*each[:3], span) for each in subjects for span in each.spans]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return pa.table(
        {
            "feature_id": pa.array(columns[0], pa.int32()),
            "explanation_id": pa.array(columns[1], pa.int64()),
            "explanation": pa.array(columns[2], pa.string()),
            "text": pa.array(columns[3], pa.string()),
        }
    )


def from_table(table: pa.Table) -> list[Subject]:
    """Inverse of `to_table`."""
    found = []
    for feature_id, rows in groupby(table.to_pylist(), lambda row: int(row["feature_id"])):
        group = list(rows)
        spans = tuple(row["text"] for row in group)
        found.append(Subject(feature_id, group[0]["explanation_id"], group[0]["explanation"], spans))
    return found


def _table(found: Sequence[tuple[Subject, tuple[str, str]]], spec: dict[str, Any]) -> pa.Table:
    import pyarrow as pa

    n = len(found)
    return pa.table(
        {
            "feature_id": pa.array([each.feature_id for each, _ in found], pa.int32()),
            "rating": pa.array([rating for _, (rating, _) in found], pa.string()),
            "reason": pa.array([analysis for _, (_, analysis) in found], pa.string()),
            "rubric_version": pa.array([spec["rubric_version"]] * n, pa.string()),
            "prompt_version": pa.array([VERSION] * n, pa.string()),
            "model": pa.array([spec["terms"]["model"]] * n, pa.string()),
            "explanation_id": pa.array([each.explanation_id for each, _ in found], pa.int64()),
            "created_at": pa.array([now()] * n, pa.timestamp("us")),
        }
    )
