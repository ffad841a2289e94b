"""A feature opened at random is worth a look: it fires, people's words make it fire, and its name can be believed.

A blind draw from a large space mostly hits features that never fire here or that nobody could name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fac_core.features.columns import load_columns
from fac_core.features.counts import Array
from fac_core.features.facts import load_facts
from fac_core.features.states import is_dense
from fac_core.features.trust import HIGH, MIDDLE, UNSCORED

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


def interesting(ws: Workspace, space_id: str, delta: float) -> Array:
    """Named features that fire in the anchor, but neither on more than a tenth of it nor on the chat template; where
    names were scored, only those with at least middling trust. Ascending.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    facts = load_facts(ws, space_id, delta)
    columns = load_columns(ws, space_id, facts)
    keep = (facts.counts.anchor > 0) & ~is_dense(facts.counts.anchor_rate) & ~facts.template
    keep &= columns.names.said.astype(bool)
    trust = columns.trust.badge.astype(str)
    if (trust != UNSCORED).any():
        keep &= np.isin(trust, [HIGH, MIDDLE])
    return np.flatnonzero(keep)


def random_feature(
    ws: Workspace, space_id: str, delta: float, rng: np.random.Generator, but: int | None = None
) -> int | None:
    """One of the interesting features, other than `but`; None if there is no such.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    found = interesting(ws, space_id, delta)
    found = found[found != but] if but is not None else found
    return int(rng.choice(found)) if len(found) else None
