"""The frame is the same on every page: where you are, what waits, what runs, and what the page knows right now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from fac_core import workspace
from fac_core.jobs import owner
from fac_core.jobs.owner import Job
from fac_core.tasks import load_task, task_ids
from pages.ui import heat, services, theme
from pages.ui.services import Here, PageDone

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

_NOTICES = {
    "done": ":green[:material/check_circle:]",
    "note": ":blue[:material/info:]",
    "warning": ":orange[:material/warning:]",
    "error": ":red[:material/error:]",
}


_margins = st.components.v2.component(
    "fac_margins",
    html="<span></span>",
    css="""
[data-testid="stMainBlockContainer"] {
  padding-inline: clamp(1rem, 2.4vw, 2.5rem);
}
[data-testid="stLayoutWrapper"]:has(> .st-key-open_feature) {
  min-width: 24rem;
}
""",
    isolate_styles=False,
)
"""The theme has no setting for the margins at the sides, and the frame's own take a sixth of a page; nor can a
container be told from which width on it belongs below its neighbour."""


def margins() -> None:
    """Have the pages use the width they get."""
    _margins(key="margins")


# --- the page ---


def page_head(
    title: str,
    sentence: str = "",
    *,
    action: str | None = None,
    icon: str | None = None,
    page: str | None = None,
    disabled: bool = False,
    help: str | None = None,
) -> bool:
    """Title, one sentence on what the page knows right now, at most one primary button; waiting messages below.

    Args:
        title: ours.
        sentence: shown literally.
        action: label of the primary button.
        icon: its icon.
        page: a page script the button leads to; otherwise the caller acts on the returned click.
        disabled: of the button.
        help: its tooltip.

    Returns:
        Whether the button was just pressed.
    """
    pressed = False
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="medium"):
        with st.container(width="stretch", gap=None):
            st.title(title, anchor=False)
            if sentence:
                st.text(sentence, width="stretch")
        if action:
            pressed = st.button(
                action, type="primary", icon=icon, key=f"head_{title}", disabled=disabled, help=help, wrap=False
            )
    if pressed and page:
        st.switch_page(page, query_params={})
    for kind, text in services.said():
        notice(text, kind)
    return pressed


HEALTH_LOOK = {"good": "done", "suspect": "error", "unsure": "note"}
"""Kind of notice for each state of a health card."""


def health_gate(here: Here) -> None:
    """On every page: that the space's numbers cannot be trusted, until somebody accepts it on Settings."""
    from fac_core.feature_space.health import unfit

    card = unfit(here.ws, here.space_id) if here.space else None
    if card is None:
        return
    with st.container(border=True, horizontal=True, gap="small", vertical_alignment="center", key="health_gate"):
        st.markdown(_NOTICES["error"], width="content")
        st.text(f"Do not trust the numbers in this feature space. {card.sentence}", width="stretch")
        st.page_link("pages/settings.py", label="Settings", icon=":material/settings:", width="content")


def notice(text: str, kind: str = "note") -> None:
    """One sentence with a mark, shown literally: kind 'done', 'note', 'warning' or 'error'."""
    with st.container(border=True, horizontal=True, gap="small", vertical_alignment="center", wrap=False):
        st.markdown(_NOTICES[kind], width="content")
        st.text(text, width="stretch")


def empty(
    what: str, *, action: str | None = None, page: str | None = None, icon: str | None = None, key: str = "empty"
) -> bool:
    """An empty state that teaches: what will be here and the one action that fills it."""
    with st.container(border=True, horizontal_alignment="center", gap="medium", key=f"{key}_box"):
        st.space("small")
        st.text(what, text_alignment="center")
        pressed = bool(action) and st.button(str(action), type="primary", icon=icon, key=key)
        st.space("small")
    if pressed and page:
        st.switch_page(page, query_params={})
    return pressed


def need_space(here: Here) -> str:
    """The feature space's id; without one, the page says so and ends."""
    if here.space is None:
        empty("This project has no feature space yet.", action="Open settings", page="pages/settings.py")
        raise PageDone
    return here.space_id


def need_data(here: Here, *roles: str) -> None:
    """End the page with a hint unless the project has a dataset of each role."""
    from fac_core.samples.datasets import list_datasets

    have = {dataset.role for dataset in list_datasets(here.ws) if not dataset.deleted}
    if missing := [role for role in roles if role not in have]:
        names = " and ".join(f"{'an' if role[0] in 'aeiou' else 'a'} {role} set" for role in missing)
        empty(
            f"This page needs {names}. Bring one in and extract its activations; what it shows will then be here.",
            action="Bring texts",
            page="pages/seed_set.py",
            icon=":material/upload_file:",
        )
        raise PageDone


def chips(names: Sequence[tuple[str, int | str]]) -> None:
    """States with their counts, each with its mark and colour."""
    runs: list[heat.Piece] = []
    for name, value in names:
        look = theme.state(name)
        runs += [
            heat.Piece(f"{look.mark} ", colour=look.colour, title=look.meaning),
            heat.Piece(f"{look.word} ", kind="small", title=look.meaning),
            heat.Piece(f"{value}", kind="strong small", title=look.meaning),
            heat.Piece("    "),
        ]
    heat.words(*runs)


# --- the sidebar ---


def choose_project() -> None:
    """Project select: projects, and demos that open when chosen. Drawn before the project is opened."""
    from fac_core.demo import demos

    infos = workspace.list_projects()
    have = {info.demo for info in infos}
    names = {info.folder.name: info.name for info in infos}
    offers = {f"demo:{demo.id}": f"Demo · {demo.title}" for demo in demos() if demo.id not in have}
    current = services.follow("project")
    words = theme.apart({**names, **offers})
    # a widget keeps its own value; it follows the address when that changed without it
    if st.session_state.get("_project_pick") != current and current in names:
        st.session_state["_project_pick"] = current
    st.selectbox(
        "Project",
        list(words),
        format_func=lambda option: words.get(option, option),
        key="_project_pick",
        on_change=_project_picked,
        label_visibility="collapsed",
    )


def _project_picked() -> None:
    picked = st.session_state["_project_pick"]
    if picked.startswith("demo:"):
        services.ask_for_demo(picked.removeprefix("demo:"))
    else:
        services.move(project=picked, space=None)


def choose_space(here: Here) -> None:
    """Task in words and the feature space select."""
    from fac_core.feature_space import spaces

    known = theme.apart({space.space_id: space.name for space in spaces.spaces(here.ws)})
    st.selectbox(
        "Task",
        [here.task.id],
        format_func=lambda _: here.task.title,
        label_visibility="collapsed",
        disabled=True,
        key=f"_task_{here.task.id}",
    )
    if not known:
        return
    st.session_state["_space_pick"] = here.space_id
    st.selectbox(
        "Feature space",
        list(known),
        format_func=lambda space_id: known.get(space_id, space_id),
        key="_space_pick",
        on_change=lambda: services.move(space=st.session_state["_space_pick"]),
        label_visibility="collapsed",
    )


@st.dialog("New project")
def new_project() -> None:
    """Ask for name and task; the new project becomes the session's."""
    name = st.text_input("Name", key="_new_name", live=True, placeholder="what the data is for")
    titles = theme.apart({task_id: load_task(task_id).title for task_id in task_ids()})
    task = st.selectbox("Task", list(titles), format_func=titles.__getitem__, key="_new_task")
    st.text(load_task(str(task)).description)
    if st.button("Create", type="primary", disabled=not name.strip()):
        with services.page():
            from fac_core.feature_space import spaces

            ws = workspace.create(name, str(task))
            spaces.ensure_embedded(ws)
            services.move(project=ws.root.name, space=None)
            st.rerun()


def links(pages: Sequence[StreamlitPage], waiting: dict[str, int]) -> None:
    """Navigation in the order of the work, with a count beside what waits."""
    for page in pages:
        n = waiting.get(page.url_path, 0)
        label = f"{page.title} :primary-badge[{theme.count(n)}]" if n else page.title
        st.page_link(page, label=label, icon=page.icon, width="stretch")


def waiting(here: Here) -> dict[str, int]:
    """What waits for a person, by page."""
    if not here.space:
        return {}
    from fac_core.coverage import worklist
    from fac_core.review import queue

    return {
        "review": queue.counts(here.ws, here.space_id).pending,
        "synthesis": worklist.still_open(here.ws, here.space_id, here.delta),
    }


# --- the job bar ---


def job_bar(here: Here) -> None:
    """The running job as one thin bar with its ETA, asked every second while one runs; stopped jobs offer to resume."""
    active = [job for job in owner.jobs(here.ws) if job.active]
    st.session_state["_active_jobs"] = [job.job_id for job in active]
    st.fragment(_job_bar, run_every=1.0 if active else None)(str(here.ws.root))


def _job_bar(folder: str) -> None:
    with services.page():
        ws = services.open_folder(folder)
        jobs = owner.poll(ws) if st.session_state.get("_active_jobs") else owner.jobs(ws)
        active = [job for job in jobs if job.active]
        known = st.session_state.get("_active_jobs", [])
        if {job.job_id for job in active} != set(known):
            st.rerun()  # one ended or a follow-up began: every number on the page may have changed
        for job in active:
            _running(ws, job)
        newest = next(iter(jobs), None)
        if newest and not active and newest.resumable and st.session_state.get("_dismissed") != newest.job_id:
            _stopped(ws, newest)


def job_line(job: Job) -> str:
    """A job's title and where it stands."""
    parts = [job.title]
    if job.state == "cancelling":
        parts.append("stopping")
    elif job.state == "queued" or not job.total:
        parts.append("starting")
    else:
        parts.append(f"{job.done:,.0f} of {job.total:,.0f}")
    if left := theme.duration(job.eta_s):
        parts.append(f"{left} left")
    return " · ".join(parts)


def job_controls(here: Here, job: Job, key: str, *, stop: str, resume: str, help_stop: str) -> None:
    """Where a job stands, with a button to stop or to resume it; `key` begins the keys of its elements."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        with st.container(width="stretch", gap=None):
            line = job_line(job) if job.active else f"{job.title}: {job.state}"
            heat.words(heat.Piece(line), heat.Piece(f"   {job.message}", kind="quiet small"), key=f"{key}_line")
            if job.active:
                st.progress(min(1.0, job.done / job.total) if job.total else 0.0)
        if job.active:
            st.button(
                stop,
                icon=":material/stop:",
                key=f"{key}_cancel",
                on_click=services.guarded(owner.cancel),
                args=(here.ws, job.job_id),
                disabled=job.state == "cancelling",
                help=help_stop,
            )
        elif job.resumable and st.button(
            resume, icon=":material/play_arrow:", key=f"{key}_resume", help="What is done is kept."
        ):
            services.guarded(owner.resume)(here.ws, job.job_id)
            st.rerun()


def _running(ws: workspace.Workspace, job: Job) -> None:
    with st.container(gap=None, key=f"job_{job.job_id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            heat.words(heat.Piece(job_line(job), kind="small", title=job.message), key=f"jobline_{job.job_id}")
            st.button(
                "Cancel",
                icon=":material/close:",
                type="tertiary",
                key=f"cancel_{job.job_id}",
                on_click=services.guarded(owner.cancel),
                args=(ws, job.job_id),
                disabled=job.state == "cancelling",
                help="Stops after the current step; what is done is kept.",
            )
        st.progress(min(1.0, job.done / job.total) if job.total else 0.0)


def _stopped(ws: workspace.Workspace, job: Job) -> None:
    with st.container(border=True, gap="small", key=f"job_{job.job_id}"):
        heat.words(heat.Piece(f"{job.title}: {job.state}", kind="strong small"), key=f"jobline_{job.job_id}")
        if job.message:
            heat.words(heat.Piece(job.message, kind="small"), key=f"jobmessage_{job.job_id}")
        with st.container(horizontal=True, gap="small"):
            if st.button(
                "Resume", icon=":material/play_arrow:", key=f"resume_{job.job_id}", help="What is done is kept."
            ):
                services.guarded(owner.resume)(ws, job.job_id)
                st.rerun()
            if st.button("Dismiss", type="tertiary", key=f"dismiss_{job.job_id}"):
                st.session_state["_dismissed"] = job.job_id
                st.rerun()
