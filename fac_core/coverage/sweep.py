"""Raising δ never enlarges F(D), for any D: the whole curve comes from one pass over the profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.spaces import space
from fac_core.features.judgement import judge
from fac_core.features.states import DENSE_SHARE, MIN_EXPECTED
from fac_core.store import coverage as store
from fac_core.store.activations import BIN_WIDTH, LAST_BIN
from fac_core.store.features import template_features

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.workspace import Workspace


class SweepPoint(NamedTuple):
    """Coverage of the seed set at one δ."""

    delta: float
    fac: float
    n_missing: int
    """Features in the state missing, as in the gap list of the seed set alone."""


def sweep(ws: Workspace, space_id: str) -> list[SweepPoint]:
    """FAC and missing features at every δ of the profiles at which the anchor still shows something (method §7.6).

    Raises:
        InputError: unknown space.
    """
    d_sae = space(ws, space_id).d_sae
    table = store.bin_counts(ws.database, space_id, ["seed", "anchor"])
    relevant = judge(ws, space_id, d_sae).relevant.copy()
    template = np.zeros(d_sae, bool)
    template[template_features(ws.database, space_id)] = True
    above = {role: counts_at_steps(table, role, d_sae)[:, relevant] for role in ("seed", "anchor")}
    n = store.samples_read(ws.database, space_id)
    rate = above["anchor"] / max(1, n["anchor"])
    in_anchor, in_seed = above["anchor"] > 0, above["seed"] > 0
    powered = (rate * n["seed"] >= MIN_EXPECTED - 1e-9) & (rate <= DENSE_SHARE) & ~template[relevant]
    n_anchor = in_anchor.sum(axis=1)
    n_covered = (in_anchor & in_seed).sum(axis=1)
    n_missing = (in_anchor & ~in_seed & powered).sum(axis=1)
    return [
        SweepPoint(step * BIN_WIDTH, float(n_covered[step] / n_anchor[step]), int(n_missing[step]))
        for step in range(LAST_BIN + 1)
        if n_anchor[step]
    ]


def counts_at_steps(table: pa.Table, role: str, d_sae: int) -> NDArray[np.int32]:
    """Samples above δ of one role, [steps, d_sae]; `table` as from `store.coverage.bin_counts`."""
    import pyarrow.compute as pc

    rows = table.filter(pc.equal(table.column("role"), role))
    counts = np.zeros((LAST_BIN + 1, d_sae), np.int32)
    counts[rows.column("bin").to_numpy(), rows.column("feature_id").to_numpy()] = rows.column("n").to_numpy()
    np.cumsum(counts[::-1], axis=0, out=counts[::-1])
    return counts
