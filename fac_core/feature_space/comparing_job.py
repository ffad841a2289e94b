"""Job kind *compare_saes*: two SAEs on the same texts; the figures are its result and nothing enters the store.

Input `input` (text, turns); spec has ``a`` and ``b``, see `comparing.Side`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError
from fac_core.feature_space.comparing import Comparison, Side, SideFigures, compare
from fac_core.feature_space.extraction import contents_of
from fac_core.feature_space.training.in_project import readable
from fac_core.jobs import owner
from fac_core.jobs.folder import JobFolder
from fac_core.store.datasets import dataset_texts
from fac_core.store.jobs import completed_results
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

KIND = "compare_saes"
MOST_TEXTS = 2000
"""A random part of more texts."""


def project_texts(ws: Workspace, limit: int = MOST_TEXTS) -> pa.Table:
    """The project's distinct contents but for those held out, table (text, turns).

    Of more than `limit` a random part, the same at each call.

    Raises:
        InputError: there is none.
    """
    texts = dataset_texts(ws.database, [dataset.dataset_id for dataset in readable(ws)], limit)
    if not texts.num_rows:
        raise InputError("There is no text to compare on; bring texts first.")
    return texts


def start_comparison(ws: Workspace, a: Side, b: Side) -> str:
    """Compare two SAEs on the project's texts in a job; returns its id.

    Raises:
        InputError: they are the same, or the project has no text.
    """
    if (a.sae, a.place) == (b.sae, b.place):
        raise InputError("Choose two different SAEs.")
    spec = {"a": a.to_json(), "b": b.to_json()}
    return owner.start(ws, KIND, f"Compare {a.name} with {b.name}", spec, {"input": project_texts(ws)})


def last_comparison(ws: Workspace, a: Side, b: Side) -> Comparison | None:
    """The last finished comparison of two SAEs; None if there is none."""
    spec = {"a": a.to_json(), "b": b.to_json()}
    for found, result in reversed(completed_results(ws.database, KIND)):
        if found == spec:
            one, other = (SideFigures(**side) for side in result["sides"])
            return Comparison(result["n_texts"], tuple(result["n_tokens"]), (one, other))
    return None


def run(job: JobFolder) -> dict[str, Any]:
    """Read the texts by both; returns the `Comparison`."""
    texts = contents_of(job.input())

    def progress(share: float) -> bool:
        job.progress(100 * share, 100, "Reading")
        return not job.cancelled()

    found = compare(Side.from_json(job.spec["a"]), Side.from_json(job.spec["b"]), texts, progress)
    return {} if found is None else asdict(found)


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Nothing enters the store."""


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """The figures are the job's result."""
