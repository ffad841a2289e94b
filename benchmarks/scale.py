"""What one text costs, in time and in bytes, and what a cluster adds: the figures that docs/scale.md multiplies.

    python benchmarks/scale.py [--texts 512] [--ray]

With --ray also the time Ray takes to start and to hand out a task, with a reader that reads nothing.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from fac_core.content import content_hash
from fac_core.feature_space.engines import RAY, Engine, Shard, Task, Tick, Work
from fac_core.feature_space.extraction import activation_tables
from fac_core.feature_space.extractor import Extractor, TextActivations, load_extractor
from fac_core.feature_space.pool_reader import PoolReader, put_floor
from fac_core.feature_space.space import embedded_space
from fac_core.feature_space.summary import N_BINS, Summary, examples_for, key_of
from fac_core.jobs.exchange import Exchange
from fac_core.jobs.folder import JobFolder
from fac_core.jobs.shards import shard_file, write_shard
from fac_core.samples.pool_files import as_row, plan

DEMO = Path(__file__).resolve().parents[1] / "data" / "demo" / "toxicity" / "anchor.jsonl"
LARGE = 65_536
ROUNDS = 3


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--ray", action="store_true", help="also what Ray adds")
    options = parser.parse_args()
    texts = [json.loads(line)["text"] for line in DEMO.read_text(encoding="utf-8").splitlines()][: options.texts]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        extractor = load_extractor(embedded_space())
        read = reading(extractor, texts)
        raw(root / "raw", texts, read)
        parts(root / "pool", texts)
        profiles()
        if options.ray:
            ray(root / "ray")


def say(what: str, value: float, unit: str) -> None:
    """One figure."""
    print(f"{what:<66}{value:>14,.4g} {unit}", flush=True)


def best(action: Callable[[], object]) -> float:
    """Seconds, the least of a few rounds, so that load from elsewhere does not count."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return min(times)


def reading(extractor: Extractor, texts: list[str]) -> list[TextActivations]:
    """Speed, and the share of this machine's matrix speed that reading reaches."""
    extractor.read_all(texts[:8])
    read = extractor.read_all(texts)
    seconds = best(lambda: extractor.read_all(texts))
    tokens = sum(each.n_tokens for each in read)
    spec = extractor.spec
    blocks = sum(
        weights.numel() for name, weights in extractor.backbone.model.named_parameters() if "embed" not in name
    )
    size = blocks * spec.block // spec.n_blocks
    flops = 2 * (size + spec.d_sae * extractor.sae.d_in) * tokens  # decoding is sparse
    square = torch.randn(2048, 2048)
    peak = 2 * 2048**3 / best(lambda: square @ square)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; best of {ROUNDS} rounds")
    say("texts", len(texts), "")
    say("content tokens a text", tokens / len(texts), "")
    say("characters a text", sum(map(len, texts)) / len(texts), "")
    say("parameters read for a token (blocks up to the hook)", size, "")
    say("speed", len(texts) / seconds, "texts/s")
    say("speed", tokens / seconds, "content tokens/s")
    say("floating point operations", flops / seconds / 1e9, "GFLOP/s")
    say("matrix product of 2048 x 2048 on this machine", peak / 1e9, "GFLOP/s")
    say("utilisation: the first over the second", flops / seconds / peak, "")
    say("active features a text", sum(len(each.features) for each in read) / len(read), "")
    return read


def raw(folder: Path, texts: list[str], read: list[TextActivations]) -> None:
    """Bytes of raw rows."""
    import duckdb

    tables = activation_tables(enumerate(read))
    activation = tables["activation"]  # DuckDB finds it by this name
    rows = activation.num_rows
    write_shard(folder, "shard", tables)
    size = sum(path.stat().st_size for path in folder.iterdir())
    say("raw rows in a shard (Parquet)", size / len(texts), "bytes/text")
    say("raw rows in a shard (Parquet)", size / rows, "bytes/row")
    database = duckdb.connect(str(folder / "store.duckdb"))
    many = 200  # a file of one block says nothing about a row
    database.execute(
        "CREATE TABLE activation AS SELECT 'space' AS space_id, content_id + i * 1000000 AS content_id, feature_id, "
        "value, token_pos, char_start, char_end FROM activation, range(?) r(i) ORDER BY ALL",
        [many],
    )
    database.execute(
        "CREATE TABLE activation_by_feature AS SELECT space_id, feature_id, value, content_id, token_pos, char_start, "
        "char_end FROM activation ORDER BY feature_id, value DESC"
    )
    database.close()
    stored = (folder / "store.duckdb").stat().st_size
    say("raw rows in the store (both orders)", stored / len(texts) / many, "bytes/text")


def parts(folder: Path, texts: list[str]) -> None:
    """What leaves a part of a pool, at its beginning and when the pool's floors are known."""
    folder.mkdir()
    pool = folder / "pool.jsonl"
    pool.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    spec = embedded_space()
    reader = PoolReader(json.loads(spec.to_json()), "toxicity", {"fields": {"text": "text"}}, examples_for(spec.d_sae))
    exchange = Exchange(str(folder / "exchange"))
    given = pa.Table.from_pylist([as_row(plan(str(pool)).parts[0])])

    def size() -> float:
        shard = reader.read("part", given, exchange, lambda done, message="": None)
        write_shard(folder / "shards", "part", shard.tables)
        return sum((folder / "shards" / shard_file("part", name)).stat().st_size for name in shard.tables)

    say("a pool's first part", size() / len(texts), "bytes/text")
    known = Summary(spec.d_sae, reader.n_examples)
    extractor = load_extractor(spec)
    read = extractor.read_all(texts)
    for copy in range(reader.n_examples):  # as if the pool had held each text twenty times, a little stronger
        known.add_texts(
            [key_of(content_hash(f"{copy} {text}")) for text in texts],
            [each.features for each in read],
            [each.values + 1 for each in read],
        )
    put_floor(exchange, known)
    say("a part of which nothing is among the strongest", size() / len(texts), "bytes/text")


def profiles() -> None:
    """The profile of a part in a space of 65,536 features: most fire rarely, few often."""
    from pyarrow import parquet

    random = np.random.default_rng(0)
    rate = np.minimum(0.3, 0.3 / np.arange(1, LARGE + 1) ** 0.8)
    for n_texts in (16_384, 65_536, 100_000_000):
        shape = np.exp(-0.5 * ((np.arange(N_BINS) - 8) / 6) ** 2)
        counts = random.poisson(n_texts * rate[:, None] * (shape / shape.sum())[None])
        feature, at = counts.nonzero()
        table = pa.table({"feature_id": feature.astype(np.int32), "bin": at.astype(np.int16), "n": counts[feature, at]})
        sink = pa.BufferOutputStream()
        parquet.write_table(table, sink, compression="zstd")
        say(f"profile of {n_texts:,} texts, 65,536 features: rows", len(feature), "")
        say(f"profile of {n_texts:,} texts, 65,536 features (Parquet)", sink.getvalue().size / 1e6, "MB")
    total, part = np.zeros((LARGE, N_BINS), np.int64), counts.astype(np.int64)
    say("adding a profile of 65,536 features", best(lambda: np.add(total, part, out=total)) * 1e3, "ms")


@dataclass(frozen=True)
class Nothing:
    """A reader that reads nothing."""

    def read(self, name: str, given: pa.Table, exchange: Exchange, tick: Tick) -> Shard:
        """The table as it came."""
        return Shard({"given": given}, {})


def ray(folder: Path) -> None:
    """Seconds of Ray."""
    given = pa.table({"content_id": list(range(256)), "text": ["x" * 80] * 256})
    folder.mkdir()
    for n_tasks in (2, 202):
        job = JobFolder.create(folder / f"job-{n_tasks}", "extract", {}, {})
        tasks = [Task(f"t-{i:04d}", lambda: given, 256) for i in range(n_tasks)]
        begin = time.perf_counter()
        done = list(Engine(RAY).read(Work(job, job, Nothing(), tasks, 256 * n_tasks)))
        seconds = time.perf_counter() - begin
        assert len(done) == n_tasks
        if n_tasks == 2:
            first = seconds
            say("Ray: start, two actors, two tasks, end", seconds, "s")
    say("Ray: each further task, two actors", (seconds - first) / 200 * 1e3, "ms")


if __name__ == "__main__":
    main()
