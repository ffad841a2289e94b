"""Coverage answers: what of the anchor does the set not show, and which of it is worth closing."""

from __future__ import annotations

import streamlit as st

from fac_core.coverage import worklist
from fac_core.coverage.gaps import Gap, gaps
from fac_core.coverage.measure import Coverage
from fac_core.coverage.states import STATES
from fac_core.coverage.sweep import SweepPoint, sweep
from fac_core.features import description
from fac_core.features.refresh import refresh
from fac_core.jobs import owner
from fac_core.workspace import Workspace
from pages.ui import chrome, coverage_views, curves, provenance, services, theme, threshold
from pages.ui.services import Here

VIEWS = {
    "Heatmap": coverage_views.show_heatmap,
    "Map": coverage_views.show_map,
    "List": coverage_views.show_list,
    "Richness": coverage_views.show_richness,
}


def sentence(cov: Coverage, found: list[Gap]) -> str:
    """What the page knows right now."""
    return (
        f"At δ = {cov.delta:g} the set activates {theme.count(cov.n_after)} of the {theme.count(cov.n_anchor)} "
        f"task-relevant features of the anchor; {theme.plural(len(found), 'gap')}, "
        f"{theme.count(sum(gap.stands_out for gap in found))} of them beyond chance, "
        f"{theme.count(sum(gap.robust for gap in found))} at any δ."
    )


def saturated(cov: Coverage) -> str:
    """Why FAC tells little apart at this δ, and what to do."""
    return f"The seed set is saturated at {theme.threshold(cov.delta)}: {theme.TERMS['saturated']}"


def low_power(cov: Coverage) -> str:
    """Why so little of what is open can be called missing, and what to do."""
    could = "none" if not cov.n_powered else f"only {theme.count(cov.n_powered)}"
    return (
        f"The seed set leaves {theme.plural(cov.n_open, 'feature')} of the anchor open at "
        f"{theme.threshold(cov.delta)}, but {could} of them would be expected often enough in a seed set of this size "
        "to be called missing. The others are rare in the anchor; a larger seed or anchor tells more, or a lower δ."
    )


def show_fac(here: Here, cov: Coverage) -> None:
    """FAC, against the anchor."""
    change = cov.fac_after - cov.fac
    st.metric(
        "FAC",
        f"{cov.fac:.3f} → {cov.fac_after:.3f}" if change else f"{cov.fac:.3f}",
        delta=f"{change:+.3f}" if change else None,
        help=theme.TERMS["fac"],
    )
    st.caption(f"95 % interval {theme.interval(cov.low, cov.high, 3)} · n = {theme.count(cov.n_anchor)} features")
    provenance.how(
        here,
        "FAC = |F(Q) ∩ F(P)| / |F(P)|: of the task-relevant features that the anchor P activates above δ, the share "
        "that the "
        "set Q activates too. The interval resamples families of features.",
        key="fac",
        cli=f"coverage --delta {here.delta:g}",
        python="from fac_core.coverage.measure import coverage\ncoverage(ws, space_id, delta)",
        facts={"F(P)": cov.n_anchor, "covered": cov.n_covered, "with added samples": cov.n_after},
    )


def show_hit_rate(here: Here, cov: Coverage) -> None:
    """missing_hit_rate, against what was aimed at."""
    st.metric("missing_hit_rate", theme.number(cov.missing_hit_rate, 3), help=theme.TERMS["missing_hit_rate"])
    if cov.n_targets:
        st.caption(f"{cov.n_hit} of {theme.plural(cov.n_targets, 'feature')} aimed at, by approved samples")
    else:
        st.caption("no feature has been aimed at yet")
    provenance.how(
        here,
        "Of the features on the work list and in all runs, the share that an approved sample activates above δ. It "
        "says how "
        "well aiming worked; FAC says how much is covered.",
        key="hit_rate",
        cli=f"coverage --delta {here.delta:g}",
        facts={
            "aimed at": cov.n_targets,
            "hit": cov.n_hit,
            "hit by any candidate": theme.number(cov.candidate_hit_rate, 3),
        },
    )


def show_threshold(here: Here, points: list[SweepPoint]) -> None:
    """The sweep with both marks."""
    default = here.space.default_delta if here.space else 0.0
    top = max(threshold.top_of(points, default), here.delta)
    theme.chart(
        curves.sweep(points, here.delta, default, top, theme.palette(), theme.is_dark()),
        key="sweep",
        alt="FAC and number of missing features over the threshold δ",
    )
    st.caption("Solid line: the δ in use. Dashed: calibrated for this space. Left end: the paper's δ = 0.")


def is_current(ws: Workspace, space_id: str, _delta: float) -> bool:
    """Whether the features were described from the data and the project's δ as they are."""
    return description.is_current(ws, space_id)


@services.guarded
def describe_anew() -> None:
    """Take over the button."""
    here = services.here()
    refresh(here.ws, here.space_id)


def show_description(here: Here, looked_at: float) -> None:
    """From what names, relevance and families were made, where that is not what is looked at."""
    made = description.made(here.ws, here.space_id)
    current = services.cached(is_current, here, here.space_id, here.delta)
    if made is not None and current and made.delta == looked_at:
        return
    if made is None:
        said = "The features have not been described from these data yet."
    elif made.delta != looked_at:
        said = f"Families and themes are those at δ = {made.delta:g}."
    else:
        said = "Names, relevance and families are of earlier data."
    at_it = any(job.active and job.kind in (description.KIND, description.READING) for job in owner.jobs(here.ws))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(said, width="content")
        if not current:
            st.button(
                "Describing the features …" if at_it else "Describe the features anew",
                type="tertiary",
                key="describe_anew",
                disabled=at_it,
                on_click=describe_anew,
                help="A short job; it works with the project's δ. What people said about features stays.",
            )


def show(here: Here) -> None:
    """The page."""
    space_id = chrome.need_space(here)
    chrome.need_data(here, "seed", "anchor")
    points = services.cached(sweep, here, space_id)
    if not points:
        chrome.page_head("Coverage", "The texts have not been read in this feature space yet.")
        chrome.empty(
            "Read the texts first: their activations are what coverage is made of.",
            action="Go to the seed set",
            page="pages/seed_set.py",
        )
        return
    head = st.container()
    left, right = st.columns([5, 6], gap="large")
    with left:
        project, here = here, threshold.slider(here, points)
        show_description(project, here.delta)
        cov = services.coverage_now(here)
        one, two = st.columns(2, gap="medium")
        with one:
            show_fac(here, cov)
        with two:
            show_hit_rate(here, cov)
    with right:
        show_threshold(here, points)
    chrome.chips([(state, theme.count(cov.states.get(state, 0))) for state in STATES])
    if cov.saturated:
        chrome.notice(saturated(cov), "warning")
    elif cov.low_power:
        chrome.notice(low_power(cov), "note")
    found = services.cached(gaps, here, space_id, here.delta)
    n_open = worklist.still_open(here.ws, space_id, here.delta)
    with head:
        chrome.page_head(
            "Coverage",
            sentence(cov, found),
            action=f"Close {theme.plural(n_open, 'feature')}" if n_open else None,
            icon=":material/science:",
            page="pages/synthesis.py",
            help="Find or make samples for the work list.",
        )
    for tab, draw in zip(
        st.tabs(list(VIEWS), key="view", on_change="rerun", bind="query-params"), VIEWS.values(), strict=True
    ):
        if tab.open:
            with tab:
                draw(here)


show(services.here())
