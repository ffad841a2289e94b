"""What a view's rows of features are is one choice in the address, put in the same words wherever there are rows."""

from __future__ import annotations

import streamlit as st

from fac_core.features.rows import CLUSTER, FAMILY, ROWS_BY, THEME
from pages.ui import theme

WORDS = {THEME: "what fires together", CLUSTER: "decoder direction"}
KINDS = {THEME: "theme", CLUSTER: "decoder cluster", FAMILY: "family"}
PLURALS = {THEME: "themes", CLUSTER: "decoder clusters", FAMILY: "families"}


def rows_by() -> str:
    """Draw the choice and read it."""
    chosen = st.segmented_control(
        "Rows",
        ROWS_BY,
        default=ROWS_BY[0],
        required=True,
        format_func=WORDS.__getitem__,
        key="rows_by",
        bind="query-params",
        help=theme.TERMS["rows"],
    )
    return chosen if chosen in ROWS_BY else ROWS_BY[0]
