"""Review answers: is this sample good enough to stand for its feature. One sample a screen, one key a decision."""

from __future__ import annotations

import streamlit as st

from fac_core.errors import InputError
from fac_core.review.queue import Counts, ReviewCard, card, counts, next_item
from pages.ui import chrome, heat, review_parts, services, theme
from pages.ui.differences import edited
from pages.ui.services import Here


def sentence(found: Counts) -> str:
    """What the page knows right now."""
    if found.waiting:
        waits = "waits" if found.waiting == 1 else "wait"
        return f"{theme.plural(found.waiting, 'sample')} {waits}, the one that adds most first."
    return f"Nothing waits. {theme.plural(found.approved, 'sample')} approved, {theme.count(found.rejected)} rejected."


def current(here: Here) -> ReviewCard | None:
    """The card that the address names, else the first of the queue."""
    named = services.follow("sample")
    if named:
        try:
            found = card(here.ws, named)
        except InputError:
            services.go("sample", None)
        else:
            if found.candidate.made.space_id == here.space_id:
                return found
    first = next_item(here.ws, here.space_id, here.reviewer)
    services.go("sample", first.candidate_id if first else None)
    return first


def finished(here: Here, found: Counts) -> None:
    """Nothing to decide: what changed, and what comes next."""
    if found.approved:
        pressed = chrome.empty(
            "All samples are decided. The approved ones count as covered from now on.",
            action="See what changed",
            page="pages/evaluation.py",
            icon=":material/monitoring:",
        )
    else:
        pressed = chrome.empty(
            "Samples that were found in the pool or written, and that activate their feature, wait here for a "
            "decision.",
            action="Find or make samples",
            page="pages/synthesis.py",
            icon=":material/science:",
        )
    if not pressed and found.approved + found.rejected + found.skipped:
        review_parts.undo_button(here, "end")


def show_card(here: Here, shown: ReviewCard) -> None:
    """The sample is the hero; everything else is quieter."""
    review_parts.target(shown)
    review_parts.actions(here, shown)
    if review_parts.in_mode("_editing", shown):
        review_parts.edit_form(here, shown)
    left, right = st.columns([3, 2], gap="large")
    with right:
        review_parts.consequences(shown)
        review_parts.closes(shown)
    with left:
        slot = st.container()
        if shown.original is not None:
            heat.samples(
                [heat.Shown(edited(shown.original, shown.text), head=[heat.Piece("what the edit changed")])],
                veiled=review_parts.veiled(here, shown),
                key="edited",
            )
        review_parts.neighbours(here, shown)
        with slot:
            review_parts.hero(here, shown)


def show(here: Here) -> None:
    """The page."""
    space_id = chrome.need_space(here)
    found = counts(here.ws, space_id)
    shown = current(here)
    chrome.page_head("Review", sentence(found))
    if found.waiting or found.approved or found.rejected:
        review_parts.progress(found)
    if shown is None:
        finished(here, found)
    else:
        show_card(here, shown)


show(services.here())
