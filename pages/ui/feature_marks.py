"""A person's own lists, tags and notes: set in a word, signed, and taken away without losing what was there."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fac_core.coverage import worklist
from fac_core.errors import InputError
from fac_core.features.marks import LIST, MAX_CHARS, NOTE, TAG, MarkRow, history, mark, marks, names
from pages.ui import chrome, heat, services, theme
from pages.ui.services import Here

_KIND_WORDS = {LIST: "List", TAG: "Tag"}


def button(here: Here, feature_id: int) -> None:
    """What can be added to the feature, and what was."""
    with st.popover("Mark", icon=":material/bookmark_add:", key=f"marks_{feature_id}"):
        _adding(here, feature_id)
        _history(here, feature_id)


def show(here: Here, feature_id: int) -> None:
    """What stands on the feature; a press takes it away."""
    standing = marks(here.ws, here.space_id, feature_id)
    if chips := [each for each in standing if each.kind != NOTE]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for place, row in enumerate(chips):
                st.button(
                    theme.plain(row.value),
                    icon=":material/label:" if row.kind == TAG else ":material/bookmark:",
                    key=f"mark_{feature_id}_{place}_{row.kind}",
                    on_click=change,
                    args=([feature_id], row.kind, row.value, False),
                    help=f"A {row.kind}; press to take it away.",
                )
    for place, row in enumerate([each for each in standing if each.kind == NOTE]):
        _note(feature_id, place, row)


def _note(feature_id: int, place: int, row: MarkRow) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        with st.container(width="stretch", gap=None):
            heat.words(
                heat.Piece(row.value),
                heat.Piece(f"   {row.author}, {row.created_at:%d %b %Y}", kind="quiet small"),
                key=f"note_{feature_id}_{place}",
            )
        st.button(
            "",
            icon=":material/close:",
            type="tertiary",
            key=f"note_off_{feature_id}_{place}",
            on_click=change,
            args=([feature_id], NOTE, row.value, False),
            help="Take the note away; the history keeps it.",
        )


def _adding(here: Here, feature_id: int) -> None:
    for kind, word in _KIND_WORDS.items():
        st.selectbox(
            word,
            list(names(here.ws, here.space_id, kind)),
            index=None,
            key=f"add_{kind}_{feature_id}",
            accept_new_options=True,
            placeholder=f"choose a {kind} or write a new one",
            on_change=add_from,
            args=(f"add_{kind}_{feature_id}", [feature_id], kind),
        )
        _refusal(f"add_{kind}_{feature_id}")
    with st.form(f"note_form_{feature_id}", border=False):
        st.text_area("Note", key=f"add_{NOTE}_{feature_id}", max_chars=MAX_CHARS[NOTE], height=80)
        st.form_submit_button("Keep the note", on_click=add_from, args=(f"add_{NOTE}_{feature_id}", [feature_id], NOTE))
    _refusal(f"add_{NOTE}_{feature_id}")


def _history(here: Here, feature_id: int) -> None:
    for place, event in enumerate(history(here.ws, here.space_id, feature_id)[:12]):
        heat.words(
            heat.Piece(f"{'' if event.present else 'without '}{event.kind}: {event.value}", kind="small"),
            heat.Piece(f"   {event.author}, {event.created_at:%d %b %Y %H:%M}", kind="quiet small"),
            key=f"mark_event_{feature_id}_{place}",
        )


@services.guarded
def change(feature_ids: Sequence[int], kind: str, value: str, present: bool) -> None:
    """Set or take away one mark."""
    here = services.here()
    mark(here.ws, here.space_id, feature_ids, kind, value, here.reviewer, present=present)


@services.guarded
def add_from(key: str, feature_ids: Sequence[int], kind: str) -> None:
    """Set the mark that stands in a widget, and empty it."""
    _put(key, feature_ids, kind)


def _put(key: str, feature_ids: Sequence[int], kind: str) -> tuple[str, int] | None:
    """Set what stands in a widget and empty it; what is refused stays there, with the reason. Returns the mark and how
    many features got it."""
    said = st.session_state.get(key)
    st.session_state.pop(f"_{key}_refused", None)
    if not said:
        return None
    here = services.here()
    try:
        n = mark(here.ws, here.space_id, feature_ids, kind, str(said), here.reviewer)
    except InputError as error:
        st.session_state[f"_{key}_refused"] = str(error)
        return None
    st.session_state[key] = "" if kind == NOTE else None
    return str(said), n


def _refusal(key: str) -> None:
    """Why what stands in a widget was not taken."""
    if why := st.session_state.get(f"_{key}_refused"):
        chrome.notice(str(why), "error")


def add_many(here: Here, feature_ids: Sequence[int], words: str, key: str, added_from: str) -> None:
    """A popover that puts features on the work list or a list, or tags them.

    Args:
        here: what the session looks at.
        feature_ids: which.
        words: what they are, such as `12 features`.
        key: of the popover.
        added_from: what the work list notes as their origin.
    """
    with st.popover(f"Add {words} to …", icon=":material/playlist_add:", key=key, disabled=not feature_ids):
        st.button(
            "The work list",
            icon=":material/playlist_add_check:",
            key=f"{key}_work",
            on_click=enlist,
            args=(list(feature_ids), added_from),
            width="stretch",
        )
        for kind, word in _KIND_WORDS.items():
            st.selectbox(
                word,
                list(names(here.ws, here.space_id, kind)),
                index=None,
                key=f"{key}_{kind}",
                accept_new_options=True,
                placeholder=f"choose a {kind} or write a new one",
                on_change=add_many_from,
                args=(f"{key}_{kind}", list(feature_ids), kind),
            )
            _refusal(f"{key}_{kind}")


@services.guarded
def enlist(feature_ids: Sequence[int], added_from: str) -> None:
    """Put features on the work list and say how many were new."""
    here = services.here()
    n = worklist.add(here.ws, here.space_id, feature_ids, added_from)
    services.say(f"{theme.plural(n, 'feature')} added to the work list.")


@services.guarded
def add_many_from(key: str, feature_ids: Sequence[int], kind: str) -> None:
    """Set the mark that stands in a widget on many features and say how many got it."""
    if done := _put(key, feature_ids, kind):
        said, n = done
        services.say(f"{theme.plural(n, 'feature')} got the {kind} “{said}”.")
