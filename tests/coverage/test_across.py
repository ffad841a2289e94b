"""Coverage in several spaces is what each says by itself, at its own δ."""

from __future__ import annotations

from fac_core.coverage.across import across_spaces
from fac_core.coverage.measure import coverage
from fac_core.feature_space import spaces
from fac_core.workspace import Workspace


def test_a_space_is_measured_at_the_threshold_chosen_for_it(filled_ws: Workspace) -> None:
    (space,) = spaces.spaces(filled_ws)
    for delta in (0.0, 1.25):
        spaces.set_delta(filled_ws, space.space_id, delta)
        (found,) = across_spaces(filled_ws)
        alone = coverage(filled_ws, space.space_id, delta)
        assert (found.delta, found.fac, found.low, found.high) == (delta, alone.fac, alone.low, alone.high)
        assert (found.n_missing, found.n_undersampled) == (alone.states["missing"], alone.states["undersampled"])
        assert (found.saturated, found.fits, found.n_unread) == (alone.saturated, True, 0)


def test_a_project_without_a_space_has_no_coverage(ws: Workspace) -> None:
    assert across_spaces(ws) == []
