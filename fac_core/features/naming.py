"""A name a person gave stands until a person changes it, whatever a method says later; every earlier name is kept.

What the other features are called by is one setting of the project. `best` picks by the score on held-out documents, so
the winner's own score is a little too good: of two equally good texts the luckier one is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fac_core.errors import InputError
from fac_core.features.relevance import check_feature
from fac_core.human import one_line
from fac_core.store import features as store
from fac_core.store.features import BY_BEST, BY_KEYWORDS, BY_MODEL, HUMAN, NameEvent
from fac_core.workspace import now

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

MAX_CHARS = 200

CHOICES = (BY_KEYWORDS, BY_MODEL, BY_BEST)
"""Keywords; a model's explanation, where there is one that says something and that no verifier refuted; of both the one
with the higher AUROC of the encoder, keywords where they are equal or one of them has none."""

__all__ = [
    "BY_BEST",
    "BY_KEYWORDS",
    "BY_MODEL",
    "CHOICES",
    "HUMAN",
    "MAX_CHARS",
    "NameEvent",
    "call_by",
    "called_by",
    "history",
    "newest",
    "rename",
]


def rename(ws: Workspace, space_id: str, feature_id: int, text: str, author: str) -> None:
    """Give a feature a name; an empty one brings back what it is called without.

    Raises:
        InputError: unknown space or feature, the name is longer than 200 characters, or it or the author's holds
            characters that cannot be read.
    """
    check_feature(ws, space_id, feature_id)
    name, author = one_line(text, "The feature's name"), one_line(author, "Your own name")
    if len(name) > MAX_CHARS:
        raise InputError(f"A feature's name has at most {MAX_CHARS} characters, and this one has {len(name)}.")
    with ws.database.transaction() as cursor:
        store.add_name(cursor, space_id, feature_id, author, name, now())


def called_by(ws: Workspace) -> str:
    """What features that no person named are called by in this project: one of CHOICES."""
    return store.names_by(ws.database)


def call_by(ws: Workspace, choice: str) -> None:
    """Call features that no person named by one of CHOICES.

    Raises:
        InputError: there is no such choice.
    """
    if choice not in CHOICES:
        raise InputError(f"Features cannot be named by {choice[:40]!r}; choose one of {', '.join(CHOICES)}.")
    ws.set_setting(store.NAMES_BY, choice)


def newest(ws: Workspace, space_id: str) -> tuple[str, int, int]:
    """What names go with: as long as it is the same, every feature of the space is called what it was."""
    return store.names_state(ws.database, space_id)


def history(ws: Workspace, space_id: str, feature_id: int) -> list[NameEvent]:
    """Every name the feature was given, newest first; an empty text is where a person took theirs back."""
    return store.name_events(ws.database, space_id, feature_id)
