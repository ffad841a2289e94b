"""`fac` is measured against the anchor, `missing_hit_rate` against the targeted set; they are never the same number.

Both sides of FAC are intersected with F before the ratio, so no feature outside F(P) can raise it (method §1). The
interval resamples families, since near-copies of a feature are covered or missed together; the seed is fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fac_core.feature_space.spaces import step_of
from fac_core.features.counts import Array, Mask
from fac_core.features.facts import Facts, load_facts
from fac_core.features.states import MISSING, STATES, has_power, is_dense
from fac_core.store import coverage as store
from fac_core.store.approved import APPROVED_DATASET
from fac_core.store.features import count_named

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

RESAMPLES = 2000
SATURATED_FAC = 0.97
"""Above it nearly everything counts as covered."""
FEW_POWERED = 10
_SEED = 20260210


@dataclass(frozen=True)
class Coverage:
    """What the seed set covers of what the anchor shows, at one δ."""

    delta: float
    n_features: int
    n_alive: int
    """Features active (above zero) in any sample."""
    n_named: int
    n_relevant: int
    """Alive features that belong to the task (F)."""
    relevance_mode: str
    """What decided relevance: `label` or `alive`."""
    n_anchor: int
    """|F(P)|: relevant features active in the anchor."""
    n_covered: int
    """|F(Q) ∩ F(P)| of the seed set."""
    fac: float
    """n_covered / n_anchor of the seed set; 0 while n_anchor is 0."""
    low: float
    """Lower end of the 95 % interval of `fac`."""
    high: float
    n_after: int
    """|F(Q) ∩ F(P)| of the seed set with what was added to it: samples approved in review, imported synthetic sets."""
    fac_after: float
    missing_hit_rate: float | None
    """Share of the targeted features that a sample approved in review activates; None without targets."""
    candidate_hit_rate: float | None
    """Share of the targeted features that any candidate with the outcome `hit` activates."""
    n_targets: int
    """Features of the work list and of all runs."""
    n_hit: int
    """Targeted features that a sample approved in review activates."""
    states: dict[str, int]
    """Features of F(P) by state, what was added included; sums to n_anchor."""
    n_open: int
    """Features of F(P) that the seed set leaves open, template and dense ones left out; before anything was added."""
    n_powered: int
    """Those of them that a seed set of this size would have been expected to show."""
    n_gap_families: int
    """Families with a missing feature."""
    saturated: bool
    """The seed set covers so much at this δ, above .97, that FAC tells sets apart poorly."""
    low_power: bool
    """Of what the seed set leaves open nearly nothing, fewer than ten and less than half, could be called missing: the
    rest is too rare in the anchor for a seed set of this size."""


def coverage(ws: Workspace, space_id: str, delta: float) -> Coverage:
    """FAC of the seed set before and after what was approved, with everything the funnel shows (method §1).

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    facts = load_facts(ws, space_id, delta)
    counts, in_anchor = facts.counts, facts.in_anchor
    before, after = in_anchor & (counts.seed > 0), in_anchor & (counts.current > 0)
    n_anchor = int(in_anchor.sum())
    low, high = interval(before[in_anchor], facts.family[in_anchor])
    targets = store.targeted_features(ws.database, space_id)
    n_hit = store.count_hit(ws.database, space_id, APPROVED_DATASET, targets, step_of(delta))
    open_ = in_anchor & (counts.seed == 0) & ~facts.template & ~is_dense(counts.anchor_rate)
    states = {name: int((facts.state == name).sum()) for name in STATES}
    n_gap_families = len(np.unique(facts.family[facts.state == MISSING]))
    n_open, n_powered = int(open_.sum()), int((open_ & has_power(counts.expected_in_seed)).sum())
    fac = int(before.sum()) / n_anchor if n_anchor else 0.0
    saturated = fac > SATURATED_FAC
    return Coverage(
        delta=delta,
        n_features=facts.d_sae,
        n_alive=int(counts.alive.sum()),
        n_named=count_named(ws.database, space_id),
        n_relevant=int((facts.relevant & counts.alive).sum()),
        relevance_mode=facts.judgement.mode,
        n_anchor=n_anchor,
        n_covered=int(before.sum()),
        fac=fac,
        low=low,
        high=high,
        n_after=int(after.sum()),
        fac_after=int(after.sum()) / n_anchor if n_anchor else 0.0,
        missing_hit_rate=n_hit / len(targets) if targets else None,
        candidate_hit_rate=_candidate_hit_rate(ws, space_id, facts, targets),
        n_targets=len(targets),
        n_hit=n_hit,
        states=states,
        n_open=n_open,
        n_powered=n_powered,
        n_gap_families=n_gap_families,
        saturated=saturated,
        low_power=not saturated and n_powered < FEW_POWERED and 2 * n_powered < n_open,
    )


def aims(ws: Workspace, space_id: str) -> tuple[Any, ...]:
    """What `coverage` depends on beside the data version: the work list, the runs and their hits.

    Aiming changes no data, so it leaves alone what was counted from them; a cache of `coverage` keys on this as well.
    """
    return store.aim_state(ws.database, space_id)


def interval(covered: Mask, family: Array) -> tuple[float, float]:
    """95 % percentile interval of the covered share, resampling families with replacement (seeded).

    `covered` and `family` run over the features of F(P). Families with the same (covered, size) are exchangeable, so
    drawing how often each kind comes up is the same bootstrap, at the cost of the few kinds there are.
    """
    if not len(covered):
        return 0.0, 0.0
    _, member = np.unique(family, return_inverse=True)
    n_covered, size = np.bincount(member, covered).astype(np.int64), np.bincount(member)
    base = int(size.max()) + 1
    kinds, n_of_kind = np.unique(n_covered * base + size, return_counts=True)
    n = int(n_of_kind.sum())
    drawn = np.random.default_rng(_SEED).multinomial(n, n_of_kind / n, size=RESAMPLES)
    low, high = np.quantile((drawn @ (kinds // base)) / (drawn @ (kinds % base)), [0.025, 0.975])
    return float(low), float(high)


def _candidate_hit_rate(ws: Workspace, space_id: str, facts: Facts, targets: list[int]) -> float | None:
    if not targets:
        return None
    contents = store.hit_contents(ws.database, space_id)
    if not contents:
        return 0.0
    active = store.counts_in_contents(ws.database, space_id, contents, facts.counts.delta)
    hit = set(active.column("feature_id").to_pylist())
    return sum(target in hit for target in targets) / len(targets)
