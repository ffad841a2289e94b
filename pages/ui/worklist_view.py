"""The work list as tickets, the search of the pool before anything is written, and the settings of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from fac_core.coverage import worklist
from fac_core.coverage.measure import aims
from fac_core.coverage.states import DENSE, MISSING, UNDERSAMPLED
from fac_core.coverage.worklist import WorkItem
from fac_core.errors import InputError
from fac_core.features.asked.choosing import WORKLIST
from fac_core.features.asked.results import unchecked
from fac_core.features.asked.starting import DETECT
from fac_core.jobs import owner
from fac_core.jobs.owner import Job
from fac_core.llm.endpoint import endpoint_of
from fac_core.review.queue import counts
from fac_core.samples.datasets import counts_only, list_datasets
from fac_core.synthesis.find import find_in_pool
from fac_core.synthesis.foreseen import foresee
from fac_core.synthesis.runs import RunSettings, left_out, start_run, terms_of
from pages.ui import asking_view, chrome, explain_view, heat, services, theme
from pages.ui.services import Here

OPEN = (MISSING, UNDERSAMPLED, DENSE)
"""States for which a sample is looked for: a person put the feature on the list knowing its state."""
TICKETS = 9
"""Tickets on one screen."""
GENERATOR_WORDS = {"local": "the local model", "openai": "an endpoint (OpenAI-compatible)"}


# --- the work list ---


def tickets(here: Here, items: Sequence[WorkItem]) -> None:
    """The work list, a ticket for each feature."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(f"Work list · {theme.plural(len(items), 'feature')}", anchor=False, width="content")
        done = [item.feature_id for item in items if item.state not in OPEN]
        if done:
            st.button(
                f"Take off {len(done)} covered",
                type="tertiary",
                icon=":material/done_all:",
                key="take_off_done",
                on_click=_take_off,
                args=(here, done),
                help="Features that are covered by now, or that no sample is looked for.",
            )
        if unjudged := unchecked(here.ws, here.space_id):
            _offer_check(len(unjudged))
    pages = -(-len(items) // TICKETS)
    number = 1
    slots = st.container()
    if pages > 1:
        number = st.pagination(pages, key="tickets", width="content")
    shown = items[(number - 1) * TICKETS : number * TICKETS]
    with slots:
        for row in (shown[i : i + 3] for i in range(0, len(shown), 3)):
            for column, item in zip(st.columns(3, gap="small"), row, strict=False):
                with column:
                    _ticket(here, item)


def _offer_check(n: int) -> None:
    """The way to the form in which a model judges what the work list's features are called."""
    if st.button(
        f"Check {theme.plural(n, 'explanation')}",
        type="tertiary",
        icon=":material/fact_check:",
        key="check_listed",
        help="What a feature is called is what samples are written from. No model has judged yet how far these names "
        "hold; what that costs is seen before it is asked.",
    ):
        query = {"f_view": "explanations", **explain_view.filled(DETECT, WORKLIST, "name")}
        st.switch_page("pages/features.py", query_params=query)


def _ticket(here: Here, item: WorkItem) -> None:
    look = theme.state(item.state)
    with st.container(border=True, gap=None, height="stretch", key=f"ticket_{item.feature_id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.container(width="stretch", gap=None):
                heat.words(heat.Piece(item.name or "no name yet", kind="strong"), key=f"ticket_name_{item.feature_id}")
            st.button(
                "",
                icon=":material/close:",
                type="tertiary",
                key=f"off_{item.feature_id}",
                on_click=_take_off,
                args=(here, [item.feature_id]),
                help="Take it off the work list",
            )
        heat.words(
            heat.Piece(f"{look.mark} {look.word}", kind="small", colour=look.colour, title=look.meaning),
            heat.Piece(f"   {item.feature_id} · ", kind="quiet small"),
            heat.Piece(f"{theme.plural(item.n_anchor, 'anchor sample')}", kind="quiet small"),
            heat.Piece(" · robust" if item.robust else "", kind="quiet small", title=theme.TERMS["robust"]),
            key=f"ticket_facts_{item.feature_id}",
        )


# --- find ---


def find_first(here: Here, items: Sequence[WorkItem]) -> None:
    """Real samples of the pool, before anything is written."""
    st.subheader("1 · Find in the pool", anchor=False)
    pool = [data for data in list_datasets(here.ws) if data.role == "pool" and not data.deleted]
    size = sum(data.n_rows for data in pool)
    targets = [item.feature_id for item in items if item.state in OPEN]
    if not pool:
        st.text(
            "This project has no pool. A set of unlabelled or unused texts, given the role pool, is searched first."
        )
        st.page_link("pages/seed_set.py", label="Bring in a pool", icon=":material/upload_file:")
        return
    st.text(f"A real text is better than a written one. The pool holds {theme.plural(size, 'text')}.")
    if sentence := counts_only(here.ws, ("pool",)):
        heat.words(heat.Piece(f"{sentence} These are searched.", kind="quiet small"), key="pool_counts")
    if st.button(
        f"Find texts for {theme.plural(len(targets), 'feature')}",
        icon=":material/search:",
        key="find",
        disabled=not targets,
        help="Greedy set cover: as few texts as possible that together close as many features as the pool can.",
    ):
        found = services.guarded(find_in_pool)(here.ws, here.space_id, here.delta, targets)
        if found is not None:
            services.say(
                f"{theme.plural(found, 'text')} of the pool now {'waits' if found == 1 else 'wait'} for review."
                if found
                else "The pool has no further text that closes one of these features.",
                "done" if found else "note",
            )
            st.rerun()


def _take_off(here: Here, feature_ids: Sequence[int]) -> None:
    services.guarded(worklist.remove)(here.ws, here.space_id, feature_ids)


# --- make ---


def make(here: Here, items: Sequence[WorkItem], busy: Job | None, *, next_step: bool) -> None:
    """Settings of a run with its estimate, and its start, which stands out where it is the next step."""
    st.subheader("2 · Make", anchor=False)
    targets = [item.feature_id for item in items if item.state in OPEN]
    generator = st.segmented_control(
        "Written by",
        list(GENERATOR_WORDS),
        default="local",
        required=True,
        format_func=GENERATOR_WORDS.__getitem__,
        key="generator",
        persist_state="session",
    )
    one, two, three, four = st.columns(4, gap="small")
    n_step1 = one.number_input(
        "Step 1",
        1,
        200,
        6,
        key="n_step1",
        persist_state="session",
        help="Samples for each feature; the best and the worst of them become the contrastive pair.",
    )
    n_step2 = two.number_input(
        "Step 2",
        0,
        200,
        10,
        key="n_step2",
        persist_state="session",
        help="Samples for each feature, written with the pair in view.",
    )
    temperature = three.number_input("Temperature", 0.0, 2.0, 0.9, 0.1, key="temperature", persist_state="session")
    max_tokens = four.number_input("Max tokens", 8, 2048, 40, 8, key="max_tokens", persist_state="session")
    settings = RunSettings(
        generator="openai" if generator == "openai" else "local",
        n_step1=int(n_step1),
        n_step2=int(n_step2),
        temperature=float(temperature),
        max_tokens=int(max_tokens),
        steering=_steering() if generator == "local" else 0.0,
    )
    if generator == "openai":
        _endpoint(here)
    if not targets:
        st.text("Nothing on the work list is open at this δ.")
    else:
        settings = _expected(here, targets, settings)
    if st.button(
        f"Write samples for {theme.plural(len(targets), 'feature')}",
        icon=":material/play_arrow:",
        type="primary" if next_step else "secondary",
        key="start_run",
        disabled=not targets or busy is not None,
        help="A run is under way." if busy else None,
    ):
        run_id = services.guarded(start_run)(here.ws, here.space_id, here.delta, settings, targets)
        if run_id is not None:
            services.go("run", run_id)
        st.rerun()


def _expected(here: Here, targets: Sequence[int], settings: RunSettings) -> RunSettings:
    """What the run would take, and for an endpoint the most it may; returns the settings with that cap."""
    try:
        terms = terms_of(here.ws, settings)
    except InputError:  # it is said above what is missing
        return settings
    sentence = left_out(here.ws, here.space_id, targets)
    # ended jobs filled the ledger that the estimate goes by, and decisions free what the pool held
    ended = tuple((job.job_id, job.state) for job in owner.jobs(here.ws) if not job.active)
    beside = (terms, sentence, ended, counts(here.ws, here.space_id), aims(here.ws, here.space_id))
    try:
        expected = services.cached(foresee, here, here.space_id, here.delta, settings, tuple(targets), beside=beside)
    except InputError as error:
        st.caption(str(error))
        return settings
    st.caption(expected.sentence)
    if sentence:
        st.caption(sentence)
    if terms is None:
        return settings
    cap = asking_view.cap_input(terms.price, key="run")
    return replace(settings, cap_money=cap.money, cap_tokens=cap.tokens)


def _steering() -> float:
    value = st.slider(
        "Steering",
        0.0,
        2.0,
        0.5,
        0.1,
        key="steering",
        persist_state="session",
        help="How far the model's own state is pushed along the feature's direction while it writes, as a share of the "
        "feature's strongest activation. 0 is none; much more than 1 spoils the text.",
    )
    return float(value)


def _endpoint(here: Here) -> None:
    try:
        found = endpoint_of(here.ws)
    except InputError as error:
        chrome.notice(str(error), "warning")
    else:
        heat.words(
            heat.Piece("model ", kind="quiet small"),
            heat.Piece(found.model, kind="mono small"),
            heat.Piece("   at ", kind="quiet small"),
            heat.Piece(found.base_url, kind="mono small"),
            key="endpoint",
        )
    st.page_link("pages/settings.py", label="Change the endpoint", icon=":material/settings:")
