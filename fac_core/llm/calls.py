"""What may be billed is on disk before it is asked, and what was paid for is on disk before anything is made of it.

One journal in the job's folder holds both: a line when an attempt begins, with the most it can cost, and a line when it
has ended, with the reply and what it cost. A line without its second counts as spent in full: nobody knows how far the
call came. Where a line is damaged, each attempt that may have been in it counts as the dearest of the journal.
`request_hash` names a question by all that decides its answer: endpoint, model, both messages, settings, schema and the
version of the code that reads replies. The key is no part of it and is never written.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from fac_core.errors import StoreError
from fac_core.jobs.folder import WORK
from fac_core.jobs.journal import append_event, append_events
from fac_core.llm.client import MOST_TOKENS, Ending, Reply
from fac_core.llm.endpoint import Endpoint
from fac_core.llm.prices import Price

CALLS = "calls.jsonl"
"""Name of the journal in a job's `work` folder."""
READING = 3
"""Version of how replies are read; a reply kept under another one is asked for anew."""
LOST = "lost"
"""Outcome of an attempt whose end is not known."""
SHORTEST_LINE = 330
"""Bytes of a line about an attempt, at least: its hash, its names and its numbers."""
MOST_NUMBER = 1e11
"""Of what a line tells, seconds since 1970 included; more is damage."""


def request_hash(endpoint: Endpoint, asked: dict[str, Any]) -> str:
    """Name of a question; `asked` holds what `ChatClient.ask` is given, as JSON values."""
    told = json.dumps({**endpoint.without_key(), **asked, "reading": READING}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def journals(jobs: Path, job_id: str = "*") -> list[Path]:
    """Journals of calls of all jobs in the folder of a project's jobs, or of one."""
    return sorted(folder / WORK / CALLS for folder in jobs.glob(job_id) if (folder / WORK / CALLS).exists())


def journals_beside(job_root: Path) -> list[Path]:
    """Journals of the other jobs of a project, given one job's folder."""
    return [path for path in journals(job_root.parent) if path.parents[1] != job_root]


@dataclass(frozen=True)
class Attempt:
    """One attempt at an endpoint, as it stands."""

    attempt_id: str
    request_hash: str
    purpose: str
    base_url: str
    model: str
    again: bool
    """Whether the question was put once more, its reply having been unreadable."""
    outcome: str
    """An `Outcome`, or: limited, rejected, timed out, lost."""
    bytes_in: int
    """Of what was said to the model, in UTF-8."""
    tokens_in: int
    tokens_out: int
    price: float | None
    """None where the model's price is not known."""
    assumed: bool
    """Whether the endpoint did not say what it billed, so that the most it can be stands here."""
    seconds: float
    at: float
    """When it began, in seconds since 1970."""

    @classmethod
    def of(cls, said: dict[str, Any]) -> Attempt:
        """The attempt that a journal tells of.

        Raises:
            TypeError: a value is missing or of the wrong kind.
        """
        attempt = cls(**said)
        texts = (attempt.attempt_id, attempt.request_hash, attempt.purpose, attempt.base_url, attempt.model)
        amounts = (attempt.tokens_in, attempt.tokens_out, attempt.bytes_in)
        good = all(isinstance(text, str) for text in (*texts, attempt.outcome))
        good = good and all(isinstance(amount, int) and 0 <= amount < MOST_TOKENS for amount in amounts)
        numbers = (attempt.seconds, attempt.at, 0.0 if attempt.price is None else attempt.price)
        good = good and all(isinstance(number, int | float) and 0 <= number < MOST_NUMBER for number in numbers)
        if not (good and isinstance(attempt.again, bool) and isinstance(attempt.assumed, bool)):
            raise TypeError
        return attempt

    @property
    def billed(self) -> bool:
        """Whether it may have cost something."""
        return self.assumed or self.tokens_in + self.tokens_out > 0


class Calls:
    """The journal of a job, and the replies in it and in those of earlier jobs; safe to share between threads.

    One process at a time may write to it.
    """

    def __init__(self, path: Path, endpoint: Endpoint, price: Price | None, earlier: Iterable[Path] = ()) -> None:
        """Read what is there.

        Raises:
            StoreError: the job's own journal is so damaged that nothing tells what it has spent.
        """
        self._path = path
        self._endpoint = endpoint
        self._price = price
        self._lock = threading.Lock()
        self._places: dict[str, tuple[Path, int]] = {}
        self._read_as: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self.attempts: dict[str, Attempt] = {}
        """Of this job, by id."""
        self.notes: list[dict[str, Any]] = []
        """Of this job, other than attempts."""
        for other in earlier:
            for line in journal_lines(other):
                self._find(other, line)
        n_lost, every = 0, []
        for line in journal_lines(path):
            self._find(path, line)
            n_lost += line.damaged and most_attempts(line.size)
            if line.attempt is not None:
                self.attempts[line.attempt.attempt_id] = line.attempt
                every.append(line.attempt)
            elif "read" in line.said:
                self._read_as[line.said["read"]] = line.said["outcome"]
            elif "note" in line.said:
                self.notes.append(line.said["note"])
        self._count_lost(n_lost, every)

    def _find(self, path: Path, line: Line) -> None:
        if line.attempt is not None and "reply" in line.said:
            self._places[line.attempt.request_hash] = (path, line.start)
            self._ids[line.attempt.request_hash] = line.attempt.attempt_id

    def _count_lost(self, n: int, every: Sequence[Attempt]) -> None:
        """Count attempts that nothing is known of at the most that one of this journal can have cost; `every` are those
        that it tells of, as they began and as they ended.
        """
        if n and not every:
            raise StoreError(
                f"The journal {self._path} is so damaged that nothing tells what its job has spent; start a new job."
            )
        for number in range(n):
            self.attempts[f"{LOST}-{number}"] = replace(
                every[-1],
                attempt_id=f"{LOST}-{number}",
                request_hash="",
                outcome=LOST,
                tokens_in=max(attempt.tokens_in for attempt in every),
                tokens_out=max(attempt.tokens_out for attempt in every),
                price=max((attempt.price for attempt in every if attempt.price is not None), default=None),
                assumed=True,
            )

    def reply(self, name: str, *, own: bool = False) -> Reply | None:
        """The reply to a question that was asked before; with `own`, by this job."""
        path, start = self._places.get(name, (self._path, -1))
        if start < 0 or (own and path != self._path):
            return None
        try:
            with path.open("rb") as handle:
                handle.seek(start)
                return Reply(**json.loads(handle.readline())["reply"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # an earlier job's folder was removed meanwhile: the reply is not there any more

    def planned(
        self, name: str, purpose: str, *, bytes_in: int, most_in: int, most_out: int, again: bool = False
    ) -> Attempt:
        """An attempt that has not begun, with the most it can cost."""
        return Attempt(
            attempt_id=secrets.token_hex(8),
            request_hash=name,
            purpose=purpose,
            **self._endpoint.without_key(),
            again=again,
            outcome=LOST,
            bytes_in=bytes_in,
            tokens_in=most_in,
            tokens_out=most_out,
            price=None if self._price is None else self._price.of(most_in, most_out),
            assumed=True,
            seconds=0.0,
            at=time.time(),
        )

    def begin(self, *attempts: Attempt) -> None:
        """Note that attempts begin; they are on disk when this returns."""
        with self._lock:
            append_events(self._path, [{"attempt": asdict(attempt)} for attempt in attempts])
            self.attempts |= {attempt.attempt_id: attempt for attempt in attempts}

    def end(self, attempt: Attempt, ending: Ending) -> Attempt:
        """Note how an attempt ended, with its reply; both are on disk when this returns."""
        told = self._settled(attempt, ending)
        line: dict[str, Any] = {"attempt": asdict(told)}
        if ending.reply is not None:
            line["reply"] = asdict(ending.reply)
        with self._lock:
            start = append_event(self._path, line)
            self.attempts[told.attempt_id] = told
            self._find(self._path, Line(start, 0, line, told))
        return told

    def _settled(self, attempt: Attempt, ending: Ending) -> Attempt:
        seconds = time.time() - attempt.at
        if not ending.billed:
            nothing = None if self._price is None else 0.0
            told = replace(attempt, tokens_in=0, tokens_out=0, price=nothing, assumed=False)
        elif ending.reply is not None and {"tokens_in", "tokens_out"} <= ending.reply.usage.keys():
            n_in, n_out = ending.reply.usage["tokens_in"], ending.reply.usage["tokens_out"]
            price = None if self._price is None else self._price.of(n_in, n_out)
            told = replace(attempt, tokens_in=n_in, tokens_out=n_out, price=price, assumed=False)
        else:
            told = attempt
        return replace(told, outcome=ending.outcome, seconds=max(0.0, seconds))

    def read_as(self, name: str, outcome: str) -> None:
        """Note what a reply turned out to be once it was read; said again it changes nothing."""
        attempt_id = self._ids.get(name, "")
        with self._lock:
            attempt = self.attempts.get(attempt_id)
            if attempt is not None and self._read_as.get(attempt_id, attempt.outcome) != outcome:
                append_event(self._path, {"read": attempt_id, "outcome": outcome})
                self._read_as[attempt_id] = outcome

    def note(self, note: dict[str, Any]) -> None:
        """Keep something else that has to survive a restart, in `notes`; it is on disk when this returns."""
        with self._lock:
            append_event(self._path, {"note": note})
            self.notes.append(note)


class Line(NamedTuple):
    """A whole line of a journal."""

    start: int
    size: int
    """In bytes."""
    said: dict[str, Any]
    """Empty where it is damaged."""
    attempt: Attempt | None
    """The attempt that it tells of, if it does."""

    @property
    def damaged(self) -> bool:
        """Whether it cannot be read."""
        return not self.said


def journal_lines(path: Path, start: int = 0) -> Iterator[Line]:
    """Whole lines of a journal from a place on, damaged ones too; a torn last line is left out, and so is a file that
    is not there or cannot be opened.
    """
    try:
        handle = path.open("rb")
    except OSError:
        return
    with handle:
        handle.seek(start)
        for content in handle:
            if not content.endswith(b"\n"):
                return
            yield _line(start, content)
            start += len(content)


def most_attempts(size: int) -> int:
    """How many attempts so many damaged bytes can have told of."""
    return -(-size // SHORTEST_LINE)


def _line(start: int, content: bytes) -> Line:
    try:
        said = json.loads(content)
        attempt = Attempt.of(said["attempt"]) if "attempt" in said else None
        if attempt is None and not ({"note"} <= said.keys() or {"read", "outcome"} <= said.keys()):
            raise KeyError
    except (ValueError, TypeError, KeyError, AttributeError):
        return Line(start, len(content), {}, None)
    return Line(start, len(content), said, attempt)
