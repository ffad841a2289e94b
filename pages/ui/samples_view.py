"""Find samples by their words or by what they mean; each leads to its row and to what it activates."""

from __future__ import annotations

import streamlit as st

from fac_core.features import semantic_search
from fac_core.features.examples import Example
from pages.ui import feature_examples, feature_filters, heat, sample_row
from pages.ui.feature_filters import MEANING, WORDS
from pages.ui.services import Here

N_SHOWN = 20


def show(here: Here) -> None:
    """The view."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        search = st.text_input(
            "Find samples",
            key="s_search",
            bind="query-params",
            max_chars=semantic_search.MAX_QUERY,
            placeholder="what the text says",
            icon=":material/search:",
            label_visibility="collapsed",
        )
        how = st.segmented_control(
            "By",
            [WORDS, MEANING],
            default=WORDS,
            required=True,
            key="s_mode",
            bind="query-params",
            label_visibility="collapsed",
            on_change=feature_filters.index_for,
            args=("s_mode",),
        )
        where = feature_examples.narrowing(here, "s")
    by_meaning = how == MEANING and feature_filters.can_mean(here, semantic_search.CONTENT)
    if not (search or "").strip():
        st.caption("Samples of every dataset are searched; press a row's number to see it whole.")
        return
    found: list[tuple[Example, float | None]]
    if by_meaning:
        with st.spinner("Searching …", show_time=True):
            found = list(semantic_search.samples_by_meaning(here.ws, here.space_id, str(search), N_SHOWN, where))
    else:
        words = semantic_search.samples_by_words(here.ws, here.space_id, str(search), N_SHOWN, where)
        found = [(each, None) for each in words]
    if how == MEANING and not by_meaning:
        feature_filters.say_instead()
    if not found:
        st.caption(
            "No text that was indexed is among the samples chosen."
            if by_meaning
            else "Nothing found: no text of the samples chosen holds all of these words."
        )
        return
    marked = "" if by_meaning else str(search)
    cards = [_card(each, likeness, marked) for each, likeness in found]
    heat.samples(cards, veiled=here.veiled, key="s_cards", on_link=sample_row.open_row)
    if len(found) == N_SHOWN:
        st.caption(f"The {'likest' if by_meaning else 'first'} {N_SHOWN}.")


def _card(example: Example, likeness: float | None, search: str) -> heat.Shown:
    head = [heat.Piece(part) for part in dict.fromkeys((example.role, example.dataset, example.label)) if part]
    if likeness is not None:
        head.insert(0, heat.Piece(f"{likeness:.2f}", kind="strong", title="Likeness of query and text, up to 1."))
    return heat.Shown(
        heat.word_pieces(example.text, semantic_search.places(example.text, search)),
        head=head,
        link=(f"row {example.row_number} →", str(example.sample_id)),
    )
