"""A candidate serves one feature: its own target if it fires it, else an open target of the run that it fires most.

Candidates are worth nothing by whom they were written for (one report lost nine hits of ten that way), but review time
is dear: each feature gets a rank order, and only the first few are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

MAX_RANK = 3
"""Candidates of a feature that go to review (the paper keeps the best of each feature, method §6)."""
FLUENCY = 0.25
"""Share of the feature's top activation that a text may lack for each nat a token by which it is likelier."""


class Contender(NamedTuple):
    """A scored candidate with the targets of the run that it fires."""

    candidate_id: str
    target: int
    values: Mapping[int, float]
    """Activation above δ by feature."""
    fluency: float = 0.0
    """Mean log-probability of its tokens."""


class Place(NamedTuple):
    """What a candidate serves, and its place among those that serve the same feature, from 1."""

    feature_id: int
    rank: int


def assign(contenders: Sequence[Contender], top_values: Mapping[int, float]) -> dict[str, Place]:
    """Places of all candidates that fire a target; the others are left out.

    Own hits stay with their target. A target without any is open: it takes up to `MAX_RANK` from the hits of other
    targets and from own hits that no reviewer would get to. A high activation (beyond the feature's top in the anchor
    more of it counts for nothing) and a likely text come first.
    """

    def strength(contender: Contender, feature: int) -> float:
        top = max(top_values.get(feature, 0.0), 1e-9)
        return min(1.0, contender.values[feature] / top) + FLUENCY * contender.fluency

    served: dict[int, list[Contender]] = defaultdict(list)
    spare: list[Contender] = []
    own = [contender for contender in contenders if contender.target in contender.values]
    for contender in sorted(own, key=lambda c: (-strength(c, c.target), c.candidate_id)):
        (served[contender.target] if len(served[contender.target]) < MAX_RANK else spare).append(contender)
    spare += [contender for contender in contenders if contender.target not in contender.values]
    offers = [
        (-strength(contender, feature), contender.candidate_id, contender, feature)
        for contender in spare
        for feature in contender.values
        if feature != contender.target
    ]
    still_open = {feature for *_, feature in offers} - served.keys()
    placed: set[str] = set()
    for _, candidate_id, contender, feature in sorted(offers, key=lambda offer: offer[:2] + offer[3:]):
        if feature in still_open and candidate_id not in placed and len(served[feature]) < MAX_RANK:
            served[feature].append(contender)
            placed.add(candidate_id)
    for contender in spare:
        if contender.candidate_id not in placed and contender.target in contender.values:
            served[contender.target].append(contender)
    return {
        contender.candidate_id: Place(feature, rank)
        for feature, ranked in served.items()
        for rank, contender in enumerate(
            sorted(ranked, key=lambda c: (c.target != feature, -strength(c, feature), c.candidate_id)), start=1
        )
    }
