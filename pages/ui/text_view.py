"""Paste a text, see what it activates: the text with its tokens, then the features, those that fire on nearly anything
left out unless one asks for them.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from fac_core.features.states import DENSE_SHARE
from fac_core.features.text_search import Found, TextFeatures, text_features
from pages.ui import feature_list, heat, services, theme
from pages.ui.services import Here

DENSITIES = {"1 %": 0.01, "5 %": 0.05, "10 %": DENSE_SHARE, "20 %": 0.2, "all": 1.0}
STRENGTH, RARITY = "strength", "rarity"
N_SHOWN = 40
SHORT = 300
"""Longest text that goes into the address, in characters."""


def show(here: Here, *, narrow: bool) -> None:
    """The view."""
    if addressed := services.follow("text", keep=False):
        st.session_state.setdefault("paste", addressed[:SHORT])
    with st.form("paste_text", border=False, enter_to_submit=False):
        text = st.text_area(
            "A text",
            key="paste",
            persist_state="session",
            height=110,
            label_visibility="collapsed",
            placeholder=f"paste a {here.task.sample_word} to see which features it activates",
        )
        st.form_submit_button(
            "Find its features",
            icon=":material/play_arrow:",
            key="paste_go",
            on_click=to_address,
            args=("paste", "text"),
        )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        dense = st.select_slider(
            "Leave out what fires on more than",
            list(DENSITIES),
            value="10 %",
            key="t_dense",
            bind="query-params",
            width=260,
            help="Of the anchor's samples, above δ. Features that fire on nearly anything say nothing about one text.",
        )
        sort = st.segmented_control(
            "Sort by",
            [STRENGTH, RARITY],
            default=STRENGTH,
            required=True,
            key="t_sort",
            bind="query-params",
            help="Rarity: how few anchor samples activate the feature more than this text does.",
        )
    if not (text or "").strip():
        st.caption(
            "The text is read by the model on this machine and is not stored; one of up to "
            f"{SHORT} characters stands in the address, so that the view can be sent."
        )
        return
    with st.spinner("Reading your text …", show_time=True):
        most = DENSITIES.get(str(dense), DENSE_SHARE)
        found = services.cached(_found, here, here.space_id, str(text), here.delta, most)
    heat.samples(
        [heat.Shown(tokens(found), head=[heat.Piece("each token by its strongest feature")])],
        key="paste_heat",
    )
    out = f" · {theme.plural(found.n_dense, 'feature')} left out" if found.n_dense else ""
    cut = f" · the last {theme.plural(found.n_truncated, 'token')} not read" if found.n_truncated else ""
    st.caption(f"{theme.plural(len(found.features), 'feature')} above {theme.threshold(here.delta)}{out}{cut}")
    if not found.features:
        return
    all_of_it, by_token = st.tabs(["Features", "By token"], key="t_tab", on_change="rerun")
    if by_token.open:
        with by_token:
            _by_token(found)
        return
    with all_of_it:
        _features(ordered(found.features, str(sort)), narrow)


def to_address(key: str, part: str) -> None:
    """Put a short text of a field into its part of the address."""
    text = st.session_state[key].strip()
    services.go(part, text if 0 < len(text) <= SHORT else None)


def _found(ws: Any, space_id: str, text: str, delta: float, most: float) -> TextFeatures:
    return text_features(ws, space_id, text, delta, most)


def ordered(features: list[Found], sort: str) -> list[Found]:
    """By strength as they come, or those that the anchor reaches least first."""
    return sorted(features, key=lambda one: -one.share_below) if sort == RARITY else features


def tokens(found: TextFeatures) -> list[heat.Piece]:
    """The text with each token's strongest feature as its heat, and its strongest ones on hover."""
    pieces, at = [], 0
    for token in found.tokens:
        if token.start > at:
            pieces.append(heat.Piece(found.text[at : token.start]))
        told = "\n".join(f"{value:.2f}  {name or 'feature'} · {feature}" for feature, name, value in token.features)
        pieces.append(heat.Piece(token.text, max((v for _, _, v in token.features), default=0.0), title=told))
        at = token.end
    return [*pieces, heat.Piece(found.text[at:])] if at < len(found.text) else pieces


def _features(features: list[Found], narrow: bool) -> None:
    ids = [one.feature_id for one in features[:N_SHOWN]]
    key = theme.of_rows("t_table", ids)

    def opened() -> None:
        chosen = st.session_state[key]["selection"]["cells"]
        if chosen and chosen[0][0] < len(ids):
            services.go("feature", str(ids[chosen[0][0]]))

    column = st.column_config
    config: dict[str, Any] = {
        "state": column.TextColumn("" if narrow else "state", width=30 if narrow else 108),
        "feature": column.TextColumn("feature", width=150 if narrow else 260),
        "activation": column.NumberColumn("activation", format="%.2f", width=76),
        "token": column.TextColumn("at", width=100, help="The token of its maximum."),
        "density": column.NumberColumn("anchor", format="%.1f %%", width=70, help=theme.TERMS["density"]),
        "below": column.NumberColumn(
            "stronger than", format="%.0f %%", width=96, help="Share of anchor samples on which it is weaker than here."
        ),
    }
    rows = []
    for one in features[:N_SHOWN]:
        look = theme.state(one.state)
        rows.append(
            {
                "state": look.mark if narrow else look.label,
                "feature": f"{one.name or 'feature'} · {one.feature_id}",
                "activation": one.value,
                "token": one.token.strip() or "␣",
                "density": 100 * one.density,
                "below": 100 * one.share_below,
            }
        )
    st.dataframe(
        rows,
        key=key,
        hide_index=True,
        column_order=["state", "feature", "activation"] if narrow else list(config),
        column_config=config,
        on_select=opened,
        selection_mode="single-cell",
        row_height=32,
        height=min(600, 32 * (len(rows) + 1) + 3),
        alt="Features of the text; choose one to open it",
    )
    if len(features) > N_SHOWN:
        st.caption(f"The first {N_SHOWN}.")


def _by_token(found: TextFeatures) -> None:
    rows = [
        (feature, f"{token.text.strip()} → {name}", value)
        for token in found.tokens
        for feature, name, value in token.features[:1]
    ]
    feature_list.draw(rows, "activation", "by_token", tallest=600)
