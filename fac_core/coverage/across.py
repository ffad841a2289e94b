"""One seed set in every feature space of a project, each at its own δ: the FAC of two spaces are two measurements.

A space sees what its SAE has features for, so neither number corrects the other; what they agree on is the finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fac_core.coverage.measure import coverage
from fac_core.coverage.states import MISSING, UNDERSAMPLED
from fac_core.feature_space.extraction import n_unread
from fac_core.feature_space.health import unfit
from fac_core.feature_space.spaces import delta, spaces

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


@dataclass(frozen=True)
class InSpace:
    """The project's coverage in one space, after what was added."""

    space_id: str
    name: str
    delta: float
    """The project's threshold in this space."""
    fac: float
    """Of the seed set alone."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    fac_after: float
    n_alive: int
    """Features active in any text that was read."""
    n_anchor: int
    """|F(P)|."""
    n_missing: int
    n_undersampled: int
    n_unread: int
    """Texts of the project that were not read in this space."""
    saturated: bool
    """So much counts as covered at this δ that FAC tells little apart."""
    fits: bool
    """Whether its SAE reads these texts as it should, or was accepted all the same."""


def across_spaces(ws: Workspace) -> list[InSpace]:
    """Coverage in every space, in the order they were registered."""
    found = []
    for space in spaces(ws):
        at = delta(ws, space.space_id)
        here = coverage(ws, space.space_id, at)
        found.append(
            InSpace(
                space_id=space.space_id,
                name=space.name,
                delta=at,
                fac=here.fac,
                low=here.low,
                high=here.high,
                fac_after=here.fac_after,
                n_alive=here.n_alive,
                n_anchor=here.n_anchor,
                n_missing=here.states[MISSING],
                n_undersampled=here.states[UNDERSAMPLED],
                n_unread=n_unread(ws, space.space_id),
                saturated=here.saturated,
                fits=unfit(ws, space.space_id) is None,
            )
        )
    return found
