"""A transcript is cut where a paragraph begins with a speaker's name, and nowhere else.

``Human: ... (blank line) Assistant: ...`` is how published preference sets write a conversation. Lists of messages are
brought into the same form, and refused where a message would be cut by it. A conversation can also be divided into its
last answer and what that answers; one question with its answer then reads as if each had come in a column of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fac_core.content import ASSISTANT, SEPARATOR, SYSTEM, USER, normalise

_NAMES = {
    "human": USER,
    "user": USER,
    "prompter": USER,
    "assistant": ASSISTANT,
    "gpt": ASSISTANT,
    "bot": ASSISTANT,
    "model": ASSISTANT,
    "chatgpt": ASSISTANT,
    "system": SYSTEM,
    "developer": SYSTEM,
}
_WRITTEN = {USER: "Human", ASSISTANT: "Assistant", SYSTEM: "System"}
_MARK = re.compile(r"(?:\A|\n[ \t]*\n)[ \t]*(Human|User|Assistant|System):(?=\s|\Z)")
_ROLE_KEYS, _TEXT_KEYS = ("role", "from"), ("content", "value")


class Said(NamedTuple):
    """One turn of a transcript."""

    role: str
    start: int
    end: int
    """Character range of what is said, without the name and outer white space."""


def cut(text: str) -> list[Said] | None:
    """The turns of a normalised transcript, those in which nothing is said left out; None if it does not begin as
    one."""
    marks = list(_MARK.finditer(text))
    if not marks or marks[0].start() != 0:
        return None
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    found = []
    for mark, end in zip(marks, ends, strict=True):
        said = text[mark.end() : end]
        start = mark.end() + len(said) - len(said.lstrip())
        if said.strip():
            found.append(Said(_NAMES[mark[1].lower()], start, start + len(said.strip())))
    return found


def is_messages(value: Any) -> bool:
    """Whether a value looks like a list of messages, such as ``[{"role": "user", "content": "..."}]``."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or not value:
        return False
    return all(isinstance(one, Mapping) and _first(one, _ROLE_KEYS) is not None for one in value)


def write(messages: Sequence[Mapping[str, Any]]) -> str:
    """The transcript of a list of messages.

    Raises:
        ValueError: why it cannot be written as one, worded to follow a field's name.
    """
    parts = []
    for number, message in enumerate(messages, start=1):
        role = _NAMES.get(str(_first(message, _ROLE_KEYS)).lower())
        text = _first(message, _TEXT_KEYS)
        if role is None:
            raise ValueError(f"has the role {str(_first(message, _ROLE_KEYS))[:40]!r} in message {number}")
        if not isinstance(text, str):
            raise ValueError(f"has no text in message {number}")
        text = normalise(text)
        if _MARK.search(f"{SEPARATOR}{text}"):
            raise ValueError(f"holds a line in message {number} that reads as the start of another turn")
        parts.append(f"{_WRITTEN[role]}: {text}")
    return SEPARATOR.join(parts)


def is_conversation(value: Any) -> bool:
    """Whether `divide` can be asked for a value's parts: a list of messages, or a transcript of two turns or more."""
    return is_messages(value) or (isinstance(value, str) and len(cut(normalise(value)) or ()) > 1)


def divide(value: Any) -> tuple[str, str]:
    """(what comes before the last answer, the last answer) of a list of messages or a transcript.

    What comes before is plain text where it is a single message of the user, and a transcript otherwise.

    Raises:
        ValueError: why it has no such parts, worded to follow a field's name.
    """
    text = normalise(value) if isinstance(value, str) else write(value) if is_messages(value) else ""
    said = cut(text)
    if not said:
        raise ValueError("is no list of messages, such as [{role, content}, …], nor a transcript")
    *before, last = said
    if last.role != ASSISTANT:
        raise ValueError(f"ends with what the {last.role} says, not with an answer of the assistant")
    if not any(turn.role == USER for turn in before):
        raise ValueError("holds nothing that the user says before the last answer")
    parts = [(turn.role, text[turn.start : turn.end]) for turn in before]
    alone = len(parts) == 1
    asked = parts[0][1] if alone else SEPARATOR.join(f"{_WRITTEN[role]}: {words}" for role, words in parts)
    return asked, text[last.start : last.end]


def _first(message: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((message[key] for key in keys if message.get(key) is not None), None)
