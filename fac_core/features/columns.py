"""Everything the table of features shows and filters by, as arrays of one entry a feature, read at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.features.counts import Array, Mask
from fac_core.features.facts import Facts
from fac_core.features.kept import Kept
from fac_core.features.rows import ROWS_BY, row_ids
from fac_core.features.trust import UNSCORED, NameScore, name_scores
from fac_core.features.trust import newest as newest_trust
from fac_core.store import coverage as coverage_store
from fac_core.store import feature_samples as samples
from fac_core.store import features as store
from fac_core.store import relevance as relevance_store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

_top: Kept[NDArray[np.float64]] = Kept(3)


class Names(NamedTuple):
    """What features are called; arrays are [d_sae]."""

    said: NDArray[np.object_]
    by: NDArray[np.object_]
    folded: list[str]
    """Without capitals, to search in."""


class Trust(NamedTuple):
    """How far names are borne out; arrays are [d_sae]."""

    badge: NDArray[np.object_]
    score: dict[int, NameScore]
    """Of those that have one."""
    value: NDArray[np.float64]
    """NaN where there is no score, or one of too few documents."""


_names: Kept[Names] = Kept(3)
_trust: Kept[Trust] = Kept(3)


@dataclass(frozen=True)
class Columns:
    """Columns of the whole table, [d_sae] each."""

    facts: Facts
    names: Names
    max_value: NDArray[np.float64]
    effect: NDArray[np.float64]
    q_value: NDArray[np.float64]
    lift: NDArray[np.float64]
    overruled: Mask
    in_list: Mask
    family_size: Array
    rows: dict[str, Array]
    """Theme and decoder cluster of each feature, by `rows.ROWS_BY`; NO_ROW for those outside of all."""
    trust: Trust


def load_columns(ws: Workspace, space_id: str, facts: Facts) -> Columns:
    """The columns as the store has them now."""
    d_sae = facts.d_sae
    newest = store.names_state(ws.database, space_id)
    names = _names.get(ws, space_id, (d_sae, newest), lambda: _names_now(ws, space_id, d_sae))
    scored = (d_sae, newest, newest_trust(ws, space_id))
    tests = relevance_store.relevance_rows(ws.database, space_id)
    top = _top.get(ws, space_id, (d_sae,), lambda: _max_values(ws, space_id, d_sae))
    overruled, in_list = np.zeros(d_sae, bool), np.zeros(d_sae, bool)
    overruled[list(relevance_store.overrules(ws.database, space_id))] = True
    in_list[[row.feature_id for row in coverage_store.worklist_rows(ws.database, space_id)]] = True
    return Columns(
        facts,
        names,
        top,
        _spread(tests, "effect", d_sae, np.nan),
        _spread(tests, "q_value", d_sae, np.nan),
        _spread(tests, "lift", d_sae, np.nan),
        overruled,
        in_list,
        np.bincount(facts.family, minlength=d_sae)[facts.family],
        {by: row_ids(ws, space_id, d_sae, by) for by in ROWS_BY},
        _trust.get(ws, space_id, scored, lambda: _trust_now(ws, space_id, d_sae)),
    )


def _names_now(ws: Workspace, space_id: str, d_sae: int) -> Names:
    named = store.names(ws.database, space_id)
    said, by = (_spread(named, column, d_sae, "") for column in ("name", "named_by"))
    return Names(said, by, [name.casefold() for name in said])


def _trust_now(ws: Workspace, space_id: str, d_sae: int) -> Trust:
    badge, value = np.full(d_sae, UNSCORED, object), np.full(d_sae, np.nan)
    known = name_scores(ws, space_id)
    badge[list(known)] = [each.badge for each in known.values()]
    sure = {feature: each.score.value for feature, each in known.items() if not each.score.too_few}
    value[list(sure)] = list(sure.values())
    return Trust(badge, known, value)


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
