"""Where texts are read changes nothing about what is read: every engine hands the same tasks to the same reader.

A task has a name and a table; a reader makes a shard of it and depends on nothing else, so that a shard lost with its
machine is read again and comes out the same. An engine leaves a finished shard's files in the job's folder and says so;
whoever runs it writes the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fac_core.errors import InputError
from fac_core.jobs.exchange import Exchange

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.jobs.folder import JobFolder

LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)


class Tick(Protocol):
    """Called by a reader now and then with the texts of its task that are done, and what it is at."""

    def __call__(self, done: int, message: str = "Reading") -> None:
        """Raises `Cancelled` when the reader is to stop."""


class Cancelled(Exception):
    """The job was asked to stop."""


class Task(NamedTuple):
    """One shard's worth of work."""

    name: str
    given: Callable[[], pa.Table]
    """What the reader is given; made when it is wanted, so that a job's tasks are not all in memory."""
    n_texts: int
    """For progress."""


class Shard(NamedTuple):
    """What was read of a task."""

    tables: dict[str, pa.Table]
    extra: dict[str, Any]
    """For the journal, as JSON values."""


class Done(NamedTuple):
    """A shard whose files are in the job's folder."""

    name: str
    rows: dict[str, int]
    """Rows of each table."""
    extra: dict[str, Any]


class Reader(Protocol):
    """Makes a shard of a task; can be sent to another process, where it loads the model once."""

    def read(self, name: str, given: pa.Table, exchange: Exchange, tick: Tick) -> Shard:
        """The shard; depends on its arguments only, and on `exchange` only in what does not change the result."""


@dataclass
class Work:
    """What an engine is to do."""

    job: JobFolder
    """Says when to stop, and is told how far it is."""
    into: JobFolder
    """Where the shards go."""
    reader: Reader
    tasks: list[Task]
    total: int
    """Texts of the job, those read before included."""

    def progress(self, waiting: int, message: str) -> None:
        """Say how far the job is when `waiting` texts of it are still to be read."""
        self.job.progress(self.total - waiting, self.total, message)


@dataclass(frozen=True)
class Engine:
    """Which engine reads, and with what; as stored in a job's spec."""

    name: str = LOCAL
    address: str = ""
    """Of a Ray cluster of which this machine is part: host:port or auto; empty starts Ray here."""
    folder: str = ""
    """Folder or fsspec URL that all machines of the cluster see; empty for the project's own folder."""
    actors: int = 0
    """Copies of the model at work; 0 for as many as the cluster has room for."""
    cpus: float = 1.0
    """CPU cores of each."""
    gpus: float | None = None
    """GPUs of each; None for one where the cluster has any."""

    @classmethod
    def of(cls, spec: dict[str, Any]) -> Engine:
        """The engine of a job."""
        return cls(**spec.get("engine", {}))

    @property
    def in_spec(self) -> dict[str, Any]:
        """What a job's spec says of it; nothing about the usual one."""
        return {} if self == Engine() else {"engine": asdict(self)}

    def check(self) -> None:
        """Refuse what cannot work on this machine.

        Raises:
            InputError: no such engine, Ray is not installed, or a number that makes no sense.
        """
        from importlib.util import find_spec

        if self.name not in ENGINES:
            raise InputError(f"There is no engine {self.name[:40]!r}; choose one of {', '.join(ENGINES)}.")
        if self.name == LOCAL and self != Engine():
            raise InputError("An address, a shared folder, actors, CPUs and GPUs belong to --engine ray.")
        if self.actors < 0 or self.cpus <= 0 or (self.gpus is not None and self.gpus < 0):
            raise InputError("Actors and GPUs are numbers from 0, and CPUs are more than 0.")
        if self.name == RAY and find_spec("ray") is None:
            raise InputError("Ray is not installed; install it with: pip install 'fac-explorer[ray]'")

    def exchange(self, work: Work) -> Exchange:
        """Where readers of a job find and leave what they share."""
        shared = self.folder.rstrip("/")
        return Exchange(f"{shared}/{work.job.job_id}" if shared else str((work.job.work / "exchange").resolve()))

    def read(self, work: Work) -> Iterator[Done]:
        """Read the tasks in any order; ends early where the job was asked to stop.

        Raises:
            FacError: model, SAE or cluster missing or damaged.
        """
        return _reading(self.name)(self, work)


def _reading(name: str) -> Callable[[Engine, Work], Iterator[Done]]:
    if name == RAY:
        from fac_core.feature_space.engines.ray_data import read
    else:
        from fac_core.feature_space.engines.local import read
    return read
