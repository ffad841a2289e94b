"""The activations that a demo brings along are those that the embedded model gives for its texts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fac_core import demo, workspace
from fac_core.content import Content
from fac_core.feature_space import cache
from fac_core.feature_space.extractor import TextActivations, load_extractor
from fac_core.feature_space.space import embedded_space
from fac_core.samples.importing import import_dataset
from fac_core.tasks import task_ids

N_TEXTS = 12
VALUE_WITHIN = 2e-3
"""Values are stored as they were read, in float32; machines differ in the last places."""
NEAR_TIES = 0.001
"""Share of rows that may differ: where two features are equal but for rounding, machines take either into the Top-K."""


class Compared(NamedTuple):
    """A text as it ships and as it is read here."""

    n_rows: int
    n_other_features: int
    n_other_places: int
    largest: float


def compare(shipped: dict[int, tuple[float, int, int, int]], read: TextActivations) -> Compared:
    """Rows by feature against a reading."""
    found = {
        int(feature): (float(value), int(position), int(span[0]), int(span[1]))
        for feature, value, position, span in zip(read.features, read.values, read.positions, read.spans, strict=True)
    }
    both = shipped.keys() & found.keys()
    return Compared(
        len(shipped),
        len(shipped.keys() ^ found.keys()),
        sum(shipped[feature][1:] != found[feature][1:] for feature in both),
        max((abs(shipped[feature][0] - found[feature][0]) for feature in both), default=np.inf),
    )


@pytest.mark.heavy
@pytest.mark.real_model
@pytest.mark.parametrize("task_id", task_ids())
def test_a_dozen_texts_of_a_demo_read_here_give_what_ships(task_id: str, tmp_path: Path) -> None:
    folder = demo.demo_folder() / task_id
    spec = embedded_space()
    assert f'"{spec.space_id}"' in (folder / demo.CACHE / cache.NOTE).read_text(encoding="utf-8")
    ws = workspace.create("Shipped", task_id, root=tmp_path)
    for part, role in demo.PARTS.items():
        import_dataset(ws, folder / f"{part}.jsonl", f"{part}.jsonl", role, part)
    rows_of = ws.database.rows("SELECT content_hash, text, turns FROM content")
    texts = {hash_: Content.stored(text, turns) for hash_, text, turns in rows_of}
    ws.close()
    tables = {name: cache._read(folder / demo.CACHE, name) for name in (cache.CONTENTS, cache.ACTIVATIONS)}
    contents = {row["content_hash"]: row for row in tables[cache.CONTENTS].to_pylist()}
    assert contents.keys() == texts.keys(), "every text ships with its activations, and no other"
    chosen = random.Random(20260101).sample(sorted(contents), N_TEXTS)
    rows: dict[str, dict[int, tuple[float, int, int, int]]] = {hash_: {} for hash_ in chosen}
    activations = tables[cache.ACTIVATIONS]
    for row in activations.filter(_among(activations["content_hash"], chosen)).to_pylist():
        place = (row["value"], row["token_pos"], row["char_start"], row["char_end"])
        rows[row["content_hash"]][row["feature_id"]] = place

    extractor = load_extractor(spec)
    found = dict(zip(chosen, extractor.read_all([texts[hash_] for hash_ in chosen]), strict=True))
    compared = [compare(rows[hash_], read) for hash_, read in found.items()]
    for hash_, read in found.items():
        stored = contents[hash_]
        assert (read.n_tokens, read.n_truncated) == (stored["n_tokens"], stored["n_truncated"])
        assert read.l0 == pytest.approx(stored["l0"], abs=0.05)
    n_rows = sum(each.n_rows for each in compared)
    assert n_rows > 50 * N_TEXTS
    assert max(each.largest for each in compared) <= VALUE_WITHIN
    assert sum(each.n_other_features for each in compared) <= NEAR_TIES * n_rows
    assert sum(each.n_other_places for each in compared) <= NEAR_TIES * n_rows


def _among(column: object, wanted: list[str]) -> object:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(column, value_set=pa.array(wanted))
