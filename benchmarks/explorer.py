"""How fast the feature explorer answers at 65,536 features: what a page asks the server for, by p50 and p95.

The store is made and taken in as by `store.py`; names get random unit vectors in the place of a sentence encoder's, and
a text is read by a stand-in for the extractor that gives 60 tokens of 32 features each, so that what is timed is all
but the two models. Each answer is timed at another feature, filter or text; the first call fills caches and is apart.

    python benchmarks/explorer.py [--texts 4_000] [--features 65_536]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
from store import (
    DELTA,
    PER_TEXT,
    Plan,
    Query,
    Watch,
    bring_texts,
    describe,
    machine,
    make,
    spec_of,
    take_in,
)

from fac_core import workspace
from fac_core.feature_space.extractor import TokenActivations
from fac_core.feature_space.spaces import register_space
from fac_core.feature_space.tokens import ContentTokens
from fac_core.features import encoder as encoders
from fac_core.features import marks, semantic_search, text_search
from fac_core.features.coactive import coactive
from fac_core.features.detail import feature_detail
from fac_core.features.examples import SampleFilter, choices, examples
from fac_core.features.explained import overview
from fac_core.features.map import feature_map
from fac_core.features.table import SORTS, feature_ids, feature_page
from fac_core.store import vectors
from fac_core.store.spaces import replace_statics
from fac_core.workspace import Workspace

DIMENSIONS = 384
N_TOKENS, A_TOKEN = 60, 32
CALLS = 31
AIM_MS = 300


def main() -> None:
    """Make the project and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=4_000)
    parser.add_argument("--features", type=int, default=65_536)
    options = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(options.texts, options.features, Path(folder) / "shards")
        make(plan)
        run(plan, Path(folder))


def run(plan: Plan, folder: Path) -> None:
    """Take the data in, ask, print."""
    ws = workspace.create("Explorer", "toxicity", root=folder / "projects")
    space_id = register_space(ws, spec_of(plan), {}, DELTA)
    bring_texts(ws, plan)
    n_rows = take_in(ws, space_id, plan, Watch())
    describe(ws, space_id, plan)
    know_weights(ws, space_id, plan.d_sae)
    index(ws, space_id)
    stand_in(plan.d_sae)
    print(f"{n_rows:,} rows of {plan.n_texts:,} texts and {plan.d_sae:,} features; about {PER_TEXT} fire in a text")
    heads = ("n", "first ms", "p50 ms", "p95 ms", "p50 cpu", "p95 cpu", "aim ms")
    print(f"{'query':<54}" + "".join(f"{head:>10}" for head in heads), flush=True)
    for query in queries(ws, space_id, plan):
        measure(query)
    ws.close()


def measure(query: Query) -> None:
    """Time every call once and print the row; processor time tells what a busy machine adds to the clock's."""
    took = []
    for call in query.calls:
        clock, cpu = time.perf_counter(), time.process_time()
        call()
        took.append((1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - cpu)))
    rest = np.array(took[1:])
    figures = [took[0][0], *(np.quantile(rest[:, kind], q) for kind in (0, 1) for q in (0.5, 0.95))]
    told = "".join(f"{each:10.1f}" for each in figures)
    print(f"{query.name:<54}{len(rest):10}{told}{query.aim:>10}", flush=True)


def know_weights(ws: Workspace, space_id: str, d_sae: int) -> None:
    """Ten nearest and five most opposite features of each, and its place on the map."""
    rng, n = np.random.default_rng(5), 15
    near = {
        "feature_id": np.repeat(np.arange(d_sae, dtype=np.int32), n),
        "rank": np.tile(np.array([*range(1, 11), *range(-1, -6, -1)], np.int16), d_sae),
        "other_id": rng.integers(0, d_sae, d_sae * n, dtype=np.int32),
        "cosine": rng.random(d_sae * n, np.float32),
    }
    static = {name: rng.random(d_sae, np.float32) for name in ("pca_x", "pca_y", "umap_x", "umap_y")}
    tables = {
        "feature_neighbour": pa.table(near),
        "feature_static": pa.table(
            {"feature_id": np.arange(d_sae, dtype=np.int32), **static, "is_template": np.zeros(d_sae, bool)}
        ),
    }
    with ws.database.transaction() as cursor:
        replace_statics(cursor, space_id, tables, "made")


def index(ws: Workspace, space_id: str) -> None:
    """A random direction for every name and text."""
    texts = vectors.unindexed(ws.database, space_id, encoders.SENTENCES, semantic_search.MOST_CONTENTS)
    matrix = _unit(np.random.default_rng(6), texts.num_rows)
    flat = pa.FixedSizeListArray.from_arrays(matrix.ravel(), DIMENSIONS).cast(pa.list_(pa.float32()))
    with ws.database.transaction() as cursor:
        vectors.put_vectors(cursor, encoders.SENTENCES, texts.select(["subject", "id"]).append_column("vector", flat))


def stand_in(d_sae: int) -> None:
    """Answers in the place of the two models."""
    rng = np.random.default_rng(7)
    encode = SimpleNamespace(name=encoders.SENTENCES, encode=lambda texts: _unit(rng, len(texts)))
    encoders.sentences = lambda: encode
    encoders.is_installed = lambda: True

    def read(text: str) -> TokenActivations:
        spans = [(4 * place, 4 * place + 3) for place in range(N_TOKENS)]
        features = np.sort(np.minimum(rng.zipf(1.1, N_TOKENS * A_TOKEN), d_sae) - 1).astype(np.int32)
        tokens = ContentTokens(list(range(N_TOKENS)), spans, 0, shares_prefix=False)
        values = (rng.gamma(2.0, 1.0, len(features)) + 1).astype(np.float32)
        return TokenActivations(tokens, rng.integers(0, N_TOKENS, len(features), dtype=np.int32), features, values)

    text_search.load_extractor = lambda spec: SimpleNamespace(read_tokens=read)


def queries(ws: Workspace, space_id: str, plan: Plan) -> list[Query]:
    """What the Features page asks for."""
    popular = plan.popular
    ids = [int(i) for i in popular[np.geomspace(1, plan.d_sae, CALLS + 1).astype(int) - 1]]
    common, words = [int(i) for i in popular[:CALLS]], [f"phrase {number}" for number in range(CALLS)]
    sorts = [*SORTS] * 3
    text = "abc " * N_TOKENS
    marks.mark(ws, space_id, range(0, plan.d_sae, 7), marks.LIST, "every seventh", "benchmark")
    narrow = SampleFilter(role="anchor", column="topic", value="topic 03")
    return [
        _query("table: a page, by one column after another", sorts, lambda s: feature_page(
            ws, space_id, DELTA, sort=s)),
        _query("table: a search by words", words, lambda w: feature_page(ws, space_id, DELTA, search=w)),
        _query("table: state, density, family", range(CALLS), lambda n: feature_page(
            ws, space_id, DELTA, states=["missing"], joined=["firing"], max_density=0.01, page=n)),
        _query("table: a named list of a seventh of all", range(CALLS), lambda n: feature_page(
            ws, space_id, DELTA, among=marks.members(ws, space_id, marks.LIST, "every seventh"), page=n)),
        _query("all features that pass the filters", words, lambda w: feature_ids(ws, space_id, DELTA, search=w)),
        _query("feature page: facts, tests, neighbours, family", ids, lambda f: feature_detail(ws, space_id, f, DELTA)),
        _query("feature page: explanations with findings", ids, lambda f: overview(ws, space_id, f)),
        _query("feature page: marks", ids, lambda f: marks.marks(ws, space_id, f)),
        _query("examples in five bands", ids, lambda f: examples(ws, space_id, f, DELTA)),
        _query("examples in five bands, δ = 0, common features", common, lambda f: examples(ws, space_id, f, 0.0)),
        _query("examples of one role and topic", ids, lambda f: examples(ws, space_id, f, DELTA, where=narrow)),
        _query("what examples can be narrowed to", range(CALLS), lambda _: choices(ws)),
        _query("co-active features", ids, lambda f: coactive(ws, space_id, f, DELTA)),
        _query("co-active features, the commonest", common, lambda f: coactive(ws, space_id, f, 0.0)),
        _query("a pasted text's features", range(CALLS), lambda _: text_search.text_features(
            ws, space_id, text, DELTA)),
        _query("features by meaning", words, lambda w: semantic_search.features_by_meaning(ws, space_id, w)),
        _query("samples by meaning", words, lambda w: semantic_search.samples_by_meaning(ws, space_id, w)),
        _query("samples by words", words, lambda w: semantic_search.samples_by_words(ws, space_id, f"number {w[7:]}")),
        _query("the map, all alive features", range(5), lambda _: feature_map(ws, space_id, DELTA, False)),
    ]  # fmt: skip


def _query(name: str, over: Sequence[Any], ask: Any) -> Query:
    return Query(name, AIM_MS, [lambda each=each: ask(each) for each in over])


def _unit(rng: np.random.Generator, n: int) -> np.ndarray:
    matrix = rng.standard_normal((n, DIMENSIONS), np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
