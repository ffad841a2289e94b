"""A line that is kept reads as it is, without characters that cannot be seen: a person takes them out of a name, and in
what a service or model says a question mark stands for each.
"""

from __future__ import annotations

import unicodedata

from fac_core.errors import InputError

# embeddings, overrides and isolates of text direction: they change how other text on the same line reads
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str, what: str) -> str:
    """The text with single blanks; `what` is the subject of the sentence that refuses it.

    Raises:
        InputError: it holds a control character, half of a surrogate pair or a mark that turns the direction of text.
    """
    line = " ".join(text.split())
    for char in line:
        if _hidden(char):
            raise InputError(f"{what} holds U+{ord(char):04X}, which cannot be read; take it out and try again.")
    return line


def shown_line(text: str) -> str:
    """What a service or model says, on one line: each control and each mark that turns the direction of
    text becomes a question mark.
    """
    return "".join("?" if _hidden(char) else char for char in " ".join(text.split()))


def _hidden(char: str) -> bool:
    return char in _TURNING or unicodedata.category(char) in ("Cc", "Cs")
