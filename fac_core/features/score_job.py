"""Job kind *score*: explanations judged on held-out documents by an encoder, a few thousand to a shard.

Scoring follows by itself when features were described or explained, behind everything that a person waits for.
Inputs are `HeldOutTables` and `explanation` (explanation_id, feature_id, text, listed); spec: space_id, delta, version,
newest (explanation), anew.
The documents themselves are kept for features of the work list; for others they are scored again when a person asks,
with the same result, since 100 documents for each of 65,536 features would be 6.5 million rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fac_core.errors import InputError
from fac_core.feature_space.spaces import delta
from fac_core.features import description, held_out
from fac_core.features.encoder import SENTENCES, TF_IDF, is_installed
from fac_core.features.held_out import HeldOut, HeldOutTables, Scored
from fac_core.features.kept import Kept
from fac_core.features.relevance import check_feature
from fac_core.features.scoring import Result
from fac_core.jobs import owner
from fac_core.jobs.folder import JobFolder
from fac_core.jobs.owner import Job
from fac_core.store import explanations as store
from fac_core.store.explanations import EMBEDDING, INTRUDER, OF_FEATURE, Score, ScoreItem
from fac_core.store.features import KEYWORDS
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

KIND = "score"
A_SHARD = 2048
_LOOKED_AT = 50
"""Newest jobs among which the last of this kind is looked for."""
_kept: Kept[HeldOut] = Kept(1)


def judge() -> str:
    """The encoder that judges here."""
    return SENTENCES if is_installed() else TF_IDF


def unscored(ws: Workspace, space_id: str) -> pa.Table:
    """Explanations in force that were not scored on the data as they are: (explanation_id, feature_id, text, listed).

    Raises:
        InputError: the project does not know the space.
    """
    by = (EMBEDDING, judge(), held_out.versions(ws, space_id).encoder)
    return store.current_explanations(ws.database, space_id, by)


def start_scoring(ws: Workspace, space_id: str, anew: bool = False) -> str | None:
    """Score what is not scored yet, or with `anew` everything, in a job; returns its id, None if there is nothing.

    What is under way is not begun twice: its id is returned, and it looks again when it ends. Where names were made of
    what is scored on now, the features are described anew first: the id is that job's, and scores follow it.

    Raises:
        InputError: the project does not know the space.
        StoreError: the job folder cannot be written.
    """
    with owner.turn(ws):
        active = [job for job in _jobs(ws, space_id) if job.active and job.state != "cancelling"]
        if active and not anew:
            return active[0].job_id
        if not description.keeps_apart(ws, space_id):
            return description.start(ws, space_id)
        waiting = store.current_explanations(ws.database, space_id) if anew else unscored(ws, space_id)
        return _start(ws, space_id, waiting, anew)


def follow(ws: Workspace, space_id: str, after: str | None = None) -> str | None:
    """Score what is not scored yet, as the next step `after` a job; returns the job's id, None if nothing is started.

    What a person stopped, or what came to nothing, is not begun again before there is something new to score.

    Raises:
        InputError: the project does not know the space.
        StoreError: the job folder cannot be written.
    """
    with owner.turn(ws):
        mine = [job for job in _jobs(ws, space_id) if job.job_id != after]
        if any(job.active for job in mine):
            return None
        if mine and mine[0].resumable and mine[0].spec == _spec(ws, space_id, anew=False):
            return None
        if not description.keeps_apart(ws, space_id):
            return description.start(ws, space_id)
        return _start(ws, space_id, unscored(ws, space_id), anew=False)


def _jobs(ws: Workspace, space_id: str) -> list[Job]:
    """Those of this kind among the newest, the newest first."""
    return [job for job in owner.jobs(ws, _LOOKED_AT) if job.kind == KIND and job.spec["space_id"] == space_id]


def _start(ws: Workspace, space_id: str, waiting: pa.Table, anew: bool) -> str | None:
    if not waiting.num_rows:
        return None
    given = held_out.tables(ws, space_id)
    if not given.held_out.num_rows:
        return None
    spec = _spec(ws, space_id, anew)
    return owner.start(ws, KIND, "Score the explanations", spec, {**given._asdict(), "explanation": waiting})


def _spec(ws: Workspace, space_id: str, anew: bool) -> dict[str, Any]:
    """Of a job; equal ones would score the same explanations on the same documents."""
    return {
        "space_id": space_id,
        "delta": delta(ws, space_id),
        "version": held_out.versions(ws, space_id).encoder,
        "newest": store.newest_explanation(ws.database, space_id),
        "anew": anew,
    }


def score_text(ws: Workspace, space_id: str, feature_id: int, explanation_id: int) -> int:
    """Score one explanation and keep its documents; returns the score's id.

    Raises:
        InputError: unknown space or feature, an explanation that is not this feature's, one that says nothing, or
            keywords from what is scored on now.
        ModelError: the encoder's wheel is damaged.
    """
    check_feature(ws, space_id, feature_id)
    row = store.explanation_row(ws.database, space_id, explanation_id)
    if row is None or row.feature_id != feature_id or not row.says_something:
        raise InputError(f"Feature {feature_id} has no explanation {explanation_id} that could be scored.")
    if row.method == KEYWORDS and not description.keeps_apart(ws, space_id):
        raise InputError(
            f"The keywords of feature {feature_id} were made from texts that scores are measured on now; score all "
            "explanations once, which makes the keywords anew."
        )
    version, at = held_out.versions(ws, space_id).encoder, delta(ws, space_id)
    scores = store.scores_of(ws.database, space_id, [feature_id])
    known = [score for score in scores if (score.judge, score.version) == (judge(), version)]
    for score in known:
        told = (score.explanation_id, score.protocol) == (explanation_id, EMBEDDING)
        if told and store.score_items(ws.database, score.score_id):
            return score.score_id
    bench = _kept.get(ws, space_id, (version,), lambda: HeldOut(held_out.tables(ws, space_id), at))
    (scored,) = bench.score([(feature_id, row.text)])
    name = bench.encoder.name
    with ws.database.transaction() as cursor:
        if scored.intruder is not None and all(score.explanation_id != OF_FEATURE for score in known):
            store.add_score(cursor, space_id, _score(OF_FEATURE, feature_id, INTRUDER, name, version, scored.intruder))
        score = _score(explanation_id, feature_id, EMBEDDING, name, version, scored.result)
        columns = (scored.content_ids, scored.fires, scored.said, scored.likeness)
        items = [ScoreItem(*each) for each in zip(*(column.tolist() for column in columns), strict=True)]
        return store.add_score(cursor, space_id, score, items)


def run(job: JobFolder) -> dict[str, Any]:
    """Score the explanations; returns {"n_explanations"}."""
    given = HeldOutTables(**{name: job.input(name) for name in HeldOutTables._fields})
    waiting = job.input("explanation")
    total = waiting.num_rows
    job.progress(0, total, "Reading the held-out documents")
    bench = HeldOut(given, float(job.spec["delta"]))
    done = set(job.shards())
    for number, begin in enumerate(range(0, total, A_SHARD)):
        if job.cancelled():
            return {}
        rows = waiting.slice(begin, A_SHARD).to_pylist()
        if (name := f"scores-{number:04d}") not in done:
            scored = bench.score([(row["feature_id"], row["text"]) for row in rows])
            job.commit_shard(name, _tables(rows, scored, bench.encoder.name, str(job.spec["version"])))
        job.progress(min(begin + A_SHARD, total), total, "Scoring")
    return {"n_explanations": total}


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Add a shard's scores to those that are there."""
    store.add_scores(cursor, spec["space_id"], tables["score"], tables["item"])


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Score what came in meanwhile."""
    follow(ws, spec["space_id"], after=job_id)


def _tables(rows: Sequence[dict[str, Any]], scored: Sequence[Scored], judge: str, version: str) -> dict[str, pa.Table]:
    import pyarrow as pa

    scores: list[Score] = []
    items: list[pa.Table] = [_item_schema().empty_table()]
    asked: set[int] = set()
    for row, found in zip(rows, scored, strict=True):
        feature = int(row["feature_id"])
        if feature not in asked and found.intruder is not None:
            scores.append(_score(OF_FEATURE, feature, INTRUDER, judge, version, found.intruder))
        asked.add(feature)
        if row["listed"]:
            place = np.full(len(found.fires), len(scores), np.int64)
            columns = (place, found.content_ids, found.fires, found.said, found.likeness)
            items.append(pa.table([pa.array(column) for column in columns], schema=_item_schema()))
        scores.append(_score(int(row["explanation_id"]), feature, EMBEDDING, judge, version, found.result))
    listed = [{**score._asdict(), "place": place} for place, score in enumerate(scores)]
    return {"score": pa.Table.from_pylist(listed, schema=_score_schema()), "item": pa.concat_tables(items)}


def _score(
    explanation_id: int, feature_id: int, protocol: str, judge: str, version: str, found: Result | None
) -> Score:
    if found is None:
        return Score(
            0, explanation_id, feature_id, protocol, judge, version, 0, 0, 0.0, 0.0, 0, None, None, None, now()
        )
    n, right = (found.n_firing, found.n_silent), (found.right_firing, found.right_silent)
    interval = (found.value, found.low, found.high)
    return Score(0, explanation_id, feature_id, protocol, judge, version, *n, *right, 0, *interval, now())


def _score_schema() -> pa.Schema:
    import pyarrow as pa

    ids = [("explanation_id", pa.int64()), ("feature_id", pa.int32())]
    words = [(name, pa.string()) for name in ("protocol", "judge", "version")]
    counts = [(name, pa.int32()) for name in ("n_firing", "n_silent", "n_unanswered")]
    values = [(name, pa.float64()) for name in ("right_firing", "right_silent", "value", "low", "high")]
    return pa.schema([*ids, *words, *counts, *values, ("created_at", pa.timestamp("us")), ("place", pa.int64())])


def _item_schema() -> pa.Schema:
    import pyarrow as pa

    flags = [(name, pa.bool_()) for name in ("fires", "said")]
    return pa.schema([("place", pa.int64()), ("content_id", pa.int64()), *flags, ("likeness", pa.float64())])
