"""Each pick covers the most features still open, so no later one could have replaced it; ties fall the same way always.

Lazy greedy: a text's gain only shrinks as features close, so an old gain is an upper bound and most texts are never
looked at twice. Greedy covers at least 1 − 1/e of what the best set of the same size would.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fac_core.store import coverage as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


@dataclass(frozen=True)
class Pick:
    """One real sample and the open features it closes."""

    sample_id: int
    content_id: int
    text: str
    covers: list[int]
    """Features no earlier pick covers, strongest first."""
    values: list[float]
    """Activation of each."""


def set_cover(
    ws: Workspace,
    space_id: str,
    delta: float,
    feature_ids: Collection[int],
    budget: int | None = None,
    without: Collection[int] = (),
) -> list[Pick]:
    """Samples of the pool that together activate as many of the features as the pool can, fewest first.

    `budget` is the most samples to pick; contents in `without` are passed over as if the pool did not hold them.
    """
    rows = store.pool_rows(ws.database, space_id, sorted(set(feature_ids)), delta)
    columns = (rows.column(name).to_pylist() for name in ("content_id", "feature_id", "value"))
    active: dict[int, dict[int, float]] = {}
    for content, feature, value in zip(*columns, strict=True):
        if content not in without:
            active.setdefault(content, {})[feature] = value
    picks = list(greedy(active, budget))
    samples = store.pool_samples(ws.database, [content for content, _ in picks])
    result = []
    for content, covers in picks:
        sample_id, text = samples[content]
        result.append(Pick(sample_id, content, text, covers, [active[content][feature] for feature in covers]))
    return result


def greedy(active: Mapping[int, Mapping[int, float]], budget: int | None = None) -> Iterable[tuple[int, list[int]]]:
    """(content, newly covered features) in picking order; `active` maps content to its features' activations.

    Gain is the number of features newly covered, then their summed activation, then the smaller content id.
    """
    open_features = {feature for features in active.values() for feature in features}

    def gain(content: int) -> tuple[int, float]:
        values = [value for feature, value in active[content].items() if feature in open_features]
        return len(values), sum(values)

    heap = [(-n, -total, content) for content in active for n, total in [gain(content)]]
    heapq.heapify(heap)
    picked = 0
    while heap and open_features and (budget is None or picked < budget):
        *_, content = heapq.heappop(heap)
        n, total = gain(content)
        if not n:
            continue
        if heap and (-n, -total, content) > heap[0]:
            heapq.heappush(heap, (-n, -total, content))
            continue
        covers = [feature for feature in active[content] if feature in open_features]
        covers.sort(key=lambda feature: (-active[content][feature], feature))
        open_features.difference_update(covers)
        picked += 1
        yield content, covers
