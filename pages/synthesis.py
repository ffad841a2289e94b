"""Synthesis answers: which features on the work list can be closed by real texts, which by written ones, which not."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from fac_core.coverage.states import COVERED, MISSING
from fac_core.coverage.worklist import WorkItem, worklist
from fac_core.jobs import owner
from fac_core.review.queue import counts
from fac_core.synthesis.runs import Run, runs
from pages.ui import chrome, run_view, services, theme, worklist_view
from pages.ui.services import Here


def sentence(items: list[WorkItem], n_waiting: int, delta: float) -> str:
    """What the page knows right now."""
    states = Counter(item.state for item in items)
    other = len(items) - states[MISSING] - states[COVERED]
    parts = [
        f"Of {theme.plural(len(items), 'feature')} on the work list {states[MISSING]} "
        f"{'is' if states[MISSING] == 1 else 'are'} missing at δ = {delta:g}",
        f"{states[COVERED]} covered by now" if states[COVERED] else "",
        f"{other} in another state" if other else "",
    ]
    said = ", ".join(part for part in parts if part) + "."
    return (
        f"{said} {theme.plural(n_waiting, 'sample')} wait{'s' if n_waiting == 1 else ''} for review."
        if n_waiting
        else said
    )


def choose_run(here: Here) -> Run | None:
    """The run on screen: the newest unless another was picked."""
    made = {run.run_id: run for run in runs(here.ws) if run.space_id == here.space_id}
    if not made:
        return None
    chosen = services.follow("run")
    current = chosen if chosen in made else next(iter(made))
    st.session_state["_run_pick"] = current
    words = theme.apart({run_id: _run_words(run) for run_id, run in made.items()})
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Run", anchor=False, width="content")
        st.selectbox(
            "Run",
            list(made),
            format_func=words.__getitem__,
            key="_run_pick",
            width=400,
            on_change=lambda: services.go("run", st.session_state["_run_pick"]),
            label_visibility="collapsed",
        )
    return made[current]


def _run_words(run: Run) -> str:
    how = {"pool": "found", "local": "written locally", "openai": "written by an endpoint"}.get(run.generator, "")
    return f"{run.created_at:%d %b %H:%M} · {theme.plural(run.n_targets, 'feature')} · {how} · {run.state}"


def show(here: Here) -> None:
    """The page."""
    space_id = chrome.need_space(here)
    chrome.need_data(here, "seed", "anchor")
    items = worklist(here.ws, space_id)
    waiting = counts(here.ws, space_id).pending
    busy = next((job for job in owner.active(here.ws) if job.kind == "synthesise"), None)
    chrome.page_head(
        "Synthesis",
        sentence(items, waiting, here.delta) if items else "The work list is empty.",
        action=f"Review {theme.plural(waiting, 'sample')}" if waiting and not busy else None,
        icon=":material/rate_review:",
        page="pages/review.py",
    )
    if busy:
        show_run(here)
    if items:
        worklist_view.tickets(here, items)
        left, right = st.columns([2, 3], gap="large")
        with left:
            worklist_view.find_first(here, items)
        with right:
            worklist_view.make(here, items, busy, next_step=not waiting)
    else:
        chrome.empty(
            "Features you pick on the Coverage or Features page stand here as tickets; then texts are found or written "
            "for them.",
            action="Pick gaps",
            page="pages/coverage.py",
            icon=":material/grid_on:",
        )
    if not busy:
        show_run(here)


def show_run(here: Here) -> None:
    """One run, as it stands."""
    run = choose_run(here)
    if run is not None:
        run_view.live(here, run)


show(services.here())
