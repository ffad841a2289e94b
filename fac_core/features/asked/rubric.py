"""A judge of relevance is told the task's rubric, what the feature is said to mean and texts that activate it; its
rating is of these and of nothing else, so it is kept with the versions of rubric and prompt.

Where nothing usable was said of the feature (no explanation, "cannot tell", or one its verifier rejected), the texts
alone are judged. The wording is objective for every task (method §4); any single criterion suffices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fac_core.features.asked.explaining import Shown
from fac_core.features.asked.prompts import Prompt, an_object, one_of
from fac_core.features.asked.spans import CLOSE, OPEN
from fac_core.features.judgement import NO, RATINGS
from fac_core.features.keywords import UNCLEAR
from fac_core.human import shown_line
from fac_core.llm.asking import Answer, Question
from fac_core.llm.quoting import quoted, quoted_string
from fac_core.store.explanations import CANNOT_TELL, LLM, Explanation
from fac_core.store.features import HUMAN, KEYWORDS
from fac_core.tasks import Task
from fac_core.tasks.template import fill

MAX_CHARS = 600
"""Of an analysis that is kept."""
_SYSTEM = (
    "You decide whether a pattern that was found in texts belongs to a task. The task is {title}: {description}\n"
    "The pattern belongs to the task if at least one of these criteria holds for what the passages show:\n{rubric}\n"
    f"In each passage the token where the pattern is strongest stands between {OPEN} and {CLOSE}; that token and what "
    "leads up to it matter most. Go by what is there, not by what it could be used for or by how you feel about it. "
    "Where description and passages differ, the passages count.\n"
    "First give an analysis in one or two short sentences: which criterion holds and where it shows, or why none does. "
    "Then give the rating: yes if a criterion holds for nearly all passages, probably if for most, maybe if for some "
    "or only loosely, no if for none.\n"
    'Reply with one JSON object: {"analysis": "...", "rating": "yes" | "probably" | "maybe" | "no"}'
)
_END = 'Passages:\n{data}\n\nReply with {"analysis": "...", "rating": "..."}, and nothing else.'
WITH_EXPLANATION = Prompt("judge", 2, _SYSTEM, f"Description of the pattern: {{about}}\n\n{_END}", 200)
FROM_TEXTS = Prompt("judge", 2, _SYSTEM, f"No description of the pattern is at hand.\n\n{_END}", 200)
VERSION = f"{WITH_EXPLANATION.version}, {FROM_TEXTS.version}"
_ANSWER = an_object({"analysis": {"type": "string"}, "rating": one_of(*RATINGS)})


class Subject(NamedTuple):
    """A feature that is to be judged."""

    feature_id: int
    explanation_id: int | None
    """None: the spans alone are judged."""
    explanation: str
    spans: tuple[str, ...]
    """With their peaks marked; the strongest first."""


def subject(shown: Shown, explanations: Sequence[Explanation]) -> Subject:
    """What a judge sees of a feature, given its explanations, newest first."""
    said = usable(explanations)
    return Subject(shown.feature_id, said and said.explanation_id, said.text if said else "", shown.spans)


def usable(explanations: Sequence[Explanation]) -> Explanation | None:
    """The explanation that counts, of those of one feature, newest first: a person's, else a model's, else keywords."""
    newest: dict[str, Explanation] = {}
    for each in explanations:
        newest.setdefault(each.method, each)
    by_person, by_model, words = (newest.get(method) for method in (HUMAN, LLM, KEYWORDS))
    if by_person and by_person.text:
        return by_person
    if by_model:
        return None if by_model.verdict in {CANNOT_TELL, NO} else by_model
    return words if words and words.text and not words.text.endswith(UNCLEAR) else None


def rating_question(task: Task, subject: Subject) -> Question:
    """Does the feature belong to the task?"""
    prompt = FROM_TEXTS if subject.explanation_id is None else WITH_EXPLANATION
    rubric = "\n".join(f"{number}. {line}" for number, line in enumerate(task.rubric, start=1))
    told = fill(prompt.system, {"title": task.title, "description": task.description, "rubric": rubric})
    return prompt._replace(system=told).question(
        f"judge/{subject.feature_id}", _ANSWER, data=quoted(subject.spans), about=quoted_string(subject.explanation)
    )


def read_rating(answer: Answer) -> tuple[str, str] | None:
    """(rating, analysis on one line); None where there is no answer."""
    if answer.outcome != "answered":
        return None
    return str(answer.value["rating"]), shown_line(str(answer.value["analysis"]))[:MAX_CHARS]
