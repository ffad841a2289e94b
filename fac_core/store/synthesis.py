"""A candidate's row is written once, by the shard it came in; only its place (assigned feature, rank) changes later.

Its content and activations are those of any text: read once per space, found again by content hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database

_CONTENT_OF_ROLE = (
    "SELECT s.content_id FROM sample s JOIN dataset d USING (dataset_id) WHERE d.role = ? AND d.deleted_at IS NULL"
)


def candidate_schema() -> pa.Schema:
    """Columns of a candidate that its maker brings; the others are its run's, derived, or set by assignment."""
    import pyarrow as pa

    return pa.schema(
        [
            ("candidate_id", pa.string()),
            ("target_feature", pa.int32()),
            ("step", pa.int16()),
            ("attempt", pa.int32()),
            ("origin", pa.string()),
            ("text", pa.string()),
            ("fields", pa.string()),
            ("label", pa.string()),
            ("outcome", pa.string()),
            ("target_value", pa.float64()),
            ("control_hit", pa.bool_()),
            ("prompt", pa.string()),
            ("generation", pa.string()),
            ("nearest_sample_id", pa.int64()),
            ("nearest_similarity", pa.float64()),
        ]
    )


class RunRow(NamedTuple):
    """A row of `synthesis_run`."""

    run_id: str
    space_id: str
    delta: float
    generator: str
    settings: dict[str, Any]
    targets: list[int]
    created_at: datetime


class ExampleRow(NamedTuple):
    """A text that activates a feature, as a sample."""

    feature_id: int
    fields: dict[str, str]
    text: str
    label: str | None
    value: float
    char_start: int
    char_end: int


class CandidateRow(NamedTuple):
    """What tables and summaries of a run need to know of a candidate."""

    candidate_id: str
    target_feature: int
    origin: str
    outcome: str
    text: str
    target_value: float | None
    control_hit: bool | None
    assigned_feature: int | None
    rank: int | None
    content_id: int | None
    fluency: float | None
    """Mean log-probability of its tokens; None if it was not scored."""


class PoolRow(NamedTuple):
    """A sample of the pool."""

    sample_id: int
    content_id: int
    fields: dict[str, str]
    label: str | None


def top_examples(
    database: Database, space_id: str, feature_ids: Sequence[int], role: str, limit: int
) -> list[ExampleRow]:
    """The texts of one role that activate each feature most, strongest first, each content once."""
    found = database.rows(
        "WITH held AS (SELECT s.content_id, min(s.sample_id) AS sample_id FROM sample s JOIN dataset d "
        "USING (dataset_id) WHERE d.role = ? AND d.deleted_at IS NULL GROUP BY s.content_id), "
        "best AS (SELECT a.*, h.sample_id FROM activation_by_feature a JOIN held h USING (content_id) "
        "WHERE a.space_id = ? AND a.feature_id IN (SELECT unnest(?::INTEGER[])) "
        "QUALIFY row_number() OVER (PARTITION BY a.feature_id ORDER BY a.value DESC, a.content_id) <= ?) "
        "SELECT b.feature_id, s.fields, c.text, s.label, b.value, b.char_start, b.char_end FROM best b "
        "JOIN sample s USING (sample_id) JOIN content c ON c.content_id = b.content_id "
        "ORDER BY b.feature_id, b.value DESC, b.content_id",
        [role, space_id, list(feature_ids), limit],
    )
    return [ExampleRow(int(row[0]), json.loads(row[1]), *row[2:]) for row in found]


def known_texts(database: Database, space_id: str) -> pa.Table:
    """Texts that a candidate must not repeat: seed and approved samples, and hits of earlier runs (sample_id NULL)."""
    return database.arrow(
        "SELECT min(s.sample_id) AS sample_id, any_value(c.text) AS text FROM sample s JOIN dataset d "
        "USING (dataset_id) JOIN content c USING (content_id) "
        "WHERE d.role IN ('seed', 'synthetic') AND d.deleted_at IS NULL GROUP BY s.content_id "
        "UNION ALL SELECT NULL, any_value(c.text) FROM candidate k JOIN content c USING (content_id) "
        "JOIN synthesis_run r USING (run_id) WHERE r.space_id = ? AND k.outcome = 'hit' GROUP BY k.content_id",
        [space_id],
    )


def insert_run(cursor: duckdb.DuckDBPyConnection, row: RunRow) -> None:
    """Note a run inside a transaction."""
    cursor.execute(
        "INSERT INTO synthesis_run (run_id, space_id, delta, generator, settings, targets, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [row.run_id, row.space_id, row.delta, row.generator, json.dumps(row.settings), row.targets, row.created_at],
    )


def has_run(cursor: duckdb.DuckDBPyConnection, run_id: str) -> bool:
    """Whether the store knows a run."""
    return bool(cursor.execute("SELECT 1 FROM synthesis_run WHERE run_id = ?", [run_id]).fetchall())


def run_rows(database: Database, run_id: str | None = None) -> list[RunRow]:
    """All runs, or one, newest first."""
    found = database.rows(
        "SELECT run_id, space_id, delta, generator, settings, targets, created_at FROM synthesis_run "
        "WHERE ?1 IS NULL OR run_id = ?1 ORDER BY created_at DESC, run_id DESC",
        [run_id],
    )
    return [
        RunRow(run_id, space_id, delta, generator, json.loads(settings), list(map(int, targets)), created_at)
        for run_id, space_id, delta, generator, settings, targets, created_at in found
    ]


def insert_candidates(
    cursor: duckdb.DuckDBPyConnection, run_id: str, candidates: pa.Table, content_of: Mapping[str, int], at: datetime
) -> None:
    """Store candidates (see `candidate_schema`) inside a transaction; `content_of` maps those that were scored."""
    import pyarrow as pa

    ids = pa.array([content_of.get(name) for name in candidates["candidate_id"].to_pylist()], pa.int64())
    cursor.register("incoming_candidate", candidates.append_column("content_id", ids))
    columns = ", ".join((*candidate_schema().names, "content_id"))
    cursor.execute(
        f"INSERT INTO candidate (run_id, created_at, {columns}) SELECT ?, ?, {columns} FROM incoming_candidate i "
        "WHERE NOT EXISTS (SELECT 1 FROM candidate c WHERE c.candidate_id = i.candidate_id)",
        [run_id, at],
    )
    cursor.unregister("incoming_candidate")


def candidates_of(cursor: duckdb.DuckDBPyConnection, run_id: str) -> list[CandidateRow]:
    """A run's candidates, in the order they were written."""
    found = cursor.execute(
        "SELECT candidate_id, target_feature, origin, outcome, text, target_value, control_hit, assigned_feature, "
        "rank, content_id, CAST(json_extract_string(generation, '$.fluency') AS DOUBLE) "
        "FROM candidate WHERE run_id = ? ORDER BY target_feature, step, attempt, candidate_id",
        [run_id],
    ).fetchall()
    return [CandidateRow(*row) for row in found]


def target_firings(
    cursor: duckdb.DuckDBPyConnection, run_id: str, feature_id: int | None = None
) -> dict[int, dict[int, float]]:
    """Activations above the run's δ of its targets in its candidates' contents: {content_id: {feature_id: value}}.

    With `feature_id` only candidates written for that feature count.
    """
    found = cursor.execute(
        "SELECT DISTINCT a.content_id, a.feature_id, a.value FROM candidate c JOIN synthesis_run r USING (run_id) "
        "JOIN activation a ON a.space_id = r.space_id AND a.content_id = c.content_id AND a.value > r.delta "
        "AND list_contains(r.targets, a.feature_id) WHERE c.run_id = ?1 AND (?2 IS NULL OR c.target_feature = ?2)",
        [run_id, feature_id],
    ).fetchall()
    firing: dict[int, dict[int, float]] = {}
    for content_id, feature, value in found:
        firing.setdefault(int(content_id), {})[int(feature)] = float(value)
    return firing


def top_values(cursor: duckdb.DuckDBPyConnection, run_id: str) -> dict[int, float]:
    """Highest activation of each target of a run in the anchor; targets that nothing there activates are left out."""
    found = cursor.execute(
        "SELECT a.feature_id, max(a.value) FROM synthesis_run r JOIN activation_by_feature a "
        "ON a.space_id = r.space_id AND list_contains(r.targets, a.feature_id) "
        f"WHERE r.run_id = ? AND a.content_id IN ({_CONTENT_OF_ROLE}) GROUP BY a.feature_id",
        [run_id, "anchor"],
    ).fetchall()
    return {int(feature): float(value) for feature, value in found}


def set_places(cursor: duckdb.DuckDBPyConnection, run_id: str, places: pa.Table, feature_id: int | None = None) -> None:
    """Give candidates (candidate_id, feature_id, rank) their places and take them from the run's others.

    A scored candidate with a place is a hit, one without is none. Candidates with a decision keep the feature they were
    decided for. With `feature_id` only candidates written for that feature are touched.
    """
    cursor.register("incoming_place", places)
    cursor.execute(
        "UPDATE candidate SET assigned_feature = p.feature_id, rank = p.rank, "
        "outcome = CASE WHEN p.feature_id IS NULL THEN 'no_activation' ELSE 'hit' END "
        "FROM (SELECT c.candidate_id, i.feature_id, i.rank FROM candidate c LEFT JOIN incoming_place i "
        "USING (candidate_id) WHERE c.run_id = ?1 AND (?2 IS NULL OR c.target_feature = ?2) "
        "AND c.outcome IN ('hit', 'no_activation') AND c.origin <> 'pool' "
        "AND NOT EXISTS (SELECT 1 FROM decision e WHERE e.candidate_id = c.candidate_id)) p "
        "WHERE candidate.candidate_id = p.candidate_id",
        [run_id, feature_id],
    )
    cursor.unregister("incoming_place")


def place_found(cursor: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Let each real sample of a run serve the feature it was found for, in the first place."""
    cursor.execute(
        "UPDATE candidate SET assigned_feature = target_feature, rank = 1 WHERE run_id = ? AND origin = 'pool'",
        [run_id],
    )


def best_values(database: Database, run_id: str) -> dict[int, tuple[float, str]]:
    """Each target's highest activation in any scored candidate of the run, and that candidate's text."""
    found = database.rows(
        "SELECT a.feature_id, max(a.value), arg_max(c.text, a.value) FROM candidate c JOIN synthesis_run r "
        "USING (run_id) JOIN activation a ON a.space_id = r.space_id AND a.content_id = c.content_id "
        "AND list_contains(r.targets, a.feature_id) WHERE c.run_id = ? AND c.outcome IN ('hit', 'no_activation') "
        "GROUP BY a.feature_id",
        [run_id],
    )
    return {int(feature): (float(value), str(text)) for feature, value, text in found}


def pool_rows(database: Database, sample_ids: Sequence[int]) -> dict[int, PoolRow]:
    """Samples by id."""
    found = database.rows(
        "SELECT sample_id, content_id, fields, label FROM sample WHERE sample_id IN (SELECT unnest(?::BIGINT[]))",
        [list(sample_ids)],
    )
    return {int(row[0]): PoolRow(row[0], row[1], json.loads(row[2]), row[3]) for row in found}


def pool_candidates(database: Database, space_id: str) -> list[tuple[str, int]]:
    """Pool samples that are candidates already: (candidate_id, content_id)."""
    found = database.rows(
        "SELECT c.candidate_id, c.content_id FROM candidate c JOIN synthesis_run r USING (run_id) "
        "WHERE r.space_id = ? AND c.origin = 'pool' ORDER BY c.candidate_id",
        [space_id],
    )
    return [(str(candidate_id), int(content_id)) for candidate_id, content_id in found]


def jobs_of_runs(database: Database) -> dict[str, tuple[str, str]]:
    """The newest job of each run: {run_id: (job_id, state)}."""
    found = database.rows(
        "SELECT json_extract_string(spec, '$.run_id') AS run_id, arg_max(job_id, created_at), "
        "arg_max(state, created_at) FROM job WHERE kind = 'synthesise' GROUP BY 1"
    )
    return {str(run_id): (str(job_id), str(state)) for run_id, job_id, state in found}


def finished_results(database: Database, limit: int = 5) -> list[dict[str, Any]]:
    """Results of the newest completed generation jobs."""
    found = database.rows(
        "SELECT result FROM job WHERE kind = 'synthesise' AND state = 'completed' AND result IS NOT NULL "
        "ORDER BY created_at DESC LIMIT ?",
        [limit],
    )
    return [json.loads(row[0]) for row in found]
