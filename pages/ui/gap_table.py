"""Gaps are picked by feature id: a row's position is looked up in the very list that was drawn, never remembered.

Names and example texts stand in table cells, which show them literally.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from fac_core.coverage import worklist
from fac_core.coverage.gaps import Gap
from fac_core.coverage.states import STATES
from pages.ui import heat, services, theme
from pages.ui.services import Here

COMPACT = ("mark", "name", "anchor", "robust")
FULL = ("state", "name", "features", "anchor", "expected", "chance", "robust", "listed", "id", "example")


def table(gaps: Sequence[Gap], listed: set[int], *, veiled: bool) -> dict[str, list[Any]]:
    """Columns of the table, one value for each gap."""
    return {
        "state": [[theme.state(gap.state).label] for gap in gaps],
        "mark": [theme.state(gap.state).mark for gap in gaps],
        "name": [gap.name or "no name yet" for gap in gaps],
        "features": [len(gap.members) for gap in gaps],
        "anchor": [gap.n_anchor for gap in gaps],
        "share": [100 * gap.share_anchor for gap in gaps],
        "expected": [gap.expected_seed for gap in gaps],
        "chance": [None if gap.chance is None else 100 * gap.chance for gap in gaps],
        "robust": ["✓" if gap.robust else "" for gap in gaps],
        "listed": ["✓" if listed.issuperset(gap.members) else "" for gap in gaps],
        "example": [heat.veil_words(gap.example) if veiled else gap.example for gap in gaps],
        "id": [gap.feature_id for gap in gaps],
    }


def picked(selection: Mapping[str, Any], gaps: Sequence[Gap]) -> list[Gap]:
    """The gaps whose rows are ticked."""
    rows = [row for row in selection.get("rows") or [] if isinstance(row, int) and 0 <= row < len(gaps)]
    return [gaps[row] for row in rows]


def draw(here: Here, gaps: Sequence[Gap], *, key: str, columns: Sequence[str] = FULL, tallest: int = 420) -> list[Gap]:
    """Draw gaps as a table with a tick on each row; returns the ticked ones. `tallest` is in pixels."""
    listed = set(worklist.in_worklist(here.ws, here.space_id))
    labels = {theme.state(name).label: theme.state(name).colour for name in theme.STATES}
    column = st.column_config
    event = st.dataframe(
        table(gaps, listed, veiled=here.veiled),
        column_order=columns,
        column_config={
            "state": column.MultiselectColumn(
                "State", options=list(labels), color=list(labels.values()), width=106, help="What it means at this δ."
            ),
            "mark": column.TextColumn("", width=32, help=" · ".join(theme.state(name).label for name in STATES)),
            "name": column.TextColumn(
                "Gap",
                width=158 if columns == FULL else None,
                help="The name a person gave, else keywords or a model's words, as the project prefers.",
            ),
            "features": column.NumberColumn("Features", width=72, help=theme.TERMS["family"]),
            "anchor": column.NumberColumn("Anchor", width=64, help="Anchor samples that activate it above δ."),
            "share": column.NumberColumn("of anchor", format="%.1f %%", width=78, help=theme.TERMS["density"]),
            "expected": column.NumberColumn(
                "expected", format="%.1f", width=74, help="Seed samples that would show it at the anchor's rate."
            ),
            "chance": column.NumberColumn("by chance", format="%.1f %%", width=84, help=theme.TERMS["chance"]),
            "robust": column.TextColumn("Robust", width=64, help=theme.TERMS["robust"]),
            "listed": column.TextColumn("Listed", width=56, help="Whether it is on the work list."),
            "example": column.TextColumn("Anchor text that shows it most"),
            "id": column.NumberColumn("Feature", format="%d", width=70),
        },
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=theme.of_rows(f"{key}_{here.space_id}_{here.delta:g}_{here.version}", [gap.feature_id for gap in gaps]),
        height=min(tallest, 37 + 35 * len(gaps)),
        alt=f"{len(gaps)} gaps: name, state, anchor samples, robust or not",
    )
    return picked(event["selection"], gaps)


def add_button(here: Here, feature_ids: Sequence[int], added_from: str, *, key: str, what: str = "feature") -> None:
    """Put features into the work list."""
    n = len(feature_ids)
    st.button(
        f"Add {theme.plural(n, what)} to the work list" if n else "Add to the work list",
        icon=":material/playlist_add:",
        type="primary" if n else "secondary",
        disabled=not n,
        key=key,
        on_click=add,
        args=(here, list(feature_ids), added_from),
        help=None if n else "Tick rows first.",
    )


def add(here: Here, feature_ids: Sequence[int], added_from: str) -> None:
    """Put features into the work list and say how many are new."""
    new = services.guarded(worklist.add)(here.ws, here.space_id, feature_ids, added_from)
    if new is not None:
        rest = len(set(feature_ids)) - new
        more = f" {theme.plural(rest, 'feature')} had been there." if rest else ""
        services.say(f"{theme.plural(new, 'feature')} added to the work list.{more}")
