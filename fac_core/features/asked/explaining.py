"""What a feature means is asked on spans that hold its peak, and checked in a separate call that sees the same spans.

"Cannot tell" is an answer, kept as such; a call that came to nothing is none, and leaves no explanation. A small model
answers in prose however it is asked: its first whole sentence is then the explanation. The prompt's example is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fac_core.features.asked.prompts import EXAMPLE, EXPLAIN, VERIFY, an_object, one_of
from fac_core.human import shown_line
from fac_core.llm.asking import UNREAD, Answer, Question
from fac_core.llm.quoting import quoted, quoted_string
from fac_core.store.explanations import CANNOT_TELL

VERDICTS = ("yes", "probably", "maybe", "no")
MAX_CHARS = 400
"""Of an explanation that is kept."""
VERSION = f"{EXPLAIN.version}, {VERIFY.version}"
"""Of an explanation: a change of either prompt makes a new one."""
_SENTENCE = re.compile(r"[^\n]+?[.!?](?=\s|$)")
_CANNOT = re.compile(r"\W*(?:i )?(?:the explanation is (?:exactly)?\W*)?can(?:not|'t|’t| not) tell\b", re.IGNORECASE)
_EXPLANATION = an_object({"explanation": {"type": "string"}})
_VERDICT = an_object({"reason": {"type": "string"}, "verdict": one_of(*VERDICTS)})


class Shown(NamedTuple):
    """The spans a feature is explained on."""

    feature_id: int
    spans: tuple[str, ...]
    """With their peaks marked; the strongest first."""
    content_ids: tuple[int, ...]
    """Document of each."""


class Explained(NamedTuple):
    """What a model said of a feature."""

    feature_id: int
    text: str
    verdict: str | None
    """One of VERDICTS, CANNOT_TELL where the explainer could not; None where the verifier did not answer."""
    reason: str
    """The verifier's."""
    request_hash: str
    """Of the explainer's call."""


def explain_question(shown: Shown) -> Question:
    """What do these spans have in common?"""
    return EXPLAIN.question(f"explain/{shown.feature_id}", _EXPLANATION, data=quoted(shown.spans))


def read_explanation(answer: Answer) -> str | None:
    """The explanation on one line, CANNOT_TELL, or None where there is none."""
    said = str(answer.value["explanation"]) if answer.outcome == "answered" else _in_prose(answer)
    text = shown_line(said)
    if not text or text.casefold().rstrip(".") == EXAMPLE:
        return None
    return CANNOT_TELL if _CANNOT.match(text) else text[:MAX_CHARS]


def verify_question(shown: Shown, text: str) -> Question:
    """Does the explanation hold for the spans?"""
    return VERIFY.question(f"verify/{shown.feature_id}", _VERDICT, data=quoted(shown.spans), about=quoted_string(text))


def read_verdict(answer: Answer) -> tuple[str | None, str]:
    """(verdict, reason); no verdict where there was no answer."""
    if answer.outcome != "answered":
        return None, ""
    return str(answer.value["verdict"]), shown_line(str(answer.value["reason"]))[:MAX_CHARS]


def questions_for(shown: Sequence[Shown], said: Mapping[int, str]) -> list[Question]:
    """Every call of a job, for a look before it starts; the verifier's with what was said of a feature before, else
    with a text as long as explanations are.
    """
    likely = "a phrase that asks another person how to do something"
    pairs = ((explain_question(each), verify_question(each, said.get(each.feature_id, likely))) for each in shown)
    return [question for pair in pairs for question in pair]


def _in_prose(answer: Answer) -> str:
    """The first whole sentence of a reply that holds no object; empty where there is none."""
    if answer.outcome not in UNREAD or "{" in answer.text:
        return ""
    found = _SENTENCE.match(answer.text.strip())
    return found[0] if found else ""
