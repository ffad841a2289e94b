"""A prompt is data with a version that follows from its words, so what a changed prompt says is never mixed with what
the last one said.

The wording is our own and asks for what is there, objectively (method §3). What is in curly brackets is filled in.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from fac_core.features.asked.spans import CLOSE, OPEN
from fac_core.llm.asking import Question
from fac_core.llm.quoting import RULE
from fac_core.tasks.template import fill


class Prompt(NamedTuple):
    """What is asked, but for the texts it is asked of."""

    purpose: str
    number: int
    """Raised where what goes into it or how its answer is read changes without its words."""
    system: str
    user: str
    max_tokens: int

    @property
    def version(self) -> str:
        """Number and digest of the words, the rule on quoted data included."""
        told = json.dumps([RULE, self.system, self.user, self.max_tokens])
        return f"{self.purpose} {self.number}.{hashlib.sha256(told.encode()).hexdigest()[:8]}"

    def question(
        self, key: str, schema: dict[str, Any], *, data: str, about: str = "", max_tokens: int | None = None
    ) -> Question:
        """The question about quoted data."""
        return Question(
            key=key,
            purpose=self.purpose,
            system=f"{RULE}\n\n{self.system}",
            user=fill(self.user, {"data": data, "about": about}),
            max_tokens=max_tokens or self.max_tokens,
            schema=schema,
        )


EXAMPLE = "public transport that runs to a timetable"
"""The one that the explainer is shown; a model that repeats it has explained nothing."""
EXPLAIN = Prompt(
    "explain",
    1,
    "You study what a feature inside a language model detects. Each feature responds to one thing: a concept, a topic, "
    "a behaviour, or a pattern in the text. It may be as literal as one word or as abstract as an intention.\n"
    f"You are shown passages on which the feature is active. The token where it is most active stands between {OPEN} "
    f"and {CLOSE}; that token and what leads up to it matter most. State what these passages have in common there, in "
    "one specific sentence: what is present in the passages, without judging them. Do not list examples, do not quote "
    "the passages, and do not mention the marks, the passages or the feature themselves. If no single description fits "
    "most passages, the explanation is exactly: cannot tell\n"
    f'For example, passages such as "when does the {OPEN}train{CLOSE} to Oslo leave", "is there a {OPEN}bus{CLOSE} on '
    f'Sundays" and "I missed the last {OPEN}ferry{CLOSE}" get {{"explanation": "{EXAMPLE}"}}.\n'
    'Reply with one JSON object: {"explanation": "..."}',
    "Passages:\n{data}\n\nWhat do these passages have in common at their marked tokens? Reply with "
    '{"explanation": "..."}, and nothing else.',
    120,
)
VERIFY = Prompt(
    "verify",
    2,
    "You check a description of what a set of passages has in common. The token that matters most in each passage "
    f"stands between {OPEN} and {CLOSE}. Passages that repeat each other are fine, and a description may be worded "
    "loosely; it has to hold for what is there.\n"
    "First give the reason in one short sentence, then the verdict: yes if the description holds for nearly all "
    "passages, probably if for most, maybe if for some, no if for few or none.\n"
    'Reply with one JSON object: {"reason": "...", "verdict": "yes" | "probably" | "maybe" | "no"}',
    'Description: {about}\n\nPassages:\n{data}\n\nReply with {"reason": "...", "verdict": "..."}, and nothing else.',
    160,
)
DETECT = Prompt(
    "detect",
    2,
    "You check texts against a description of what some texts contain. For each text decide whether what the "
    "description names occurs anywhere in it. Judge each text by itself; any number of them may contain it, or none.\n"
    'Reply with one JSON object that has the number of each text as a key and "yes" or "no" as its value.',
    "Description: {about}\n\nTexts:\n{data}\n\nFor each text: does it contain what the description names? Reply with "
    'an object such as {"1": "yes", "2": "no"}, one key for each text, and nothing else.',
    16,
)
FUZZ = Prompt(
    "fuzz",
    2,
    f"You check marks in texts. In each text some tokens stand between {OPEN} and {CLOSE}. For each text decide "
    "whether the marked tokens are the ones that the description names, rather than others. Judge each text by "
    "itself; the marks may be right in any number of them, or in none.\n"
    'Reply with one JSON object that has the number of each text as a key and "yes" or "no" as its value.',
    "Description: {about}\n\nTexts:\n{data}\n\nFor each text: are the marked tokens what the description names? Reply "
    'with an object such as {"1": "yes", "2": "no"}, one key for each text, and nothing else.',
    16,
)
"""`max_tokens` of DETECT and FUZZ are those of each text's answer."""


def one_of(*words: str) -> dict[str, Any]:
    """Schema of a choice."""
    return {"type": "string", "enum": list(words)}


def an_object(properties: dict[str, Any]) -> dict[str, Any]:
    """Schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
