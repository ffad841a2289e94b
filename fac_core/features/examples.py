"""Examples are shown where they are strong, middling and just above δ: the first alone make every feature look clean.

One text is shown once, whatever the number of samples, spellings of its spaces and capitals, or sets that hold it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from fac_core.store import feature_samples as samples
from fac_core.store import features as store
from fac_core.store.feature_samples import ExampleRow

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

TOP, MIDDLE, THRESHOLD = "top", "middle", "threshold"
BANDS = (TOP, MIDDLE, THRESHOLD)
MIN_FOR_BANDS = 3
_LOOK_AHEAD = 4


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
    ranked = store.firing_values(ws.database, space_id, feature_id, delta)
    ids = [content for content, _ in ranked]
    middle = len(ids) // 2
    around = sorted(range(len(ids)), key=lambda place: (abs(place - middle), place))
    orders = {
        TOP: ids,
        THRESHOLD: ids[::-1] if len(ids) >= MIN_FOR_BANDS else [],
        MIDDLE: [ids[place] for place in around] if len(ids) >= MIN_FOR_BANDS else [],
    }
    wanted = {content for order in orders.values() for content in order[: n * _LOOK_AHEAD]}
    found = samples.example_rows(ws.database, space_id, feature_id, sorted(wanted))
    shown: set[str] = set()
    bands = {}
    for band, order in orders.items():
        chosen = list(islice(_unseen((found[content] for content in order if content in found), shown), n))
        bands[band] = sorted(
            (_example(row) for row in chosen), key=lambda example: (-example.value, example.content_id)
        )
    return {band: bands[band] for band in BANDS}


def _unseen(rows: Iterable[ExampleRow], shown: set[str]) -> Iterator[ExampleRow]:
    for row in rows:
        plain = " ".join(row.text.casefold().split())
        if plain not in shown:
            shown.add(plain)
            yield row


def _example(row: ExampleRow) -> Example:
    return Example(**{**row._asdict(), "meta": json.loads(row.meta)})
