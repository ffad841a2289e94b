"""Features answers: what does the space tell apart, and which of it does the seed set lack?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from fac_core.features.relevance import effect_name
from fac_core.features.states import OTHER_STATES, STATES
from fac_core.features.table import FeaturePage, FeatureRow, feature_page
from pages.ui import chrome, feature_view, services, theme
from pages.ui.services import Here

PAGE_SIZE = 50
SORTS = {
    "effect": "effect",
    "anchor": "anchor count",
    "seed": "seed count",
    "synthetic": "new count",
    "max": "top activation",
    "lift": "lift",
    "q": "surest (q)",
    "name": "name",
    "id": "number",
}
ASCENDING = {"q", "name", "id"}
RELEVANT = {"relevant": True, "other": False, "all": None}
NO_FEATURE = -1


@dataclass(frozen=True)
class Filters:
    """What the rail says."""

    search: str
    states: tuple[str, ...]
    relevant: bool | None
    in_list: bool | None
    sort: str

    @property
    def n_set(self) -> int:
        """How many filters narrow the table."""
        return bool(self.search) + bool(self.states) + (self.relevant is not None) + bool(self.in_list)


def rail(effect: str) -> Filters:
    """The filters; each lives in the URL. `effect` is what the test's effect is called."""
    search = st.text_input(
        "Search", key="f_search", bind="query-params", live=True, placeholder="word or number", icon=":material/search:"
    )
    relevant = st.selectbox("Task", list(RELEVANT), key="f_task", bind="query-params", help=theme.TERMS["relevant"])
    states = st.pills(
        "State",
        [*STATES, *OTHER_STATES],
        selection_mode="multi",
        format_func=lambda name: theme.state(name).label,
        key="f_state",
        bind="query-params",
        wrap=True,
        help="At the δ in use. Nothing chosen shows all.",
    )
    listed = st.toggle("On the work list", key="f_list", bind="query-params")
    words = {**SORTS, "effect": effect}
    sort = st.selectbox("Sort by", list(SORTS), format_func=words.__getitem__, key="f_sort", bind="query-params")
    known = tuple(name for name in states or () if name in theme.STATES)
    return Filters(
        search or "", known, RELEVANT.get(str(relevant)), True if listed else None, sort if sort in SORTS else "effect"
    )


def find(here: Here, filters: Filters) -> tuple[FeaturePage, int]:
    """The rows of the page that is open, and its number."""
    number = st.session_state.get("f_page") or 1

    def page(n: int) -> FeaturePage:
        return feature_page(
            here.ws,
            here.space_id,
            here.delta,
            search=filters.search,
            states=filters.states,
            relevant=filters.relevant,
            in_list=filters.in_list,
            sort=filters.sort,
            descending=filters.sort not in ASCENDING,
            page=n,
            page_size=PAGE_SIZE,
        )

    found = page(number)
    if not found.rows and number > 1:  # a filter left fewer pages than the one that was open
        number = 1
        st.session_state["f_page"] = 1
        found = page(1)
    return found, number


def open_selected() -> None:
    """The row that was clicked becomes the open feature."""
    cells = st.session_state["_feature_table"]["selection"]["cells"]
    shown = st.session_state["_feature_ids"]
    if cells and cells[0][0] < len(shown):
        services.go("feature", str(shown[cells[0][0]]))


def table(found: FeaturePage, opened: int, effect: str, *, narrow: bool) -> None:
    """One page of rows; a click opens the feature."""
    ids = [row.feature_id for row in found.rows]
    st.session_state["_feature_ids"] = ids
    top = max([10.0, *(100 * row.density_anchor for row in found.rows)])
    column = st.column_config
    config: dict[str, Any] = {
        "state": column.TextColumn("" if narrow else "state", width=30 if narrow else 108),
        "name": column.TextColumn("name", width=150 if narrow else 190),
        "anchor": column.NumberColumn("anchor", width=58, help="Anchor samples that activate it above δ."),
        "density": column.ProgressColumn(
            "density",
            width=88,
            format="%.1f %%",
            min_value=0.0,
            max_value=top,
            color="gray",
            help=theme.TERMS["density"],
        ),
        "seed": column.NumberColumn("seed", width=48, help="Seed samples that activate it above δ."),
        "new": column.NumberColumn("new", width=44, help="Approved new samples that activate it above δ."),
        "effect": column.NumberColumn(effect, width=62, format="%.2f", help=theme.TERMS[effect]),
        "lift": column.NumberColumn("lift", width=48, format="%.1f", help=theme.TERMS["lift"]),
        "activations": column.BarChartColumn(
            "activations", width=84, color="gray", help="Anchor samples by activation, 16 bars of width 1."
        ),
    }
    order = ["state", "name", "anchor"] if narrow else list(config)
    selected = [(ids.index(opened), "name")] if opened in ids else []
    st.dataframe(
        painted([record(row, narrow) for row in found.rows], [row.state for row in found.rows]),
        key="_feature_table",
        hide_index=True,
        column_order=order,
        column_config=config,
        on_select=open_selected,
        selection_mode="single-cell",
        selection_default={"selection": {"rows": [], "columns": [], "cells": selected}},
        height=720 if narrow else 600,
        row_height=32,
        placeholder="–",
        alt=f"Table of {len(ids)} features; choose one to open it",
    )


def painted(records: list[dict[str, object]], states: list[str]) -> Any:
    """The rows as a frame whose states have their colours."""
    import pandas as pd

    frame = pd.DataFrame(records)
    return frame.style.apply(lambda _: [f"color: {theme.state(name).colour}" for name in states], subset=["state"])


def record(row: FeatureRow, narrow: bool) -> dict[str, object]:
    """A row as the table takes it; cells are literal."""
    look = theme.state(row.state)
    return {
        "state": look.mark if narrow else look.label,
        "name": f"{'+ ' if row.in_list else ''}{row.name or f'feature {row.feature_id}'}",
        "anchor": row.n_anchor,
        "density": 100 * row.density_anchor,
        "seed": row.n_seed,
        "new": row.n_synthetic,
        "effect": row.effect,
        "lift": row.lift,
        "activations": row.hist,
    }


def pages(found: FeaturePage, number: int, *, narrow: bool) -> None:
    """Pages of the table, and where this one lies."""
    n_pages = max(1, -(-found.total // PAGE_SIZE))
    first = (number - 1) * PAGE_SIZE + 1
    last = min(found.total, first + PAGE_SIZE - 1)
    left, right = st.columns([1, 1 if narrow else 2], vertical_alignment="center")
    left.caption(f"{theme.count(first)}–{theme.count(last)} of {theme.count(found.total)}")
    if n_pages > 1:
        with right.container(horizontal_alignment="right"):
            st.pagination(n_pages, key="f_page", bind="query-params", max_visible_pages=3 if narrow else 7)


def opened_feature(here: Here) -> int:
    """The feature named in the URL, or NO_FEATURE."""
    said = services.follow("feature", keep=False)
    d_sae = here.space.d_sae if here.space else 0
    if said and said.isdecimal() and len(said) < 9 and int(said) < d_sae:
        services.go("feature", said)
        return int(said)
    return NO_FEATURE


def headline(here: Here, total: int, filters: Filters) -> str:
    """What the page knows right now."""
    of = f"of the space's {theme.count(here.space.d_sae)} features" if here.space else "features"
    if filters.n_set and here.space and total < here.space.d_sae:
        passed = theme.plural(filters.n_set, "filter")
        return f"{theme.count(total)} {of} pass {passed}; counts are at {theme.threshold(here.delta)}."
    return f"All {theme.count(total)} features of the space; counts are at {theme.threshold(here.delta)}."


def show(here: Here) -> None:
    """The page."""
    chrome.need_space(here)
    opened = opened_feature(here)
    effect = effect_name(here.ws, here.space_id)
    head = st.container()
    if opened == NO_FEATURE:
        left, right = st.columns([1, 4.8], gap="medium")
        with left:
            filters = rail(effect)
        found, number = find(here, filters)
        with right:
            listing(found, number, opened, effect, narrow=False)
    else:
        left, right = st.columns([1, 2], gap="large")
        with left:
            with st.popover("Filters", icon=":material/filter_list:", width="stretch"):
                filters = rail(effect)
            found, number = find(here, filters)
            listing(found, number, opened, effect, narrow=True)
        with right:
            feature_view.show(here, opened)
    with head:
        chrome.page_head("Features", headline(here, found.total, filters))


def listing(found: FeaturePage, number: int, opened: int, effect: str, *, narrow: bool) -> None:
    """Table and its pages, or why there is none."""
    if not found.total:
        st.caption(
            "No feature passes these filters. Names come from the texts that were read; take a filter off to see more."
        )
        return
    table(found, opened, effect, narrow=narrow)
    pages(found, number, narrow=narrow)


show(services.here())
