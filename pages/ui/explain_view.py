"""Asking a model what features mean, or how far documents bear an explanation out: nothing is asked before its cost was
seen, and what came of it stands there afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from fac_core.coverage.measure import aims
from fac_core.features.asked.choosing import CHOICES, WORKLIST, chosen, why_empty
from fac_core.features.asked.documents import N_BANDS, PER_BAND, PER_BAND_QUICK
from fac_core.features.asked.rubric_plan import JUDGE, plan_rating
from fac_core.features.asked.starting import DETECT, EXPLAIN, Planned, Which, plan_detecting, plan_explaining
from fac_core.jobs import owner
from fac_core.jobs.owner import Job
from fac_core.llm.estimate import Estimate, estimate
from fac_core.llm.terms import make_terms
from pages.ui import asking_view, chrome, services, theme
from pages.ui.services import Here

FILTER = "filter"
FEATURE_WORDS = {
    "worklist": "the work list",
    "gaps": "missing features",
    "relevant": "the task's features in the anchor",
    "named": "all that have a name",
    FILTER: "those the filters leave",
}
KIND_WORDS = {EXPLAIN: "explain features", DETECT: "judge explanations", JUDGE: "rate relevance"}
WHICH_WORDS: dict[Which, str] = {
    "llm": "the newest a model wrote",
    "name": "the feature's name",
    "all": "every author's newest",
}
MOST = 5000
EVERY_S, IDLE_S = 1.5, 5.0
"""Between two looks at a job that runs, and at whether another tab has begun, resumed or ended one."""
_AT = "asked_"
_LOOKED = "_asked_looked"


class Wanted(NamedTuple):
    """What the form says."""

    kind: str
    features: tuple[int, ...]
    which: Which
    fuzz: bool
    quick: bool
    again: bool


def show(here: Here, filtered: Sequence[int] = ()) -> None:
    """The form, what it would cost, and the job that runs; `filtered` are the features that pass the page's filters."""
    job = latest(here)
    active = job is not None and job.active
    st.fragment(follow, run_every=EVERY_S if active else IDLE_S)(here, standing(job))
    if active:
        return
    with services.page():
        ended = st.container()
        wanted = form(here, filtered)
        with ended:
            of_kind = next((each for each in owner.jobs(here.ws) if each.kind == wanted.kind), None)
            for place, each in enumerate(dict.fromkeys(each.job_id for each in (job, of_kind) if each is not None)):
                asking_view.became(here, owner.get(here.ws, each), key=f"{_AT}became_{place}")
        key = (str(here.ws.root), here.space_id, here.version, wanted)
        if st.button(
            "See what it costs", icon=":material/receipt_long:", key=f"{_AT}look", disabled=not wanted.features
        ):
            with st.spinner("Choosing documents …", show_time=True):
                st.session_state[_LOOKED] = (key, *planned(here, wanted))
        looked = st.session_state.get(_LOOKED)
        if looked is not None and looked[0] == key:
            preview(here, looked[1], looked[2])


def filled(kind: str, choice: str | None = None, which: Which | None = None) -> dict[str, str]:
    """Parts of the address that fill in the form, where it is not drawn yet."""
    parts = {"kind": KIND_WORDS[kind]}
    if choice is not None:
        parts["features"] = FEATURE_WORDS[choice]
    if which is not None:
        parts["which"] = WHICH_WORDS[which]
    return {f"{_AT}{name}": value for name, value in parts.items()}


def turn_to(kind: str) -> None:
    """From another view of the features page to the form, filled in."""
    st.session_state.update({"f_view": "explanations", f"{_AT}kind": kind})
    st.query_params.update(filled(kind))  # what a widget is given before it is drawn does not reach the address


def latest(here: Here) -> Job | None:
    """The newest job of these kinds."""
    return next((job for job in owner.jobs(here.ws) if job.kind in KIND_WORDS), None)


def form(here: Here, filtered: Sequence[int]) -> Wanted:
    """Which features, and what is asked."""
    left, right = st.columns(2, gap="medium")
    kind = left.segmented_control(
        "Have the model",
        list(KIND_WORDS),
        default=EXPLAIN,
        required=True,
        format_func=KIND_WORDS.__getitem__,
        key=f"{_AT}kind",
        bind="query-params",
    )
    offered = [*CHOICES, *([FILTER] if filtered else [])]
    held = {choice: features_of(here, choice, filtered) for choice in offered}
    first = next((place for place, choice in enumerate(offered) if held[choice]), 0)
    choice = str(
        right.selectbox(
            "Features",
            offered,
            index=first,
            format_func=FEATURE_WORDS.__getitem__,
            key=f"{_AT}features",
            bind="query-params",
        )
    )
    top = left.number_input(
        "At most",
        1,
        MOST,
        50,
        key=f"{_AT}top",
        bind="query-params",
        help="Those that most anchor samples activate come first.",
    )
    which, fuzz, quick = _judging(left, listed=choice == WORKLIST) if kind == DETECT else ("llm", False, False)
    again = left.toggle(
        "Also what this model has answered",
        key=f"{_AT}again",
        help="Asks anew where its reply could not be read or the question has changed; answers that were read stay and "
        "cost nothing.",
    )
    found = held[choice]
    if not found:
        st.text(why_empty(choice, here.delta))
    return Wanted(str(kind), tuple(found[: int(top)]), which, fuzz, quick, again)


def features_of(here: Here, choice: str, filtered: Sequence[int]) -> Sequence[int]:
    """Features that a choice holds."""
    if choice == FILTER:
        return filtered
    return services.cached(chosen, here, here.space_id, here.delta, choice, beside=aims(here.ws, here.space_id))


def planned(here: Here, wanted: Wanted) -> tuple[Planned, Estimate]:
    """The plan and what it takes; nothing is asked or stored.

    Raises:
        FacError: no endpoint is set up.
    """
    terms = make_terms(here.ws)
    if wanted.kind == EXPLAIN:
        plan = plan_explaining(here.ws, here.space_id, wanted.features, terms, again=wanted.again)
    elif wanted.kind == JUDGE:
        plan = plan_rating(here.ws, here.space_id, wanted.features, terms, again=wanted.again)
    else:
        plan = plan_detecting(
            here.ws,
            here.space_id,
            wanted.features,
            terms,
            which=wanted.which,
            fuzz=wanted.fuzz,
            quick=wanted.quick,
            again=wanted.again,
        )
    return plan, estimate(here.ws, plan.terms, plan.questions)


def preview(here: Here, plan: Planned, expected: Estimate) -> None:
    """What would be asked and cost, and the start."""
    for reason, n in plan.left_out.items():
        if n:
            st.caption(f"Left out: {theme.count(n)} {reason}.")
    if not plan.n:
        st.text("Nothing is left to ask.")
        return
    cap = asking_view.preview(here, expected, key=f"{_AT}cost")
    if st.button(plan.title, icon=":material/play_arrow:", type="primary", key=f"{_AT}start"):
        if services.guarded(plan.start)(here.ws, cap) is not None:
            del st.session_state[_LOOKED]
        st.rerun()


def _judging(column: st.delta_generator.DeltaGenerator, *, listed: bool) -> tuple[Which, bool, bool]:
    """What is judged, and how; features of the work list are to be written for, so it matters where they fire."""
    which: Which = column.selectbox(
        "Explanations",
        list(WHICH_WORDS),
        format_func=WHICH_WORDS.__getitem__,
        key=f"{_AT}which",
        bind="query-params",
    )
    full, few = (N_BANDS * per_band for per_band in (PER_BAND, PER_BAND_QUICK))
    quick = column.toggle(
        "Quick",
        key=f"{_AT}quick",
        help=f"{few} + {few} documents instead of {full} + {full}; the interval is wider. Firing ones are as many of "
        "each fifth of a feature's activations above 0, whatever δ is.",
    )
    fuzz = column.toggle(
        "Fuzzing too",
        listed,
        key=f"{_AT}fuzz_listed" if listed else f"{_AT}fuzz",
        help="Also asks whether marked tokens are the right ones: whether the explanation knows where it fires.",
    )
    return which, fuzz, quick


def standing(job: Job | None) -> tuple[str, str] | None:
    """What a page has drawn of a job; another one has to be drawn anew."""
    return None if job is None else (job.job_id, job.state)


def follow(here: Here, drawn: tuple[str, str] | None) -> None:
    """A job that runs or was stopped: where it is, cancel or resume. The page follows what became of it elsewhere."""
    with services.page():
        job = latest(here)
        if standing(job) != drawn:
            st.rerun()
        if job is not None and job.state != "completed":
            chrome.job_controls(
                here, job, "asked_job", stop="Stop asking", resume="Go on", help_stop="What was answered is kept."
            )
