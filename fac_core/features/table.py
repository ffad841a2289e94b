"""The table shows every feature of the space, dead ones too, with the same counts and states as coverage itself.

Filtering and sorting run over per-feature arrays; only the rows of one page become objects.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import InputError
from fac_core.features.counts import Array, Mask
from fac_core.features.facts import Facts, load_facts
from fac_core.features.kept import Kept
from fac_core.store import coverage as coverage_store
from fac_core.store import feature_samples as samples
from fac_core.store import features as store
from fac_core.store import relevance as relevance_store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

SPARK_BINS = 16
"""Bars of a row's small histogram, each four profile bins (1.0) wide, the last one open."""
MAX_PAGE_SIZE = 100
SORTS = ("anchor", "seed", "synthetic", "density", "max", "effect", "q", "lift", "name", "id")

_top: Kept[NDArray[np.float64]] = Kept(3)


@dataclass(frozen=True)
class FeatureRow:
    """One feature at one δ."""

    feature_id: int
    name: str
    named_by: str
    """`keywords`, `human`, or empty."""
    state: str
    density_anchor: float
    """Share of anchor samples above δ."""
    n_seed: int
    n_anchor: int
    n_synthetic: int
    """Approved and imported synthetic samples above δ."""
    max_value: float
    """Highest activation in any sample."""
    effect: float | None
    """Association with the task, .5 = none (`trials.EFFECTS` names it); None where there was too little to test."""
    q_value: float | None
    lift: float | None
    """Firing rate on the task's side over the rate on the other."""
    relevant: bool
    overruled: bool
    """A person decided on its relevance."""
    family_id: int
    in_list: bool
    """In the work list."""
    hist: list[int]
    """Anchor samples by activation, SPARK_BINS bars of width 1."""


@dataclass(frozen=True)
class FeaturePage:
    """One page of the table."""

    rows: list[FeatureRow]
    total: int
    """Features that pass the filters."""


@dataclass(frozen=True)
class _Columns:
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


def feature_page(
    ws: Workspace,
    space_id: str,
    delta: float,
    *,
    search: str = "",
    states: Collection[str] = (),
    relevant: bool | None = None,
    family: int | None = None,
    in_list: bool | None = None,
    sort: str = "anchor",
    descending: bool = True,
    page: int = 1,
    page_size: int = 50,
) -> FeaturePage:
    """Features that pass all filters, sorted, one page of them (pages count from 1).

    `search` finds all its words in the name, or a feature by its number. Features without a value to sort by come last.

    Raises:
        InputError: unknown space or column to sort by, or δ is no step of the profiles.
    """
    if sort not in SORTS:
        raise InputError(f"Features cannot be sorted by {sort!r}; choose one of {', '.join(SORTS)}.")
    columns = _columns(ws, space_id, load_facts(ws, space_id, delta))
    keep = _filter(columns, search, states, relevant, family, in_list)
    ordered = keep[_order(columns, keep, sort, descending)]
    size = min(max(1, page_size), MAX_PAGE_SIZE)
    first = (max(1, page) - 1) * size
    return FeaturePage(_rows(ws, space_id, columns, ordered[first : first + size].tolist()), len(keep))


def feature_row(ws: Workspace, space_id: str, feature_id: int, facts: Facts) -> FeatureRow:
    """One row of the table."""
    return _rows(ws, space_id, _columns(ws, space_id, facts), [feature_id])[0]


def _columns(ws: Workspace, space_id: str, facts: Facts) -> _Columns:
    d_sae = facts.d_sae
    named = store.names(ws.database, space_id)
    tests = relevance_store.relevance_rows(ws.database, space_id)
    top = _top.get(ws, space_id, (d_sae,), lambda: _max_values(ws, space_id, d_sae))
    overruled, in_list = np.zeros(d_sae, bool), np.zeros(d_sae, bool)
    overruled[list(relevance_store.overrules(ws.database, space_id))] = True
    in_list[[row.feature_id for row in coverage_store.worklist_rows(ws.database, space_id)]] = True
    return _Columns(
        facts,
        _spread(named, "name", d_sae, ""),
        _spread(named, "named_by", d_sae, ""),
        top,
        _spread(tests, "effect", d_sae, np.nan),
        _spread(tests, "q_value", d_sae, np.nan),
        _spread(tests, "lift", d_sae, np.nan),
        overruled,
        in_list,
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


def _filter(
    columns: _Columns,
    search: str,
    states: Collection[str],
    relevant: bool | None,
    family: int | None,
    in_list: bool | None,
) -> Array:
    facts = columns.facts
    keep = np.ones(facts.d_sae, bool)
    if states:
        keep &= np.isin(facts.state, list(states))
    if relevant is not None:
        keep &= facts.relevant == relevant
    if family is not None:
        keep &= facts.family == family
    if in_list is not None:
        keep &= columns.in_list == in_list
    found = np.flatnonzero(keep)
    words = search.casefold().split()
    if not words:
        return found
    hits = [
        feature
        for feature in found.tolist()
        if words == [str(feature)] or all(word in columns.names[feature].casefold() for word in words)
    ]
    return np.array(hits, np.int64)


def _order(columns: _Columns, keep: Array, sort: str, descending: bool) -> Array:
    if sort == "name":
        names = [columns.names[feature].casefold() for feature in keep.tolist()]
        order = sorted(range(len(keep)), key=lambda i: (names[i], keep[i]), reverse=descending)
        return np.array(sorted(order, key=lambda i: not names[i]), np.int64)
    counts = columns.facts.counts
    values = {
        "anchor": counts.anchor,
        "density": counts.anchor,
        "seed": counts.seed,
        "synthetic": counts.synthetic,
        "max": columns.max_value,
        "effect": columns.effect,
        "q": columns.q_value,
        "lift": columns.lift,
        "id": np.arange(columns.facts.d_sae),
    }[sort][keep].astype(np.float64)
    return np.lexsort((keep, -values if descending else values))


def _rows(ws: Workspace, space_id: str, columns: _Columns, feature_ids: list[int]) -> list[FeatureRow]:
    facts, counts = columns.facts, columns.facts.counts
    bars = _spark(ws, space_id, feature_ids)
    return [
        FeatureRow(
            feature_id=feature,
            name=str(columns.names[feature]),
            named_by=str(columns.named_by[feature]),
            state=str(facts.state[feature]),
            density_anchor=float(counts.anchor_rate[feature]),
            n_seed=int(counts.seed[feature]),
            n_anchor=int(counts.anchor[feature]),
            n_synthetic=int(counts.synthetic[feature]),
            max_value=float(columns.max_value[feature]),
            effect=_or_none(columns.effect[feature]),
            q_value=_or_none(columns.q_value[feature]),
            lift=_or_none(columns.lift[feature]),
            relevant=bool(facts.relevant[feature]),
            overruled=bool(columns.overruled[feature]),
            family_id=int(facts.family[feature]),
            in_list=bool(columns.in_list[feature]),
            hist=bars[feature],
        )
        for feature in feature_ids
    ]


def _spark(ws: Workspace, space_id: str, feature_ids: list[int]) -> dict[int, list[int]]:
    bars = {feature: [0] * SPARK_BINS for feature in feature_ids}
    table = coverage_store.feature_bins(ws.database, space_id, feature_ids)
    for row in table.to_pylist():
        if row["role"] != "anchor":
            continue
        bars[row["feature_id"]][min(SPARK_BINS - 1, row["bin"] // 4)] += row["n"]
    return bars


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
