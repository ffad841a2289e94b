"""Everything the table of features shows and filters by, as arrays of one entry a feature, read at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fac_core.features.counts import Array, Mask
from fac_core.features.facts import Facts
from fac_core.features.kept import Kept
from fac_core.store import coverage as coverage_store
from fac_core.store import feature_samples as samples
from fac_core.store import features as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

_top: Kept[NDArray[np.float64]] = Kept(3)


@dataclass(frozen=True)
class Columns:
    """Columns of the whole table, [d_sae] each."""

    facts: Facts
    names: NDArray[np.object_]
    named_by: NDArray[np.object_]
    max_value: NDArray[np.float64]
    effect: NDArray[np.float64]
    q_value: NDArray[np.float64]
    lift: NDArray[np.float64]
    overruled: Mask
    in_list: Mask
    family_size: Array


def load_columns(ws: Workspace, space_id: str, facts: Facts) -> Columns:
    """The columns as the store has them now."""
    d_sae = facts.d_sae
    named = store.names(ws.database, space_id)
    tests = store.relevance_rows(ws.database, space_id)
    top = _top.get(ws, space_id, (d_sae,), lambda: _max_values(ws, space_id, d_sae))
    overruled, in_list = np.zeros(d_sae, bool), np.zeros(d_sae, bool)
    overruled[list(store.overrules(ws.database, space_id))] = True
    in_list[[row.feature_id for row in coverage_store.worklist_rows(ws.database, space_id)]] = True
    return Columns(
        facts,
        _spread(named, "name", d_sae, ""),
        _spread(named, "named_by", d_sae, ""),
        top,
        _spread(tests, "effect", d_sae, np.nan),
        _spread(tests, "q_value", d_sae, np.nan),
        _spread(tests, "lift", d_sae, np.nan),
        overruled,
        in_list,
        np.bincount(facts.family, minlength=d_sae)[facts.family],
    )


def _max_values(ws: Workspace, space_id: str, d_sae: int) -> NDArray[np.float64]:
    top = _spread(samples.max_values(ws.database, space_id), "value", d_sae, 0.0)
    top.setflags(write=False)
    return top


def _spread(table: Any, column: str, d_sae: int, empty: str | float) -> NDArray[Any]:
    dense = np.full(d_sae, empty, object if isinstance(empty, str) else np.float64)
    ids = table.column("feature_id").to_numpy()
    if isinstance(empty, str):
        dense[ids] = table.column(column).to_pylist()
    else:
        dense[ids] = table.column(column).to_numpy(zero_copy_only=False)
    return dense
