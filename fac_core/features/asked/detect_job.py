"""Job kind *detect*: explanations judged on documents that no explainer saw, some tens of them a shard.

Inputs: tables of `detect_tables.to_tables`; spec: space_id, space (for fuzzing, which reads the texts token by token),
seed, per_band, reading (its state), fuzz, terms (of asking).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fac_core.content import Content
from fac_core.features.asked import fuzzing
from fac_core.features.asked.asking_job import Round, Stopped, parts, totals
from fac_core.features.asked.detect_tables import Asked, detection, from_tables, scores_from_tables, scores_to_tables
from fac_core.features.asked.fuzzing import Tokens
from fac_core.features.asked.judging import Trial, judged, n_calls, questions, version
from fac_core.features.asked.report import score_of
from fac_core.llm.spending import take_in
from fac_core.llm.terms import Terms, make_asker
from fac_core.store import explanations as store
from fac_core.store.explanations import FUZZING
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.jobs.folder import JobFolder
    from fac_core.llm.asking import Asker

Read = Callable[[int, int, Content], Tokens]
"""(feature, content_id, content) → its tokens with the feature's activations."""


def run(job: JobFolder) -> dict[str, Any]:
    """Worker side: judge the explanations with the endpoint of the spec.

    Raises:
        InputError: the address or the key cannot be used.
        EndpointError: the endpoint cannot be used; what was answered is kept.
        ModelError: fuzzing was asked for, and model or SAE are not there.
    """
    return work(job, make_asker(job, Terms.from_spec(job.spec["terms"])), _reader(job) if job.spec["fuzz"] else None)


def work(job: JobFolder, asker: Asker, read: Read | None) -> dict[str, Any]:
    """Judge what no shard is of yet; without `read` nothing is fuzzed. Returns counts of outcomes."""
    asked, items, firing = from_tables(job.input("asked"), job.input("document"))
    calls = {each.explanation_id: _calls(each, items, firing, fuzz=read is not None) for each in asked}
    asking, committed = Round(job, asker, sum(calls.values())), job.shards()
    seed, judge = int(job.spec["seed"]), str(job.spec["terms"]["model"])
    for name, part in parts(asked):
        expected = asking.done + sum(calls[each.explanation_id] for each in part)
        if name not in committed:
            trials = [detection(each, items[each.feature_id]) for each in part]
            if read is not None:
                asking.report("Reading texts")
                trials += [_fuzzed(each, firing[each.feature_id], read, seed) for each in part]
            try:
                asked_now = [question for trial in trials for question in questions(trial, seed)]
                answers = asking.ask(asked_now, "Judging").values()
            except Stopped:
                return {}
            scores = [
                score_of(
                    trial,
                    judged(trial, answers, seed),
                    judge=judge,
                    version=version(trial.protocol, seed, int(job.spec["per_band"]), str(job.spec["reading"])),
                    at=now(),
                )
                for trial in trials
            ]
            # one without a value would stand before an earlier one that has it
            told = [each for each in scores if each[0].value is not None]
            scored = Counter(score.protocol for score, _ in told)
            job.commit_shard(name, scores_to_tables(told), {"scored": scored, **asking.told()})
            if job.cancelled():
                return {}
        asking.done = expected
    return {"n_explanations": len(asked), **totals(job)}


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Owner side: note the scores and the documents they are of."""
    for score, items in scores_from_tables(tables):
        store.add_score(cursor, spec["space_id"], score, items)


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Owner side, after the last shard: what the calls cost goes into the ledger."""
    take_in(ws, job_id)


def stopped(ws: Workspace, job_id: str, spec: dict[str, Any]) -> None:
    """Owner side, when the job goes no further, for now or for good: the same."""
    take_in(ws, job_id)


def _calls(asked: Asked, items: dict[int, Any], firing: dict[int, Any], *, fuzz: bool) -> int:
    return n_calls(len(items[asked.feature_id])) + (n_calls(len(firing.get(asked.feature_id, ()))) if fuzz else 0)


def _fuzzed(asked: Asked, firing: Sequence[tuple[int, Content]], read: Read, seed: int) -> Trial:
    texts = [read(asked.feature_id, content_id, content) for content_id, content in firing]
    return Trial(
        FUZZING,
        asked.explanation_id,
        asked.feature_id,
        asked.text,
        tuple(fuzzing.items(texts, seed, asked.feature_id)),
    )


def _reader(job: JobFolder) -> Read:
    from fac_core.feature_space.extractor import load_extractor
    from fac_core.feature_space.space import SpaceSpec

    job.progress(0, 1, "Loading the model")
    extractor = load_extractor(SpaceSpec.from_json(job.spec["space"]))

    def read(feature_id: int, content_id: int, content: Content) -> Tokens:
        found = extractor.read_tokens(content)
        ranges = found.tokens.offsets
        values = np.array(found.of_feature(feature_id), np.float32)[: len(ranges)]
        return Tokens(content_id, content, ranges, values)

    return read
