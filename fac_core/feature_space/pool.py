"""A pool too large to bring in is read where it lies, and becomes a dataset of counts and top examples.

The same pool is one dataset in every space. What counts coverage cannot tell it from one that was imported.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError
from fac_core.feature_space.engines import Engine
from fac_core.feature_space.extraction import job_spec
from fac_core.feature_space.spaces import space
from fac_core.feature_space.summary import examples_for
from fac_core.jobs import owner
from fac_core.samples import mapping as mappings
from fac_core.samples import pool_files
from fac_core.samples.importing import new_id, set_name
from fac_core.samples.mapping import Mapping
from fac_core.store import held
from fac_core.store.datasets import dataset_rows
from fac_core.store.jobs import active_jobs
from fac_core.tasks import load_task
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.samples.pool_files import Part

KIND = "read_pool"
ROLE = "pool"
_BYTES_A_TEXT = 500
"""For progress, where a file does not say how many texts it holds."""


def start_pool(
    ws: Workspace,
    space_id: str,
    url: str,
    *,
    name: str | None = None,
    mapping: Mapping | None = None,
    n_examples: int | None = None,
    part_rows: int = pool_files.PART_ROWS,
    part_bytes: int = pool_files.PART_BYTES,
    engine: Engine = Engine(),  # noqa: B008 - it cannot be changed
) -> str:
    """Read a pool in a job; returns its id, or the id of the reading of it that already runs.

    `url` is a file, a folder or a pattern, as a path or an fsspec URL; without `mapping` the columns are guessed from
    the first file. `n_examples` texts are kept for each feature.

    Raises:
        InputError: no such pool, its columns do not give samples of the task, it was read in this space before, the
            project does not know the space, or the engine cannot work here.
    """
    engine.check()
    chosen = space(ws, space_id)
    if n_examples is not None and n_examples < 1:
        raise InputError("At least one example is kept for each feature.")
    pool = pool_files.plan(url, part_rows, part_bytes)
    task = load_task(ws.task)
    columns, rows = pool_files.head(pool.parts)
    used = mapping or mappings.guess(task, columns, rows)
    mappings.check(task, used, columns, url)
    spec = job_spec(chosen, part_rows) | {
        "task": ws.task,
        "mapping": asdict(used),
        "n_examples": n_examples or examples_for(chosen.d_sae),
        "dataset": _dataset(ws, space_id, url, name, pool.sha256, used),
    }
    for row in active_jobs(ws.database):
        same = row.kind == KIND and row.spec["space_id"] == space_id and row.state != "cancelling"
        if same and row.spec["dataset"]["sha256"] == pool.sha256 and row.spec["mapping"] == spec["mapping"]:
            return row.job_id
    size = "" if pool.n_rows is None else f" of {pool.n_rows:,} texts"
    return owner.start(ws, KIND, f"Read the pool{size}", spec | engine.in_spec, {"parts": _table(pool.parts)})


def guess_mapping(ws: Workspace, url: str) -> Mapping:
    """The likeliest mapping of a pool's columns.

    Raises:
        InputError: no such pool.
    """
    columns, rows = pool_files.head(pool_files.plan(url).parts)
    return mappings.guess(load_task(ws.task), columns, rows)


def _dataset(ws: Workspace, space_id: str, url: str, name: str | None, sha256: str, mapping: Mapping) -> dict[str, Any]:
    """The dataset that the pool will be, or is already after a reading in another space."""
    source = url.rstrip("/").rpartition("/")[2] or url
    known = held.profile_only(ws.database)
    for row in dataset_rows(ws.database):
        if (
            row.dataset_id in known
            and row.deleted_at is None
            and (row.sha256, row.mapping) == (sha256, asdict(mapping))
        ):
            if row.dataset_id in held.read_in(ws.database, space_id):
                raise InputError(f"This pool was read in this space before, as “{row.name}”.")
            return _in_spec(row.dataset_id, row.name, row.role, row.source, sha256, mapping, row.created_at.isoformat())
    at = now()
    return _in_spec(new_id(at), set_name(name, source), ROLE, source, sha256, mapping, at.isoformat())


def _in_spec(
    dataset_id: str, name: str, role: str, source: str, sha256: str, mapping: Mapping, created_at: str
) -> dict[str, Any]:
    return {
        "dataset_id": dataset_id,
        "name": name,
        "role": role,
        "source": source,
        "sha256": sha256,
        "mapping": asdict(mapping),
        "created_at": created_at,
    }


def _table(parts: list[Part]) -> pa.Table:
    import pyarrow as pa

    sizes = [
        part.end - part.begin if part.kind == pool_files.PARQUET else max(1, (part.end - part.begin) // _BYTES_A_TEXT)
        for part in parts
    ]
    columns = [pool_files.as_row(part) for part in parts]
    table = pa.Table.from_pylist(columns)
    return table.append_column("n_texts", pa.array(sizes, pa.int64()))
