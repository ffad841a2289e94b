"""Before and after are measured on the same F(P) at the same δ, so a rise is only ever features that were closed.

After is the seed set with the synthetic sets in use (approved samples and imported ones); it contains what is before,
hence no difference here can be negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fac_core.coverage.measure import interval
from fac_core.features.facts import load_facts
from fac_core.features.rows import load_rows
from fac_core.store.features import THEME

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


@dataclass(frozen=True)
class Measured:
    """A share of F(P) with its 95 % interval (bootstrap over families)."""

    n: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """FAC before and after at one δ."""

    delta: float
    n_anchor: int
    """|F(P)|."""
    before: Measured
    after: Measured
    rise: Measured
    """Features closed; the interval is of the paired difference."""
    n_seed: int
    """Seed samples read."""
    n_added: int
    """Synthetic samples read."""
    per_sample: float
    """Features closed for each added sample; 0 without any."""


@dataclass(frozen=True)
class Closed:
    """A theme, decoder cluster, family or feature that gained a covered feature."""

    row_id: int
    name: str
    n_anchor: int
    """Its features in F(P)."""
    n_before: int
    n_closed: int
    feature_ids: list[int]
    """The closed ones, most anchor samples first."""


def change(ws: Workspace, space_id: str, delta: float) -> Change:
    """FAC before and after what was added to the seed set (method §1).

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    facts = load_facts(ws, space_id, delta)
    inside = facts.in_anchor
    family = facts.family[inside]
    before, after = facts.counts.seed[inside] > 0, facts.counts.current[inside] > 0
    closed = after & ~before
    n = facts.counts.n_samples
    added = n["synthetic"]

    def measured(mask: np.ndarray) -> Measured:
        low, high = interval(mask, family)
        return Measured(int(mask.sum()), float(mask.mean()) if len(mask) else 0.0, low, high)

    return Change(
        delta=delta,
        n_anchor=int(inside.sum()),
        before=measured(before),
        after=measured(after),
        rise=measured(closed),
        n_seed=n["seed"],
        n_added=added,
        per_sample=int(closed.sum()) / added if added else 0.0,
    )


def closed_by_row(ws: Workspace, space_id: str, delta: float, rows_by: str = THEME) -> list[Closed]:
    """Themes or decoder clusters (without them families) with closed features, most closed first.

    Raises:
        InputError: unknown space or kind of rows, or δ is no step of the profiles.
    """
    facts = load_facts(ws, space_id, delta)
    rows = load_rows(ws, space_id, facts, rows_by)
    inside, counts = facts.in_anchor, facts.counts
    before = inside & (counts.seed > 0)
    newly = np.flatnonzero(inside & (counts.current > 0) & ~before)
    newly = newly[np.lexsort((newly, -counts.anchor[newly]))]
    members: dict[int, list[int]] = {}
    for feature in newly.tolist():
        members.setdefault(int(rows.row[feature]), []).append(feature)
    found = [
        Closed(
            row_id=row,
            name=rows.names.get(row, ""),
            n_anchor=int((inside & (rows.row == row)).sum()),
            n_before=int((before & (rows.row == row)).sum()),
            n_closed=len(features),
            feature_ids=features,
        )
        for row, features in members.items()
    ]
    return sorted(found, key=lambda item: (-item.n_closed, -item.n_anchor, item.row_id))
