"""A judge sees an explanation and texts, five at a time in two orders, and nothing that tells which of them fire.

Both orders count half, so an answer that depends on the order is worth what a coin is. What was not answered is no
answer: it lowers how many documents a score is of, never how many were judged right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fac_core.features.asked.prompts import DETECT, FUZZ, Prompt, an_object, one_of
from fac_core.llm.asking import Answer, Question
from fac_core.llm.quoting import quoted, quoted_string
from fac_core.store.explanations import DETECTION, FUZZING

TEXTS_A_CALL = 5
N_ORDERS = 2
PROMPTS: dict[str, Prompt] = {DETECTION: DETECT, FUZZING: FUZZ}


class Item(NamedTuple):
    """A document as a judge sees it."""

    content_id: int
    fires: bool
    """Whether the feature fires on it; of marked tokens, whether they are the feature's."""
    text: str


class Trial(NamedTuple):
    """An explanation and the documents it is judged on."""

    protocol: str
    """DETECTION or FUZZING"""
    explanation_id: int
    feature_id: int
    explanation: str
    items: tuple[Item, ...]


class Judged(NamedTuple):
    """What a judge said of a document."""

    content_id: int
    fires: bool
    share_yes: float | None
    """Of its answers; None without any."""


def questions(trial: Trial, seed: int = 0) -> list[Question]:
    """Every call for one explanation."""
    prompt = PROMPTS[trial.protocol]
    about = quoted_string(trial.explanation)
    made = []
    for order in range(N_ORDERS):
        for number, group in enumerate(_groups(trial, seed, order)):
            choices = an_object({str(place): one_of("yes", "no") for place in range(1, len(group) + 1)})
            data = quoted(trial.items[index].text for index in group)
            made.append(
                prompt.question(
                    f"{trial.protocol}/{trial.explanation_id}/{order}/{number}",
                    choices,
                    data=data,
                    about=about,
                    max_tokens=prompt.max_tokens * (len(group) + 1),
                )
            )
    return made


def judged(trial: Trial, answers: Iterable[Answer], seed: int = 0) -> list[Judged]:
    """What was said of each document of a trial, in its order; answers to other questions are passed over."""
    by_key = {answer.key: answer for answer in answers}
    said: dict[int, list[bool]] = defaultdict(list)
    for order in range(N_ORDERS):
        for number, group in enumerate(_groups(trial, seed, order)):
            answer = by_key.get(f"{trial.protocol}/{trial.explanation_id}/{order}/{number}")
            if answer is None or answer.outcome != "answered":
                continue
            for place, index in enumerate(group, start=1):
                said[index].append(answer.value[str(place)] == "yes")
    return [
        Judged(item.content_id, item.fires, sum(said[index]) / len(said[index]) if said[index] else None)
        for index, item in enumerate(trial.items)
    ]


def n_calls(n_items: int) -> int:
    """Calls for one explanation on so many documents."""
    return N_ORDERS * -(-n_items // TEXTS_A_CALL)


def version(protocol: str, seed: int, per_band: int, reading: str) -> str:
    """Of a score: prompt, how documents were chosen, and how they were read."""
    return f"{PROMPTS[protocol].version}, split {seed}, {per_band} a fifth, reading {reading}"


def _groups(trial: Trial, seed: int, order: int) -> list[Sequence[int]]:
    """Indices of the texts of each call."""
    shuffled = np.random.default_rng([seed, trial.feature_id, order]).permutation(len(trial.items)).tolist()
    return [shuffled[at : at + TEXTS_A_CALL] for at in range(0, len(shuffled), TEXTS_A_CALL)]
