"""A run is a job of one shard per feature and step: killed anywhere, it goes on with the shard that was being written.

The worker loads one model and shares it between writing and scoring. A feature is finished before the next one begins,
so a run that is stopped early has closed some features rather than begun all.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from fac_core.content import Content
from fac_core.feature_space.extractor import load_extractor
from fac_core.llm.desk import Stopped, open_desk
from fac_core.llm.spending import take_in
from fac_core.store import synthesis as store
from fac_core.store.activations import insert_activations
from fac_core.store.datasets import add_contents
from fac_core.synthesis.assign import Contender, assign
from fac_core.synthesis.find import POOL
from fac_core.synthesis.generator import Generator
from fac_core.synthesis.outcomes import SCORED
from fac_core.synthesis.pair import Pair, choose_pair
from fac_core.synthesis.plan import STEPS, Plan
from fac_core.synthesis.scoring import Scorer
from fac_core.synthesis.targets import Target
from fac_core.synthesis.writing import Writer, scored_samples
from fac_core.workspace import now

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.feature_space.extractor import Extractor
    from fac_core.jobs.folder import JobFolder
    from fac_core.workspace import Workspace

Tables = dict[str, "pa.Table"]
UNLIKELY = -10.0
"""Fluency of a text whose fluency is not known."""


def run(job: JobFolder) -> dict[str, Any]:
    """Worker side: write and score candidates for every target of the plan.

    Raises:
        EndpointError: the endpoint cannot be used; what was written is kept.
        ModelError: model or SAE are not there.
    """
    plan = Plan.read(job)
    job.progress(0, _total(plan), "Loading the model")
    extractor = load_extractor(plan.space)
    return work(job, plan, extractor, make_generator(job, plan, extractor))


def work(job: JobFolder, plan: Plan, extractor: Extractor, generator: Generator) -> dict[str, Any]:
    """Do what is left of a plan with a given generator."""
    writer, scorer = Writer(plan, generator), Scorer(plan, extractor)
    committed = job.shards()
    for shard in committed.values():
        writer.remember(job.shard_tables(shard)["content"])
    done, total, n_written, began = 0, _total(plan), 0, time.monotonic()
    for target in plan.targets:
        pair: Pair | None = None
        for step in (step for step in STEPS if plan.n_of(step)):
            name = f"f{target.feature_id}-s{step}"
            if name in committed:
                tables = job.shard_tables(committed[name])
            elif job.cancelled():
                return {}
            else:
                report = partial(_report, job, done, total, f"{_shown(target)}, step {step}")
                report(0)
                try:
                    written = writer.write(target, step, pair, report)
                except Stopped:
                    return {}
                tables = scorer.tables(target, step, written)
                job.commit_shard(name, tables, _counts(tables))
                n_written += plan.n_of(step)
            if step == 1:
                pair = choose_pair(scored_samples(tables["candidate"]), target, plan.delta)
            done += plan.n_of(step)
    job.progress(done, total)
    timing = {"seconds": time.monotonic() - began, "written_now": n_written, "generator": plan.settings.generator}
    return {**_sums(job), **timing}


def make_generator(job: JobFolder, plan: Plan, extractor: Extractor) -> Generator:
    """The generator a plan asks for; the key of an endpoint is looked up here, in the worker."""
    from fac_core.synthesis.hosted import HostedGenerator
    from fac_core.synthesis.local import LocalGenerator

    if plan.settings.generator == "openai":
        # another run that asks the same wants other samples, so only this run's own replies are used again
        return HostedGenerator(open_desk(job, plan.terms, job.cancelled, earlier=False))
    return LocalGenerator(extractor)


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: Tables
) -> None:
    """Owner side: store one feature's step, and rank its own hits so that review can begin."""
    if not store.has_run(cursor, spec["run_id"]):
        return
    content, candidate = tables["content"], tables["candidate"]
    hashes = content["content_hash"].to_pylist()
    said = zip(content["text"].to_pylist(), content["turns"].to_pylist(), strict=True)
    ids = add_contents(cursor, dict(zip(hashes, (Content.stored(*one) for one in said), strict=True)))
    own_id = {number: ids[name] for number, name in zip(content["content_id"].to_pylist(), hashes, strict=True)}
    insert_activations(
        cursor, spec["space_id"], _with_ids(tables["content_read"], own_id), _with_ids(tables["activation"], own_id)
    )
    of_candidate = {name: ids[key] for name, key in zip(content["candidate_id"].to_pylist(), hashes, strict=True)}
    store.insert_candidates(cursor, spec["run_id"], candidate, of_candidate, now())
    for feature in sorted(set(candidate["target_feature"].to_pylist())):
        _place(cursor, spec["run_id"], feature)


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Owner side, after the last shard: let candidates serve targets that are still open."""
    stopped(ws, job_id, spec)


def stopped(ws: Workspace, job_id: str, spec: dict[str, Any]) -> None:
    """Owner side, when the run goes no further, for now or for good: the same with the candidates there are."""
    take_in(ws, job_id)
    with ws.database.transaction() as cursor:
        _place(cursor, spec["run_id"], None)


def _place(cursor: duckdb.DuckDBPyConnection, run_id: str, feature_id: int | None) -> None:
    """Assign and rank a run's candidates: all of them, or one feature's among themselves.

    Real samples keep the places they were found for, and what they fire is not open any more.
    """
    import pyarrow as pa

    firing = store.target_firings(cursor, run_id, feature_id)
    rows = [row for row in store.candidates_of(cursor, run_id) if row.outcome in SCORED]
    found = {feature for row in rows if row.origin == POOL for feature in firing.get(row.content_id or -1, ())}
    contenders = []
    for row in rows:
        values = {
            feature: value
            for feature, value in firing.get(row.content_id or -1, {}).items()
            if feature == row.target_feature or (feature_id is None and feature not in found)
        }
        if values and row.origin != POOL and feature_id in {None, row.target_feature}:
            contenders.append(Contender(row.candidate_id, row.target_feature, values, row.fluency or UNLIKELY))
    places = assign(contenders, store.top_values(cursor, run_id))
    table = pa.table(
        {
            "candidate_id": pa.array(list(places), pa.string()),
            "feature_id": pa.array([place.feature_id for place in places.values()], pa.int32()),
            "rank": pa.array([place.rank for place in places.values()], pa.int32()),
        }
    )
    store.set_places(cursor, run_id, table, feature_id)


def _with_ids(table: pa.Table, own_id: dict[int, int]) -> pa.Table:
    """A table of a shard with the store's content ids."""
    import pyarrow as pa

    ids = pa.array([own_id[number] for number in table["content_id"].to_pylist()], pa.int64())
    return table.set_column(table.schema.get_field_index("content_id"), "content_id", ids)


def _report(job: JobFolder, done: int, total: int, message: str, n: int) -> None:
    job.progress(done + n, total, message)


def _total(plan: Plan) -> int:
    return len(plan.targets) * plan.settings.per_feature


def _shown(target: Target) -> str:
    return f"Feature {target.feature_id}" + (f" ({target.name[:60]})" if target.name else "")


def _counts(tables: Tables) -> dict[str, Any]:
    """What a shard adds to the run's sums; outcomes are none of them, since placing turns misses into hits later."""
    usage = [json.loads(generation) for generation in tables["candidate"]["generation"].to_pylist()]
    sums = {
        name: sum(int(one.get(name, 0)) / max(1, int(one["n_items"])) for one in usage)
        for name in ("calls", "tokens_in", "tokens_out")
    }
    return {"n": len(usage), **sums}


def _sums(job: JobFolder) -> dict[str, Any]:
    """Sums over all shards of the run."""
    extras = [shard["extra"] for shard in job.shards().values()]
    return {name: round(sum(extra[name] for extra in extras)) for name in ("n", "calls", "tokens_in", "tokens_out")}
