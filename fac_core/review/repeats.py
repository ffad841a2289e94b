"""No text that the project holds already is approved: none of the seed, none twice, and none like one held out.

A near copy of a held-out text spoils a test as surely as the text itself, so likeness is judged as synthesis judges it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fac_core.store import review as store
from fac_core.store.approved import approved_as
from fac_core.synthesis.likeness import Index

if TYPE_CHECKING:
    import duckdb

    from fac_core.review.candidates import Candidate
    from fac_core.workspace import Workspace


def repeat(ws: Workspace, cursor: duckdb.DuckDBPyConnection, candidate: Candidate) -> str | None:
    """Why a candidate's text, which was read, may not be approved beside what the project holds, in one sentence."""
    if candidate.content_id is None:
        return None
    roles = store.roles_of_content(cursor, candidate.content_id)
    if "holdout" in roles:
        return "This text is in a holdout set and would spoil it; reject or edit it."
    for role in ("seed", "synthetic"):
        if role in roles:
            return f"This text is in a {role} set already, so it adds nothing; reject or edit it."
    twin = approved_as(cursor, candidate.content_id, candidate.candidate_id)
    if twin is not None:
        return f"This text is approved already, as candidate {twin}; reject or edit this one."
    if like_holdout(ws, candidate.text):
        return "This text is nearly the same as one in a holdout set and would spoil it; reject or edit it."
    return None


def like_holdout(ws: Workspace, text: str) -> bool:
    """Whether a text is, or is a near duplicate of, one in a holdout set."""
    with ws.database.cursor() as cursor:
        mark = store.role_fingerprint(cursor, "holdout")
    return _holdout_index(ws, mark).near(text) is not None


@lru_cache(maxsize=2)
def _holdout_index(ws: Workspace, _fingerprint: str) -> Index:
    with ws.database.cursor() as cursor:
        return Index(store.texts_in_role(cursor, "holdout"))
