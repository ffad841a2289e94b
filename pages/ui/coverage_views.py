"""Four ways to look at the same gaps; from each of them features go into the work list by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from fac_core.coverage import worklist
from fac_core.coverage.gaps import Gap, describe_gaps, gaps
from fac_core.coverage.heatmap import DIFFERENCE, MEASURES, SHARE, Heatmap, group_columns, heatmap, left_out
from fac_core.coverage.richness import richness
from fac_core.coverage.states import MISSING, STATES, gap_states
from fac_core.samples.datasets import counts_only
from fac_core.workspace import Workspace
from pages.ui import charts, chrome, curves, gap_table, heat, map_view, provenance, services, theme
from pages.ui.services import Here

FEW_ROWS, ALL_ROWS = 20, 60
FIRST = 10
"""Gaps that one press takes from the top of the list."""
_MEASURE_WORDS = {SHARE: "share covered", DIFFERENCE: "difference to the anchor"}


def described(ws: Workspace, space_id: str, delta: float, feature_ids: tuple[int, ...]) -> list[Gap]:
    """Some features as lines of a gap table."""
    return describe_gaps(ws, space_id, gap_states(ws, space_id, delta), np.array(feature_ids, np.int64), collapse=False)


def show_heatmap(here: Here) -> None:
    """Themes × groups; a click on a cell opens what is missing in it."""
    columns = services.cached(group_columns, here, here.space_id)
    if sentence := left_out(here.ws):
        chrome.notice(sentence, "note")
    if not columns and sentence:
        return
    if not columns:
        st.text("The samples have neither labels nor other fields with 2 to 40 values to group them by.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        group_by = st.selectbox("Group samples by", columns, key="by", bind="query-params", width=220)
        measure = st.segmented_control(
            "Show",
            MEASURES,
            default=SHARE,
            required=True,
            format_func=_MEASURE_WORDS.__getitem__,
            key="measure",
            bind="query-params",
        )
        all_rows = st.toggle("more rows", key="rows", bind="query-params")
    rows = ALL_ROWS if all_rows else FEW_ROWS
    found = services.cached(heatmap, here, here.space_id, here.delta, str(group_by), str(measure), rows)
    left, right = st.columns([3, 2], gap="medium")
    key = f"heatmap_{here.space_id}_{group_by}_{rows}"
    cell = charts.heatmap_cell((st.session_state.get(key) or {}).get("selection") or {}, found)
    with left:
        theme.chart(
            charts.heatmap(found, theme.palette(), theme.is_dark(), cell),
            key=key,
            alt=f"Heatmap of {len(found.families)} themes by {group_by}: {_MEASURE_WORDS[str(measure)]}",
            on_select="rerun",
            selection_mode="points",
        )
        st.caption(
            "Rows are themes of features, those with the most gaps first. In a cell: ○ how many of the features that "
            "the "
            "anchor shows in this group are missing; ◐ missing, but too few were to be expected to say so."
        )
    with right:
        _cell_panel(here, found, cell)


def _cell_panel(here: Here, found: Heatmap, cell: tuple[int, int] | None) -> None:
    with st.container(border=True):
        if cell is None:
            st.text("Click a cell: what is missing in it will be listed here, to be ticked and put into the work list.")
            return
        f, g = cell
        family, name = found.families[f]
        n = int(found.n_missing[f, g])
        heat.words(heat.Piece(name or f"feature {family}", kind="strong"), key="cell_name")
        heat.words(
            heat.Piece(f"{found.group_by}: "),
            heat.Piece(found.groups[g], kind="strong"),
            heat.Piece(f" · {n} of {theme.plural(int(found.n_shown[f, g]), 'feature')} missing"),
            key="cell_group",
        )
        if not n:
            st.text("Nothing is missing here.")
            return
        if found.undersampled[f, g]:
            st.caption("◐ Fewer than three firings were to be expected of the seed, so this says little yet.")
        listed = services.cached(described, here, here.space_id, here.delta, tuple(found.cell(f, g)))
        ticked = gap_table.draw(here, listed, key=f"cell_{f}_{g}", columns=gap_table.COMPACT, tallest=340)
        chosen = ticked or listed
        gap_table.add_button(here, _members(chosen), "heatmap", key="cell_add")
        st.caption("Ticked rows only; all of them if none is ticked." if len(listed) > 1 else "")


def show_map(here: Here) -> None:
    """Features in the plane by decoder direction; those drawn around are gaps to be ticked."""
    map_view.show(here, _gaps_inside)


def _gaps_inside(here: Here, chosen: Sequence[tuple[int, str, str]]) -> None:
    ids = tuple(sorted(feature for feature, _, _ in chosen))
    listed = services.cached(described, here, here.space_id, here.delta, ids)
    open_ones = [gap for gap in listed if gap.state == MISSING]
    st.text(f"{theme.plural(len(ids), 'feature')} inside, {len(open_ones)} of them missing.")
    ticked = gap_table.draw(here, listed, key="map_list", columns=gap_table.COMPACT, tallest=420)
    gap_table.add_button(here, _members(ticked or open_ones), "map", key="map_add")
    st.caption("Ticked rows only; all missing ones if none is ticked.")


def show_list(here: Here) -> None:
    """Every gap, one line a family; ticks go into the work list."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        states = st.pills(
            "States",
            STATES,
            selection_mode="multi",
            default=[MISSING],
            format_func=lambda name: theme.state(name).label,
            key="states",
            bind="query-params",
        )
        collapse = st.toggle(
            "one line a family", value=True, key="collapse", bind="query-params", help=theme.TERMS["family"]
        )
    found = services.cached(gaps, here, here.space_id, here.delta, collapse, tuple(states))
    if not found:
        st.text("No feature is in these states at this δ." if states else "Choose a state.")
        return
    clear, robust = sum(gap.stands_out for gap in found), sum(gap.robust for gap in found)
    ticked = gap_table.draw(here, found, key="gaps")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        gap_table.add_button(here, _members(ticked), "list", key="list_add")
        _take_first(here, found)
        st.caption(
            f"{theme.plural(len(found), 'line')}; {theme.count(clear)} beyond chance, which come first; "
            f"{theme.count(robust)} robust."
        )
    if sentence := counts_only(here.ws, ("anchor",)):
        st.caption(
            f"{sentence} What else fires in the others is not known, so “by chance” rests there on how often a feature "
            "fires, not on what fires beside it."
        )
    if ticked:
        _inside(here, ticked[-1])


def _take_first(here: Here, found: list[Gap]) -> None:
    listed = set(worklist.in_worklist(here.ws, here.space_id))
    free = [gap for gap in found if gap.state == MISSING and not listed.intersection(gap.members)][:FIRST]
    if free:
        st.button(
            f"Take the first {len(free)}",
            icon=":material/playlist_add_check:",
            key="list_first",
            on_click=gap_table.add,
            args=(here, [gap.feature_id for gap in free], "list"),
            help="Of each line the feature that fires on most anchor samples; gaps beyond chance first.",
        )


def _inside(here: Here, gap: Gap) -> None:
    """What one line holds: its text in the anchor and its members."""
    with st.container(border=True):
        heat.words(
            heat.Piece(gap.name or "no name yet", kind="strong"),
            heat.Piece(f"   feature {gap.feature_id}", kind="quiet small mono"),
            key="inside_name",
        )
        if gap.family_covered:
            st.caption("◇ Another feature of its family is covered, so this may be a matter of wording only.")
        heat.sample_text(
            gap.example,
            [(gap.example_start, gap.example_end, 1.0)],
            veiled=here.veiled,
            key="inside_text",
            head=[heat.Piece("the anchor text that shows it most")],
        )
        if len(gap.members) > 1:
            st.caption(f"{len(gap.members)} features fire on nearly the same samples or point the same way:")
            members = services.cached(described, here, here.space_id, here.delta, tuple(gap.members))
            ticked = gap_table.draw(
                here, members, key="members", columns=("state", "name", "anchor", "share", "robust", "id")
            )
            gap_table.add_button(here, _members(ticked), "list", key="members_add")


def show_richness(here: Here) -> None:
    """How far more samples of the same kind would get."""
    found = services.cached(richness, here, here.space_id, here.delta)
    unseen = max(0.0, found.estimate - found.n_observed)
    never = found.n_anchor - found.estimate
    st.text(
        f"{theme.plural(found.n_samples, 'seed sample')} show {theme.count(found.n_observed)} of the anchor's "
        f"{theme.count(found.n_anchor)} features. Endless samples of the same kind would show about {unseen:,.0f} "
        "more; "
        f"about {theme.count(round(never))} would stay out of reach and need samples of another kind."
    )
    theme.chart(
        curves.richness(found, theme.palette()), key="richness", alt="Features activated against number of seed samples"
    )
    provenance.how(
        here,
        "Rarefaction without replacement over the seed's samples; beyond them Chao2's lower bound with its "
        "extrapolation.",
        key="richness",
        python="from fac_core.coverage.richness import richness\nrichness(ws, space_id, delta)",
        facts={"seed samples": found.n_samples, "F(P)": found.n_anchor},
    )


def _members(chosen: list[Gap]) -> list[int]:
    return [gap.feature_id for gap in chosen]
