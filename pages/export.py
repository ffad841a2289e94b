"""Export answers: what leaves the project, in which form, and how anyone can check it."""

from __future__ import annotations

import streamlit as st

from fac_core.errors import FacError
from fac_core.review.candidates import approved
from fac_core.review.export import ExportResult, export, exports
from fac_core.review.formats import FORMATS
from fac_core.review.verify import verify
from pages.ui import chrome, heat, services, theme
from pages.ui.services import Here

FORMAT_WORDS = {
    "jsonl": "JSON lines: one strict JSON object a line, provenance nested",
    "parquet": "Parquet: typed columns, provenance as a struct",
    "csv": "CSV: for spreadsheets; texts that would run as a formula get an apostrophe in front",
}
MIME = {
    ".jsonl": "application/jsonl",
    ".parquet": "application/octet-stream",
    ".csv": "text/csv",
    ".json": "application/json",
}


def sentence(n: int, made: list[ExportResult]) -> str:
    """What the page knows right now."""
    if not n:
        return "Nothing is approved yet."
    last = f" The last export, of {made[0].created_at:%d %b %H:%M}, held {theme.count(made[0].n_rows)}." if made else ""
    return f"{theme.plural(n, 'approved sample')} can be exported.{last}"


def contents(here: Here) -> None:
    """What an export will hold."""
    st.subheader("What will be in it", anchor=False)
    st.markdown(
        "- **the data**: the task's fields and the label of each approved sample, and its provenance: run, candidate, "
        "target "
        "feature with name and activation, δ, generator, prompt hash, reviewer, decision time, feature space\n"
        "- **README.md**, a card for data hubs\n"
        "- **manifest.json**: counts, FAC before and after, the space's identity, settings of the runs\n"
        "- **SHA256SUMS**: a digest of each file; `fac verify FOLDER` or `sha256sum -c SHA256SUMS` checks them"
    )
    st.caption(
        "Only samples that a person approved leave the project, each text once; none that is like one in a holdout set."
    )


def files(here: Here, made: ExportResult) -> None:
    """Download buttons, the digests checked, and the manifest."""
    try:
        checked = verify(made.folder)
    except FacError as error:
        chrome.notice(str(error), "warning")
        return
    if checked.problems:
        for problem in checked.problems:
            chrome.notice(problem, "warning")
    with st.container(horizontal=True, gap="small"):
        for number, name in enumerate(made.files):
            path = made.folder / name
            if path.is_file():
                st.download_button(
                    name,
                    path.read_bytes,
                    file_name=f"{here.ws.root.name}-{name}",
                    mime=MIME.get(path.suffix, "text/plain"),
                    icon=":material/download:",
                    on_click="ignore",
                    type="primary" if number == 0 else "secondary",
                    key=f"get_{made.export_id}_{number}",
                )
    if not checked.problems:
        st.caption(f"Digests of {checked.n_files} files checked just now: nothing was changed since the export.")
    heat.words(
        heat.Piece("folder  ", kind="quiet small"),
        heat.Piece(str(made.folder), kind="mono small"),
        key=f"at_{made.export_id}",
    )
    coverage = made.manifest["coverage"]
    one, two, three = st.columns(3, gap="medium")
    one.metric("Samples", theme.count(made.n_rows))
    two.metric("FAC before", f"{coverage['fac_before']:.3f}")
    three.metric(
        "FAC after", f"{coverage['fac_after']:.3f}", delta=f"{coverage['fac_after'] - coverage['fac_before']:+.3f}"
    )
    with st.expander("Manifest", key=f"manifest_{made.export_id}"):
        st.json(made.manifest, expanded=2)


def show(here: Here) -> None:
    """The page."""
    space_id = chrome.need_space(here)
    n = len(approved(here.ws, space_id))
    made = exports(here.ws)
    chrome.page_head("Export", sentence(n, made))
    if not n and not made:
        chrome.empty(
            "Approved samples leave the project from here, each row with where it comes from.",
            action="Review samples",
            page="pages/review.py",
            icon=":material/rate_review:",
        )
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.subheader("Format", anchor=False)
        format = st.radio(
            "Format",
            list(FORMATS),
            format_func=lambda name: FORMAT_WORDS.get(name, name),
            key="format",
            label_visibility="collapsed",
            bind="query-params",
        )
        if st.button(
            f"Export {theme.plural(n, 'sample')}",
            type="primary",
            icon=":material/output:",
            key="export",
            disabled=not n,
        ):
            done = services.guarded(export)(here.ws, space_id, str(format))
            if done is not None:
                services.say(f"{theme.plural(done.n_rows, 'sample')} exported; the files are below.")
            st.rerun()
    with right:
        contents(here)
    if made:
        st.subheader(f"Export of {made[0].created_at:%d %b %Y %H:%M}", anchor=False)
        files(here, made[0])
    if len(made) > 1:
        st.subheader("Earlier", anchor=False)
        for older in made[1:11]:
            label = f"{older.created_at:%d %b %Y %H:%M} · {theme.plural(older.n_rows, 'sample')}"
            fold = st.expander(label, key=f"older_{older.export_id}", on_change="rerun")
            if fold.open:
                with fold:
                    files(here, older)


show(services.here())
