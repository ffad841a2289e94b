"""The one map of features, by decoder direction: a box or a lasso drawn around points chooses those inside.

A selection is taken by its outline, not by the points a browser names: the outline is small and is checked here. What
can be done with the chosen features is the page's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fac_core.features.map import UMAP, MapData, feature_map
from fac_core.features.map_job import start_map
from fac_core.jobs import owner
from fac_core.workspace import Workspace
from pages.ui import charts, feature_list, feature_marks, services, theme
from pages.ui.services import Here

N_LISTED = 200


def show(here: Here, beside: Callable[[Here, Sequence[tuple[int, str, str]]], None]) -> None:
    """Controls, map and what was chosen on it.

    Args:
        here: what the session looks at.
        beside: draws what was chosen, given (feature, name, state) of each.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        every = st.toggle("all alive features", key="m_all", bind="query-params", help=theme.TERMS["alive"])
        found = services.cached(_map, here, here.space_id, here.delta, not every)
        _how(here, found)
    if not found.method or not len(found.ids):
        st.caption("No feature to show: none of the task is active in the anchor." if found.method else "")
        return
    st.fragment(_map_and_choice)(here, found, _waiting(), beside)


def _map(ws: Workspace, space_id: str, delta: float, only_relevant: bool) -> MapData:
    return feature_map(ws, space_id, delta, only_relevant)


def _how(here: Here, found: MapData) -> None:
    """How the places came about, and a way to better ones."""
    if found.method == UMAP:
        st.caption("UMAP of the decoder directions: near points stand for like directions. Axes have no meaning.")
        return
    making = any(job.kind == "map" and job.active for job in owner.jobs(here.ws))
    words = "First two principal components of the directions, until the neighbour map is computed."
    st.caption(words if found.method else "The map of this space has not been computed yet.")
    st.button(
        "Computing the map …" if making else "Compute the neighbour map",
        icon=":material/scatter_plot:",
        key="m_start",
        disabled=making,
        on_click=compute,
        help="A job of about a minute; the page stays usable.",
    )


@services.guarded
def compute() -> None:
    """Lay the features out."""
    here = services.here()
    start_map(here.ws, here.space_id)


def _waiting() -> tuple[object, int]:
    """What only the whole page can show: a feature that was opened, messages."""
    return st.session_state.get("_at_feature"), len(st.session_state.get("_said", []))


def _map_and_choice(
    here: Here,
    found: MapData,
    waiting: tuple[object, int],
    beside: Callable[[Here, Sequence[tuple[int, str, str]]], None],
) -> None:
    if _waiting() != waiting:
        st.rerun()
    with services.page():
        left, right = st.columns([3, 2], gap="medium")
        with left:
            event = theme.chart(
                charts.feature_map(
                    found.ids, found.x, found.y, found.state, found.names, theme.palette(), theme.is_dark()
                ),
                key=f"m_{here.space_id}_{len(found.ids)}",
                alt=f"Map of {len(found.ids)} features coloured and marked by state",
                on_select="rerun",
                selection_mode=("box", "lasso", "points"),
                modebar=True,
            )
        picked = chosen(event["selection"], found)
        with right, st.container(border=True):
            if not len(picked):
                st.text("Draw around points with the lasso or the box: the features inside will be listed here.")
                return
            beside(here, [(int(found.ids[i]), found.names[i], found.state[i]) for i in picked.tolist()])


def to_open(here: Here, chosen: Sequence[tuple[int, str, str]]) -> None:
    """The chosen features, each to be opened, all to be put on a list."""
    n = theme.plural(len(chosen), "feature")
    st.text(f"{n} inside.")
    rows = [(feature, name, theme.state(state).label) for feature, name, state in chosen[:N_LISTED]]
    feature_list.draw(rows, "state", "map", tallest=420)
    if len(chosen) > N_LISTED:
        st.caption(f"The first {N_LISTED} are listed; all {theme.count(len(chosen))} are added.")
    feature_marks.add_many(here, [feature for feature, _, _ in chosen], n, "add_map", "map")


def chosen(selection: Mapping[str, Any], found: MapData) -> NDArray[np.int64]:
    """Places in `found` inside the boxes and lassos, or under the click where nothing was drawn."""
    inside = np.zeros(len(found.ids), bool)
    for outline in [*(selection.get("box") or []), *(selection.get("lasso") or [])]:
        inside |= _inside(outline, found.x, found.y, is_box=outline in (selection.get("box") or []))
    if not (selection.get("box") or selection.get("lasso")):
        inside = np.isin(found.ids, charts.map_picks(selection, found.ids.tolist()))
    return np.flatnonzero(inside)


def _inside(
    outline: Mapping[str, Any], x: NDArray[np.float64], y: NDArray[np.float64], *, is_box: bool
) -> NDArray[np.bool_]:
    """Points within a box, given by two corners, or within a closed line, by how often a ray crosses it."""
    try:
        line = np.array([outline["x"], outline["y"]], np.float64)
    except (KeyError, TypeError, ValueError):
        return np.zeros(len(x), bool)
    if line.ndim != 2 or line.shape[1] < 2 or not np.isfinite(line).all():
        return np.zeros(len(x), bool)
    if is_box:
        (left, right), (low, high) = (sorted((part.min(), part.max())) for part in line)
        return np.asarray((x >= left) & (x <= right) & (y >= low) & (y <= high))
    odd = np.zeros(len(x), bool)
    ends = np.roll(line, -1, axis=1)
    for (x0, y0), (x1, y1) in zip(line.T.tolist(), ends.T.tolist(), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return odd
