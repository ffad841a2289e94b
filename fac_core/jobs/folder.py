"""A job folder is all a worker knows and all it leaves: killed anywhere, it holds exactly the shards in its journal.

spec.json        what to do; written once, before the folder gets its name
input/*.parquet  the data to do it on
journal.jsonl    append-only: started, shard, completed | failed | cancelled
shards/*.parquet one file for each table of a shard; it counts once the journal names it
progress.json    for people; may be lost
cancel           its presence asks the worker to stop
pid.json         which process works here
work/            whatever a kind wants to keep between starts
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from fac_core.errors import StoreError
from fac_core.jobs.journal import Event, append_event, each_event, fsync_folder, read_journal, write_whole
from fac_core.jobs.shards import checked, shard_file, write_shard
from fac_core.jobs.stored import StoredRows, write_pieces

if TYPE_CHECKING:
    import pyarrow as pa

Inputs: TypeAlias = "Mapping[str, pa.Table | Iterable[pa.Table]]"
ENDINGS = {"completed", "failed", "cancelled"}
PROGRESS_EVERY_S = 0.2
WORK = "work"
"""Folder of what a kind keeps."""


class JobFolder:
    """One job on disk, seen by its worker and by the owner of the store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.observed_cancel = False
        """Whether this process has told the job that it should stop."""
        self._committed: set[str] | None = None
        self._began: tuple[float, float] | None = None
        self._last_progress = 0.0

    @classmethod
    def create(cls, root: Path, kind: str, spec: dict[str, Any], inputs: Inputs) -> JobFolder:
        """Write a new job folder; it appears under its name only when it is whole.

        An input that comes as tables one after the other is never in memory whole.

        Raises:
            OSError: the disk is full or not writable.
        """
        import pyarrow as pa

        half = root.with_name(f".{root.name}")
        (half / "input").mkdir(parents=True)
        for name, given in inputs.items():
            write_pieces(half / "input" / f"{checked(name)}.parquet", [given] if isinstance(given, pa.Table) else given)
        (half / "shards").mkdir()
        (half / "spec.json").write_text(json.dumps({"kind": kind, "spec": spec}, sort_keys=True), encoding="utf-8")
        half.replace(root)
        fsync_folder(root.parent)
        return cls(root)

    @property
    def job_id(self) -> str:
        """Name of the job."""
        return self.root.name

    @property
    def log(self) -> Path:
        """What the worker printed."""
        return self.root / "log.txt"

    @property
    def work(self) -> Path:
        """Folder for a kind's own files, kept between starts."""
        folder = self.root / WORK
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def shard_folder(self) -> Path:
        """Where the files of shards lie."""
        folder = self.root / "shards"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def kind(self) -> str:
        """Kind of the job."""
        return str(self._file["kind"])

    @property
    def spec(self) -> dict[str, Any]:
        """What to do."""
        spec: dict[str, Any] = self._file["spec"]
        return spec

    @cached_property
    def _file(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.root / "spec.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"The job folder {self.root} has no readable spec.json; start the job again.") from error
        return content

    def input(self, name: str = "input") -> pa.Table:
        """An input table.

        Raises:
            StoreError: missing or damaged.
        """
        return _read_parquet(self.root / "input" / f"{checked(name)}.parquet")

    def input_rows(self, name: str = "input") -> StoredRows:
        """The same some rows at a time; a missing or damaged file shows at the first."""
        return StoredRows(self.root / "input" / f"{checked(name)}.parquet")

    # --- worker side ---------------------------------------------------------------------------------------------

    def cancelled(self) -> bool:
        """Whether the job was asked to stop; a job that is told so must return."""
        self.observed_cancel = (self.root / "cancel").exists()
        return self.observed_cancel

    def progress(self, done: float, total: float, message: str = "") -> None:
        """Tell people how far it is; cheap enough to call for each batch."""
        now = time.time()
        if self._began is None or done < self._began[1]:
            self._began = (now, done)
        if done < total and now - self._last_progress < PROGRESS_EVERY_S:
            return
        self._last_progress = now
        since, at = self._began
        eta = (total - done) * (now - since) / (done - at) if done > at else None
        content = {"done": done, "total": total, "message": message, "eta_s": eta, "heartbeat": now}
        write_whole(self.root / "progress.json", json.dumps(content))

    def commit_shard(self, name: str, tables: dict[str, pa.Table], extra: dict[str, Any] | None = None) -> None:
        """Make a shard count: its files first, then its line in the journal. Committing it again changes nothing."""
        if checked(name) not in self._names():
            self.note_shard(name, write_shard(self.shard_folder, name, tables), extra)

    def note_shard(self, name: str, rows: dict[str, int], extra: dict[str, Any] | None = None) -> None:
        """Make a shard count whose files, one for each table in `rows`, lie in `shard_folder`."""
        if checked(name) in self._names():
            return
        fsync_folder(self.shard_folder)
        self.append({"event": "shard", "name": name, "rows": rows, "extra": extra or {}})
        self._names().add(name)

    def committed(self) -> frozenset[str]:
        """Names of committed shards."""
        return frozenset(self._names())

    def _names(self) -> set[str]:
        if self._committed is None:
            self._committed = {shard["name"] for shard in self.each_shard()}
        return self._committed

    def append(self, event: Event) -> None:
        """Add an event to the journal, with the time."""
        append_event(self.root / "journal.jsonl", {**event, "at": time.time()})

    # --- both sides ----------------------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """All whole events of the journal."""
        return read_journal(self.root / "journal.jsonl")

    def outline(self) -> list[Event]:
        """The same without what kinds have added to shards, which can be much."""
        return [
            {key: said for key, said in event.items() if key != "extra"}
            for event in each_event(self.root / "journal.jsonl")
        ]

    def shards(self) -> dict[str, Event]:
        """Committed shards by name, in the order of commitment; `extra` of each is what the kind added."""
        return {shard["name"]: shard for shard in self.each_shard()}

    def each_shard(self) -> Iterator[Event]:
        """The same one by one, where what was added to all would be much."""
        seen = set()
        for event in each_event(self.root / "journal.jsonl"):
            if event.get("event") == "shard" and event["name"] not in seen:
                seen.add(event["name"])
                yield event

    def shard_table(self, name: str, table: str) -> pa.Table:
        """One table of a shard.

        Raises:
            StoreError: the file is missing or damaged.
        """
        return _read_parquet(self.shard_folder / shard_file(name, table))

    def shard_tables(self, shard: Event) -> dict[str, pa.Table]:
        """Tables of a committed shard, given its event.

        Raises:
            StoreError: a file is missing or damaged.
        """
        return {table: self.shard_table(shard["name"], table) for table in shard["rows"]}

    def last_progress(self) -> dict[str, Any]:
        """What the worker last told, or zeros."""
        try:
            content: dict[str, Any] = json.loads((self.root / "progress.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"done": 0.0, "total": 0.0, "message": "", "eta_s": None}
        return content


def shards_in(events: list[Event]) -> dict[str, Event]:
    """Committed shards by name; a name that occurs twice counts once."""
    found: dict[str, Event] = {}
    for event in events:
        if event.get("event") == "shard":
            found.setdefault(event["name"], event)
    return found


def ending_in(events: list[Event]) -> Event | None:
    """How the present attempt ended: the last ending, unless a later start follows it."""
    last = next((event for event in reversed(events) if event.get("event") in {*ENDINGS, "started"}), None)
    return last if last is not None and last["event"] in ENDINGS else None


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"The file {path} is missing or damaged; delete the job and start it again.") from error
