"""A space's profiles are read once for each state of the data, and every δ is a row of what was read.

The last few states are kept: moving δ reads nothing from the store. A state is known by the data version and the roles
and sizes of the datasets, so a change of any of them is seen at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fac_core.store import coverage as store
from fac_core.store.activations import LAST_BIN

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.workspace import Workspace

KEPT = 3
"""States kept; one takes 4 MB for each role with data at 16,384 features."""
_kept: OrderedDict[tuple[Any, ...], Profiles] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Profiles:
    """Counts at every step of δ; nobody may change these arrays."""

    above: dict[str, NDArray[np.int32]]
    """For each role [steps, d_sae]: samples above step·0.25."""
    alive: NDArray[np.bool_]
    """[d_sae] active (above zero) in any sample."""
    n_samples: dict[str, int]
    """Samples read in each role."""


def load_profiles(ws: Workspace, space_id: str, d_sae: int) -> Profiles:
    """The profiles of a space as the data are now."""
    place = (ws.database.path, id(ws.database), space_id, d_sae)
    key = (*place, store.profile_state(ws.database, space_id))
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    rows = store.profile_rows(ws.database, space_id)
    profiles = _profiles(rows, d_sae)
    with _lock:
        _kept[(*place, rows.state)] = profiles
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return profiles


def counts_at_steps(table: pa.Table, role: str, d_sae: int) -> NDArray[np.int32]:
    """Samples above δ of one role, [steps, d_sae]; `table` as `store.coverage.ProfileRows.bins`."""
    mine = table.column("role").to_numpy(zero_copy_only=False) == role
    feature, at, n = (table.column(name).to_numpy()[mine] for name in ("feature_id", "bin", "n"))
    counts = np.zeros((LAST_BIN + 1, d_sae), np.int32)
    counts[at, feature] = n
    np.cumsum(counts[::-1], axis=0, out=counts[::-1])
    counts.setflags(write=False)
    return counts


def _profiles(rows: store.ProfileRows, d_sae: int) -> Profiles:
    nothing = np.broadcast_to(np.int32(0), (LAST_BIN + 1, d_sae))
    above = {role: counts_at_steps(rows.bins, role, d_sae) if rows.n_samples[role] else nothing for role in store.ROLES}
    alive = np.zeros(d_sae, bool)
    for counts in above.values():
        alive |= counts[0] > 0
    return Profiles(above, alive, rows.n_samples)


def forget() -> None:
    """x"""
    _kept.clear()
