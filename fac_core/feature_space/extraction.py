"""No text is read twice in a space: a job reads what is unread, and a cache made elsewhere counts as read.

Reading is the same for every set (design: one verifier), and what was read reaches the store in one form.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from fac_core.content import Content
from fac_core.feature_space.cache import export_cache, import_cache
from fac_core.feature_space.engines import Engine
from fac_core.feature_space.extractor import default_device
from fac_core.feature_space.spaces import Space, space
from fac_core.jobs import owner
from fac_core.store import activations as store
from fac_core.store import contents
from fac_core.store.jobs import active_jobs
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.feature_space.extractor import TextActivations

__all__ = ["activation_tables", "contents_of", "export_cache", "import_cache", "refresh_profiles", "start_extraction"]

KIND = "extract"
SHARD_SIZE = {"cpu": 256, "cuda": 4096}
"""Texts that are read and written at a time: what a cancelled or killed job reads again at most, and enough of them to
fill a device's batches."""


def start_extraction(
    ws: Workspace,
    space_id: str,
    shard_size: int | None = None,
    after: str | None = None,
    engine: Engine = Engine(),  # noqa: B008 - it cannot be changed
) -> str | None:
    """Read every unread text of the project's datasets (their own and their contrast texts) in a job.

    Returns the job's id, the id of the reading that already runs, or None if nothing is unread. Texts that arrive
    while it runs are read by a follow-up job, which names the one it comes `after`.

    Raises:
        InputError: the project does not know the space, or the engine cannot work here.
    """
    engine.check()
    chosen = space(ws, space_id)
    for row in active_jobs(ws.database):
        if row.kind == KIND and row.spec["space_id"] == space_id and row.state != "cancelling" and row.job_id != after:
            return row.job_id
    ids = contents.unread_ids(ws.database, space_id)
    if not len(ids):
        refresh_profiles(ws, space_id)
        return None
    spec = job_spec(chosen, shard_size) | {"after": after} | engine.in_spec
    noun = "text" if len(ids) == 1 else "texts"
    inputs = {"input": contents.contents(ws.database, ids)}
    return owner.start(ws, KIND, f"Read {len(ids):,} {noun}", spec, inputs)


def job_spec(space: Space, shard_size: int | None) -> dict[str, Any]:
    """What every reading in a space is told."""
    declared = {key: space.card.get(key) for key in ("fvu", "l0")}
    return {
        "space_id": space.space_id,
        "space": asdict(space.spec),
        "declared": declared,
        "shard_size": shard_size or SHARD_SIZE.get(default_device().split(":")[0], SHARD_SIZE["cpu"]),
    }


def n_unread(ws: Workspace, space_id: str) -> int:
    """Texts that `start_extraction` would read."""
    return contents.count_unread(ws.database, space_id)


def refresh_profiles(ws: Workspace, space_id: str) -> None:
    """Bring a space's profiles up to date with the samples and activations in the store."""
    if store.profiles_current(ws.database, space_id):
        return
    with ws.database.transaction() as cursor:
        store.update_profiles(cursor, space_id)


def contents_of(texts: pa.Table) -> list[Content]:
    """Contents of an input table; a job of an earlier version has no column `turns`."""
    if "turns" not in texts.column_names:
        return [Content(text) for text in texts["text"].to_pylist()]
    return [Content.stored(*row) for row in zip(texts["text"].to_pylist(), texts["turns"].to_pylist(), strict=True)]


def activation_tables(items: Iterable[tuple[int, TextActivations]]) -> dict[str, pa.Table]:
    """What was read, as the tables `content_read` and `activation` that the store takes; items are (content id, read).

    Every reader of texts (extraction, candidates, a curator's edits) goes through here.
    """
    import pyarrow as pa

    pairs = list(items)
    counts = [len(read.features) for _, read in pairs]
    spans = np.concatenate([read.spans for _, read in pairs]) if pairs else np.empty((0, 2), np.int32)
    ids = np.array([content_id for content_id, _ in pairs], np.int64)
    return {
        "content_read": pa.table(
            {
                "content_id": ids,
                "n_tokens": np.array([read.n_tokens for _, read in pairs], np.int32),
                "n_truncated": np.array([read.n_truncated for _, read in pairs], np.int32),
                "l0": np.array([read.l0 for _, read in pairs], np.float64),
            }
        ),
        "activation": pa.table(
            {
                "content_id": np.repeat(ids, counts),
                "feature_id": _joined([read.features for _, read in pairs], np.int32),
                "value": _joined([read.values for _, read in pairs], np.float32),
                "token_pos": _joined([read.positions for _, read in pairs], np.int32),
                "char_start": np.ascontiguousarray(spans[:, 0], np.int32),
                "char_end": np.ascontiguousarray(spans[:, 1], np.int32),
            }
        ),
    }


def _joined(arrays: list[Any], dtype: type) -> Any:
    return np.concatenate(arrays).astype(dtype) if arrays else np.empty(0, dtype)
