"""What a decision would do to FAC is counted against the same F(P) as FAC itself, before anybody decides.

Approving can only add covered features; taking back the only sample that covers one opens it again.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fac_core.features.facts import Facts, load_facts
from fac_core.review.candidates import Candidate
from fac_core.store import review as store
from fac_core.synthesis.standing import APPROVED

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


@dataclass(frozen=True)
class Effect:
    """What hangs on one candidate."""

    newly_covers: list[int]
    """Features of F(P) that it alone would cover, or (if it is approved) that it alone covers; strongest first."""
    fac_now: float
    fac_if_approved: float
    fac_if_rejected: float


class Effects:
    """Effects of candidates of one space at one δ."""

    def __init__(self, ws: Workspace, space_id: str, delta: float, candidates: Sequence[Candidate]) -> None:
        facts: Facts = load_facts(ws, space_id, delta)
        contents = [found.content_id for found in candidates if found.content_id is not None]
        with ws.database.cursor() as cursor:
            self.firings = store.firings(cursor, space_id, contents, delta)
        counts = facts.counts
        self._open = facts.in_anchor & (counts.current == 0)
        self._hangs_on_one = facts.in_anchor & (counts.seed == 0) & (counts.current == 1)
        self._n_anchor = int(facts.in_anchor.sum())
        self._n_now = int((facts.in_anchor & (counts.current > 0)).sum())

    def active(self, candidate: Candidate) -> list[store.Firing]:
        """Features above δ in the candidate's content, strongest first."""
        return [] if candidate.content_id is None else self.firings[candidate.content_id]

    def of(self, candidate: Candidate) -> Effect:
        """Effect of one of the candidates."""
        counted = self._hangs_on_one if candidate.state == APPROVED else self._open
        newly = [firing.feature_id for firing in self.active(candidate) if counted[firing.feature_id]]
        now, n = self._n_now, len(newly)
        with_it, without = (now, now - n) if candidate.state == APPROVED else (now + n, now)
        return Effect(newly, self._fac(now), self._fac(with_it), self._fac(without))

    def _fac(self, n_covered: int) -> float:
        return n_covered / self._n_anchor if self._n_anchor else 0.0


def by_marginal_coverage(covers: Mapping[str, set[int]], tie: Mapping[str, float]) -> list[str]:
    """Ids ordered so that each adds as many features as possible to those before it (lazy greedy).

    Args:
        covers: features each id would newly cover.
        tie: of equal gains the higher value comes first, then the smaller id.
    """
    done: set[int] = set()
    heap = [(-len(features), -tie[key], key) for key, features in covers.items()]
    heapq.heapify(heap)
    order = []
    while heap:
        gain, minus_tie, key = heapq.heappop(heap)
        # gains only shrink, so an entry that is still right when it comes up is the best one
        if (fresh := -len(covers[key] - done)) != gain:
            heapq.heappush(heap, (fresh, minus_tie, key))
            continue
        order.append(key)
        done |= covers[key]
    return order
