"""Every feature is in exactly one row of a heatmap: its theme, else its family, else itself.

A row is called after the features that fire on most anchor samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple


from fac_core.features.counts import Array
from fac_core.features.facts import Facts
from fac_core.store import features as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

NAMED_AFTER = 3
SEPARATOR = " · "


class Rows(NamedTuple):
    """Rows of a heatmap."""

    row: Array
    """[d_sae] id of each feature's row."""
    names: dict[int, str]


def load_rows(ws: Workspace, space_id: str, facts: Facts) -> Rows:
    """Themes where there are any, families otherwise."""
    themes = store.themes(ws.database, space_id)
    row = facts.family.copy()
    row[themes.column("feature_id").to_numpy()] = themes.column("family_id").to_numpy()
    table = store.names(ws.database, space_id)
    members: dict[int, list[tuple[int, str]]] = {}
    for feature, name in zip(table.column("feature_id").to_pylist(), table.column("name").to_pylist(), strict=True):
        if facts.in_anchor[feature]:
            members.setdefault(int(row[feature]), []).append((-int(facts.counts.anchor[feature]), name))
    return Rows(row, {key: _row_name(sorted(named)) for key, named in members.items()})


def _row_name(named: list[tuple[int, str]]) -> str:
    """A single feature's own name, or the first phrases of the commonest ones."""
    if len(named) == 1:
        return named[0][1]
    phrases: list[str] = []
    for _, name in named:
        first = name.split(SEPARATOR)[0]
        if first not in phrases:
            phrases.append(first)
        if len(phrases) == NAMED_AFTER:
            break
    return SEPARATOR.join(phrases)
