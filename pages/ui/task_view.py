"""A task of one's own from a form: what a curator says is checked whole, kept as a file and can be used at once."""

from __future__ import annotations

import streamlit as st

from fac_core.tasks import TaskMissing, custom_folder, faults, is_custom, load_task, task_ids
from fac_core.tasks.custom import MAX_LINE, NewTask, add_task, formats, needs_label, set_rubric
from fac_core.tasks.ids import MAX_NAME
from pages.ui import chrome, heat, services, theme
from pages.ui.services import Here

_AT = "task_"


def show(here: Here) -> None:
    """Tasks of one's own, and the form for a new one."""
    own = [task_id for task_id in task_ids() if is_custom(task_id)]
    for fault in faults():
        chrome.notice(fault, "warning")
    for task_id in own:
        rubric(task_id)
    form()


def gate() -> None:
    """Where the file of the project's task is gone, say so on every page and offer the copy that the project keeps.

    Raises:
        PageDone: it is gone, and nothing else can be shown.
        FacError: the project is gone or cannot be opened.
    """
    ws = services.current_workspace()
    try:
        load_task(ws.task)
    except TaskMissing:
        where = custom_folder() / f"{ws.task}.toml"
        chrome.notice(
            f"The task of this project has no file any more: {where} is gone. Put it back there, or bring back the "
            "copy that the project kept when it was last used.",
            "error",
        )
        if st.button("Bring the task back", icon=":material/restore_page:", type="primary", key=f"{_AT}restore"):
            if (path := services.guarded(ws.restore_task)()) is not None:
                services.say(f"The task {ws.task} is back, in {path}.")
            st.rerun()
        for kind, said_now in services.said():
            chrome.notice(said_now, kind)
        raise services.PageDone from None
    ws.keep_task()


def rubric(task_id: str) -> None:
    """A task of one's own with its rubric, which can be changed."""
    task = load_task(task_id)
    heat.words(
        heat.Piece(f"{task.title}   ", kind="strong"),
        heat.Piece(f"{task.id} · rubric {task.rubric_version}\n", kind="quiet small mono"),
        heat.Piece(task.description, kind="small"),
        key=f"{_AT}head_{task_id}",
    )
    with st.popover("Rubric", icon=":material/rule:", key=f"{_AT}rubric_{task_id}"):
        with st.form(f"{_AT}rubric_form_{task_id}", border=False):
            st.text_area(
                "One criterion a line",
                "\n".join(task.rubric),
                key=f"{_AT}lines_{task_id}",
                height=160,
                help="Any one makes a feature relevant. Ratings against the old rubric stay and count no more.",
            )
            st.form_submit_button("Keep", on_click=_change, args=(task_id,))


def form() -> None:
    """The form for a new task."""
    words = formats()
    chosen = st.selectbox(
        "Form of its samples", list(words), format_func=words.__getitem__, key=f"{_AT}format", width=420
    )
    with st.form(f"{_AT}new", border=False):
        left, right = st.columns(2, gap="medium")
        left.text_input("Title", key=f"{_AT}title", max_chars=MAX_LINE, placeholder="how people see it, in any script")
        right.text_input(
            "Name of its file", key=f"{_AT}name", max_chars=MAX_NAME, placeholder="made of the title if left empty"
        )
        st.text_input("What it is, in one sentence", key=f"{_AT}about", max_chars=MAX_LINE)
        st.text_area(
            "Rubric: one criterion a line",
            key=f"{_AT}rubric",
            height=120,
            help="What makes a feature belong to the task; any one criterion suffices.",
        )
        if needs_label(str(chosen)):
            first, second, third = st.columns(3, gap="medium")
            first.text_input("Column of the label", key=f"{_AT}label")
            second.text_input(
                "Labels that show the task", key=f"{_AT}positive", placeholder="spam, ad", help="Parted by commas."
            )
            third.text_input(
                "Labels that do not",
                key=f"{_AT}negative",
                placeholder="any other",
                help="Parted by commas; empty takes every other label.",
            )
        st.toggle("Veil its texts", key=f"{_AT}sensitive", help="For texts that can be upsetting.")
        st.form_submit_button("Make the task", icon=":material/add:", type="primary", on_click=_add)
    heat.words(heat.Piece(f"It is kept in {custom_folder()}.", kind="quiet small"), key=f"{_AT}where")


def said() -> NewTask:
    """The task as the form says it."""
    state = st.session_state

    def text(name: str) -> str:
        return str(state.get(f"{_AT}{name}") or "")

    return NewTask(
        name=text("name"),
        title=text("title"),
        description=text("about"),
        rubric=tuple(text("rubric").splitlines()),
        format=text("format"),
        label_column=text("label"),
        positive=tuple(text("positive").split(",")),
        negative=tuple(text("negative").split(",")),
        sensitive=bool(state.get(f"{_AT}sensitive")),
    )


@services.guarded
def _add() -> None:
    task = load_task(add_task(said()))
    for name in ("name", "title", "about", "rubric", "label", "positive", "negative"):
        if f"{_AT}{name}" in st.session_state:
            st.session_state[f"{_AT}{name}"] = ""
    services.say(
        f"The task {task.title} is made, with {theme.plural(len(task.rubric), 'criterion', 'criteria')}; choose it for "
        "a new project."
    )


@services.guarded
def _change(task_id: str) -> None:
    task = set_rubric(task_id, str(st.session_state[f"{_AT}lines_{task_id}"]).splitlines())
    services.say(f"The rubric of {task.title} is now version {task.rubric_version}.")
