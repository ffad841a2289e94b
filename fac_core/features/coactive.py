"""Features are co-active when they fire in the same samples more often than their frequencies alone would have it.

The measure is normalised pointwise mutual information over samples: 1 where both always fire together, 0 where they
are independent. A few firings together are no evidence, so such pairs are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.spaces import space, step_of
from fac_core.features.kept import Kept
from fac_core.features.relevance import check_feature
from fac_core.store import coactive as store
from fac_core.store import features as names_store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

MIN_TOGETHER = 3
"""Samples with both, below which a pair says nothing."""
MOST_CONTENTS = 20_000
"""Texts of a feature that are looked at; what fires together in more of them is estimated from these."""
_above: Kept[tuple[NDArray[np.int64], int]] = Kept(4)


class Coactive(NamedTuple):
    """One feature that fires together with another."""

    feature_id: int
    name: str
    npmi: float
    n_together: int
    """Samples, of those looked at, in which both fire."""


def coactive(ws: Workspace, space_id: str, feature_id: int, delta: float, n: int = 10) -> list[Coactive]:
    """The features that go together with one most, by samples above δ.

    Raises:
        InputError: unknown space or feature, or δ is no step of the profiles.
    """
    check_feature(ws, space_id, feature_id)
    step, d_sae = step_of(delta), space(ws, space_id).d_sae
    above, n_samples = _above.get(ws, space_id, (step,), lambda: _counts(ws, space_id, step, d_sae))
    table, looked_at = store.together(ws.database, space_id, feature_id, delta, MOST_CONTENTS)
    ids, both = table.column("feature_id").to_numpy().astype(np.int64), table.column("n").to_numpy()
    keep = (ids != feature_id) & (both >= MIN_TOGETHER)
    ids, both = ids[keep], both[keep]
    # profiles may be behind the rows while texts are being read
    n_one, n_other = max(int(above[feature_id]), looked_at), np.maximum(above[ids], both)
    value = npmi(both / max(1, looked_at), n_one, n_other, max(n_samples, n_one))
    best = np.lexsort((ids, -value))[:n]
    names = names_store.names_of(ws.database, space_id, ids[best].tolist())
    return [Coactive(int(ids[i]), names.get(int(ids[i]), ""), float(value[i]), int(both[i])) for i in best.tolist()]


def npmi(share: NDArray[np.float64], n_one: int, n_other: NDArray[np.int64], n_samples: int) -> NDArray[np.float64]:
    """Normalised pointwise mutual information, [others] from -1 to 1.

    Args:
        share: of the one's samples, those with the other too.
        n_one: samples with the one.
        n_other: samples with each other.
        n_samples: samples in all.
    """
    together = share * n_one / max(1, n_samples)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(share * n_samples / np.maximum(n_other, 1)) / -np.log(together)
    # both in every sample: nothing is uncertain, and the limit is 1; an estimated share can lie above it
    return np.where(together >= 1, 1.0, np.minimum(value, 1.0))


def _counts(ws: Workspace, space_id: str, step: int, d_sae: int) -> tuple[NDArray[np.int64], int]:
    table, n_samples = store.samples_above(ws.database, space_id, step)
    above = np.zeros(d_sae, np.int64)
    above[table.column("feature_id").to_numpy()] = table.column("n").to_numpy()
    return above, n_samples
