"""One page of features: a click on a cell opens one, ticks or filters choose those that go on a list."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fac_core.features.relevance import effect_name
from fac_core.features.table import FeaturePage, FeatureRow, feature_ids, feature_page
from pages.ui import feature_marks, services, theme
from pages.ui.feature_filters import ASCENDING, Filters
from pages.ui.services import Here

PAGE_SIZE = 50


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
    if not found.total:
        st.caption(
            "No feature passes these filters. Names come from the texts that were read; take a filter off to see more."
        )
        return
    ticked = table(found, opened, effect_name(here.ws, here.space_id), narrow=narrow)
    pages(found, number, narrow=narrow)
    if narrow:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if ticked:
            feature_marks.add_many(here, ticked, theme.plural(len(ticked), "feature"), "add_ticked", "features")
        elif filters.n_set and here.space and found.total < here.space.d_sae:
            ids = feature_ids(here.ws, here.space_id, here.delta, **filters.criteria)
            feature_marks.add_many(here, ids, f"all {theme.count(len(ids))} found", "add_found", "features")
        st.caption("Tick rows to put them on a list; a click on a name opens the feature.")


def table(found: FeaturePage, opened: int, effect: str, *, narrow: bool) -> list[int]:
    """One page of rows; a click opens the feature. `effect` is what the test's effect is called. Returns the features
    that are ticked."""
    ids = [row.feature_id for row in found.rows]
    key = theme.of_rows("_feature_table", ids)

    def open_selected() -> None:
        cells = st.session_state[key]["selection"]["cells"]
        if cells and cells[0][0] < len(ids):
            services.go("feature", str(ids[cells[0][0]]))

    top = max([10.0, *(100 * row.density_anchor for row in found.rows)])
    column = st.column_config
    config: dict[str, Any] = {
        "state": column.TextColumn("" if narrow else "state", width=30 if narrow else 104),
        "name": column.TextColumn("name", width=150 if narrow else 176),
        "trust": column.TextColumn("trust", width=44, help=theme.TERMS["trust"]),
        "anchor": column.NumberColumn("anchor", width=58, help="Anchor samples that activate it above δ."),
        "seed": column.NumberColumn("seed", width=48, help="Seed samples that activate it above δ."),
        "new": column.NumberColumn("new", width=44, help="Approved new samples that activate it above δ."),
        "effect": column.NumberColumn(effect, width=62, format="%.2f", help=theme.TERMS[effect]),
        "density": column.ProgressColumn(
            "density",
            width=88,
            format="%.1f %%",
            min_value=0.0,
            max_value=top,
            color="gray",
            help=theme.TERMS["density"],
        ),
        "lift": column.NumberColumn("lift", width=48, format="%.1f", help=theme.TERMS["lift"]),
        "family": column.TextColumn(
            "family", width=84, help=f"Members of its family and what joined it. {theme.TERMS['family']}"
        ),
        "activations": column.BarChartColumn(
            "activations", width=84, color="gray", help="Anchor samples by activation, 16 bars of width 1."
        ),
    }
    order = ["state", "name", "anchor"] if narrow else list(config)
    selected = [(ids.index(opened), "name")] if opened in ids else []
    chosen = st.dataframe(
        painted([record(row, narrow) for row in found.rows], [row.state for row in found.rows]),
        key=key,
        hide_index=True,
        column_order=order,
        column_config=config,
        on_select=open_selected,
        selection_mode="single-cell" if narrow else ["multi-row", "single-cell"],
        selection_default={"selection": {"rows": [], "columns": [], "cells": selected}},
        height=720 if narrow else 600,
        row_height=32,
        placeholder="–",
        alt=f"Table of {len(ids)} features; choose one to open it",
    )
    return [ids[row] for row in chosen["selection"]["rows"] if 0 <= row < len(ids)]


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
        "trust": theme.TRUST[row.trust].mark,
        "anchor": row.n_anchor,
        "density": 100 * row.density_anchor,
        "seed": row.n_seed,
        "new": row.n_synthetic,
        "effect": row.effect,
        "lift": row.lift,
        "family": f"{row.family_size} · {row.joined_by}" if row.joined_by else None,
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
