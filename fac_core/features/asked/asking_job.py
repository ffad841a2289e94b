"""What both kinds of job share: a part's questions are asked together, and its answers become one shard or none.

A part that was cut short leaves its replies in the job's folder, so the next start asks only what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fac_core.llm.asking import Answer, Asker, Question

if TYPE_CHECKING:
    from fac_core.jobs.folder import JobFolder

T = TypeVar("T")
A_SHARD = 20
"""Features, or explanations, of one shard."""


class Stopped(Exception):
    """The job was asked to stop before everything was answered."""


class Round:
    """The calls of one job as they come in."""

    def __init__(self, job: JobFolder, asker: Asker, total: int) -> None:
        self.job, self._asker, self._total = job, asker, total
        self.done = 0
        """Calls that are behind us, those of shards that were there included."""
        self._outcomes: Counter[str] = Counter()
        self._rejections: Counter[str] = Counter()

    def ask(self, questions: Sequence[Question], message: str) -> dict[str, Answer]:
        """Answers by key; what became of each question is counted.

        Raises:
            Stopped: the job was cancelled.
            EndpointError: the service cannot be used at all.
        """
        found: dict[str, Answer] = {}
        for answer in self._asker.answers(questions):
            found[answer.key] = answer
            self.done += 1
            self.report(message)
        if len(found) < len(questions) and self.job.cancelled():
            raise Stopped
        for question in questions:
            answered = found.get(question.key)
            self._outcomes[f"{question.purpose}: {answered.outcome if answered else 'failed'}"] += 1
        rejected = [answer.text for answer in found.values() if answer.outcome == "rejected"]
        if rejected:  # the words may name what is in the question, and differ: one sentence stands for them
            self._rejections[rejected[0]] += len(rejected)
        return found

    def told(self) -> dict[str, Counter[str]]:
        """What became of the questions since this was last told, for a shard: `outcomes` by purpose, and `rejections`
        by the sentence about them.
        """
        told = {"outcomes": self._outcomes, "rejections": self._rejections}
        self._outcomes, self._rejections = Counter(), Counter()
        return told

    def report(self, message: str) -> None:
        """Tell people how far it is."""
        self.job.progress(min(self.done, self._total), self._total, message)


def parts(things: Sequence[T]) -> Iterator[tuple[str, Sequence[T]]]:
    """Shards by name and what each is of."""
    for number, at in enumerate(range(0, len(things), A_SHARD)):
        yield f"part-{number:04d}", things[at : at + A_SHARD]


def totals(job: JobFolder) -> dict[str, Any]:
    """Sums of what the shards counted; keys as in their `extra`."""
    sums: dict[str, Counter[str]] = {}
    for shard in job.shards().values():
        for name, counts in shard["extra"].items():
            sums.setdefault(name, Counter()).update(counts)
    return {name: dict(sorted(counts.items())) for name, counts in sums.items()}
