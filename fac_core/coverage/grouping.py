"""Group names are data: they are matched as values of a sample, never put into a query.

A sample of the anchor stands on one side, one of the set in hand (seed, approved, imported synthetic) on the other.
What a sample has by itself (its label, its dataset) and a column of the same name that was brought are two columns.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import InputError
from fac_core.samples.datasets import counts_only
from fac_core.store import coverage as store
from fac_core.store.coverage import GroupedSample

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

LABEL, DATASET = "label", "dataset"
BROUGHT = " (column)"
"""Ending that tells a column that was brought from what a sample has by itself."""
MIN_GROUPS, MAX_GROUPS = 2, 40
MAX_VALUE_CHARS = 80
ANCHOR, IN_HAND = 0, 1
_ROLES_IN_HAND = ("seed", "synthetic")


class Members(NamedTuple):
    """Samples that share a content and a cell are one row; rows are sorted by content."""

    content: NDArray[np.int64]
    cell: NDArray[np.int64]
    weight: NDArray[np.int64]
    """Samples of the row."""


class Grouping(NamedTuple):
    """Samples of both sides, sorted into groups."""

    groups: list[str]
    """Those in most use first."""
    members: Members
    """The samples, by content and cell; cell = side · groups + group."""
    reach: NDArray[np.float64]
    """[groups]: samples in hand that could have shown what the group's anchor samples show, for each anchor sample."""
    sizes: NDArray[np.int64]
    """[side, groups] samples."""
    one_anchor: bool
    """Each group is set against the whole anchor, which is in the first group's cell."""


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
    one_anchor = column == DATASET
    numbers: dict[str, int] = {}
    found = array("q")
    for sample in _samples(ws, space_id):
        value = _value(sample, column)
        number = -1 if value is None else numbers.setdefault(value, len(numbers))
        found.extend((sample.content_id, _side(sample), number))
    if ANCHOR not in found[1::3] and (sentence := left_out(ws)):
        raise InputError(sentence)
    if not numbers:
        raise InputError(f"No sample can be grouped by {column!r}; choose another column.")
    content, side, number_of = np.array(found, np.int64).reshape(-1, 3).T
    in_use = np.bincount(number_of[number_of >= 0]).tolist()
    groups = sorted(numbers, key=lambda value: (-in_use[numbers[value]], value))[:MAX_GROUPS]
    places = np.full(len(numbers) + 1, -1)  # the last one is that of −1, no value
    places[[numbers[value] for value in groups]] = np.arange(len(groups))
    place = places[number_of]
    if one_anchor:
        place[side == ANCHOR] = 0
    totals = np.bincount(side, minlength=2)
    grouped = place >= 0
    cell = side[grouped] * len(groups) + place[grouped]
    sizes = np.bincount(cell, minlength=2 * len(groups)).reshape(2, -1)
    if one_anchor:
        sizes[ANCHOR] = totals[ANCHOR]
    # by dataset the anchor is the same for all, so a dataset's own size counts; otherwise a set with the anchor's
    # mix of groups would have shown each of them in proportion, also one the set leaves out altogether
    could_show = sizes[IN_HAND] if one_anchor else np.full(len(groups), totals[IN_HAND])
    members = _members(content[grouped], cell, 2 * len(groups))
    return Grouping(groups, members, could_show / max(1, totals[ANCHOR]), sizes, one_anchor)


def _members(content: NDArray[np.int64], cell: NDArray[np.int64], n_cells: int) -> Members:
    keys, weight = np.unique(content * n_cells + cell, return_counts=True)
    return Members(keys // n_cells, keys % n_cells, weight)


def _samples(ws: Workspace, space_id: str) -> Iterator[GroupedSample]:
    return store.grouped_samples(ws.database, space_id, ["anchor", *_ROLES_IN_HAND])


def _side(sample: GroupedSample) -> int:
    return ANCHOR if sample.role == "anchor" else IN_HAND


def _value(sample: GroupedSample, column: str) -> str | None:
    if column == DATASET:
        return None if _side(sample) == ANCHOR else sample.dataset
    if column == LABEL:
        return sample.label if _is_group(sample.label) else None
    value = json.loads(sample.meta).get(_brought(column))
    return str(value) if isinstance(value, str | int) and _is_group(str(value)) else None


def _values(sample: GroupedSample) -> dict[str, str]:
    """Value of each column for one sample; what is no short text or whole number is left out."""
    brought = json.loads(sample.meta).items()
    found = {_column(key): str(value) for key, value in brought if isinstance(value, str | int)}
    if sample.label is not None:
        found[LABEL] = sample.label
    return {column: value for column, value in found.items() if _is_group(value)}


def _is_group(value: str | None) -> bool:
    return bool(value) and len(value or "") <= MAX_VALUE_CHARS


def _column(name: str) -> str:
    """Name of a column that was brought; different ones stay different."""
    plain = name
    while plain.endswith(BROUGHT):
        plain = plain.removesuffix(BROUGHT)
    return name + BROUGHT if plain in (LABEL, DATASET) else name


def _brought(column: str) -> str:
    """The name under which a column was brought; undoes `_column`."""
    return column.removesuffix(BROUGHT) if _column(column) != column else column
