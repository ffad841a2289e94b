"""Datasets as rows: each says what it is for and what is wrong with it, and taking one out can be undone."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fac_core.features.refresh import follow_datasets
from fac_core.samples.datasets import (
    COUNTED_ROLES,
    ROLES,
    Dataset,
    delete_dataset,
    restore_dataset,
    sample_page,
    set_role,
)
from fac_core.samples.importing import quarantine_jsonl
from pages.ui import heat, services, theme
from pages.ui.services import Here

WIDTHS = [3, 1.7, 1, 1.5, 1.3, 1.2]
PAGE_SIZE = 10


def show(here: Here, datasets: Sequence[Dataset]) -> None:
    """All datasets; deleted ones below, each to be restored."""
    st.subheader("Datasets", anchor=False)
    kept = [dataset for dataset in datasets if not dataset.deleted]
    if kept:
        head = st.columns(WIDTHS, gap="small")
        for box, title in zip(head, ["name", "role", "samples", "duplicates", "quarantine", ""], strict=True):
            box.caption(title)
    for dataset in kept:
        row(here, dataset)
    for dataset in [dataset for dataset in datasets if dataset.deleted]:
        with st.container(horizontal=True, vertical_alignment="center"):
            heat.words(
                heat.Piece(dataset.name, kind="removed small"),
                heat.Piece(f"   {dataset.role}, {theme.count(dataset.n_rows)} samples, taken out", kind="quiet small"),
                key=f"gone_{dataset.dataset_id}",
            )
            st.button(
                "Undo",
                icon=":material/undo:",
                type="tertiary",
                key=f"restore_{dataset.dataset_id}",
                on_click=restore,
                args=(dataset.dataset_id,),
            )


def row(here: Here, dataset: Dataset) -> None:
    """One dataset."""
    key = dataset.dataset_id
    boxes = st.columns(WIDTHS, gap="small", vertical_alignment="center")
    with boxes[0]:
        heat.words(
            heat.Piece(dataset.name, title=f"{dataset.source} · {dataset.created_at:%d %b %Y %H:%M}"), key=f"ds_{key}"
        )
    with boxes[1]:
        fixed = dataset.source == "review"
        st.session_state[f"role_{key}"] = dataset.role
        st.selectbox(
            "Role",
            ROLES if dataset.n_kept is None else COUNTED_ROLES,
            key=f"role_{key}",
            label_visibility="collapsed",
            on_change=change_role,
            args=(key,),
            disabled=fixed,
        )
    boxes[2].text(theme.count(dataset.n_rows))
    duplicates = f"{theme.count(dataset.n_exact_duplicates)} + {theme.count(dataset.n_near_duplicates)} near"
    boxes[3].text(duplicates if dataset.n_kept is None else "not counted")
    with boxes[4]:
        if dataset.n_quarantined:
            st.download_button(
                theme.plural(dataset.n_quarantined, "row"),
                lambda: quarantine_jsonl(here.ws, key),
                file_name=f"quarantine-{key}.jsonl",
                mime="application/jsonl",
                icon=":material/download:",
                type="tertiary",
                key=f"q_{key}",
                on_click="ignore",
                help="Number, field and reason of each bad row, as JSON lines.",
            )
        else:
            st.text("–")
    with boxes[5]:
        st.button(
            "Take out",
            icon=":material/delete:",
            type="tertiary",
            key=f"delete_{key}",
            on_click=delete,
            args=(key,),
            disabled=fixed,
            help="It then counts nowhere; this can be undone.",
        )


@services.guarded
def change_role(dataset_id: str) -> None:
    """Take over the select."""
    ws = services.here().ws
    set_role(ws, dataset_id, st.session_state[f"role_{dataset_id}"])
    follow_datasets(ws)


@services.guarded
def delete(dataset_id: str) -> None:
    """Take a dataset out."""
    ws = services.here().ws
    delete_dataset(ws, dataset_id)
    follow_datasets(ws)


@services.guarded
def restore(dataset_id: str) -> None:
    """Bring it back."""
    ws = services.here().ws
    restore_dataset(ws, dataset_id)
    follow_datasets(ws)


def browse(here: Here, datasets: Sequence[Dataset]) -> None:
    """Look at the samples of a dataset."""
    if not datasets:
        return
    names = {dataset.dataset_id: dataset.name for dataset in datasets}
    with st.expander("Look at samples", icon=":material/visibility:", key="browse", on_change="rerun") as looked:
        if not looked.open:
            return
        left, right = st.columns(2)
        chosen = left.selectbox("Dataset", list(names), format_func=names.__getitem__, key="browse_set")
        kept = next(dataset.kept_in_words for dataset in datasets if dataset.dataset_id == chosen)
        if kept:
            st.caption(kept)
        search = right.text_input("Search", key="browse_find", icon=":material/search:", live=True)
        number = int(st.session_state.get("browse_page") or 1)
        found = sample_page(here.ws, str(chosen), search=search or "", page=number, page_size=PAGE_SIZE)
        cards = [
            heat.Shown(
                heat.text_pieces(sample.text),
                head=[heat.Piece(part) for part in about(sample.row_number, sample.label, sample.meta)],
            )
            for sample in found.rows
        ]
        if cards:
            heat.samples(cards, veiled=here.veiled, key="browse_cards")
        else:
            st.caption("Nothing found.")
        n_pages = max(1, -(-found.total // PAGE_SIZE))
        if n_pages > 1:
            st.pagination(n_pages, key="browse_page")


def about(row_number: int, label: str | None, meta: dict[str, str]) -> list[str]:
    """Where a sample stood and what it was brought with."""
    return [
        f"row {row_number}",
        *([label] if label else []),
        *[f"{name}: {value}" for name, value in list(meta.items())[:4]],
    ]
