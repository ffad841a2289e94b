"""The table shows every feature of the space, dead ones too, with the same counts and states as coverage itself.

Filtering and sorting run over per-feature arrays; only the rows of one page become objects. By effect, q, lift and
score, features above δ in the anchor come before all others: the test and the score see activations below δ, coverage
does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np

from fac_core.errors import InputError
from fac_core.features.columns import Columns, load_columns
from fac_core.features.counts import Array
from fac_core.features.criteria import Criteria, passing
from fac_core.features.facts import Facts, load_facts
from fac_core.features.trust import Evidence
from fac_core.store import coverage as coverage_store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

SPARK_BINS = 16
"""Bars of a row's small histogram, each four profile bins (1.0) wide, the last one open."""
MAX_PAGE_SIZE = 100
GIVEN = "given"
SORTS = ("anchor", "seed", "synthetic", "density", "max", "effect", "q", "lift", "score", "name", "id", GIVEN)
BY_WORTH = ("effect", "q", "lift", "score")
"""Sorts by what is measured below δ too."""


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
    family_size: int
    """Members of its family, itself included; 1 for one that is alone."""
    joined_by: str
    """What joined it to its family: `firing`, `decoder` or `both`; empty for one that is alone."""
    trust: str
    """Badge of its name: high, middle, low or unscored."""
    score: Evidence | None
    """What the badge rests on, also where it is of too few documents to sort by; None where there is none."""
    below_delta: bool
    """No sample of the anchor is above δ, so effect and lift are of activations below it."""
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


def feature_page(
    ws: Workspace,
    space_id: str,
    delta: float,
    *,
    sort: str = "anchor",
    descending: bool = True,
    page: int = 1,
    page_size: int = 50,
    **criteria: Unpack[Criteria],
) -> FeaturePage:
    """Features that pass all filters, sorted, one page of them (pages count from 1).

    Features without a value to sort by come last.

    Raises:
        InputError: unknown space or column to sort by, or δ is no step of the profiles.
    """
    if sort not in SORTS:
        raise InputError(f"Features cannot be sorted by {sort!r}; choose one of {', '.join(SORTS)}.")
    columns = load_columns(ws, space_id, load_facts(ws, space_id, delta))
    keep = passing(columns, criteria)
    ordered = keep[_order(columns, keep, sort, descending)]
    size = min(max(1, page_size), MAX_PAGE_SIZE)
    first = (max(1, page) - 1) * size
    return FeaturePage(_rows(ws, space_id, columns, ordered[first : first + size].tolist()), len(keep))


def feature_ids(ws: Workspace, space_id: str, delta: float, **criteria: Unpack[Criteria]) -> list[int]:
    """Every feature that passes the filters, on whatever page.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    found: list[int] = passing(load_columns(ws, space_id, load_facts(ws, space_id, delta)), criteria).tolist()
    return found


def feature_row(ws: Workspace, space_id: str, feature_id: int, facts: Facts) -> FeatureRow:
    """One row of the table."""
    return _rows(ws, space_id, load_columns(ws, space_id, facts), [feature_id])[0]


def _order(columns: Columns, keep: Array, sort: str, descending: bool) -> Array:
    if sort == GIVEN:
        return np.arange(len(keep))
    if sort == "name":
        names = [columns.names.folded[feature] for feature in keep.tolist()]
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
        "score": columns.trust.value,
        "id": np.arange(columns.facts.d_sae),
    }[sort][keep].astype(np.float64)
    keys = [keep, -values if descending else values]
    if sort in BY_WORTH:
        keys += [counts.anchor[keep] == 0, np.isnan(values)]
    return np.lexsort(keys)


def _rows(ws: Workspace, space_id: str, columns: Columns, feature_ids: list[int]) -> list[FeatureRow]:
    facts, counts = columns.facts, columns.facts.counts
    bars = _spark(ws, space_id, feature_ids)
    return [
        FeatureRow(
            feature_id=feature,
            name=str(columns.names.said[feature]),
            named_by=str(columns.names.by[feature]),
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
            family_size=int(columns.family_size[feature]),
            joined_by=facts.joined_by.get(feature, ""),
            trust=str(columns.trust.badge[feature]),
            score=columns.trust.score[feature].score if feature in columns.trust.score else None,
            below_delta=not counts.anchor[feature],
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
