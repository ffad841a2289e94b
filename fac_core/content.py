"""Two samples share a content hash exactly when a model would read the same characters in the same turns.

A content is a text and who says which part of it. Normalisation is minimal (NFC, line ends, outer white space), because
token spans point into the normalised text. A text without turns is what one user says.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
SEPARATOR = "\n\n"


class Turn(NamedTuple):
    """What one role says without a break."""

    role: str
    """SYSTEM, USER or ASSISTANT."""
    start: int
    end: int
    """Character range in the text."""
    counts: bool
    """Whether its tokens count for coverage; the others are read only so that those can be understood."""


class Content(NamedTuple):
    """What a model reads of a sample."""

    text: str
    """Normalised; what people see."""
    turns: tuple[Turn, ...] = ()
    """In the order of the text; empty where the whole text is one user turn that counts."""

    @property
    def digest(self) -> str:
        """Identity, 32 hex characters."""
        return content_hash(self.text) if not self.turns else _digest(f"{normalise(self.text)}\0{self.stored_turns}")

    @property
    def stored_turns(self) -> str | None:
        """The turns as JSON, None if there are none."""
        return json.dumps(self.turns) if self.turns else None

    @classmethod
    def of(cls, text: str, turns: Iterable[Turn]) -> Content:
        """Content of a normalised text in its one form: turns are left out where they say nothing of their own."""
        kept = tuple(turns)
        whole = (Turn(USER, 0, len(text), True),)
        return cls(text, () if kept == whole else kept)

    @classmethod
    def stored(cls, text: str, turns: str | None) -> Content:
        """Inverse of `stored_turns`."""
        return cls(text, tuple(Turn(*turn) for turn in json.loads(turns)) if turns else ())


def normalise(text: str) -> str:
    """The text as it is read and stored."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def content_hash(text: str) -> str:
    """Identity of a text that one user says, 32 hex characters; the text need not be normalised."""
    return _digest(normalise(text))


def normal_form(text: str) -> str:
    """Text without differences that do not matter for identity: NFC, single spaces, no case. Near copies share it."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def form_hash(text: str) -> str:
    """Identity of a text's normal form, 32 hex characters, whoever says it."""
    return _digest(normal_form(text))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
