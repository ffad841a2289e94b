"""A name a person gave stands until a person changes it, whatever a method says later; every earlier name is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fac_core.errors import InputError
from fac_core.features.relevance import check_feature
from fac_core.human import one_line
from fac_core.store import features as store
from fac_core.store.features import NameEvent
from fac_core.workspace import now

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

MAX_CHARS = 200

__all__ = ["MAX_CHARS", "NameEvent", "history", "newest", "rename"]


def rename(ws: Workspace, space_id: str, feature_id: int, text: str, author: str) -> None:
    """Give a feature a name; an empty one brings the keywords back.

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


def newest(ws: Workspace, space_id: str) -> int:
    """What names go with: as long as it stands, every feature of the space is called what it was."""
    return store.newest_explanation(ws.database, space_id)


def history(ws: Workspace, space_id: str, feature_id: int) -> list[NameEvent]:
    """Every name the feature was given, newest first; an empty text is where a person went back to the keywords."""
    return store.name_events(ws.database, space_id, feature_id)
