"""A gap is robust when it stays a gap at δ = 0: no reading of the threshold makes it go away."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fac_core.features.counts import Counts, Mask, load_counts
from fac_core.features.facts import Facts, load_facts
from fac_core.features.states import COVERED, DENSE, MISSING, OTHER_STATES, STATES, TEMPLATE, UNDERSAMPLED

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

__all__ = ["COVERED", "DENSE", "MISSING", "OTHER_STATES", "STATES", "TEMPLATE", "UNDERSAMPLED", "GapStates"]


class GapStates(NamedTuple):
    """State of every feature, and which gaps hold at any threshold."""

    facts: Facts
    at_zero: Counts
    """Counts at δ = 0."""

    @property
    def robust(self) -> Mask:
        """[d_sae]: in F(P), not covered at δ and not at δ = 0 either."""
        found: Mask = self.facts.in_anchor & (self.at_zero.current == 0)
        return found


def gap_states(ws: Workspace, space_id: str, delta: float) -> GapStates:
    """States at δ and whether they hold at zero.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    facts = load_facts(ws, space_id, delta)
    at_zero = facts.counts if delta == 0 else load_counts(ws, space_id, facts.d_sae, 0.0)
    return GapStates(facts, at_zero)
