"""Raising δ never enlarges F(D), for any D: the whole curve comes from one pass over the profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.feature_space.spaces import space
from fac_core.features.judgement import judge
from fac_core.features.profiles import load_profiles
from fac_core.features.states import has_power, is_dense
from fac_core.store.activations import BIN_WIDTH, LAST_BIN
from fac_core.store.features import template_features

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


class SweepPoint(NamedTuple):
    """Coverage at one δ."""

    delta: float
    fac: float
    n_missing: int
    """Features in the state missing, as in the gap list of the same samples."""


def sweep(ws: Workspace, space_id: str, *, added: bool = False) -> list[SweepPoint]:
    """FAC and missing features at every δ of the profiles at which the anchor still shows something (method §7.6).

    Of the seed set alone, or with everything that was `added` to it.

    Raises:
        InputError: unknown space.
    """
    d_sae = space(ws, space_id).d_sae
    profiles = load_profiles(ws, space_id, d_sae)
    relevant = judge(ws, space_id, d_sae).relevant
    template = np.zeros(d_sae, bool)
    template[template_features(ws.database, space_id)] = True
    above = {role: profiles.above[role][:, relevant] for role in ("seed", "anchor", "synthetic")}
    n = profiles.n_samples
    rate = above["anchor"] / max(1, n["anchor"])
    in_anchor, covered = above["anchor"] > 0, above["seed"] > 0
    if added:
        covered = covered | (above["synthetic"] > 0)
    powered = has_power(rate * n["seed"]) & ~is_dense(rate) & ~template[relevant]
    n_anchor = in_anchor.sum(axis=1)
    n_covered = (in_anchor & covered).sum(axis=1)
    n_missing = (in_anchor & ~covered & powered).sum(axis=1)
    return [
        SweepPoint(step * BIN_WIDTH, float(n_covered[step] / n_anchor[step]), int(n_missing[step]))
        for step in range(LAST_BIN + 1)
        if n_anchor[step]
    ]
