"""Bringing texts in: what the preview shows is what the import does, and nothing is in the project before the button.

File names, columns and rows are shown as literal text or table cells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from fac_core.features.refresh import follow_datasets
from fac_core.samples.datasets import ROLES
from fac_core.samples.importing import ImportReport, import_source, pasted, quarantine_jsonl
from fac_core.samples.mapping import Mapping, conversations
from fac_core.samples.preview import Preview, preview_source
from fac_core.samples.source import Source
from pages.ui import chrome, heat, services, theme
from pages.ui.services import Here

UPLOAD, PATH, PASTE = "Upload", "Path on this machine", "Paste"
FORMATS = ["jsonl", "json", "csv", "tsv", "parquet", "txt", "gz", "xz"]
ROLE_WORDS = {
    "seed": "the set you want to complete",
    "anchor": "what it should cover",
    "pool": "real samples to look through first",
    "holdout": "must stay unseen",
}
NONE = "–"


def show(here: Here) -> None:
    """Choose texts, a role and a mapping, look at five rows, import."""
    turn = st.session_state.setdefault("_bring_turn", 0)  # a finished import leaves an empty form
    with services.page():
        source = choose(here, turn)
        if source is None:
            return
        key = f"{hashlib.sha256(source.name.encode()).hexdigest()[:8]}_{turn}"
        left, right = st.columns([3, 2])
        role = left.segmented_control(
            "Role",
            [role for role in ROLES if role in ROLE_WORDS],
            default="seed",
            key=f"bring_role_{turn}",
            required=True,
        )
        left.caption(f"{str(role).capitalize()}: {ROLE_WORDS[str(role)]}.")
        name = right.text_input("Name", Path(source.name).name.split(".")[0], key=f"bring_name_{key}", max_chars=120)
        first = preview_source(source, here.task)
        mapping = choose_mapping(here, first, key)
        shown = first if mapping == first.mapping else preview_source(source, here.task, mapping)
        show_rows(here, shown, key)
        if st.button(
            f"Import {theme.plural(shown.n_rows, 'row')} as {role}",
            type="primary",
            icon=":material/check:",
            disabled=not shown.rows,
            key=f"bring_go_{turn}",
        ):
            with st.spinner("Importing: checking rows and looking for duplicates …", show_time=True):
                report_ = import_source(here.ws, source, str(role), name, mapping)
                follow_datasets(here.ws)
            st.session_state["_import_report"] = (here.ws.root.name, report_)
            st.session_state["_bring_turn"] = turn + 1
            st.rerun()


def choose(here: Here, turn: int) -> Source | None:
    """Where the texts come from; None until something is there."""
    way = st.segmented_control(
        "From", [UPLOAD, PATH, PASTE], default=UPLOAD, key="bring_way", required=True, label_visibility="collapsed"
    )
    if way == UPLOAD:
        upload = st.file_uploader(
            "JSONL, CSV, TSV, Parquet or plain text; gzip and xz are fine", type=FORMATS, key=f"bring_file_{turn}"
        )
        if upload is None:
            return None
        return Source.of(services.upload_to_file(upload.getvalue()), upload.name)
    if way == PATH:
        said = st.text_input("Path", key=f"bring_path_{turn}", placeholder="/data/queries.jsonl")
        return Source.of(Path(said.strip()).expanduser(), said.strip()) if said.strip() else None
    text = st.text_area(
        "One text a line, or JSON lines",
        key=f"bring_text_{turn}",
        height=160,
        placeholder=f"one {here.task.sample_word} a line",
    )
    return pasted(text) if text.strip() else None


def choose_mapping(here: Here, first: Preview, key: str) -> Mapping:
    """The guessed mapping, each part to be mended."""
    guessed, columns = first.mapping, first.columns
    st.markdown("**Which column is what**")
    boxes = st.columns(min(4, len(here.task.fields) + 2))
    fields = {}
    place = 0
    for known in here.task.fields:
        chosen = pick(
            boxes[place % len(boxes)],
            f"{known.name}{'' if known.required else ' (optional)'}",
            columns,
            guessed.fields.get(known.name),
            f"map_{known.name}_{key}",
            known.description,
        )
        if chosen:
            fields[known.name] = chosen
        place += 1
    label = None
    if here.task.labels is not None:
        label = pick(
            boxes[place % len(boxes)],
            "label",
            columns,
            guessed.label,
            f"map_label_{key}",
            "What the sample is; relevance needs it.",
        )
        place += 1
    ident = pick(
        boxes[place % len(boxes)],
        "id (optional)",
        columns,
        guessed.id,
        f"map_id_{key}",
        "Your own id, kept with the sample.",
    )
    used = {*fields.values(), label, ident}
    offered = [column for column in columns if column not in used]
    meta = st.multiselect(
        "Kept to group by",
        offered,
        default=[column for column in guessed.meta if column in offered],
        key=f"map_meta_{key}",
        help="Topic, source, language: coverage can be shown by any of them.",
    )
    return Mapping(fields, label, ident, list(meta))


def pick(
    box: st.delta_generator.DeltaGenerator, title: str, columns: Sequence[str], guess: str | None, key: str, help: str
) -> str | None:
    """A select over columns, none included."""
    options = [NONE, *columns]
    index = columns.index(guess) + 1 if guess in columns else 0
    place = box.selectbox(title, range(len(options)), index=index, format_func=lambda i: options[i], key=key, help=help)
    return columns[place - 1] if place else None


def show_rows(here: Here, shown: Preview, key: str) -> None:
    """Five rows as they would come in."""
    for warning in shown.warnings:
        chrome.notice(warning, "warning")
    if not shown.rows:
        return
    lifted = not here.veiled or st.toggle("Show the texts", key=f"bring_lift_{key}")
    rows = [
        {name: value if lifted or name == "label" else heat.veil_words(value) for name, value in row.items()}
        for row in shown.rows
    ]
    st.dataframe(rows, hide_index=True, row_height=34, alt="The first five rows as they would be imported")
    talk = here.task.conversation
    if talk is not None and conversations(here.task, shown.mapping) is not None:
        st.caption(
            f"A column of conversations: the assistant's last answer is the {talk.answered}, and all that comes before "
            f"it is the {talk.asked}."
        )
    st.caption(f"{shown.format} · {theme.plural(shown.n_rows, 'row')}, the first {len(rows)} shown")


def report(here: Here) -> None:
    """What the last import of this session brought."""
    project, done = st.session_state.get("_import_report", ("", None))
    if done is None or project != here.ws.root.name:
        return
    with st.container(border=True):
        heat.words(
            heat.Piece(
                f"{theme.plural(done.n_rows, 'sample')} came in as {done.role} set “{done.name}”", kind="strong"
            ),
            heat.Piece(f"\n{duplicates(done)}", kind="small"),
            key="report_words",
        )
        for warning in done.warnings:
            chrome.notice(warning, "warning")
        if done.n_quarantined:
            quarantine(here, done)
        if st.button("Close", type="tertiary", key="report_close"):
            st.session_state.pop("_import_report")
            st.rerun()


def duplicates(done: ImportReport) -> str:
    """Duplicates in words."""
    if not (done.n_exact_duplicates or done.n_near_duplicates):
        return "No duplicates."
    exact, near = theme.count(done.n_exact_duplicates), theme.count(done.n_near_duplicates)
    return f"{exact} exact and {near} near duplicates, kept and counted."


def quarantine(here: Here, done: ImportReport) -> None:
    """Bad rows with number, field and reason."""
    st.dataframe(
        [
            {"row": bad.row_number, "field": bad.field or NONE, "reason": bad.reason, "as it was": bad.raw}
            for bad in done.quarantine
        ],
        hide_index=True,
        column_config={"row": st.column_config.NumberColumn(width=60), "field": st.column_config.TextColumn(width=90)},
        row_height=32,
        alt="Quarantined rows",
    )
    st.download_button(
        "Download quarantine",
        lambda: quarantine_jsonl(here.ws, done.dataset_id),
        file_name=f"quarantine-{done.dataset_id}.jsonl",
        mime="application/jsonl",
        icon=":material/download:",
        key=f"quarantine_{done.dataset_id}",
        on_click="ignore",
    )
