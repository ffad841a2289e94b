"""A question is paid for once: it is looked up among the replies of the project before it is asked, and kept after.

The desk is what all threads of a job share: the client with its retries and its pace, the journal of calls, the budget.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from fac_core.llm.asking import Answer, Question
from fac_core.llm.budget import Budget, OverBudget
from fac_core.llm.calls import CALLS, Attempt, Calls, journals_beside, request_hash
from fac_core.llm.client import ATTEMPTS, TIMEOUT_S, ChatClient, Ending, Reply
from fac_core.llm.endpoint import Endpoint
from fac_core.llm.kept import asked_again, asked_of, is_read, read_reply, standing
from fac_core.llm.pace import Pace
from fac_core.llm.terms import Terms

if TYPE_CHECKING:
    from fac_core.jobs.folder import JobFolder

SLICE_S = 0.2
"""A pause is looked at so often for whether the job was cancelled."""
EXTRA_TOKENS = 200
"""Of a chat template and a service's own words, at most."""


class Stopped(Exception):
    """The job was cancelled, or met an error, before an attempt began."""


class Desk:
    """Where a job's questions are asked; safe to share between threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        calls: Calls,
        terms: Terms,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        timeout_s: float = TIMEOUT_S,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.endpoint = endpoint
        self.calls = calls
        self.terms = terms
        self.budget = Budget(terms.cap, calls.attempts.values())
        self.halted = threading.Event()
        """Set when nothing more is to be asked."""
        self._cancelled = cancelled
        pace = Pace(terms.at_once, sleep=self.sleep)
        self.client = ChatClient(endpoint, attempts=attempts, timeout_s=timeout_s, sleep=self.sleep, pace=pace)
        self._guard = threading.Lock()
        self._asked: WeakValueDictionary[str, Any] = WeakValueDictionary()

    def stopped(self) -> bool:
        """Whether nothing more is to be asked."""
        return self.halted.is_set() or self._cancelled()

    def name_of(self, question: Question) -> str:
        """What a question's reply is kept under."""
        return request_hash(self.endpoint, asked_of(question))

    def planned(self, question: Question, *, again: bool = False) -> Attempt:
        """An attempt at a question with the most it can cost."""
        name, said = self.name_of(question), bytes_of(question)
        # a token is a byte at least, in every tokenizer that knows all bytes
        most_in = said + len(json.dumps(question.schema)) + EXTRA_TOKENS
        return self.calls.planned(
            name, question.purpose, bytes_in=said, most_in=most_in, most_out=question.max_tokens, again=again
        )

    def reply(self, question: Question, *, again: bool = False, own: bool = False) -> Reply:
        """The reply to a question: one that is there (with `own`, one that this job got), else one that is asked for.

        Raises:
            Stopped: the job was cancelled before it was asked.
            OverBudget: it does not fit under the cap.
            EndpointError: as for `ChatClient.ask`.
        """
        name = self.name_of(question)
        with self._guard:
            lock = self._asked.setdefault(name, threading.Lock())
        with lock:  # who asks the same at the same time waits for the one reply
            kept = self.calls.reply(name, own=own)
            return kept or self.client.ask(**asked_of(question), meter=_Meter(self, question, again))

    def answer(self, question: Question) -> Answer:
        """What a question is answered with; one whose reply cannot be read is put once more, with its schema in words.

        Raises:
            Stopped: the job was cancelled before it was asked.
            EndpointError: as for `ChatClient.ask`.
        """
        own = self.own_only(question)
        try:
            read = self.read(question, self.reply(question, own=own))
            if read.outcome == "unreadable":
                once_more = asked_again(question)
                read = self.read(once_more, self.reply(once_more, again=True, own=own))
        except OverBudget:
            return Answer(question.key, "over budget", {}, "", self.name_of(question))
        return read

    def own_only(self, question: Question) -> bool:
        """Whether only replies that this job got answer a question: it is asked anew where others cannot be read."""
        return self.terms.anew and not is_read(standing(self.calls, self.endpoint, question))

    def read(self, question: Question, reply: Reply) -> Answer:
        """What a reply says; what it turns out to be is noted."""
        answer = read_reply(question, reply, self.name_of(question))
        self.calls.read_as(answer.request_hash, answer.outcome)
        return answer

    def sleep(self, seconds: float) -> None:
        """Wait, but not on after the job was cancelled."""
        while seconds > 0 and not self.stopped():
            time.sleep(min(seconds, SLICE_S))
            seconds -= SLICE_S


class _Meter:
    """Takes one question's attempts to budget and journal."""

    def __init__(self, desk: Desk, question: Question, again: bool) -> None:
        self._desk = desk
        self._question = question
        self._again = again
        self._attempt: Attempt

    def begin(self) -> None:
        if self._desk.stopped():
            raise Stopped
        self._attempt = self._desk.planned(self._question, again=self._again)
        self._desk.budget.reserve(self._attempt, given_up=self._desk.stopped)
        self._desk.calls.begin(self._attempt)

    def end(self, ending: Ending) -> None:
        told = self._desk.calls.end(self._attempt, ending)
        self._desk.budget.settle(self._attempt, told)


def bytes_of(question: Question) -> int:
    """UTF-8 bytes of what is said to the model."""
    return sum(len(text.encode(errors="replace")) for text in (question.system, question.user))


def open_desk(job: JobFolder, terms: Terms, cancelled: Callable[[], bool], *, earlier: bool = True) -> Desk:
    """The desk of a job; with `earlier`, replies that other jobs of the project got count as answers too.

    Raises:
        InputError: the address or the key cannot be used.
        StoreError: the job's journal is damaged.
    """
    endpoint = terms.endpoint
    calls = Calls(job.work / CALLS, endpoint, terms.price, journals_beside(job.root) if earlier else ())
    return Desk(endpoint, calls, terms, cancelled=cancelled)
