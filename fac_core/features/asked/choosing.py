"""Which features are asked about is said in words; those that most anchor samples show come first, should money end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fac_core.features.facts import load_facts
from fac_core.features.states import MISSING
from fac_core.store import coverage as coverage_store
from fac_core.store import features as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

WORKLIST, GAPS, RELEVANT, NAMED = "worklist", "gaps", "relevant", "named"
CHOICES = (WORKLIST, GAPS, RELEVANT, NAMED)
"""The work list; features that are missing; those of the task that the anchor shows; all that have a name."""
_EMPTY = {
    WORKLIST: "The work list is empty; put features on it where coverage or features are shown, or choose others to "
    "ask about.",
    GAPS: "No feature is missing at δ = {delta:g}; a higher δ leaves more open, or choose others to ask about.",
    RELEVANT: "None of the task's features fires in the anchor at δ = {delta:g}; a lower δ counts fainter activations, "
    "or change which features count as relevant.",
    NAMED: "No feature has a name yet; names are made from the anchor's texts once these were read.",
}


def why_empty(choice: str, delta: float) -> str:
    """Why a choice holds no feature, and what to do."""
    return _EMPTY[choice].format(delta=delta)


def chosen(ws: Workspace, space_id: str, delta: float, choice: str) -> list[int]:
    """Features of one of CHOICES, those that most anchor samples activate first.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    facts = load_facts(ws, space_id, delta)
    if choice == WORKLIST:
        found = np.array([row.feature_id for row in coverage_store.worklist_rows(ws.database, space_id)], np.int64)
    elif choice == NAMED:
        found = store.names(ws.database, space_id).column("feature_id").to_numpy()
    else:
        found = np.flatnonzero(facts.state == MISSING if choice == GAPS else facts.in_anchor)
    order: list[int] = found[np.lexsort((found, -facts.counts.anchor[found]))].tolist()
    return order
