"""One reading of everything coverage needs to know about features at one δ, so that no two numbers disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fac_core.feature_space.spaces import space
from fac_core.features.counts import Array, Counts, Mask, load_counts
from fac_core.features.judgement import Judgement, judge
from fac_core.features.states import classify
from fac_core.store import features as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


@dataclass(frozen=True)
class Facts:
    """Per-feature arrays [d_sae] of one space at one δ."""

    counts: Counts
    judgement: Judgement
    template: Mask
    family: Array
    """Family of each feature; one that is alone is its own."""
    joined_by: dict[int, str]
    """What joined a feature to its family: `firing`, `decoder` or `both`; those that are alone have no entry."""
    state: NDArray[np.str_]
    in_anchor: Mask
    """F(P): relevant and active in the anchor (method §1)."""

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return len(self.family)

    @property
    def relevant(self) -> Mask:
        """The task-relevant features F."""
        return self.judgement.relevant


def load_facts(ws: Workspace, space_id: str, delta: float) -> Facts:
    """Everything about the features of a space at one δ.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    d_sae = space(ws, space_id).d_sae
    counts = load_counts(ws, space_id, d_sae, delta)
    judgement = judge(ws, space_id, d_sae)
    template = np.zeros(d_sae, bool)
    template[store.template_features(ws.database, space_id)] = True
    families = store.families(ws.database, space_id)
    members = families.column("feature_id").to_numpy()
    family = np.arange(d_sae, dtype=np.int64)
    family[members] = families.column("family_id").to_numpy()
    return Facts(
        counts,
        judgement,
        template,
        family,
        dict(zip(members.tolist(), families.column("joined_by").to_pylist(), strict=True)),
        classify(counts, judgement.relevant, template),
        judgement.relevant & (counts.anchor > 0),
    )
