"""Many questions to one endpoint are one thing: asked at once as far as it bears, kept, counted and paid within a cap.

What a kind of job needs of this room is here: it makes `Question`s and reads `Answer`s. Rate, retries, the budget, the
ledger of attempts and the replies that are already there are the business of an `Asker`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, Protocol

Outcome = Literal["answered", "cut off", "refused", "filtered", "unreadable", "rejected", "failed", "over budget"]
"""What became of a question: answered as asked; cut off at its token limit; refused by the model; filtered by the
service; answered with something that does not fit its schema; rejected by the service as one that it does not take; not
answered after all attempts; not asked, since the cap would have been passed."""
UNREAD: frozenset[Outcome] = frozenset({"unreadable", "cut off"})
"""Outcomes of replies that came and say nothing that can be used."""


class Question(NamedTuple):
    """One call of a chat endpoint."""

    key: str
    """The caller's name for it, unique among those asked together."""
    purpose: str
    """What it is for, as the ledger and the preview group calls: explain, verify, detect, judge …"""
    system: str
    user: str
    max_tokens: int
    schema: dict[str, Any]
    """JSON schema of the object that is wanted; every answer is checked against it here, whatever the server does."""
    temperature: float = 0.0
    seed: int | None = None
    likely_out: int | None = None
    """Tokens that the answer is likely to have, where its limit leaves room for much more; for an estimate only."""


class Answer(NamedTuple):
    """What came back."""

    key: str
    outcome: Outcome
    value: dict[str, Any]
    """The object that fits the schema; empty unless answered."""
    text: str
    """The reply as it came; of a rejection, the sentence about it with the service's own words."""
    request_hash: str


class Asker(Protocol):
    """Asks questions."""

    def answers(self, questions: Iterable[Question]) -> Iterator[Answer]:
        """An answer for each question, as they come in; stops early where the job is cancelled.

        Raises:
            EndpointError: the service cannot be used at all; what came in before is kept.
        """
