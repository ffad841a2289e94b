"""Job kind *explain*: what a model says of features, shard by shard of some tens, and how far the spans bear it out.

Input: `span` (feature_id, content_id, text), the spans of each feature together; spec: space_id, terms (of asking).
A feature whose explainer's call came to nothing is in no shard's table and counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from fac_core.features.asked.asking_job import Round, Stopped, parts, totals
from fac_core.features.asked.explaining import (
    VERSION,
    Explained,
    Shown,
    explain_question,
    read_explanation,
    read_verdict,
    verify_question,
)
from fac_core.features.asked.outcomes import NOT_VERIFIED
from fac_core.jobs.kinds import follow_up
from fac_core.llm.spending import take_in
from fac_core.llm.terms import Terms, make_asker
from fac_core.store import explanations as store
from fac_core.store.explanations import CANNOT_TELL
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.jobs.folder import JobFolder
    from fac_core.llm.asking import Asker

EXPLANATION = "explanation"


def run(job: JobFolder) -> dict[str, Any]:
    """Worker side: explain the features with the endpoint of the spec.

    Raises:
        InputError: the address or the key cannot be used.
        EndpointError: the endpoint cannot be used; what was answered is kept.
    """
    return work(job, make_asker(job, Terms.from_spec(job.spec["terms"])))


def work(job: JobFolder, asker: Asker) -> dict[str, Any]:
    """Explain what no shard is of yet; returns counts of verdicts and outcomes."""
    shown = from_table(job.input("span"))
    asking, committed = Round(job, asker, 2 * len(shown)), job.shards()
    for name, part in parts(shown):
        if name in committed:
            asking.done += 2 * len(part)
            continue
        try:
            found = _explain(asking, part)
        except Stopped:
            return {}
        verdicts = Counter(each.verdict or NOT_VERIFIED for each in found)
        job.commit_shard(
            name,
            {EXPLANATION: _table(found, part, str(job.spec["terms"]["model"]))},
            {"verdicts": verdicts, **asking.told()},
        )
        if job.cancelled():
            return {}
    return {"n_features": len(shown), **totals(job)}


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Owner side: note what was said, beside whatever was said before."""
    for row in tables[EXPLANATION].to_pylist():
        store.add_explanation(
            cursor,
            spec["space_id"],
            row["feature_id"],
            method=store.LLM,
            author=row["model"],
            text=row["text"],
            at=now(),
            model=row["model"],
            version=row["version"],
            verdict=row["verdict"],
            detail={**json.loads(row["detail"]), "job": job_id},
        )


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Owner side, after the last shard: what the calls cost goes into the ledger, and what was said is scored."""
    take_in(ws, job_id)
    follow_up("explain", ws, spec["space_id"])


def stopped(ws: Workspace, job_id: str, spec: dict[str, Any]) -> None:
    """Owner side, when the job goes no further, for now or for good: the same for what has come in."""
    take_in(ws, job_id)
    follow_up("explain", ws, spec["space_id"])


def to_table(shown: Sequence[Shown]) -> pa.Table:
    """The job's input."""
    import pyarrow as pa

    rows = [
        (each.feature_id, content_id, span)
        for each in shown
        for content_id, span in zip(each.content_ids, each.spans, strict=True)
    ]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    return pa.table(
        {
            "feature_id": pa.array(columns[0], pa.int32()),
            "content_id": pa.array(columns[1], pa.int64()),
            "text": pa.array(columns[2], pa.string()),
        }
    )


def from_table(table: pa.Table) -> list[Shown]:
    """Inverse of `to_table`."""
    found = []
    for feature_id, rows in groupby(table.to_pylist(), lambda row: int(row["feature_id"])):
        group = list(rows)
        found.append(Shown(feature_id, tuple(row["text"] for row in group), tuple(row["content_id"] for row in group)))
    return found


def _explain(asking: Round, part: Sequence[Shown]) -> list[Explained]:
    answers = asking.ask([explain_question(shown) for shown in part], "Explaining")
    texts = {}
    for shown in part:
        answer = answers.get(f"explain/{shown.feature_id}")
        if answer is not None and (text := read_explanation(answer)) is not None:
            texts[shown.feature_id] = (text, answer.request_hash)
    told = [shown for shown in part if texts.get(shown.feature_id, (CANNOT_TELL, ""))[0] != CANNOT_TELL]
    checks = asking.ask([verify_question(shown, texts[shown.feature_id][0]) for shown in told], "Verifying")
    asking.done += len(part) - len(told)
    found = []
    for feature_id, (text, request_hash) in texts.items():
        check = checks.get(f"verify/{feature_id}")
        verdict, reason = read_verdict(check) if check is not None else (None, "")
        found.append(Explained(feature_id, text, CANNOT_TELL if text == CANNOT_TELL else verdict, reason, request_hash))
    return found


def _table(found: Sequence[Explained], part: Sequence[Shown], model: str) -> pa.Table:
    import pyarrow as pa

    shown = {each.feature_id: each for each in part}
    detail = [
        {
            "documents": list(shown[each.feature_id].content_ids),
            "reason": each.reason,
            "request": each.request_hash,
        }
        for each in found
    ]
    return pa.table(
        {
            "feature_id": pa.array([each.feature_id for each in found], pa.int32()),
            "text": pa.array([each.text for each in found], pa.string()),
            "verdict": pa.array([each.verdict for each in found], pa.string()),
            "model": pa.array([model] * len(found), pa.string()),
            "version": pa.array([VERSION] * len(found), pa.string()),
            "detail": pa.array([json.dumps(each) for each in detail], pa.string()),
        }
    )
