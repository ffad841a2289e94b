"""A cluster reads the same shards into the same files: a machine that dies costs the shards it was at, and no row.

Ray Data runs a pool of actors, each with the model; a row of its dataset is the name of a task. The actor reads the
task's Parquet file from the exchange and writes the shard's files there, so that only names and sums go through Ray. A
row is not a text, because Ray Data cuts and joins blocks as it likes, and then a shard would have no name to be resumed
by. When an actor is lost with its machine, Ray Data gives its task to another.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import fac_core
from fac_core.errors import FacError, InputError, ModelError
from fac_core.feature_space.engines import Done, Engine, Reader, Task, Work
from fac_core.jobs.exchange import Exchange, first_line
from fac_core.jobs.shards import shard_file

if TYPE_CHECKING:
    import pyarrow as pa

OBJECT_STORE = 100 << 20
"""Bytes of shared memory of a Ray that is started here; nothing large goes through it."""
_LOOK_S = 0.2
_END = object()


def read(engine: Engine, work: Work) -> Iterator[Done]:
    """Read the tasks on a cluster, in the order in which they are finished.

    Raises:
        InputError: no cluster at the address, no room in it, or a machine that does not see the shared folder.
        ModelError: a machine cannot load the model or the SAE, or has another version of this package.
    """
    exchange = engine.exchange(work)
    waiting = sum(task.n_texts for task in work.tasks)
    work.progress(waiting, "Starting Ray" if not engine.address else "Joining the cluster")
    ray = _connect(engine)
    try:
        results = _results(ray, engine, work, exchange)
        sizes = {task.name: task.n_texts for task in work.tasks}
        while not work.job.cancelled():
            work.progress(waiting, "Reading")
            try:
                found = results.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            if found is _END:
                break
            if isinstance(found, BaseException):
                raise _worded(found)
            result = json.loads(found)
            if "error" in result:
                raise ModelError(result["error"])
            done = Done(result["name"], result["rows"], result["extra"])
            for table in done.rows:
                file = shard_file(done.name, table)
                exchange.take(f"shards/{file}", work.into.shard_folder / file)
            yield done
            waiting -= sizes[done.name]
    finally:
        ray.shutdown()
    if not work.job.observed_cancel:
        exchange.clear()


class Actor:
    """One copy of the model in the cluster; reads a task whenever it is given one."""

    def __init__(self, reader: Reader, url: str, version: str) -> None:
        self.reader, self.exchange, self.version = reader, Exchange(url), version

    def __call__(self, tasks: Mapping[str, Any]) -> dict[str, list[str]]:
        """Results of tasks as JSON; what a person can mend comes back as a sentence and not as an exception."""
        return {"result": [json.dumps(self._outcome(str(name))) for name in tasks["name"]]}

    def _outcome(self, name: str) -> dict[str, Any]:
        host = socket.gethostname()
        try:
            return self._read(name, host)
        except FacError as error:
            return {"name": name, "error": f"On the machine {host}: {error}"}
        except OSError as error:
            full = error.errno == errno.ENOSPC
            why = "the disk is full" if full else (error.strerror or first_line(error))
            return {"name": name, "error": f"On the machine {host}, {self.exchange.url} cannot be written: {why}."}

    def _read(self, name: str, host: str) -> dict[str, Any]:
        if self.version != fac_core.__version__:
            raise ModelError(f"it has FAC Explorer {fac_core.__version__}, and the job is of {self.version}.")
        given: pa.Table | None = self.exchange.get(f"input/{name}.parquet")
        if given is None:
            raise InputError(
                f"it does not see {self.exchange.url}; name a folder or URL that all machines see with --folder."
            )
        shard = self.reader.read(name, given, self.exchange, lambda done, message="Reading": None)
        for table_name, table in shard.tables.items():
            self.exchange.put(f"shards/{shard_file(name, table_name)}", table)
        rows = {table_name: table.num_rows for table_name, table in shard.tables.items()}
        return {"name": name, "rows": rows, "extra": shard.extra}


def _connect(engine: Engine) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import logging

    import ray

    here = {} if engine.address else {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
    try:
        ray.init(address=engine.address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        where = f"No Ray cluster answers at {engine.address}" if engine.address else "Ray does not start here"
        raise InputError(f"{where}: {first_line(error)}.") from error
    return ray


def _results(ray: Any, engine: Engine, work: Work, exchange: Exchange) -> queue.Queue[Any]:
    """Results as JSON, in the order they come, then `_END`; an exception where the cluster fails."""
    from ray.data import ActorPoolStrategy, DataContext, from_items

    gpus, room = _room(ray.nodes(), engine)
    if not room:
        raise InputError(
            f"No machine of the cluster has {engine.cpus:g} CPUs{f' and {gpus:g} GPUs' if gpus else ''} for an actor."
        )
    _put(exchange, work.tasks)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    n_actors = min(engine.actors or room, len(work.tasks))
    names = [{"name": task.name} for task in work.tasks]
    dataset = from_items(names, override_num_blocks=len(names)).map_batches(
        Actor,
        fn_constructor_args=(work.reader, exchange.url, fac_core.__version__),
        # a task waits for nobody: the next free actor takes it
        compute=ActorPoolStrategy(
            min_size=1, max_size=n_actors, initial_size=n_actors, max_tasks_in_flight_per_actor=1
        ),
        batch_size=None,
        num_cpus=engine.cpus,
        num_gpus=gpus,
    )
    results: queue.Queue[Any] = queue.Queue()

    def follow() -> None:
        try:
            for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for found in batch["result"].to_pylist():
                    results.put(found)
            results.put(_END)
        except BaseException as error:  # noqa: BLE001 - it is raised by the thread that waits
            results.put(error)

    threading.Thread(target=follow, daemon=True).start()
    return results


def _put(exchange: Exchange, tasks: list[Task]) -> None:
    for task in tasks:
        exchange.put(f"input/{task.name}.parquet", task.given())


def _room(nodes: list[dict[str, Any]], engine: Engine) -> tuple[float, int]:
    """GPUs of an actor, and how many actors the living machines have room for."""
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = engine.gpus
    if gpus is None:
        gpus = 1.0 if any(machine.get("GPU", 0) >= 1 for machine in machines) else 0.0
    fits = [
        int(min(machine.get("CPU", 0) // engine.cpus, machine.get("GPU", 0) // gpus if gpus else float("inf")))
        for machine in machines
    ]
    return gpus, sum(fits)


def _worded(error: BaseException) -> BaseException:
    """An error of the cluster as a sentence; a defect in an actor as it is, with its traceback for the log."""
    from ray.exceptions import RayError, RayTaskError

    if isinstance(error, RayError | ConnectionError) and not isinstance(error, RayTaskError):
        return InputError(f"The cluster has failed: {first_line(error)}.")
    return error
