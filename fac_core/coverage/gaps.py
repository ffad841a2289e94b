"""One gap is one thing a curator would say is missing: features of one family are one line, expandable to its members.

Order: gaps that stand out from chance first, of those the ones that hold at any δ, of those the ones with a clear
name, then by the anchor samples that show them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fac_core.coverage.chance import STANDS_OUT, chance
from fac_core.coverage.states import MISSING, GapStates, gap_states
from fac_core.features.counts import Array
from fac_core.features.keywords import UNCLEAR
from fac_core.store import feature_samples as samples
from fac_core.store import features as store
from fac_core.store import relevance as relevance_store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


@dataclass(frozen=True)
class Gap:
    """A feature, or a family of them, that the anchor shows and the set in hand does not."""

    feature_id: int
    """The member that fires on most anchor samples."""
    name: str
    family_id: int
    members: list[int]
    """Features of this line, most anchor samples first; just `feature_id` when expanded."""
    n_anchor: int
    share_anchor: float
    expected_seed: float
    """Seed samples that would show it at the anchor's rate."""
    chance: float | None
    """Expected share of chance misses among the gaps with at least its evidence; None if it is not missing."""
    robust: bool
    """Stays uncovered at δ = 0."""
    state: str
    family_covered: bool
    """Another feature of the family is covered, so the gap may be one of wording only (absorption)."""
    effect: float | None
    """Association with the task, .5 = none; None where it was not tested."""
    example: str
    """The anchor text that shows it most."""
    example_start: int
    """Place of the peak in that text."""
    example_end: int

    @property
    def stands_out(self) -> bool:
        """Whether it can be told from a miss by chance."""
        return self.chance is not None and self.chance <= STANDS_OUT


def gaps(
    ws: Workspace, space_id: str, delta: float, collapse: bool = True, states: Collection[str] = (MISSING,)
) -> list[Gap]:
    """Features of F(P) in the given states, by family unless `collapse` is off.

    Raises:
        InputError: unknown space, or δ is no step of the profiles.
    """
    found = gap_states(ws, space_id, delta)
    chosen = np.flatnonzero(np.isin(found.facts.state, list(states)))
    return describe_gaps(ws, space_id, found, chosen, collapse=collapse)


def describe_gaps(ws: Workspace, space_id: str, found: GapStates, chosen: Array, *, collapse: bool) -> list[Gap]:
    """Gaps for the chosen features, in the order of the list."""
    facts, counts = found.facts, found.facts.counts
    order = chosen[np.lexsort((chosen, -counts.anchor[chosen]))]
    lines: dict[int, list[int]] = {}
    for feature in order.tolist():
        lines.setdefault(int(facts.family[feature]) if collapse else feature, []).append(feature)
    heads = [members[0] for members in lines.values()]
    names = store.names_of(ws.database, space_id, heads)
    texts = samples.top_texts(ws.database, space_id, heads, "anchor")
    effects = relevance_store.effects(ws.database, space_id, heads)
    by_chance = chance(ws, space_id, found) if (facts.state[chosen] == MISSING).any() else None
    covered_families = set(facts.family[facts.in_anchor & (counts.current > 0)].tolist())
    result = []
    for members in lines.values():
        head = members[0]
        text, start, end = texts.get(head, ("", 0, 0))
        shares = [] if by_chance is None else [float(by_chance[member]) for member in members]
        result.append(
            Gap(
                feature_id=head,
                name=names.get(head, ""),
                family_id=int(facts.family[head]),
                members=members,
                n_anchor=int(counts.anchor[head]),
                share_anchor=float(counts.anchor_rate[head]),
                expected_seed=float(counts.expected_in_seed[head]),
                chance=min((share for share in shares if share == share), default=None),
                robust=all(bool(found.robust[member]) for member in members),
                state=str(facts.state[head]),
                family_covered=int(facts.family[head]) in covered_families,
                effect=effects.get(head),
                example=text,
                example_start=start,
                example_end=end,
            )
        )
    return sorted(
        result,
        key=lambda gap: (
            not gap.stands_out,
            not gap.robust,
            gap.name.endswith(UNCLEAR),
            -gap.n_anchor,
            gap.feature_id,
        ),
    )
