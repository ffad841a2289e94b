"""Examples are shown where they are strong, middling and just above δ: the first alone make every feature look clean.

One text is shown once, whatever the number of samples, spellings of its spaces and capitals, or sets that hold it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fac_core.features.kept import Kept
from fac_core.store import feature_samples as samples
from fac_core.store import features as store
from fac_core.store.feature_samples import ExampleRow

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

TOP, MIDDLE, THRESHOLD = "top", "middle", "threshold"
BANDS = (TOP, MIDDLE, THRESHOLD)
MIN_FOR_BANDS = 3
_LOOK_AHEAD = 4
_live: Kept[NDArray[np.bool_]] = Kept(2)


@dataclass(frozen=True)
class Example:
    """A sample that activates a feature, with the token of its maximum."""

    sample_id: int
    content_id: int
    text: str
    dataset: str
    role: str
    label: str | None
    value: float
    char_start: int
    char_end: int
    meta: dict[str, Any]


def examples(ws: Workspace, space_id: str, feature_id: int, delta: float, n: int = 6) -> dict[str, list[Example]]:
    """Up to `n` different texts in each band: highest activations, around the median of the active, just above δ.

    No text is in two bands; with few active texts the top band takes them first.
    """
    ids, values = _firing(ws, space_id, feature_id, delta)
    total, middle, look = len(ids), len(ids) // 2, n * _LOOK_AHEAD
    ranks = {TOP: range(min(look, total)), MIDDLE: range(0), THRESHOLD: range(0)}
    if total >= MIN_FOR_BANDS:
        near = sorted(range(max(0, middle - look), min(total, middle + look)), key=lambda r: (abs(r - middle), r))[
            :look
        ]
        ranks[MIDDLE] = range(min(near), max(near) + 1)
        ranks[THRESHOLD] = range(max(0, total - look), total)
    at = {
        rank: content for part in ranks.values() for rank, content in zip(part, ranked(ids, values, part), strict=True)
    }
    orders = {
        TOP: sorted(at),
        THRESHOLD: sorted(at, reverse=True) if ranks[THRESHOLD] else [],
        MIDDLE: sorted(at, key=lambda rank: (abs(rank - middle), rank)) if ranks[MIDDLE] else [],
    }
    found = samples.example_rows(ws.database, space_id, feature_id, sorted(at.values()))
    shown: set[str] = set()
    bands = {}
    for band, order in orders.items():
        chosen = list(islice(_unseen((found[at[rank]] for rank in order if at[rank] in found), shown), n))
        bands[band] = sorted(
            (_example(row) for row in chosen), key=lambda example: (-example.value, example.content_id)
        )
    return {band: bands[band] for band in BANDS}


def ranked(ids: NDArray[np.int64], values: NDArray[np.float32], ranks: range) -> list[int]:
    """Ids at some ranks by value from the highest, equal ones by id, without sorting the others."""
    if not ranks:
        return []
    last = len(values) - 1
    ordered = np.partition(values, (last - ranks[-1], last - ranks[0]))
    low, high = ordered[last - ranks[-1]], ordered[last - ranks[0]]
    inside = np.flatnonzero((values >= low) & (values <= high))
    inside = inside[np.lexsort((ids[inside], -values[inside]))]
    before = int((values > high).sum())
    found: list[int] = ids[inside[ranks[0] - before : ranks[-1] + 1 - before]].tolist()
    return found


def _firing(
    ws: Workspace, space_id: str, feature_id: int, delta: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Contents of samples that activate a feature above δ, and how much; in no order."""
    live = _live.get(ws, space_id, (), lambda: _contents(ws))
    table = store.firing_values(ws.database, space_id, feature_id, delta)
    ids, values = table.column("content_id").to_numpy(), table.column("value").to_numpy()
    mine = (ids < len(live)) & live[np.minimum(ids, len(live) - 1)]
    return ids[mine], values[mine]


def _contents(ws: Workspace) -> NDArray[np.bool_]:
    """Which contents are those of samples, up to the highest one and not empty."""
    ids = store.sample_contents(ws.database).column("content_id").to_numpy()
    live = np.zeros(int(ids.max(initial=0)) + 1, bool)
    live[ids] = True
    return live


def _unseen(rows: Iterable[ExampleRow], shown: set[str]) -> Iterator[ExampleRow]:
    for row in rows:
        plain = " ".join(row.text.casefold().split())
        if plain not in shown:
            shown.add(plain)
            yield row


def _example(row: ExampleRow) -> Example:
    return Example(**{**row._asdict(), "meta": json.loads(row.meta)})
