"""A space's profiles are read once for each state of the data, and every δ is a row of what was read.

The last few states are kept: moving δ reads nothing from the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fac_core.features.kept import Kept
from fac_core.store import coverage as store
from fac_core.store.activations import LAST_BIN

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.workspace import Workspace

KEPT = 3
"""States kept; one takes 4 MB for each role with data at 16,384 features."""


@dataclass(frozen=True)
class Profiles:
    """Counts at every step of δ; nobody may change these arrays."""

    above: dict[str, NDArray[np.int32]]
    """For each role [steps, d_sae]: samples above step·0.25."""
    alive: NDArray[np.bool_]
    """[d_sae] active (above zero) in any sample."""
    n_samples: dict[str, int]
    """Samples read in each role."""


_kept: Kept[Profiles] = Kept(KEPT)


def load_profiles(ws: Workspace, space_id: str, d_sae: int) -> Profiles:
    """The profiles of a space as the data are now."""
    return _kept.get(ws, space_id, (d_sae,), lambda: _profiles(store.profile_rows(ws.database, space_id), d_sae))


def counts_at_steps(table: pa.Table, d_sae: int) -> NDArray[np.int32]:
    """Samples above δ of one role, [steps, d_sae]; `table` as one of `store.coverage.ProfileRows.bins`."""
    feature, at, n = (table.column(name).to_numpy() for name in ("feature_id", "bin", "n"))
    # integers below 2^53 add up exactly as floats
    flat = np.bincount(at.astype(np.int64) * d_sae + feature, weights=n, minlength=(LAST_BIN + 1) * d_sae)
    counts = flat.astype(np.int32).reshape(LAST_BIN + 1, d_sae)
    for step in range(LAST_BIN - 1, -1, -1):
        counts[step] += counts[step + 1]
    counts.setflags(write=False)
    return counts


def _profiles(rows: store.ProfileRows, d_sae: int) -> Profiles:
    nothing = np.broadcast_to(np.int32(0), (LAST_BIN + 1, d_sae))
    above = {role: counts_at_steps(rows.bins[role], d_sae) if rows.n_samples[role] else nothing for role in store.ROLES}
    alive = np.zeros(d_sae, bool)
    for counts in above.values():
        alive |= counts[0] > 0
    return Profiles(above, alive, rows.n_samples)
