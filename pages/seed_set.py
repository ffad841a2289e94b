"""Seed set answers: which texts are here, in which role, and have they been read?"""

from __future__ import annotations

import streamlit as st

from fac_core.demo import demos
from fac_core.feature_space.extraction import n_unread
from fac_core.feature_space.health import health_card, measured_health
from fac_core.feature_space.rereading import last_rereading, n_read, start_rereading
from fac_core.features.refresh import bring_up_to_date
from fac_core.jobs import owner
from fac_core.samples.datasets import ROLES, Dataset, list_datasets
from fac_core.workspace import project_info
from pages.ui import bring, chrome, dataset_rows, heat, services, theme
from pages.ui.services import Here


def sentence(datasets: list[Dataset], unread: int) -> str:
    """What the page knows right now."""
    if not datasets:
        return "No texts yet."
    sizes = {role: sum(dataset.n_rows for dataset in datasets if dataset.role == role) for role in ROLES}
    listed = ", ".join(f"{theme.count(n)} {role}" for role, n in sizes.items() if n)
    read = "all texts are read" if not unread else f"{theme.plural(unread, 'text')} not read yet"
    return f"Samples by role: {listed}; {read}."


def show(here: Here) -> None:
    """The page."""
    space_id = chrome.need_space(here)
    datasets = list_datasets(here.ws)
    kept = [dataset for dataset in datasets if not dataset.deleted]
    unread = n_unread(here.ws, space_id)
    is_reading = any(job.active and job.kind == "extract" for job in owner.jobs(here.ws))
    waits = bool(unread) and not is_reading
    pressed = chrome.page_head(
        "Seed set",
        sentence(kept, unread),
        action=f"Read {theme.plural(unread, 'text')}" if waits else None,
        icon=":material/play_arrow:",
        help="Extracts each text's feature activations, in a job that can be cancelled and resumed.",
    )
    if pressed:
        bring_up_to_date(here.ws, space_id)
        st.rerun()
    about_demo(here)
    bring.report(here)
    with st.expander("Bring texts", icon=":material/upload_file:", expanded=not kept, key="bring"):
        bring.show(here)
    if datasets:
        dataset_rows.show(here, datasets)
        health(here)
        recompute(here, is_reading)
        dataset_rows.browse(here, kept)


def about_demo(here: Here) -> None:
    """What a demo holds and what its seed leaves out on purpose."""
    made_from = project_info(here.ws.root).demo
    info = next((demo for demo in demos() if demo.id == made_from), None)
    if info:
        heat.words(heat.Piece(info.card_text, kind="quiet small"), key="about_demo")


def health(here: Here) -> None:
    """How the SAE did on what was read here."""
    assert here.space
    measured = measured_health(here.ws, here.space_id)
    if measured is None:
        st.caption(
            "Health of the feature space is measured when texts are read here; a demo brings its activations along."
        )
        return
    card = health_card(here.space.card, measured)
    chrome.notice(card.sentence, chrome.HEALTH_LOOK[card.state])
    cut = int(measured.get("truncated_texts") or 0)
    more = (
        f" · {theme.plural(cut, 'text')} longer than {here.space.spec.max_length} tokens, read in part" if cut else ""
    )
    st.caption(
        f"Measured on {theme.count(card.n_tokens)} tokens{more}", help=f"{theme.TERMS['fvu']} {theme.TERMS['l0']}"
    )


@services.guarded
def read_again() -> None:
    """Start reading everything again."""
    here = services.here()
    start_rereading(here.ws, here.space_id)


def recompute(here: Here, is_reading: bool) -> None:
    """What is stored can be read again, such as the activations that a demo brought along."""
    n = n_read(here.ws, here.space_id)
    if not n:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Recompute",
            icon=":material/refresh:",
            key="read_again",
            on_click=read_again,
            disabled=is_reading,
            help=f"Reads {theme.plural(n, 'text')} again with the model on this machine, in a job that can be "
            "cancelled and resumed, puts the result in the place of what is stored, and says what that changed.",
        )
        if found := last_rereading(here.ws, here.space_id):
            st.caption(found.sentence)


show(services.here())
