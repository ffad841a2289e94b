"""Group names are data: they are matched as values of a sample, never put into a query.

A sample of the anchor stands on one side, one of the set in hand (seed, approved, imported synthetic) on the other.
What a sample has by itself (its label, its dataset) and a column of the same name that was brought are two columns.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import InputError
from fac_core.samples.datasets import counts_only
from fac_core.store import coverage as store
from fac_core.store.coverage import GroupedSample

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.workspace import Workspace

LABEL, DATASET = "label", "dataset"
BROUGHT = " (column)"
"""Ending that tells a column that was brought from what a sample has by itself."""
MIN_GROUPS, MAX_GROUPS = 2, 40
MAX_VALUE_CHARS = 80
ANCHOR, IN_HAND = 0, 1
_ROLES_IN_HAND = ("seed", "synthetic")


class Grouping(NamedTuple):
    """Samples of both sides, sorted into groups."""

    groups: list[str]
    """Those in most use first."""
    members: pa.Table
    """(content_id, side, grp, weight): samples that share a content are one row."""
    reach: NDArray[np.float64]
    """[groups]: samples in hand that could have shown what the group's anchor samples show, for each anchor sample."""
    sizes: NDArray[np.int64]
    """[side, groups] samples."""


def group_columns(ws: Workspace, space_id: str) -> list[str]:
    """What samples can be grouped by: meta fields and the label with 2 to 40 values, those in most use first, dataset.

    A field counts only if the anchor and the set in hand share a value of it.
    """
    values: dict[str, tuple[set[str], set[str]]] = {}
    used: Counter[str] = Counter()
    sides = set()
    for sample in _samples(ws, space_id):
        side = _side(sample)
        sides.add(side)
        for column, value in _values(sample).items():
            values.setdefault(column, (set(), set()))[side].add(value)
            used[column] += 1
    columns = [
        column
        for column, (anchor, current) in values.items()
        if MIN_GROUPS <= len(anchor | current) <= MAX_GROUPS and anchor & current
    ]
    columns.sort(key=lambda column: (column == LABEL, -used[column], column))
    comparable = IN_HAND in sides and (ANCHOR in sides or not left_out(ws))
    return [*columns, DATASET] if comparable else columns


def left_out(ws: Workspace) -> str:
    """What of the anchor no grouping can see, as a sentence; empty if there is nothing."""
    found = counts_only(ws, ("anchor",))
    return f"{found} Its samples cannot be grouped and are not in this view." if found else ""


def group(ws: Workspace, space_id: str, column: str) -> Grouping:
    """Sort samples into groups; by `dataset`, each dataset in hand is set against the whole anchor.

    Raises:
        InputError: no sample has a value of that column.
    """
    found = [(sample, _value(sample, column)) for sample in _samples(ws, space_id)]
    in_use = Counter(value for _, value in found if value is not None)
    groups = sorted(in_use, key=lambda value: (-in_use[value], value))[:MAX_GROUPS]
    if not any(_side(sample) == ANCHOR for sample, _ in found) and (sentence := left_out(ws)):
        raise InputError(sentence)
    if not groups:
        raise InputError(f"No sample can be grouped by {column!r}; choose another column.")
    index = {value: [place] for place, value in enumerate(groups)}
    everywhere = list(range(len(groups)))
    weights: Counter[tuple[int, int, int]] = Counter()
    sizes = np.zeros((2, len(groups)), np.int64)
    totals = [0, 0]
    for sample, value in found:
        side = _side(sample)
        totals[side] += 1
        whole = column == DATASET and side == ANCHOR
        for place in everywhere if whole else index.get(value or "", []):
            sizes[side, place] += 1
            weights[sample.content_id, side, place] += 1
    # by dataset the anchor is the same for all, so a dataset's own size counts; otherwise a set with the anchor's
    # mix of groups would have shown each of them in proportion, also one the set leaves out altogether
    could_show = sizes[IN_HAND] if column == DATASET else np.full(len(groups), totals[IN_HAND])
    return Grouping(groups, _table(weights), could_show / max(1, totals[ANCHOR]), sizes)


def _table(weights: Counter[tuple[int, int, int]]) -> pa.Table:
    import pyarrow as pa

    keys = np.array(list(weights), np.int64).reshape(-1, 3)
    return pa.table(
        {
            "content_id": keys[:, 0],
            "side": keys[:, 1].astype(np.int32),
            "grp": keys[:, 2].astype(np.int32),
            "weight": np.array(list(weights.values()), np.int64),
        }
    )


def _samples(ws: Workspace, space_id: str) -> list[GroupedSample]:
    return store.grouped_samples(ws.database, space_id, ["anchor", *_ROLES_IN_HAND])


def _side(sample: GroupedSample) -> int:
    return ANCHOR if sample.role == "anchor" else IN_HAND


def _value(sample: GroupedSample, column: str) -> str | None:
    if column == DATASET:
        return None if _side(sample) == ANCHOR else sample.dataset
    return _values(sample).get(column)


def _values(sample: GroupedSample) -> dict[str, str]:
    """Value of each column for one sample; what is no short text or whole number is left out."""
    brought = json.loads(sample.meta).items()
    found = {_column(key): str(value) for key, value in brought if isinstance(value, str | int)}
    if sample.label is not None:
        found[LABEL] = sample.label
    return {column: value for column, value in found.items() if value and len(value) <= MAX_VALUE_CHARS}


def _column(name: str) -> str:
    """Name of a column that was brought; different ones stay different."""
    plain = name
    while plain.endswith(BROUGHT):
        plain = plain.removesuffix(BROUGHT)
    return name + BROUGHT if plain in (LABEL, DATASET) else name
