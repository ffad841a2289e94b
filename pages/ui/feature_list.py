"""Features by name in a small table; a click opens one. Names are data of others and stand in cells only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.ui import services, theme

ROW = 30


def draw(
    rows: Sequence[tuple[int, str, float | str | None]],
    measure: str,
    key: str,
    *,
    tallest: int | None = None,
    also: Callable[[], None] = lambda: None,
) -> None:
    """Draw features with one measure each.

    Args:
        rows: (feature, name, value); without a `measure` values are not shown.
        measure: heading of the values.
        key: of the table.
        tallest: pixels from which on it scrolls.
        also: called beside opening a feature.
    """
    ids = [feature_id for feature_id, _, _ in rows]
    name = theme.of_rows(f"list_{key}", ids)

    def opened() -> None:
        chosen = st.session_state[name]["selection"]["cells"]
        if chosen and chosen[0][0] < len(ids):
            also()
            services.go("feature", str(ids[chosen[0][0]]))

    worded = any(isinstance(value, str) for _, _, value in rows)
    column = st.column_config
    values: Any = (
        column.TextColumn(measure, width=80) if worded else column.NumberColumn(measure, format="%.2f", width=64)
    )
    height = ROW * (len(rows) + 1) + 3
    st.dataframe(
        [{"feature": f"{name or 'feature'} · {feature_id}", measure or "x": value} for feature_id, name, value in rows],
        key=name,
        hide_index=True,
        column_order=["feature", *([measure] if measure else [])],
        column_config={"feature": column.TextColumn("feature", width=190 if measure else None), measure: values},
        on_select=opened,
        selection_mode="single-cell",
        row_height=ROW,
        height=min(height, tallest) if tallest else height,
        alt="Features; choose one to open it",
    )
