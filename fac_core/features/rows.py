"""Every feature is in exactly one row of a heatmap: its theme or its decoder cluster, else its family, else itself.

A theme is what fires in the same texts, a decoder cluster what points the same way. Both have names of their own; any
other row is called after its features that fire on most anchor samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.errors import InputError
from fac_core.features.counts import Array
from fac_core.features.facts import Facts
from fac_core.features.keywords import SEPARATOR
from fac_core.store import feature_weights as weights
from fac_core.store import features as store
from fac_core.store.features import CLUSTER, THEME

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

__all__ = ["CLUSTER", "FAMILY", "NO_ROW", "ROWS_BY", "THEME", "Rows", "load_rows", "row_ids"]

FAMILY = "family"
ROWS_BY = (THEME, CLUSTER)
"""What features can be put into rows by; the first is what is shown unasked, since it tells topics apart better (see
`docs/rows.md`)."""
NO_ROW = -1
NAMED_AFTER = 3
_LOOK_AT = 6


class Rows(NamedTuple):
    """Rows of a heatmap."""

    row: Array
    """[d_sae] id of each feature's row."""
    names: dict[int, str]
    """Names of the rows with a feature of F(P)."""
    kind: str
    """THEME or CLUSTER as asked for, or FAMILY where there are none of them."""


def row_ids(ws: Workspace, space_id: str, d_sae: int, by: str) -> Array:
    """Theme or decoder cluster of each feature, [d_sae]; NO_ROW for those outside of all.

    Raises:
        InputError: features are not put into rows by that.
    """
    if by == THEME:
        found, column = store.themes(ws.database, space_id), "family_id"
    elif by == CLUSTER:
        found, column = weights.clusters(ws.database, space_id), "cluster"
    else:
        raise InputError(f"Rows are made by {' or '.join(map(repr, ROWS_BY))}, not by {by[:60]!r}.")
    ids = np.full(d_sae, NO_ROW, np.int64)
    ids[found.column("feature_id").to_numpy()] = found.column(column).to_numpy()
    return ids


def load_rows(ws: Workspace, space_id: str, facts: Facts, by: str = THEME) -> Rows:
    """Themes or decoder clusters where there are any, families otherwise.

    With them, a feature outside has its family's id counted on from d_sae, so that the two never meet.

    Raises:
        InputError: features are not put into rows by that.
    """
    made = row_ids(ws, space_id, facts.d_sae, by)
    kind = by if (made != NO_ROW).any() else FAMILY
    row = facts.family if kind == FAMILY else np.where(made != NO_ROW, made, facts.family + facts.d_sae)
    table = store.names(ws.database, space_id)
    names = dict(zip(table.column("feature_id").to_pylist(), table.column("name").to_pylist(), strict=True))
    ids = np.flatnonzero(facts.in_anchor)
    ids = ids[np.lexsort((ids, -facts.counts.anchor[ids]))]
    members: dict[int, list[str]] = {}
    for feature, key in zip(ids.tolist(), row[ids].tolist(), strict=True):
        found = members.setdefault(key, [])
        if len(found) < _LOOK_AT:
            found.append(names.get(feature, ""))
    called = store.row_names(ws.database, space_id, by)
    return Rows(row, {key: called.get(key) or _row_name(found) for key, found in members.items()}, kind)


def _row_name(names: list[str]) -> str:
    """A single feature's own name, or the first phrases of the commonest ones."""
    if len(names) == 1:
        return names[0]
    firsts = dict.fromkeys(name.split(SEPARATOR)[0] for name in names if name)
    return SEPARATOR.join(list(firsts)[:NAMED_AFTER])
