"""A feature is active in a sample when its maximum over the content tokens lies strictly above δ (method §1).

Counts come from profiles, so δ moves in steps of one bin: at those steps they are exact at any size of data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.spaces import step_of
from fac_core.features.profiles import load_profiles

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

Array = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Counts:
    """How many samples activate each feature above one δ; every array is [d_sae]."""

    delta: float
    by_role: dict[str, Array]
    """Samples above δ in each role of `store.coverage.ROLES`."""
    alive: Mask
    """Active (above zero) in any sample."""
    n_samples: dict[str, int]
    """Samples read in each role."""

    @property
    def seed(self) -> Array:
        """Samples of the seed set above δ."""
        return self.by_role["seed"]

    @property
    def anchor(self) -> Array:
        """Samples of the anchor set above δ."""
        return self.by_role["anchor"]

    @property
    def synthetic(self) -> Array:
        """Approved and imported synthetic samples above δ."""
        return self.by_role["synthetic"]

    @cached_property
    def current(self) -> Array:
        """Samples of the seed and everything added to it above δ."""
        return self.seed + self.synthetic

    @cached_property
    def anchor_rate(self) -> NDArray[np.float64]:
        """Share of anchor samples above δ."""
        return self.anchor / max(1, self.n_samples["anchor"])

    @cached_property
    def expected_in_seed(self) -> NDArray[np.float64]:
        """Seed samples above δ to be expected at the anchor's rate."""
        return self.anchor_rate * self.n_samples["seed"]


def load_counts(ws: Workspace, space_id: str, d_sae: int, delta: float) -> Counts:
    """Counts of every role at one δ.

    Raises:
        InputError: δ is no step of the profiles.
    """
    step = step_of(delta)
    profiles = load_profiles(ws, space_id, d_sae)
    by_role = {role: above[step].astype(np.int64) for role, above in profiles.above.items()}
    return Counts(delta, by_role, profiles.alive, profiles.n_samples)
