"""One δ holds for everything on screen: after a move of the slider it is the project's, which is also what an address
without δ means.

A link may carry another δ than the project's. It is then looked at, not taken over, until a person says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from fac_core.coverage.sweep import SweepPoint
from fac_core.feature_space import spaces
from fac_core.feature_space.spaces import DELTA_STEP
from pages.ui import services, theme
from pages.ui.services import Here

KEY = "delta"


def top_of(points: Sequence[SweepPoint], default: float) -> float:
    """End of the slider: twice the calibrated δ, at least 6, no further than the anchor shows something."""
    last = max((point.delta for point in points), default=0.0)
    return max(DELTA_STEP, default, min(last, max(6.0, 2 * default)))


def step(value: float, top: float) -> float:
    """The nearest δ that the profiles can answer."""
    return min(top, max(0.0, round(value / DELTA_STEP) * DELTA_STEP))


def slider(here: Here, points: Sequence[SweepPoint]) -> Here:
    """Draw the slider; everything below is to be drawn for the returned view."""
    if here.space is None:
        return here
    default = here.space.default_delta
    top = max(top_of(points, default), here.delta)
    _follow_project(here)
    value = st.slider(
        "Activation threshold δ",
        0.0,
        top,
        here.delta,
        step=DELTA_STEP,
        format="%.2f",
        key=KEY,
        bind="query-params",
        on_change=_moved,
        args=(here,),
        help=theme.TERMS["delta"],
    )
    chosen = step(float(value), top)
    if chosen != here.delta:
        _other_than_the_project(here, chosen)
    else:
        st.caption(f"calibrated for this space: {default:g} · the paper's: 0")
    return replace(here, delta=chosen)


def _follow_project(here: Here) -> None:
    """Take over the project's δ at first, and whenever it was changed elsewhere (settings, another project)."""
    known = st.session_state.get("_delta_project")
    fresh = known is None and KEY not in st.session_state and KEY not in st.query_params
    if fresh or known not in (None, here.delta):
        st.session_state[KEY] = here.delta
    st.session_state["_delta_project"] = here.delta


def _moved(here: Here) -> None:
    services.guarded(spaces.set_delta)(here.ws, here.space_id, float(st.session_state[KEY]))


def _other_than_the_project(here: Here, chosen: float) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"The project works at δ = {here.delta:g}.", width="content")
        st.button(
            f"Use {chosen:g} everywhere",
            type="tertiary",
            key="delta_take",
            on_click=services.guarded(spaces.set_delta),
            args=(here.ws, here.space_id, chosen),
            help="Work list, synthesis and review then work at this threshold too.",
        )
