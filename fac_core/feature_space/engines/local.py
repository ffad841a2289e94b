"""The job's own process reads one shard after the other, and stops between two texts."""

from __future__ import annotations

from collections.abc import Iterator

from fac_core.feature_space.engines import Cancelled, Done, Engine, Work
from fac_core.jobs.shards import write_shard


def read(engine: Engine, work: Work) -> Iterator[Done]:
    """Read the tasks in their order."""
    exchange = engine.exchange(work)
    waiting = sum(task.n_texts for task in work.tasks)
    for task in work.tasks:

        def tick(done: int, message: str = "Reading", left: int = waiting) -> None:
            if work.job.cancelled():
                raise Cancelled
            work.progress(left - done, message)

        try:
            tick(0, "Loading the model")
            shard = work.reader.read(task.name, task.given(), exchange, tick)
        except Cancelled:
            return
        yield Done(task.name, write_shard(work.into.shard_folder, task.name, shard.tables), shard.extra)
        waiting -= task.n_texts
