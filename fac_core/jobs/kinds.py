"""A kind of job is one module, found by name at run time, so this room imports nothing above it.

A folder never names code: it names a kind, and only the kinds listed here exist.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, cast

from fac_core.errors import InputError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.jobs.folder import JobFolder
    from fac_core.workspace import Workspace

KINDS: dict[str, str] = {
    "extract": "fac_core.feature_space.extraction_job",
    "read_pool": "fac_core.feature_space.pool_job",
    "describe": "fac_core.features.describe_job",
    "explain": "fac_core.features.asked.explain_job",
    "detect": "fac_core.features.asked.detect_job",
    "judge": "fac_core.features.asked.rubric_job",
    "synthesise": "fac_core.synthesis.synthesis_job",
    "map": "fac_core.features.map_job",
    "score": "fac_core.features.score_job",
    "index_texts": "fac_core.features.index_job",
    "train_sae": "fac_core.feature_space.training.job",
    "compare_saes": "fac_core.feature_space.comparing_job",
}
# what is called, as f(ws, subject), when a job of a kind has been finalised: what its own room must not import
FOLLOW_UPS: dict[str, str] = {
    "extract": "fac_core.features.refresh:refresh",
    "describe": "fac_core.features.score_job:follow",
    "explain": "fac_core.features.score_job:follow",
}
IN_BACKGROUND = frozenset({"score"})
"""Kinds that nobody waits for: their workers yield to every other, and a command that settles what it began goes on
without them."""


class Kind(Protocol):
    """What a kind's module provides."""

    def run(self, job: JobFolder) -> dict[str, Any]:
        """Worker side: from folder to folder. Skips shards that are committed, asks `job.cancelled()` between steps
        (and returns when it is), reports `job.progress`, commits shards; returns the result as JSON values."""

    def ingest(
        self,
        cursor: duckdb.DuckDBPyConnection,
        job_id: str,
        spec: dict[str, Any],
        shard_name: str,
        tables: dict[str, pa.Table],
    ) -> None:
        """Owner side, inside one transaction with the note that this shard is stored: put a shard's rows into the
        store."""

    def finalise(self, ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
        """Owner side, after the last shard: derived tables, follow-up jobs. May run again after a crash."""


def kind_module(kind: str) -> Kind:
    """The module of a kind.

    Raises:
        InputError: no such kind.
    """
    if kind not in KINDS:
        raise InputError(f"There is no kind of job called {kind!r}.")
    return cast(Kind, importlib.import_module(KINDS[kind]))


def stopped(kind: str, ws: Workspace, job_id: str, spec: dict[str, Any]) -> None:
    """Let a kind with a function of this name make what it can of the shards of a job that did not complete."""
    if (settle := getattr(kind_module(kind), "stopped", None)) is not None:
        settle(ws, job_id, spec)


def follow_up(kind: str, ws: Workspace, subject: str) -> None:
    """Let what comes next go on after a job, if anything does; `subject` is what the job was about."""
    if kind in FOLLOW_UPS:
        module, _, function = FOLLOW_UPS[kind].partition(":")
        getattr(importlib.import_module(module), function)(ws, subject)
