"""Every feature is in exactly one row of a heatmap: its theme, else its family, else itself.

A theme has a name of its own; any other row is called after its features that fire on most anchor samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.features.counts import Array
from fac_core.features.facts import Facts
from fac_core.features.keywords import SEPARATOR
from fac_core.store import features as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

NAMED_AFTER = 3
_LOOK_AT = 6


class Rows(NamedTuple):
    """Rows of a heatmap."""

    row: Array
    """[d_sae] id of each feature's row."""
    names: dict[int, str]
    """Names of the rows with a feature of F(P)."""


def load_rows(ws: Workspace, space_id: str, facts: Facts) -> Rows:
    """Themes where there are any, families otherwise.

    With themes, a feature outside of them has its family's id counted on from d_sae, so that the two never meet.
    """
    themes = store.themes(ws.database, space_id)
    row = facts.family
    if themes.num_rows:
        row = facts.family + facts.d_sae
        row[themes.column("feature_id").to_numpy()] = themes.column("family_id").to_numpy()
    table = store.names(ws.database, space_id)
    names = dict(zip(table.column("feature_id").to_pylist(), table.column("name").to_pylist(), strict=True))
    ids = np.flatnonzero(facts.in_anchor)
    ids = ids[np.lexsort((ids, -facts.counts.anchor[ids]))]
    members: dict[int, list[str]] = {}
    for feature, key in zip(ids.tolist(), row[ids].tolist(), strict=True):
        found = members.setdefault(key, [])
        if len(found) < _LOOK_AT:
            found.append(names.get(feature, ""))
    called = store.theme_names(ws.database, space_id) if themes.num_rows else {}
    return Rows(row, {key: called.get(key) or _row_name(found) for key, found in members.items()})


def _row_name(names: list[str]) -> str:
    """A single feature's own name, or the first phrases of the commonest ones."""
    if len(names) == 1:
        return names[0]
    firsts = dict.fromkeys(name.split(SEPARATOR)[0] for name in names if name)
    return SEPARATOR.join(list(firsts)[:NAMED_AFTER])
