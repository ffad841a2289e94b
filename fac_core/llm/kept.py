"""A question is answered by what is there of it already, however often it is asked, until somebody wants it anew.

A reply that could not be read is put once more with the schema in words; if that cannot be read either, the question
stays unread for the project. Where such questions are asked anew, only replies of the new job itself count for them,
while what was answered well is never paid for again.
"""

from __future__ import annotations

import json
from typing import Any

from fac_core.llm.asking import UNREAD, Answer, Question
from fac_core.llm.calls import Calls, request_hash
from fac_core.llm.client import OUTCOMES, Reply
from fac_core.llm.endpoint import Endpoint
from fac_core.llm.reading import fitting, refuses

AGAIN = "\n\nAnswer with one JSON object of this schema and with nothing else:\n"


def asked_again(question: Question) -> Question:
    """The question as it is put once more where its reply could not be read."""
    return question._replace(user=question.user + AGAIN + json.dumps(question.schema, ensure_ascii=False))


def asked_of(question: Question) -> dict[str, Any]:
    """A question as `ChatClient.ask` takes it: all that decides its answer."""
    return {
        "system": question.system,
        "user": question.user,
        "max_tokens": question.max_tokens,
        "temperature": question.temperature,
        "seed": question.seed,
        "schema": question.schema,
    }


def read_reply(question: Question, reply: Reply, name: str) -> Answer:
    """What a reply says to a question, which is kept under `name`."""
    outcome = OUTCOMES[reply.finish]
    whole, value = reply.finish == "stop", None
    if whole or reply.finish == "length":
        value = fitting(reply.text, question.schema, whole=whole)
    if value is not None:
        outcome = "answered"
    elif outcome == "answered":
        outcome = "refused" if refuses(reply.text) else "unreadable"
    return Answer(question.key, outcome, value or {}, reply.text, name)


def standing(calls: Calls, endpoint: Endpoint, question: Question, *, own: bool = False) -> Answer | Question:
    """A question's answer as far as replies are there, else what is to be asked next for it: itself or once more.

    With `own`, only replies of the job whose journal `calls` is count.
    """
    answer: Answer
    for asked in (question, asked_again(question)):
        name = request_hash(endpoint, asked_of(asked))
        if (reply := calls.reply(name, own=own)) is None:
            return asked
        answer = read_reply(asked, reply, name)
        if answer.outcome != "unreadable":
            break
    return answer


def is_read(found: Answer | Question) -> bool:
    """Whether a question stands answered, so that asking it anew would bring nothing."""
    return isinstance(found, Answer) and found.outcome not in UNREAD
