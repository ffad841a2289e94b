"""Askers that answer by a rule and note what they were asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fac_core.llm.asking import Answer, Question

Say = Callable[[Question], dict[str, Any] | None]
"""The object that answers a question; None where the reply cannot be read."""


@dataclass
class Scripted:
    """Answers each question by a rule, and those it has answered before from memory, as an endpoint's asker does."""

    say: Say
    asked: list[Question] = field(default_factory=list)
    """Questions that were really put."""
    known: dict[tuple[str, str], dict[str, Any] | None] = field(default_factory=dict)
    stop_after: int | None = None
    """Calls after which it is killed."""

    def answers(self, questions: Iterable[Question]) -> Iterator[Answer]:
        for question in questions:
            told = (question.system, question.user)
            if told not in self.known:
                if len(self.asked) == self.stop_after:
                    raise KeyboardInterrupt
                self.asked.append(question)
                self.known[told] = self.say(question)
            value = self.known[told]
            yield Answer(
                question.key,
                "unreadable" if value is None else "answered",
                value or {},
                json.dumps(value),
                question.key,
            )


def data_of(question: Question) -> list[str]:
    """The texts in a question, as a reader of JSON gets them."""
    block = question.user.split("<data>\n", 1)[1].rsplit("\n</data>", 1)[0]
    return [json.loads(line.split(". ", 1)[1]) for line in block.split("\n")]


def judge(says: Callable[[str], bool]) -> Say:
    """Answers yes to the texts for which `says` is true."""

    def say(question: Question) -> dict[str, Any]:
        return {str(n): "yes" if says(text) else "no" for n, text in enumerate(data_of(question), start=1)}

    return say


def explainer(text: str, verdict: str = "yes") -> Say:
    """Gives every feature the same explanation and verdict."""

    def say(question: Question) -> dict[str, Any]:
        return {"explanation": text} if question.purpose == "explain" else {"reason": "because", "verdict": verdict}

    return say
