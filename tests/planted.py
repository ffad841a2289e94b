"""Projects whose every activation is planted by hand, so that each number of coverage can be recomputed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from fac_core.content import content_hash, form_hash
from fac_core.feature_space.space import SpaceSpec
from fac_core.store.activations import insert_activations, rebuild_by_feature, rebuild_profiles
from fac_core.store.database import bump_data_version
from fac_core.store.spaces import put_space, replace_statics
from fac_core.workspace import Workspace, now

SPACE = SpaceSpec(
    name="Planted",
    backbone="nowhere",
    backbone_digest="planted",
    block=1,
    n_blocks=2,
    sae="nowhere",
    sae_digest="planted",
    d_sae=32,
    k=4,
)


@dataclass(frozen=True)
class Planted:
    """One sample, the features active in its text, and where each has its peak (default: the whole text)."""

    role: str
    text: str
    active: Mapping[int, float]
    peaks: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    label: str | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    contrast: str | None = None
    contrast_active: Mapping[int, float] = field(default_factory=dict)
    dataset: str | None = None


def plant(
    ws: Workspace,
    samples: Iterable[Planted],
    *,
    d_sae: int = 32,
    default_delta: float = 1.0,
    template: Sequence[int] = (),
    neighbours: Sequence[tuple[int, int, float]] = (),
    clusters: Mapping[int, int] | None = None,
) -> str:
    """Register a space and put samples and activations into the store; returns the space's id."""
    samples = list(samples)
    spec = SpaceSpec(**{**asdict(SPACE), "d_sae": d_sae})
    space_id = spec.space_id
    contents: dict[str, int] = {}
    active: dict[int, tuple[Mapping[int, float], Mapping[int, tuple[int, int]], int]] = {}
    for sample in samples:
        active[contents.setdefault(sample.text, len(contents) + 1)] = (sample.active, sample.peaks, len(sample.text))
        if sample.contrast is not None:
            contrast_id = contents.setdefault(sample.contrast, len(contents) + 1)
            active.setdefault(contrast_id, (sample.contrast_active, {}, len(sample.contrast)))
    roles = {sample.dataset or sample.role: sample.role for sample in samples}
    with ws.database.transaction() as cursor:
        put_space(cursor, space_id, spec.name, asdict(spec), {}, d_sae, default_delta, now())
        for name, role in roles.items():
            cursor.execute(
                "INSERT INTO dataset VALUES (?, ?, ?, 'test', ?, '{}', 0, 0, 0, 0, ?, NULL)",
                [name, name, role, name, now()],
            )
        texts = list(contents)
        content = {
            "content_id": list(contents.values()),
            "hash": [content_hash(text) for text in texts],
            "text": texts,
            "turns": pa.nulls(len(texts), pa.string()),
            "form_hash": [form_hash(text) for text in texts],
        }
        _insert(cursor, "content", pa.table(content))
        table = {
            "sample_id": list(range(1, len(samples) + 1)),
            "dataset_id": [sample.dataset or sample.role for sample in samples],
            "row_number": list(range(1, len(samples) + 1)),
            "external_id": pa.nulls(len(samples), pa.string()),
            "content_id": [contents[sample.text] for sample in samples],
            "contrast_id": pa.array([contents.get(sample.contrast or "") for sample in samples], pa.int64()),
            "label": pa.array([sample.label for sample in samples], pa.string()),
            "fields": ["{}"] * len(samples),
            "meta": [json.dumps(dict(sample.meta)) for sample in samples],
        }
        _insert(cursor, "sample", pa.table(table))
        rows = [
            (content, feature, value, *peaks.get(feature, (0, length)))
            for content, (features, peaks, length) in active.items()
            for feature, value in features.items()
        ]
        insert_activations(cursor, space_id, read_table(list(active)), activation_table(rows))
        static = pa.table(
            {
                "feature_id": np.arange(d_sae, dtype=np.int32),
                "pca_x": np.arange(d_sae, dtype=np.float32),
                "pca_y": np.zeros(d_sae, np.float32),
                "is_template": [feature in template for feature in range(d_sae)],
                "cluster": pa.array([(clusters or {}).get(feature) for feature in range(d_sae)], pa.int32()),
                "cluster_cosine": np.full(d_sae, 0.5, np.float32),
            }
        )
        near = pa.table(
            {
                "feature_id": pa.array([a for a, _, _ in neighbours], pa.int32()),
                "rank": pa.array([1] * len(neighbours), pa.int16()),
                "other_id": pa.array([b for _, b, _ in neighbours], pa.int32()),
                "cosine": pa.array([c for _, _, c in neighbours], pa.float32()),
            }
        )
        replace_statics(cursor, space_id, {"feature_static": static, "feature_neighbour": near}, "planted")
    recount(ws, space_id)
    return space_id


def _insert(cursor: Any, table: str, rows: pa.Table) -> None:
    cursor.register("planted_rows", rows)
    cursor.execute(f"INSERT INTO {table} SELECT * FROM planted_rows")
    cursor.unregister("planted_rows")


def recount(ws: Workspace, space_id: str) -> None:
    """Bring the derived tables up to date."""
    with ws.database.transaction() as cursor:
        bump_data_version(cursor)
        rebuild_by_feature(cursor, space_id)
        rebuild_profiles(cursor, space_id)


def read_table(content_ids: Sequence[int]) -> pa.Table:
    """Rows of `content_read` for contents of ten tokens."""
    n = len(content_ids)
    return pa.table(
        {
            "content_id": np.array(content_ids, np.int64),
            "n_tokens": np.full(n, 10, np.int32),
            "n_truncated": np.zeros(n, np.int32),
            "l0": np.full(n, 4.0),
        }
    )


def activation_table(rows: Sequence[tuple[int, int, float, int, int]]) -> pa.Table:
    """Rows of `activation`: (content_id, feature_id, value, char_start, char_end)."""
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], [], []]
    return pa.table(
        {
            "content_id": np.array(columns[0], np.int64),
            "feature_id": np.array(columns[1], np.int32),
            "value": np.array(columns[2], np.float32),
            "token_pos": np.zeros(len(rows), np.int32),
            "char_start": np.array(columns[3], np.int32),
            "char_end": np.array(columns[4], np.int32),
        }
    )


def relevant_by_label(ws: Workspace, space_id: str, feature_ids: Sequence[int]) -> None:
    """Plant test results that call exactly these features relevant."""
    with ws.database.transaction() as cursor:
        for feature in feature_ids:
            cursor.execute(
                "INSERT INTO relevance VALUES (?, ?, 'label', 0.7, 2.0, 0.001, 0.01, 10, true, 'positive')",
                [space_id, feature],
            )


def family(ws: Workspace, space_id: str, members: Sequence[int]) -> None:
    """Plant one family."""
    with ws.database.transaction() as cursor:
        for feature in members:
            cursor.execute("INSERT INTO family VALUES (?, ?, ?, 'firing')", [space_id, feature, min(members)])


def keywords(ws: Workspace, space_id: str, names: Mapping[int, str]) -> None:
    """Plant keywords."""
    with ws.database.transaction() as cursor:
        for feature, text in names.items():
            cursor.execute(
                "INSERT INTO explanation (event_id, space_id, feature_id, method, author, text, created_at) "
                "VALUES (nextval('event_seq'), ?, ?, 'keywords', 'planted', ?, ?)",
                [space_id, feature, text, now()],
            )


def peak(text: str, word: str) -> tuple[int, int]:
    """Place of a word in a text."""
    start = text.index(word)
    return start, start + len(word)
