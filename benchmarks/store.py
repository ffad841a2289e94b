"""How fast a large project answers: rows of (text, feature) go in as a job's shards do, and pages ask for them.

Another process makes the data and writes it as the Parquet files of a job; this one takes them in through the store's
own functions and then calls what the pages call. What it takes is the time and the memory of the app alone: the
highest resident set of this process, DuckDB included, over the part named.

Features are as popular as Zipf's law has it, about a hundred fire in a text, values are gamma-distributed. A tenth of
the texts is the seed, four tenths are the anchor, the rest is the pool; every sample has a topic, a register and an id.
The first shards are as small as the app's own, the others hold 25,000 texts.

Every answer timed is of a kind that is compared with one counted from the data as they were made, without the store.

    python benchmarks/store.py [--rows 100_000_000] [--features 65_536] [--keep FOLDER]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import multiprocessing
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pyarrow as pa
from pyarrow import parquet

from fac_core import workspace
from fac_core.content import Content, content_hash
from fac_core.coverage.gaps import gaps
from fac_core.coverage.heatmap import DIFFERENCE, SHARE, heatmap
from fac_core.coverage.measure import coverage
from fac_core.coverage.sweep import sweep
from fac_core.feature_space.extraction import SHARD_SIZE as SHARD_SIZES
from fac_core.feature_space.extraction_job import ingest
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.spaces import register_space
from fac_core.features.detail import feature_detail
from fac_core.features.examples import TOP, examples
from fac_core.features.kept import forget
from fac_core.features.table import SORTS, feature_page
from fac_core.store import features as feature_store
from fac_core.store.activations import rebuild_by_feature, rebuild_profiles
from fac_core.store.database import bump_data_version
from fac_core.store.datasets import DatasetRow, add_contents, insert_dataset
from fac_core.store.relevance import replace_relevance
from fac_core.store.review import firings
from fac_core.workspace import Workspace, now

SHARD_SIZE = SHARD_SIZES["cpu"]
PER_TEXT, SMALL_SHARDS, LARGE_SHARD = 100, 200, 25_000
ROLES = {"seed": 0.1, "anchor": 0.4, "pool": 0.5}
TOPICS = [f"topic {number:02d}" for number in range(12)]
REGISTERS = ["casual", "formal", "terse"]
DELTA, STEP = 1.0, 4
"""Threshold at which answers are compared, and its step."""
WATCHED = 8
"""Features and texts whose every row is compared."""


def main() -> None:
    """Make the project and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--features", type=int, default=65_536)
    parser.add_argument("--keep", type=Path, help="folder in which project and data stay")
    options = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        plan = Plan(max(100, options.rows // PER_TEXT), options.features, folder / "shards")
        maker = multiprocessing.get_context("spawn").Process(target=make, args=(plan,))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("The data could not be made.")
        run(plan, folder)


def machine() -> str:
    """Where this runs."""
    import duckdb

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")
    memory = psutil.virtual_memory().total / 2**30
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GB; DuckDB {duckdb.__version__}, numpy {np.__version__}"


# --- the data, made in a process of their own ---


class Plan(NamedTuple):
    """What is made; everything else follows from it and fixed seeds."""

    n_texts: int
    d_sae: int
    folder: Path

    @property
    def shards(self) -> list[tuple[int, int]]:
        """(first content, one past the last) of each shard; contents count from 1."""
        n_small = min(SMALL_SHARDS, self.n_texts // 10 // SHARD_SIZE)
        ends = [1 + SHARD_SIZE * number for number in range(n_small + 1)]
        while ends[-1] <= self.n_texts:
            ends.append(min(ends[-1] + LARGE_SHARD, self.n_texts + 1))
        return list(pairwise(ends))

    @property
    def ends(self) -> dict[str, int]:
        """One past the last content of each role, in the order of the roles."""
        shares = np.cumsum(list(ROLES.values()))
        return {role: 1 + round(self.n_texts * share) for role, share in zip(ROLES, shares, strict=True)}

    @property
    def popular(self) -> np.ndarray:
        """Features from the commonest to the rarest."""
        return np.random.default_rng(1).permutation(self.d_sae)

    @property
    def watched_features(self) -> list[int]:
        """Some of them, evenly in the logarithm of their place."""
        places = np.geomspace(1, self.d_sae, WATCHED).astype(int) - 1
        return [int(feature) for feature in self.popular[places]]

    @property
    def watched_texts(self) -> list[int]:
        """Some contents."""
        return [int(place) for place in np.linspace(1, self.n_texts, WATCHED).astype(int)]

    def topic(self, content: np.ndarray) -> np.ndarray:
        """Place of each content's topic; the seed leaves two topics out."""
        free = (content * 2654435761 >> 7) % len(TOPICS)
        return np.where(content < self.ends["seed"], free % (len(TOPICS) - 2), free)


class Truth(NamedTuple):
    """What the store must answer, counted as the data were made."""

    above: np.ndarray
    """[roles, d_sae] texts above DELTA."""
    grouped: np.ndarray
    """[anchor or seed, d_sae, topics] texts above DELTA."""
    highest: np.ndarray
    """[d_sae] highest value."""
    rows: np.ndarray
    """(content, feature, value, start) of the watched features and texts."""


def make(plan: Plan) -> None:
    """Write the shards' files, and what was counted on the way."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    popularity = 1 / np.arange(1, plan.d_sae + 1)
    cumulative = np.cumsum(popularity / popularity.sum())
    draws = _draws(popularity / popularity.sum())
    above = np.zeros((len(ROLES), plan.d_sae), np.int64)
    grouped = np.zeros((2, plan.d_sae, len(TOPICS)), np.int64)
    highest = np.zeros(plan.d_sae, np.float32)
    kept = []
    ends, popular = np.array(list(plan.ends.values())), plan.popular
    for number, (first, end) in enumerate(plan.shards):
        rng = np.random.default_rng([2, number])
        drawn = popular[np.searchsorted(cumulative, rng.random((end - first) * draws)).clip(max=plan.d_sae - 1)]
        keys = np.unique(np.repeat(np.arange(first, end), draws) * plan.d_sae + drawn)
        content, feature = keys // plan.d_sae, keys % plan.d_sae
        value = (rng.gamma(2.0, 1.0, len(keys)) + 1e-3).astype(np.float32)
        start = rng.integers(0, 12, len(keys), dtype=np.int32)
        columns = {
            "content_id": content,
            "feature_id": feature.astype(np.int32),
            "value": value,
            "token_pos": start // 4,
            "char_start": start,
            "char_end": start + 4,
        }
        n = end - first
        read = {
            "content_id": np.arange(first, end),
            "n_tokens": np.full(n, 12, np.int32),
            "n_truncated": np.zeros(n, np.int32),
            "l0": np.bincount(content - first, minlength=n).astype(float),
        }
        for name, table in (("activation", columns), ("content_read", read)):
            parquet.write_table(pa.table(table), plan.folder / f"{number:05d}.{name}.parquet", compression="zstd")
        np.maximum.at(highest, feature, value)
        watch = np.isin(feature, plan.watched_features) | np.isin(content, plan.watched_texts)
        kept.append(np.stack([content[watch], feature[watch], value[watch], start[watch]]))
        content, feature = content[value > DELTA], feature[value > DELTA]
        role = np.searchsorted(ends, content, side="right")
        above += np.bincount(role * plan.d_sae + feature, minlength=above.size).reshape(above.shape)
        side, topic, compared = np.array([1, 0, 2])[role], plan.topic(content), role < 2
        cell = ((side * plan.d_sae + feature) * len(TOPICS) + topic)[compared]
        grouped += np.bincount(cell, minlength=grouped.size).reshape(grouped.shape)
    np.savez(plan.folder / "truth.npz", above=above, grouped=grouped, highest=highest, rows=np.concatenate(kept, 1))


def _draws(share: np.ndarray) -> int:
    """How often to draw for PER_TEXT different features on average."""
    return next(n for n in range(PER_TEXT, 100 * PER_TEXT) if (1 - (1 - share) ** n).sum() >= PER_TEXT)


# --- the project ---


def run(plan: Plan, folder: Path) -> None:
    """Take the data in, ask, compare, print."""
    truth = Truth(**np.load(plan.folder / "truth.npz"))
    watch = Watch()
    ws = workspace.create("Store", "toxicity", root=folder / "projects")
    space_id = register_space(ws, spec_of(plan), {}, DELTA)
    with watch.part("texts and samples"):
        bring_texts(ws, plan)
    n_rows = take_in(ws, space_id, plan, watch)
    with watch.part("names, tests, families"):
        describe(ws, space_id, plan)
    size = ws.database.path.stat().st_size / 2**20
    print(f"{n_rows:,} rows of {plan.n_texts:,} texts and {plan.d_sae:,} features; the store is {size:,.0f} MB")
    for line in watch.lines:
        print(line)
    heads = ("query", "n", "first ms", "median ms", "p95 ms", "aim ms")
    print(f"{heads[0]:<58}" + "".join(f"{head:>11}" for head in heads[1:]), flush=True)
    with watch.part("queries"):
        for query in queries(ws, space_id, plan):
            query.measure()
    compare(ws, space_id, plan, truth)
    print(watch.lines[-1])
    print(f"highest resident set in all: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")
    ws.close()


class Watch:
    """Time and highest resident set of each part of the run."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._process = psutil.Process()

    @contextmanager
    def part(self, name: str, n_rows: int = 0) -> Iterator[None]:
        """Sample the resident set every 50 ms while the part runs."""
        peak, done = [self._process.memory_info().rss], threading.Event()

        def sample() -> None:
            while not done.wait(0.05):
                peak[0] = max(peak[0], self._process.memory_info().rss)

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        began = time.perf_counter()
        yield
        took = time.perf_counter() - began
        done.set()
        sampler.join()
        self.note(name, took, n_rows, f"highest resident set {peak[0] / 2**30:.2f} GB")

    def note(self, name: str, took: float, n_rows: int = 0, more: str = "") -> None:
        """A line of the report."""
        rate = f"{n_rows / took / 1e6:6.2f} M rows/s" if n_rows else " " * 15
        self.lines.append(f"{name:<58}{took:9.1f} s {rate}  {more}")


def spec_of(plan: Plan) -> SpaceSpec:
    """The space of the features made."""
    return SpaceSpec(
        name="Store",
        backbone="none",
        backbone_digest="none",
        block=1,
        n_blocks=2,
        sae="none",
        sae_digest="none",
        d_sae=plan.d_sae,
        k=32,
    )


def bring_texts(ws: Workspace, plan: Plan) -> None:
    """Contents, and one sample of each."""
    first = 1
    for role, end in plan.ends.items():
        content = np.arange(first, end)
        topic, register = plan.topic(content), content % len(REGISTERS)
        for begin in range(first, end, LARGE_SHARD):
            texts = [_text(number) for number in range(begin, min(begin + LARGE_SHARD, end))]
            with ws.database.transaction() as cursor:
                add_contents(cursor, {content_hash(text): Content(text) for text in texts})
        samples = pa.table(
            {
                "row_number": pa.array(np.arange(len(content)), pa.int32()),
                "external_id": pa.nulls(len(content), pa.string()),
                "content_id": content,
                "contrast_id": pa.nulls(len(content), pa.int64()),
                "label": np.array(["benign", "harmful"])[topic % 2],
                "fields": pa.array(["{}"] * len(content)),
                "meta": [
                    json.dumps({"topic": TOPICS[t], "register": REGISTERS[r], "id": f"s{number}"})
                    for number, t, r in zip(content.tolist(), topic.tolist(), register.tolist(), strict=True)
                ],
            }
        )
        row = DatasetRow(role, role, role, "made", role, {}, len(content), 0, 0, 0, now(), None)
        quarantine = pa.table({name: pa.array([], pa.string()) for name in ("row_number", "field", "reason", "raw")})
        with ws.database.transaction() as cursor:
            insert_dataset(cursor, row, samples, quarantine)
        first = end


def _text(number: int) -> str:
    return f"text number {number} of the store's benchmark"


def take_in(ws: Workspace, space_id: str, plan: Plan, watch: Watch) -> int:
    """What a reading's job does with its shards and at its end; returns the rows."""
    sizes = {SHARD_SIZE: f"shards of {SHARD_SIZE}, the app's size", LARGE_SHARD: f"shards of {LARGE_SHARD:,}"}
    n_rows, total, began = 0, 0, time.perf_counter()
    for size, title in sizes.items():
        chosen = [
            n for n, (first, end) in enumerate(plan.shards) if (end - first == SHARD_SIZE) == (size == SHARD_SIZE)
        ]
        if not chosen:
            continue
        names = ("activation", "content_read")
        n_rows = sum(parquet.read_metadata(plan.folder / f"{n:05d}.activation.parquet").num_rows for n in chosen)
        total += n_rows
        with watch.part(f"{title}: read files and insert", n_rows):
            for number in chosen:
                tables = {name: parquet.read_table(plan.folder / f"{number:05d}.{name}.parquet") for name in names}
                with ws.database.transaction() as cursor:
                    ingest(cursor, "", {"space_id": space_id}, "", tables)
    with watch.part("lay by feature", total), ws.database.transaction() as cursor:
        rebuild_by_feature(cursor, space_id)
    with watch.part("count profiles", total), ws.database.transaction() as cursor:
        bump_data_version(cursor)
        rebuild_profiles(cursor, space_id)
    watch.note("all of these", time.perf_counter() - began, total)
    return total


def describe(ws: Workspace, space_id: str, plan: Plan) -> None:
    """Names, test results, families and themes of the features, as a description leaves them."""
    ids = np.arange(plan.d_sae, dtype=np.int32)
    rng = np.random.default_rng(3)
    paired, themed = ids // 2 * 2, ids // 64 * 64
    families = {
        "feature_id": np.concatenate([ids[: plan.d_sae // 4], ids]),
        "family_id": np.concatenate([paired[: plan.d_sae // 4], themed]),
        "joined_by": ["firing"] * (plan.d_sae // 4) + [feature_store.THEME] * plan.d_sae,
    }
    tests = {
        "feature_id": ids,
        "method": ["label"] * plan.d_sae,
        "effect": rng.random(plan.d_sae),
        "lift": rng.random(plan.d_sae) * 3,
        "p_value": rng.random(plan.d_sae),
        "q_value": rng.random(plan.d_sae),
        "n_active": ids,
        "relevant": ids % 3 > 0,
        "direction": ["positive"] * plan.d_sae,
    }
    names = {"feature_id": ids, "text": [f"word {number % 5000} · phrase {number}" for number in range(plan.d_sae)]}
    with ws.database.transaction() as cursor:
        feature_store.replace_families(cursor, space_id, pa.table(families))
        replace_relevance(cursor, space_id, pa.table(tests))
        feature_store.add_method_names(cursor, space_id, feature_store.KEYWORDS, pa.table(names), "benchmark", now())


# --- what is asked ---


class Query(NamedTuple):
    """One kind of question; the first call is told apart from the others."""

    name: str
    aim: int | None
    calls: Sequence[Callable[[], Any]]

    def measure(self) -> None:
        """Time every call once and print the row."""
        took = []
        for call in self.calls:
            began = time.perf_counter()
            call()
            took.append(1000 * (time.perf_counter() - began))
        rest = took[1:]
        print(
            f"{self.name:<58}{len(rest):11}{took[0]:11.1f}{np.median(rest):11.1f}{np.quantile(rest, 0.95):11.1f}"
            f"{self.aim or '':>11}",
            flush=True,
        )


def queries(ws: Workspace, space_id: str, plan: Plan) -> Iterator[Query]:
    """What pages ask for; each kind over features of every popularity, many texts or steps of δ."""
    rng = np.random.default_rng(4)
    places = np.geomspace(1, plan.d_sae, 60).astype(int) - 1
    features = [int(feature) for feature in rng.permutation(plan.popular[places])]
    common = [int(feature) for feature in plan.popular[:20]]
    texts = [int(content) for content in rng.integers(1, plan.n_texts + 1, 60)]
    deltas = [0.25 * step for step in rng.permutation(20)]

    def of_text(content: int) -> Any:
        with ws.database.cursor() as cursor:
            return firings(cursor, space_id, [content], 0.0)

    def afresh() -> Any:
        forget()
        return coverage(ws, space_id, DELTA)

    def over(function: Callable[..., Any], values: Sequence[Any], **more: Any) -> list[Callable[[], Any]]:
        return [lambda value=value: function(ws, space_id, value, **more) for value in values]

    yield Query("profiles read anew, and FAC", 200, [afresh] * 6)
    yield Query("FAC at a new δ", 50, over(coverage, deltas))
    yield Query("gap list at a new δ", None, over(gaps, deltas))
    yield Query("sweep over every δ", 200, [lambda: sweep(ws, space_id)] * 10)
    yield Query(
        "top 20 of a feature, with those around the median and δ", 200, over(examples, features, delta=DELTA, n=20)
    )
    yield Query("the same of the twenty commonest", 200, over(examples, common, delta=DELTA, n=20))
    yield Query("features of a sample", 200, [lambda content=content: of_text(content) for content in texts])
    columns = ("register", "label", "dataset", "topic")
    yield Query(
        "heatmap by a column not looked at before",
        None,
        [lambda column=column: heatmap(ws, space_id, DELTA, column) for column in columns],
    )
    yield Query(
        "heatmap at a new δ, both measures",
        200,
        [
            lambda column=column, measure=measure, delta=delta: heatmap(ws, space_id, delta, column, measure)
            for column in columns[2:]
            for measure in (SHARE, DIFFERENCE)
            for delta in deltas[:10]
        ],
    )
    yield Query(
        "a page of 100 features, by each column",
        200,
        [
            lambda sort=sort, page=page: feature_page(ws, space_id, DELTA, sort=sort, page=page, page_size=100)
            for page in (1, 50)
            for sort in SORTS
        ],
    )
    yield Query("a feature's page", 200, over(feature_detail, features, delta=DELTA))


# --- whether it is right ---


def compare(ws: Workspace, space_id: str, plan: Plan, truth: Truth) -> None:
    """Stop unless the store answers what was counted from the data."""
    content, feature, value, start = truth.rows
    seed, anchor = truth.above[0] > 0, truth.above[1] > 0
    relevant = np.arange(plan.d_sae) % 3 > 0
    found = coverage(ws, space_id, DELTA)
    counted = int((anchor & relevant).sum()), int((seed & anchor & relevant).sum())
    same("FAC", (found.n_anchor, found.n_covered, found.fac), (*counted, counted[1] / counted[0]))
    point = next(point for point in sweep(ws, space_id) if point.delta == DELTA)
    same("the sweep", point.fac, counted[1] / counted[0])
    same("gaps", len(gaps(ws, space_id, DELTA, collapse=False)), found.states["missing"])
    for watched in plan.watched_features:
        mine = feature == watched
        order = np.lexsort((content[mine], -value[mine]))[:20]
        expected = [
            (int(content[mine][i]), float(value[mine][i]), int(start[mine][i])) for i in order if value[mine][i] > DELTA
        ]
        shown = examples(ws, space_id, watched, DELTA, n=20)[TOP]
        same(f"top of feature {watched}", [(each.content_id, each.value, each.char_start) for each in shown], expected)
        row = feature_detail(ws, space_id, watched, DELTA).row
        same(f"counts of feature {watched}", (row.n_seed, row.n_anchor), tuple(truth.above[:2, watched].tolist()))
        same(f"maximum of feature {watched}", row.max_value, float(truth.highest[watched]))
    with ws.database.cursor() as cursor:
        for watched, active in firings(cursor, space_id, plan.watched_texts, 0.0).items():
            mine = content == watched
            pairs = {(int(f), float(v)) for f, v in zip(feature[mine], value[mine], strict=True)}
            same(f"features of text {watched}", {(each.feature_id, each.value) for each in active}, pairs)
    shown_map = heatmap(ws, space_id, DELTA, "topic", SHARE, plan.d_sae)
    place = [shown_map.groups.index(topic) for topic in TOPICS]
    shows, lacks = truth.grouped[0] > 0, (truth.grouped[0] > 0) & (truth.grouped[1] == 0)
    same("heatmap, shown", shown_map.n_shown.sum(0)[place].tolist(), shows[relevant].sum(0).tolist())
    same("heatmap, missing", shown_map.n_missing.sum(0)[place].tolist(), lacks[relevant].sum(0).tolist())
    print("every answer compared is as counted from the data")


def same(what: str, found: Any, expected: Any) -> None:
    """Stop at a wrong answer."""
    if found != expected:
        raise SystemExit(f"Wrong: {what} is {found}, not {expected}.")


if __name__ == "__main__":
    main()
