"""Features answers: what does the space tell apart, and which of it does the seed set lack?"""

from __future__ import annotations

import numpy as np
import streamlit as st

from fac_core.features.interesting import random_feature
from fac_core.features.table import feature_ids
from pages.ui import (
    chrome,
    explain_view,
    explanations_view,
    feature_filters,
    feature_table,
    feature_view,
    map_view,
    relevance_view,
    sample_row,
    samples_view,
    services,
    text_view,
    theme,
)
from pages.ui.feature_filters import Filters
from pages.ui.services import Here

NO_FEATURE = -1
RAIL, BESIDE = 205, 312
"""Width of the filters, and of what stands beside an open feature, in pixels."""
TABLE, MAP, TEXT, SAMPLES = "table", "map", "by a text", "samples"
EXPLANATIONS, RELEVANCE = "explanations", "relevance"
VIEWS = (TABLE, MAP, TEXT, SAMPLES, EXPLANATIONS, RELEVANCE)
SENTENCES = {
    MAP: "Where features lie by their directions; draw around some to put them on a list.",
    TEXT: "Paste a text to see which features it activates.",
    SAMPLES: "Find samples by words or meaning, and see the row each stands in.",
    EXPLANATIONS: "How far names are borne out by documents they were not made from, and a model to ask for more.",
    RELEVANCE: "What says that a feature belongs to the task, and how far it holds on documents that did not say so.",
}


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


def choose_view() -> str:
    """What the page shows."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        view = st.segmented_control(
            "View",
            VIEWS,
            default=TABLE,
            required=True,
            key="f_view",
            bind="query-params",
            label_visibility="collapsed",
        )
        st.button(
            "Random feature",
            icon=":material/shuffle:",
            type="tertiary",
            key="f_random",
            on_click=open_random,
            help="One that fires in the anchor, on neither a tenth of it nor the chat template, and whose name is of "
            "at least middling trust if names were scored.",
        )
    return view if view in VIEWS else TABLE


@services.guarded
def open_random() -> None:
    """Open a feature that is worth a look."""
    here = services.here()
    found = random_feature(here.ws, here.space_id, here.delta, np.random.default_rng(), opened_feature(here))
    if found is None:
        services.say("No feature that fires in the anchor has a name yet; describe the features first.", "note")
    else:
        services.go("feature", str(found))


def table(here: Here, opened: int) -> str:
    """Filters and table, beside an open feature or over the whole width; returns what the page knows."""
    if opened == NO_FEATURE:
        sides = st.container(horizontal=True, wrap=False, gap="medium")
        with sides.container(width=RAIL):
            filters = feature_filters.rail(here)
        found, number = feature_table.find(here, filters)
        with sides.container(width="stretch"):
            feature_table.show(here, found, number, opened, filters, narrow=False)
    else:
        with st.popover("Filters", icon=":material/filter_list:", width="stretch"):
            filters = feature_filters.rail(here)
        found, number = feature_table.find(here, filters)
        feature_table.show(here, found, number, opened, filters, narrow=True)
    return headline(here, found.total, filters)


def filtered(here: Here) -> list[int]:
    """Features that the filters leave; none where no filter is set."""
    with st.popover("Choose features by filters", icon=":material/filter_list:"):
        filters = feature_filters.rail(here)
    return feature_ids(here.ws, here.space_id, here.delta, **filters.criteria) if filters.n_set else []


def look(here: Here, view: str, opened: int) -> str:
    """Draw a view; returns what the page knows."""
    if view == TEXT:
        text_view.show(here, narrow=opened != NO_FEATURE)
    elif view == SAMPLES:
        samples_view.show(here)
    elif view == MAP and opened == NO_FEATURE:
        map_view.show(here, map_view.to_open)
    elif view == EXPLANATIONS and opened == NO_FEATURE:
        explanations_view.standing(here)
        st.subheader("Ask a model", anchor=False)
        explain_view.show(here, filtered(here))
    elif view == RELEVANCE and opened == NO_FEATURE:
        relevance_view.summary(here)
    else:
        return table(here, opened)
    return SENTENCES[view]


def show(here: Here) -> None:
    """The page."""
    chrome.need_space(here)
    opened = opened_feature(here)
    head = st.container()
    view = choose_view()
    sentence = SENTENCES.get(view, "")
    if opened == NO_FEATURE:
        with services.page():
            sentence = look(here, view, opened)
    else:
        sides = st.container(horizontal=True, gap="medium")
        with sides.container(width=BESIDE), services.page():
            sentence = look(here, view, opened)
        with sides.container(width="stretch", key="open_feature"), services.page():
            feature_view.show(here, opened)
    with head:
        chrome.page_head("Features", sentence)
    sample_row.show(here)


show(services.here())
