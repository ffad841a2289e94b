"""A person's judgement about a feature outranks the tests and is never lost; taking it back is a judgement too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fac_core.errors import InputError
from fac_core.feature_space.spaces import space
from fac_core.features.judgement import choose_mode, chosen_mode
from fac_core.human import one_line
from fac_core.store import features as store
from fac_core.store.activations import carry_profiles
from fac_core.store.features import OverruleEvent
from fac_core.workspace import now

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

__all__ = ["OverruleEvent", "choose_mode", "chosen_mode", "judgements", "overrule"]


def overrule(ws: Workspace, space_id: str, feature_id: int, relevant: bool | None, author: str) -> None:
    """Say that a feature belongs to the task or does not; None gives the question back to the tests.

    Raises:
        InputError: unknown space, no such feature in it, or the author's name cannot be read.
    """
    check_feature(ws, space_id, feature_id)
    author = one_line(author, "Your own name")
    with ws.database.transaction() as cursor:
        store.add_overrule(cursor, space_id, feature_id, relevant, author, now())
        carry_profiles(cursor)


def judgements(ws: Workspace, space_id: str, feature_id: int) -> list[OverruleEvent]:
    """What people said about a feature's relevance, newest first."""
    return store.overrule_events(ws.database, space_id, feature_id)


def check_feature(ws: Workspace, space_id: str, feature_id: int) -> int:
    """The number of features of the space, if it has this one.

    Raises:
        InputError: unknown space, or no such feature in it.
    """
    d_sae = space(ws, space_id).d_sae
    if not 0 <= feature_id < d_sae:
        raise InputError(f"The space has features 0 to {d_sae - 1}, and no feature {feature_id}.")
    return d_sae
