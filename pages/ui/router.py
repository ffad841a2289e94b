"""One list of pages, in the order of the work; a deep link on a fresh server ends up in the same frame as any other.

Streamlit runs scripts of a folder called `pages` by itself until `st.navigation` was called for the first time in the
process. A page that finds itself without the frame registers the pages and starts again.
"""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import StreamlitPage

_PAGES = [
    ("home", "Home", "home"),
    ("seed_set", "Seed set", "upload_file"),
    ("features", "Features", "scatter_plot"),
    ("coverage", "Coverage", "grid_on"),
    ("synthesis", "Synthesis", "science"),
    ("review", "Review", "rate_review"),
    ("evaluation", "Evaluation", "monitoring"),
    ("export", "Export", "output"),
    ("settings", "Settings", "settings"),
]


def pages(*, icons: bool = True) -> list[StreamlitPage]:
    """The pages, made anew for each run."""
    return [
        st.Page(f"pages/{name}.py", title=title, icon=f":material/{icon}:" if icons else None, default=name == "home")
        for name, title, icon in _PAGES
    ]


@st.cache_resource(show_spinner=False)
def process() -> dict[str, bool]:
    """What is known of this process: whether it drew a page before."""
    return {"started": False}


def enter_frame() -> None:
    """Note that the router draws this session's frame; the first run of the process starts again."""
    st.session_state["_framed"] = True
    if not process()["started"]:
        process()["started"] = True
        _start_again()


def need_frame() -> None:
    """Start again through the router if this page was run without it."""
    if not st.session_state.get("_framed"):
        _start_again()


def _start_again() -> None:
    # without icons: before the page is configured one of them would be fetched from outside as its favicon
    st.navigation(pages(icons=False), position="hidden")
    st.rerun()
