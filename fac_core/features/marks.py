"""Lists, tags and notes are a person's own: each says who set it and when, and taking it away can be read afterwards.

The work list is apart, since it is what samples are made for; these change nothing that is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fac_core.errors import InputError
from fac_core.feature_space.spaces import space
from fac_core.features.relevance import check_feature
from fac_core.human import one_line
from fac_core.store import marks as store
from fac_core.store.marks import LIST, NOTE, TAG, MarkEvent, MarkRow
from fac_core.workspace import now

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

KINDS = (LIST, TAG, NOTE)
MAX_CHARS = {LIST: 60, TAG: 40, NOTE: 1000}
WORK_LIST = "the work list"
"""What the work list is called among the lists; none of these can be called so."""
_WORDS = {LIST: "The list's name", TAG: "The tag", NOTE: "The note"}

__all__ = [
    "KINDS",
    "LIST",
    "MAX_CHARS",
    "NOTE",
    "TAG",
    "WORK_LIST",
    "MarkEvent",
    "MarkRow",
    "history",
    "mark",
    "marks",
    "members",
    "names",
]


def mark(
    ws: Workspace,
    space_id: str,
    feature_ids: Iterable[int],
    kind: str,
    value: str,
    author: str,
    *,
    present: bool = True,
) -> int:
    """Put features on a list, tag them or note something about them, or take that away; returns how many changed.

    Raises:
        InputError: unknown space, feature or kind, or the value is empty, too long, cannot be read or is the
            work list's name.
    """
    if kind not in KINDS:
        raise InputError(f"A mark is a {', '.join(KINDS[:-1])} or {KINDS[-1]}, not {kind[:40]!r}.")
    said, author = one_line(value, _WORDS[kind]), one_line(author, "Your own name")
    if not said:
        raise InputError(f"{_WORDS[kind]} is empty; write something.")
    if len(said) > MAX_CHARS[kind]:
        raise InputError(f"{_WORDS[kind]} has at most {MAX_CHARS[kind]} characters, and this one has {len(said)}.")
    if kind == LIST and present and said.casefold() == WORK_LIST:
        raise InputError(f"No list can be called {said!r}, since the work list is one of its own; choose another name.")
    d_sae = space(ws, space_id).d_sae
    wanted = sorted(set(feature_ids))
    if outside := [feature for feature in wanted if not 0 <= feature < d_sae]:
        raise InputError(f"The space has features 0 to {d_sae - 1}, and no feature {outside[0]}.")
    with ws.database.transaction() as cursor:
        return store.put_marks(cursor, space_id, wanted, kind, said, present, author, now())


def marks(ws: Workspace, space_id: str, feature_id: int) -> list[MarkRow]:
    """What stands on a feature, oldest first.

    Raises:
        InputError: unknown space or feature.
    """
    check_feature(ws, space_id, feature_id)
    return store.marks_of(ws.database, space_id, feature_id)


def members(ws: Workspace, space_id: str, kind: str, value: str) -> list[int]:
    """Features on a list, or with a tag, ascending; none where there is no such list."""
    found: list[int] = store.marked(ws.database, space_id, kind, value).tolist()
    return found


def history(ws: Workspace, space_id: str, feature_id: int) -> list[MarkEvent]:
    """Every mark the feature got or lost, newest first."""
    return store.mark_events(ws.database, space_id, feature_id)


def names(ws: Workspace, space_id: str, kind: str) -> dict[str, int]:
    """Lists or tags in use, with how many features each holds."""
    return store.mark_values(ws.database, space_id, kind)
