"""Peak memory of reading texts must not grow with their number: what owner and worker take for few and for many.

    python benchmarks/memory.py [--texts 20000 200000] [--again]

The model is replaced by one that finds a few features in any text, so that what is measured is the way of the texts
from the store through the job and of the rows back. With --again the texts are read a second time and compared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from fac_core.content import Content, content_hash, form_hash
from fac_core.feature_space import shards
from fac_core.feature_space.extraction import start_extraction
from fac_core.feature_space.extractor import Health, TextActivations
from fac_core.feature_space.rereading import last_rereading, start_rereading
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.spaces import spaces
from fac_core.jobs import kinds, owner, process, worker
from fac_core.store.spaces import put_space
from fac_core.workspace import create, now, open_project

SHARD = 256
WIDTH = 576
FEATURES = 8


class Trivial:
    """Finds the same few features in each text."""

    def __init__(self) -> None:
        self.health = Health()

    def read(self, contents: Sequence[Content]) -> Iterator[tuple[int, TextActivations]]:
        """In their order."""
        for place, content in enumerate(contents):
            first = len(content.text) % 32
            one = np.ones(FEATURES, np.int32)
            found = np.arange(first, first + FEATURES, dtype=np.int32)
            self.health.merge(Health(4, FEATURES, 0.1, 1.0, np.full(WIDTH, 0.123456789)))
            yield (
                place,
                TextActivations(found, one.astype(np.float32), 0 * one, np.zeros((FEATURES, 2), np.int32), 4, 0, 2),
            )


def main() -> None:
    """Print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--act", nargs=2, metavar=("ROLE", "WHERE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.act:
        {"fill": fill, "own": own, "work": work}[options.act[0]](options.act[1])
        return
    for n in options.texts:
        with tempfile.TemporaryDirectory() as root:
            act("fill", f"{root}:{n}")
            act("own", f"{root}:first")
            if options.again:
                act("own", f"{root}:again")


def act(role: str, where: str) -> None:
    """Do one thing in a process of its own, whose peak is its own."""
    subprocess.run([sys.executable, __file__, "--act", role, where], check=True)


def fill(where: str) -> None:
    """A project of many short texts."""
    root, number = where.split(":")
    n = int(number)
    ws = create("Memory", "toxicity", root=Path(root))
    spec = SpaceSpec(
        name="Trivial", backbone="x", backbone_digest="x", block=1, n_blocks=2, sae="x", sae_digest="x", d_sae=64, k=8
    )
    with ws.database.transaction() as cursor:
        put_space(cursor, spec.space_id, spec.name, asdict(spec), {}, 64, 1.0, now())
        cursor.execute(
            "INSERT INTO dataset VALUES ('d', 'd', 'anchor', 'x', 'x', '{}', ?, 0, 0, 0, ?, NULL)", [n, now()]
        )
        for begin in range(0, n, 10_000):
            numbers = range(begin, min(begin + 10_000, n))
            texts = [f"text {number}: " + f"how do I get to number {number * 7919 % n} " * 3 for number in numbers]
            content = {"content_id": list(numbers), "hash": [content_hash(text) for text in texts], "text": texts}
            content["form"] = [form_hash(text) for text in texts]
            cursor.register("brought", pa.table(content))
            cursor.execute("INSERT INTO content SELECT content_id, hash, text, NULL, form FROM brought")
            cursor.execute(
                "INSERT INTO sample "
                "SELECT content_id, 'd', content_id + 1, NULL, content_id, NULL, NULL, '{}', '{}' FROM brought"
            )
            cursor.unregister("brought")
    ws.close()


def own(where: str) -> None:
    """Read them, as the owner of the store."""
    root, way = where.split(":")
    kinds.FOLLOW_UPS.clear()
    process.launch = launch
    ws = open_project(next(path for path in Path(root).iterdir() if path.is_dir()))
    space_id, begin = spaces(ws)[0].space_id, time.perf_counter()
    job_id = (start_rereading if way == "again" else start_extraction)(ws, space_id, SHARD)
    assert job_id is not None
    started = time.perf_counter() - begin
    job = owner.wait(ws, job_id)
    assert job.state == "completed", job.message
    if way == "again":
        found = last_rereading(ws, space_id)
        assert found is not None and (found.n_texts, found.n_changed) == (int(job.total), 0)
    read = ws.database.one("SELECT count(*) FROM content_read")
    assert read is not None and read[0] == job.total
    peak = json.loads((ws.jobs / job_id / "peak.json").read_text())
    say(f"{int(job.total):,} texts{' again' * (way == 'again')}: the worker's peak", peak)
    say(f"{int(job.total):,} texts{' again' * (way == 'again')}: the owner's peak", rss())
    print(f"{'':<6}started in {started:.1f} s, read and stored in {time.perf_counter() - begin:.0f} s", flush=True)
    ws.close()


def launch(folder: Path) -> None:
    """A worker of this script."""
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen([sys.executable, __file__, "--act", "work", str(folder)], stdout=log, stderr=log)
    process._children[child.pid] = child
    process.write_pid(folder, child.pid)


def work(folder: str) -> None:
    """Work on a job's folder and leave the peak there."""
    trivial = Trivial()
    shards.load_extractor = lambda spec: trivial  # type: ignore[assignment,return-value]
    shards.suspects = lambda *_: []  # type: ignore[assignment]
    shards.calibrate = lambda *_: None  # type: ignore[assignment]
    code = worker.main([folder])
    (Path(folder) / "peak.json").write_text(json.dumps(rss()))
    sys.exit(code)


def rss() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def say(what: str, value: float) -> None:
    """One figure."""
    print(f"{what:<60}{value:>10,.0f} MB", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
