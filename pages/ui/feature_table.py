"""One page of features: a click on a cell opens one, ticks or filters choose those that go on a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fac_core.features.relevance import effect_name
from fac_core.features.states import OTHER_STATES, STATES
from fac_core.features.table import FeaturePage, FeatureRow, feature_ids, feature_page
from fac_core.features.trust import Evidence
from pages.ui import feature_filters, feature_marks, services, theme
from pages.ui.feature_filters import ASCENDING, Filters
from pages.ui.services import Here

PAGE_SIZE = 50
COLUMNS = {
    "score": "score",
    "trust": "trust",
    "anchor": "anchor",
    "seed": "seed",
    "effect": "effect",
    "lift": "lift",
    "new": "new",
    "family": "family",
    "activations": "activations",
    "density": "density",
    "max": "top activation",
    "state": "state in words",
    "id": "number",
}
"""Columns that can be chosen, in their order, and what they are called where one chooses."""
USUAL = ("score", "anchor", "seed", "effect", "new", "family", "activations")
NARROW = ("trust", "anchor", "seed")
"""Those beside an open feature."""
_SETTING = "feature_columns"


def find(here: Here, filters: Filters) -> tuple[FeaturePage, int]:
    """The rows of the page that is open, and its number."""
    number = st.session_state.get("f_page") or _addressed()

    def page(n: int) -> FeaturePage:
        return feature_page(
            here.ws,
            here.space_id,
            here.delta,
            sort=filters.sort,
            descending=filters.sort not in ASCENDING,
            page=n,
            page_size=PAGE_SIZE,
            **filters.criteria,
        )

    found = page(number)
    if not found.rows and number > 1:  # a filter left fewer pages than the one that was open
        number = 1
        st.session_state["f_page"] = 1
        found = page(1)
    return found, number


def _addressed() -> int:
    """The page that the address names; the control that reads it is drawn below its rows."""
    said = st.query_params.get("f_page", "")
    return max(1, int(said)) if said.isascii() and said.isdecimal() and len(said) < 9 else 1


def show(here: Here, found: FeaturePage, number: int, opened: int, filters: Filters, *, narrow: bool) -> None:
    """Table and its pages, or why there is none."""
    if filters.instead:
        feature_filters.say_instead()
    if not found.total:
        st.caption(
            "No feature passes these filters. Names come from the texts that were read; take a filter off to see more."
        )
        return
    effect = effect_name(here.ws, here.space_id)
    # left of the tools that the table shows above its right end
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        place(found, number)
        shown = NARROW if narrow else choose_columns(here, effect)
    ticked = table(found, opened, effect, shown, narrow=narrow)
    pages(found, narrow=narrow)
    if narrow:
        return
    if faint := [row for row in found.rows if row.below_delta and (row.effect is not None or row.score is not None)]:
        st.caption(
            f"{theme.plural(len(faint), 'feature')} of this page {'is' if len(faint) == 1 else 'are'} above δ in no "
            f"sample of the anchor: {effect}, lift and score rest on activations below it there."
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if ticked:
            feature_marks.add_many(here, ticked, theme.plural(len(ticked), "feature"), "add_ticked", "features")
        elif filters.n_set and here.space and found.total < here.space.d_sae:
            ids = feature_ids(here.ws, here.space_id, here.delta, **filters.criteria)
            feature_marks.add_many(here, ids, f"all {theme.count(len(ids))} found", "add_found", "features")
        st.caption("Tick rows to put them on a list; a click on a name opens the feature.")


def place(found: FeaturePage, number: int) -> None:
    """Where this page of the table lies."""
    first = (number - 1) * PAGE_SIZE + 1
    last = min(found.total, first + PAGE_SIZE - 1)
    st.caption(f"{theme.count(first)}–{theme.count(last)} of {theme.count(found.total)}", width="content")


# --- columns ---


def saved_columns(here: Here) -> tuple[str, ...]:
    """The columns that were chosen last in this project."""
    said = here.ws.setting(_SETTING).split(",")
    return tuple(name for name in COLUMNS if name in said) or USUAL


def choose_columns(here: Here, effect: str) -> tuple[str, ...]:
    """Which columns stand beside mark and name; the project keeps the choice."""
    st.session_state.setdefault("f_columns", list(saved_columns(here)))
    with st.popover("Columns", icon=":material/view_column:", type="tertiary"):
        chosen = st.pills(
            "Columns beside mark and name",
            COLUMNS,
            selection_mode="multi",
            format_func={**COLUMNS, "effect": effect}.__getitem__,
            key="f_columns",
            wrap=True,
            width=320,
            on_change=keep_columns,
            help="Kept for this project. None chosen brings the usual ones back.",
        )
    return tuple(name for name in COLUMNS if name in chosen) or USUAL


@services.guarded
def keep_columns() -> None:
    """Keep the choice."""
    services.here().ws.set_setting(_SETTING, ",".join(st.session_state["f_columns"]))


def configured(found: FeaturePage, effect: str, *, narrow: bool) -> dict[str, Any]:
    """How each column looks; mark, name and the usual ones fit a page of 1280 pixels, the first of them one of 1024."""
    top = max([10.0, *(100 * row.density_anchor for row in found.rows)])
    marks = " · ".join(theme.state(name).label for name in (*STATES, *OTHER_STATES))
    column = st.column_config
    return {
        "mark": column.TextColumn("", width=28, help=f"State at this δ: {marks}."),
        "name": column.TextColumn("name", width=144 if narrow else 176),
        "score": column.TextColumn("score", width=146, help=theme.TERMS["score"]),
        "trust": column.TextColumn("trust", width=42, help=theme.TERMS["trust"]),
        "anchor": column.NumberColumn("anchor", width=54, help="Anchor samples that activate it above δ."),
        "seed": column.NumberColumn("seed", width=44, help="Seed samples that activate it above δ."),
        "effect": column.NumberColumn(
            effect, width=64 if len(effect) < 8 else 80, format="%.2f", help=theme.TERMS[effect]
        ),
        "lift": column.NumberColumn("lift", width=46, format="%.1f", help=theme.TERMS["lift"]),
        "new": column.NumberColumn("new", width=40, help="Approved new samples that activate it above δ."),
        "family": column.TextColumn(
            "family", width=78, help=f"Members of its family and what joined it. {theme.TERMS['family']}"
        ),
        "activations": column.BarChartColumn(
            "activations", width=78, color="gray", help="Anchor samples by activation, 16 bars of width 1."
        ),
        "density": column.ProgressColumn(
            "density",
            width=92,
            format="%.1f %%",
            min_value=0.0,
            max_value=top,
            color="gray",
            help=theme.TERMS["density"],
        ),
        "max": column.NumberColumn("top", width=48, format="%.1f", help="Highest activation in any sample."),
        "state": column.TextColumn("state", width=104, help="At the δ in use."),
        "id": column.NumberColumn("number", width=64, format="%d", help="Number of the feature in the space."),
    }


# --- rows ---


def table(found: FeaturePage, opened: int, effect: str, columns: Sequence[str], *, narrow: bool) -> list[int]:
    """One page of rows; a click opens the feature. `effect` is what the test's effect is called. Returns the features
    that are ticked."""
    ids = [row.feature_id for row in found.rows]
    key = theme.of_rows("_feature_table", ids)

    def open_selected() -> None:
        cells = st.session_state[key]["selection"]["cells"]
        if cells and cells[0][0] < len(ids):
            services.go("feature", str(ids[cells[0][0]]))

    selected = [(ids.index(opened), "name")] if opened in ids else []
    order = ["mark", "name", *columns]
    chosen = st.dataframe(
        painted(found.rows, order),
        key=key,
        hide_index=True,
        column_order=order,
        column_config=configured(found, effect, narrow=narrow),
        on_select=open_selected,
        selection_mode="single-cell" if narrow else ["multi-row", "single-cell"],
        selection_default={"selection": {"rows": [], "columns": [], "cells": selected}},
        height=720 if narrow else 600,
        row_height=32,
        placeholder="–",
        alt=f"Table of {len(ids)} features; choose one to open it",
    )
    return [ids[row] for row in chosen["selection"]["rows"] if 0 <= row < len(ids)]


def painted(rows: Sequence[FeatureRow], columns: Sequence[str]) -> Any:
    """Some columns of the rows as a frame whose states have their colours, and where scores of too few documents are
    grey; each column costs time to be dressed."""
    import pandas as pd

    colours = [f"color: {theme.state(row.state).colour}" for row in rows]
    coloured = [name for name in ("mark", "state") if name in columns]
    records = [record(row) for row in rows]
    dressed = pd.DataFrame(records, columns=list(columns)).style.apply(lambda _: colours, subset=coloured)
    grey = ["color: gray" if row.score is not None and row.score.too_few else "" for row in rows]
    return dressed.apply(lambda _: grey, subset=["score"]) if "score" in columns and any(grey) else dressed


def record(row: FeatureRow) -> dict[str, object]:
    """A row as the table takes it; cells are literal."""
    look = theme.state(row.state)
    return {
        "mark": look.mark,
        "name": f"{'+ ' if row.in_list else ''}{row.name or f'feature {row.feature_id}'}",
        "score": None if row.score is None else told(row.score, row.trust),
        "trust": theme.TRUST[row.trust].mark,
        "anchor": row.n_anchor,
        "seed": row.n_seed,
        "effect": row.effect,
        "lift": row.lift,
        "new": row.n_synthetic,
        "family": f"{row.family_size} · {row.joined_by}" if row.joined_by else None,
        "activations": row.hist,
        "density": 100 * row.density_anchor,
        "max": row.max_value,
        "state": look.label,
        "id": row.feature_id,
    }


def told(score: Evidence, badge: str) -> str:
    """A score as a cell: badge, value, interval, documents of either side."""
    bounds = "" if score.low is None or score.high is None else f" [{_short(score.low)}–{_short(score.high)}]"
    return f"{theme.TRUST[badge].mark} {_short(score.value or 0.0)}{bounds} {score.n_firing}+{score.n_silent}"


def _short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


def pages(found: FeaturePage, *, narrow: bool) -> None:
    """Leaf through the table."""
    n_pages = max(1, -(-found.total // PAGE_SIZE))
    if n_pages > 1:
        st.pagination(n_pages, key="f_page", bind="query-params", max_visible_pages=3 if narrow else 7)
