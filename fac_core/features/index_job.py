"""Job kind *index_texts*: a unit vector for each text, in shards of some hundred, so that searching by meaning is one
matrix product.

Input is a table (subject, id, text); spec: encoder. A text's vector depends on nothing but the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fac_core.features import encoder as encoders
from fac_core.jobs.folder import JobFolder
from fac_core.store.vectors import put_vectors

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.features.encoder import Encoder
    from fac_core.workspace import Workspace

KIND = "index_texts"
SHARD_SIZE = 256


def run(job: JobFolder) -> dict[str, Any]:
    """Encode the texts; returns {"n_texts"}."""
    texts = job.input("texts")
    total, done = texts.num_rows, set(job.shards())
    job.progress(0, total, "Loading the sentence encoder")
    encoder = encoders.sentences()
    for first in range(0, total, SHARD_SIZE):
        if job.cancelled():
            return {}
        if (name := f"vectors-{first:09d}") not in done:
            job.commit_shard(name, {"vectors": encoded(encoder, texts.slice(first, SHARD_SIZE))})
        job.progress(min(total, first + SHARD_SIZE), total, "Encoding texts")
    return {"n_texts": total}


def encoded(encoder: Encoder, texts: pa.Table) -> pa.Table:
    """Vectors of a table (subject, id, text): (subject, id, vector)."""
    import pyarrow as pa

    matrix = np.ascontiguousarray(encoder.encode(texts.column("text").to_pylist()), np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(matrix.ravel(), matrix.shape[1])
    return texts.select(["subject", "id"]).append_column("vector", vectors.cast(pa.list_(pa.float32())))


def ingest(
    cursor: duckdb.DuckDBPyConnection, job_id: str, spec: dict[str, Any], shard_name: str, tables: dict[str, pa.Table]
) -> None:
    """Store a shard's vectors."""
    put_vectors(cursor, str(spec["encoder"]), tables["vectors"])


def finalise(ws: Workspace, job_id: str, spec: dict[str, Any], result: dict[str, Any]) -> None:
    """Nothing is derived from vectors."""
