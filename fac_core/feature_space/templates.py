"""What a template puts around content depends on the roles alone: never on the day, and never on what anyone says.

A template is rendered once for each pattern of roles, with marks in the place of what is said; a text is put where a
mark was, so that it cannot act on the template. A date in a template is a fixed one, since reading a text tomorrow has
to give what it gave today (P11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fac_core.content import ASSISTANT, SEPARATOR, SYSTEM, USER, Turn
from fac_core.errors import ModelError

FIXED_DATE = "26 Jul 2024"
"""The date that Llama 3.1's template names by itself."""
_MARK = "\u2402{}\u2402"
_MARKS = re.compile("\u2402(\\d+)\u2402")


class Template:
    """The characters that a tokenizer's chat template puts before, between and behind turns.

    Without a chat template turns are blocks of text one below the other, between the tokens that the tokenizer itself
    puts around a text, or else behind a BOS token if there is one: models use it as a sink of attention, whether or not
    their tokenizer adds it (P1).

    Raises:
        ModelError: the chat template is damaged, or leaves out what a user says.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._chat = bool(getattr(tokenizer, "chat_template", None))
        self._rendered: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.lead: list[int] = []
        """Token ids before the first character."""
        self.tail: list[int] = []
        """Token ids behind the last."""
        if not self._chat:
            around = list(tokenizer("")["input_ids"])
            bos = getattr(tokenizer, "bos_token_id", None)
            self.lead = around[: (len(around) + 1) // 2] or [int(token) for token in [bos] if token is not None]
            self.tail = around[(len(around) + 1) // 2 :]
        self.around((USER,))

    def around(self, roles: Sequence[str]) -> tuple[str, ...]:
        """The pieces before, between and behind turns of these roles, one more than there are turns.

        Raises:
            ModelError: the template cannot render these roles, or leaves out what one of them says.
        """
        key = tuple(roles)
        if key not in self._rendered:
            self._rendered[key] = self._render(key) if self._chat else ("", *[SEPARATOR] * (len(key) - 1), "")
        return self._rendered[key]

    def _render(self, roles: tuple[str, ...]) -> tuple[str, ...]:
        from jinja2 import TemplateError

        try:
            rendered = self._apply(_messages(roles))
        except TemplateError as error:
            if SYSTEM in roles:  # as their makers advise where a template knows no system: the user says it
                return self._render(tuple(USER if role == SYSTEM else role for role in roles))
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(f"The model's chat template cannot be rendered: {reason}") from error
        pieces = _MARKS.split(rendered)
        if pieces[1::2] != [str(number) for number in range(len(roles))]:
            whose = "the user's text" if roles == (USER,) else "every turn of " + ", ".join(roles)
            raise ModelError(
                f"The model's chat template does not contain {whose} once and in order, so content cannot be located."
            )
        return tuple(pieces[::2])

    def _apply(self, messages: list[dict[str, str]]) -> str:
        """Rendered with a fixed date, by either of the two names under which templates ask for one."""
        rendered: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, date_string=FIXED_DATE, strftime_now=lambda _format: FIXED_DATE
        )
        return rendered


def said_turns(turns: Sequence[Turn]) -> list[Turn]:
    """The turns that are read: what the system says only where it counts, so that no system prompt changes coverage."""
    return [turn for turn in turns if turn.counts or turn.role != SYSTEM]


def _messages(roles: tuple[str, ...]) -> list[dict[str, str]]:
    """One message for each stretch of a role, marks in place of what is said; templates want the user to begin."""
    messages: list[dict[str, str]] = []
    for number, role in enumerate(roles):
        mark = _MARK.format(number)
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += SEPARATOR + mark
        else:
            if role == ASSISTANT and not any(message["role"] == USER for message in messages):
                messages.append({"role": USER, "content": ""})
            messages.append({"role": role, "content": mark})
    return messages
