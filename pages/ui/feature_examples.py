"""Texts of a feature at every strength down to silence, narrowed to any role, set, label or metadata; each leads to the
row it stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from fac_core.errors import FacError
from fac_core.features.detail import FeatureDetail
from fac_core.features.examples import (
    BANDS,
    MIDDLE,
    MISS,
    THRESHOLD,
    TOP,
    ZERO,
    Choices,
    Example,
    SampleFilter,
    choices,
    examples,
)
from fac_core.features.probe import heat as read_heat
from fac_core.samples.datasets import ROLES, counts_only, list_datasets
from pages.ui import chrome, heat, sample_row, services, theme
from pages.ui.services import Here

ALL = "all"
N_SHOWN = {TOP: 4, MIDDLE: 3, THRESHOLD: 3, MISS: 2, ZERO: 2}
N_OF_ONE = 20
"""Texts where one band is looked at alone."""
BAND_WORDS = {
    "all": ALL,
    "strongest": TOP,
    "middle": MIDDLE,
    "just above δ": THRESHOLD,
    "near miss": MISS,
    "silent": ZERO,
}
"""Bands as they read in the page and in the address."""
BESIDE = "Near miss: silent here, while a feature of like direction fires"
HEADINGS = {
    TOP: "Strongest",
    MIDDLE: "In the middle",
    THRESHOLD: "Just above δ",
    MISS: "Near miss: the strongest at or below δ",
    ZERO: "Silent: some texts without it",
}


def show(here: Here, detail: FeatureDetail) -> None:
    """Texts by strength: first with their peaks, then with the heat of every token."""
    row = detail.row
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chosen = st.segmented_control(
            "Strength",
            list(BAND_WORDS),
            default=ALL,
            required=True,
            key="band",
            bind="query-params",
            label_visibility="collapsed",
            wrap=True,
        )
        where = narrowing(here)
    band = BAND_WORDS.get(str(chosen), ALL)
    n_shown = N_SHOWN if band == ALL else {band: N_OF_ONE}
    found = examples(here.ws, here.space_id, row.feature_id, here.delta, max(n_shown.values()), where)
    shown = [(name, each) for name in BANDS if name in n_shown for each in found[name][: n_shown[name]]]
    if not any(each.value > here.delta for _, each in shown) and band in (ALL, TOP):
        narrowed = " among the samples chosen" if where != SampleFilter() else ""
        st.caption(f"No text read so far activates this feature above {theme.threshold(here.delta)}{narrowed}.")
    elif not shown:
        st.caption("No text lies there.")
    if not shown:
        return
    if sentence := counts_only(here.ws):
        told = f"{sentence} Middling and weak examples are looked for among the texts that are kept."
        heat.words(heat.Piece(told, kind="quiet small"), key="examples_counts")
    slot = st.empty()

    def draw(pieces: Callable[[Example], Sequence[heat.Piece]], key: str) -> None:
        cards, last = [], ""
        for name, example in shown:
            heading = BESIDE if name == MISS and example.beside is not None else HEADINGS[name]
            link = (f"row {example.row_number} →", str(example.sample_id))
            cards.append(
                heat.Shown(pieces(example), head=about(example), heading=heading if heading != last else "", link=link)
            )
            last = heading
        with slot:
            heat.samples(
                cards,
                veiled=here.veiled,
                top=row.max_value,
                key=f"{key}_{row.feature_id}",
                on_link=sample_row.open_row,
            )

    draw(peak, "peaks")
    try:
        marks = {
            each.content_id: services.cached(
                token_marks, here, here.space_id, row.feature_id, each.content_id, each.text
            )
            for _, each in shown
            if each.value > 0
        }
    except FacError as error:
        chrome.notice(f"Only the peaks are marked. {error}", "note")
        return
    draw(lambda each: heat.heat_pieces(marks[each.content_id]) if each.content_id in marks else peak(each), "heat")


def peak(example: Example) -> list[heat.Piece]:
    """A text with its strongest token marked; a silent one as it is."""
    spans = [(example.char_start, example.char_end, example.value)] if example.value > 0 else []
    return heat.text_pieces(example.text, spans)


def about(example: Example) -> list[heat.Piece]:
    """Where a text comes from, and how many it stands for."""
    value = f"{example.value:.2f}" if example.value > 0 else "silent"
    parts = [
        example.role,
        *([example.label] if example.label else []),
        *[str(value) for value in list(example.meta.values())[:3]],
    ]
    near = "The feature of likest direction that this text activates."
    alike = "Further samples with this text or nearly this one, among those that were looked at."
    return [
        heat.Piece(value, kind="strong"),
        *[heat.Piece(part) for part in parts],
        *([heat.Piece(f"feature {example.beside} fires here", title=near)] if example.beside is not None else []),
        *([heat.Piece(f"+ {theme.count(example.n_alike)} alike", title=alike)] if example.n_alike else []),
    ]


def token_marks(ws: Any, space_id: str, feature_id: int, what: int | str, text: str) -> list[tuple[str, float]]:
    """Tokens of a content (its id) or of one's own text with the feature's activation; what lies between stays."""
    pieces, at = [], 0
    for mark in read_heat(ws, space_id, feature_id, what):
        if mark.start > at:
            pieces.append((text[at : mark.start], 0.0))
        pieces.append((mark.text, mark.value))
        at = mark.end
    return [*pieces, (text[at:], 0.0)] if at < len(text) else pieces


# --- narrowing ---


def _choices(ws: Any) -> Choices:
    return choices(ws)


def _said(key: str) -> object:
    """What a select box that is drawn further below says, in the address until it was drawn once."""
    return st.session_state[key] if key in st.session_state else st.query_params.get(key)


def narrowing(here: Here, prefix: str = "ex") -> SampleFilter:
    """Which samples are looked at; each choice is in the address under a name that begins with `prefix`."""
    known = services.cached(_choices, here)
    sets = theme.apart({each.dataset_id: each.name for each in list_datasets(here.ws) if not each.deleted})
    values = {value for column in known.columns.values() for value in column}
    parts = {"role": ROLES, "set": [*sets, *sets.values()], "label": known.labels, "value": values}
    n_set = sum(_said(f"{prefix}_{part}") in options for part, options in parts.items())
    with st.popover(
        f"Samples · {n_set}" if n_set else "Samples", icon=":material/filter_list:", key=f"{prefix}_filter"
    ):

        def choose(title: str, part: str, options: Sequence[str], off: bool = False, **more: Any) -> str | None:
            return st.selectbox(
                title,
                options,
                index=None,
                key=f"{prefix}_{part}",
                bind="query-params",
                placeholder="any",
                disabled=off,
                **more,
            )

        role = choose("Role", "role", ROLES)
        chosen = choose("Dataset", "set", list(sets), format_func=lambda dataset: sets.get(dataset, dataset))
        label = choose("Label", "label", known.labels)
        column = choose("Metadata column", "by", list(known.columns))
        value = choose("Its value", "value", known.columns.get(column or "", []), off=not column)
    return SampleFilter(role, chosen, label, column if value else None, value)
