"""The map shows where features lie by their decoder directions; until its job has run, two principal axes stand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fac_core.features.counts import Array
from fac_core.features.facts import load_facts
from fac_core.store import feature_weights as weights
from fac_core.store import features as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

UMAP, PCA, NOTHING = "umap", "pca", ""


@dataclass(frozen=True)
class MapData:
    """Features as points; arrays are [points]."""

    ids: Array
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    state: list[str]
    names: list[str]
    method: str
    """`umap`, `pca`, or empty while nothing was computed (the map job does)."""


def feature_map(ws: Workspace, space_id: str, delta: float, only_relevant: bool = True) -> MapData:
    """Places and states of the alive features, or of F(P) alone.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    facts = load_facts(ws, space_id, delta)
    table = weights.coordinates(ws.database, space_id)
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    ids = columns["feature_id"].astype(np.int64)
    places = {
        method: np.stack([columns[f"{method}_x"], columns[f"{method}_y"]]).astype(np.float64) for method in (UMAP, PCA)
    }
    method = next((name for name, place in places.items() if len(ids) and np.isfinite(place).all()), NOTHING)
    shown = (facts.in_anchor if only_relevant else facts.counts.alive)[ids]
    if not method:
        shown = np.zeros(len(ids), bool)
    x, y = places[method or PCA][:, shown]
    kept = ids[shown]
    named = store.names(ws.database, space_id)
    names = dict(zip(named.column("feature_id").to_pylist(), named.column("name").to_pylist(), strict=True))
    return MapData(kept, x, y, facts.state[kept].tolist(), [names.get(i, "") for i in kept.tolist()], method)
