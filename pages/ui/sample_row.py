"""The row an example stands in: every field and all metadata as they were brought, and what the text activates.

Its number is in the address, so the row can be sent to someone; what a browser says it is, is checked.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from fac_core.features.source_row import SourceRow, source_row
from pages.ui import feature_list, heat, services, theme
from pages.ui.services import Here

MAX_DIGITS = 12
N_FEATURES = 30


def open_row(said: str) -> None:
    """Have a row shown when the page is next drawn."""
    services.go("row", said if is_number(said) else None)


def is_number(said: str) -> bool:
    """Whether this can be the number of a sample."""
    return said.isascii() and said.isdecimal() and len(said) <= MAX_DIGITS


def close() -> None:
    """Take the row out of the address."""
    services.go("row", None)


def show(here: Here) -> None:
    """The row of the address, if it names one."""
    said = services.follow("row", keep=False)
    if said and is_number(said):
        services.go("row", said)
        _dialog(here, int(said))


@st.dialog("Source row", width="large", on_dismiss=close)
def _dialog(here: Here, sample_id: int) -> None:
    with services.page():
        found = source_row(here.ws, here.space_id, sample_id, here.delta)
        sample = found.sample
        where = dict.fromkeys((sample.role, sample.dataset, f"row {sample.row_number}", sample.label))
        left, right = st.columns([3, 2], gap="medium")
        with left:
            heat.samples(
                [
                    heat.Shown(
                        heat.text_pieces(sample.text, limit=6000), head=[heat.Piece(part) for part in where if part]
                    )
                ],
                veiled=here.veiled,
                key=f"row_text_{sample_id}",
            )
            others = {name: value for name, value in sample.fields.items() if value != sample.text}
            brought = {**({"id in the file": sample.external_id} if sample.external_id else {}), **sample.meta}
            if others:
                _fields(others, veiled=here.veiled)
            if brought:
                _metadata(brought)
        with right:
            _activated(here, sample_id, found)


def _activated(here: Here, sample_id: int, found: SourceRow) -> None:
    st.subheader("What it activates", anchor=False, help=f"Above {theme.threshold(here.delta)}, strongest first.")
    if found.features:
        rows = [(each.feature_id, each.name, each.value) for each in found.features[:N_FEATURES]]
        feature_list.draw(rows, "activation", f"row_{sample_id}", tallest=420, also=close)
    else:
        st.caption("No feature above δ, or this text has not been read yet.")
    if found.n_dense:
        st.caption(f"{theme.plural(found.n_dense, 'feature')} that fire on more than a tenth of the anchor left out.")


def _fields(values: dict[str, Any], *, veiled: bool) -> None:
    """The text's parts as they were brought, whole."""
    st.subheader("Fields", anchor=False)
    shown = [
        heat.Shown(heat.text_pieces(str(value), limit=6000), head=[heat.Piece(name)]) for name, value in values.items()
    ]
    heat.samples(shown, veiled=veiled, key="row_fields")


def _metadata(values: dict[str, Any]) -> None:
    """What else was brought, a line each."""
    st.subheader("Metadata", anchor=False)
    lines = [
        heat.Shown([heat.Piece(f"{name}   ", kind="quiet small"), heat.Piece(str(value))])
        for name, value in values.items()
    ]
    heat.samples(lines, look="plain", key="row_metadata")
