"""An open feature: its name and who gave it, what activates it at every strength, how often, and what lies near it.

Names, tokens and texts are data of others: they are drawn as literal text or table cells only.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from fac_core.coverage import worklist
from fac_core.feature_space.spaces import DELTA_STEP
from fac_core.features.detail import FeatureDetail, feature_detail
from fac_core.features.naming import HUMAN, MAX_CHARS, rename
from fac_core.features.probe import Probe, probe
from fac_core.features.relevance import effect_name
from pages.ui import (
    explanations_view,
    feature_examples,
    feature_list,
    feature_marks,
    feature_related,
    heat,
    provenance,
    relevance_view,
    services,
    theme,
)
from pages.ui.services import Here
from pages.ui.text_view import SHORT, to_address


def show(here: Here, feature_id: int) -> None:
    """Draw the feature's page."""
    detail = feature_detail(here.ws, here.space_id, feature_id, here.delta)
    title(here, detail)
    facts(here, detail)
    actions(here, detail)
    feature_marks.show(here, feature_id)
    texts = st.container()
    st.subheader("What is said of it", anchor=False)
    explanations_view.show(here, feature_id)
    own = try_text(here, detail)
    histogram(here, detail, own)
    feature_related.show(here, detail)
    # last, since reading texts token by token takes a moment; the peaks stand there until then
    with texts:
        feature_examples.show(here, detail)


def title(here: Here, detail: FeatureDetail) -> None:
    """Name, author and the way back."""
    row = detail.row
    with st.container(horizontal=True, vertical_alignment="top", horizontal_alignment="distribute", wrap=False):
        giver = next(
            (event for event in detail.history if (event.method, event.text) == (row.named_by, row.name)), None
        )
        by = (
            "no name yet"
            if giver is None
            else f"{giver.method} · {giver.author}"
            if giver.method != HUMAN
            else f"named by {giver.author}"
        )
        heat.words(
            heat.Piece(f"{row.name or 'Unnamed'}\n", kind="title"),
            heat.Piece(f"feature {row.feature_id}", kind="quiet small mono"),
            heat.Piece(f"  {by}", kind="quiet small"),
            key=f"name_{row.feature_id}",
        )
        st.button(
            "Close", icon=":material/close:", type="tertiary", key="feature_close", on_click=close, shortcut="Escape"
        )


def close() -> None:
    """Back to the table."""
    services.go("feature", None)


def facts(here: Here, detail: FeatureDetail) -> None:
    """State and counts in one line, with how they were computed."""
    row, look = detail.row, theme.state(detail.row.state)
    runs = [
        heat.Piece(look.label, kind="strong", colour=look.colour, title=look.meaning),
        heat.Piece(f"   anchor {row.n_anchor} ({theme.percent(row.density_anchor, 1)})", title=theme.TERMS["density"]),
        heat.Piece(f"   seed {row.n_seed}"),
        heat.Piece(f"   new {row.n_synthetic}"),
        heat.Piece(f"   max {row.max_value:.1f}"),
    ]
    if row.effect is not None:
        q = "" if row.q_value is None else ", q < 0.001" if row.q_value < 0.001 else f", q {row.q_value:.3f}"
        name = effect_name(here.ws, here.space_id)
        runs.append(heat.Piece(f"   {name} {row.effect:.2f}{q}", title=theme.TERMS[name]))
    if row.lift is not None:
        runs.append(heat.Piece(f"   lift {row.lift:.1f}", title=theme.TERMS["lift"]))
    heat.words(*runs, key=f"facts_{row.feature_id}")
    if row.below_delta and row.effect is not None:
        name = effect_name(here.ws, here.space_id)
        st.caption(
            f"No sample of the anchor is above {theme.threshold(here.delta)}: {name} and lift rest on activations "
            "below it, which coverage does not count."
        )
    if row.overruled:
        st.caption(f"A person decided that it {'belongs' if row.relevant else 'does not belong'} to the task.")


def actions(here: Here, detail: FeatureDetail) -> None:
    """Work list, name, relevance, provenance."""
    row = detail.row
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if row.in_list:
            st.button(
                "Take off the list",
                icon=":material/playlist_remove:",
                on_click=unlist,
                args=(row.feature_id,),
                key="unlist",
            )
        else:
            st.button(
                "Add to work list",
                icon=":material/playlist_add:",
                on_click=enlist,
                args=(row.feature_id,),
                key="enlist",
            )
        with st.popover("Name", icon=":material/edit:", key=f"rename_{row.feature_id}"):
            name_form(detail)
        with st.popover("Relevance", icon=":material/rule:", key=f"relevance_{row.feature_id}"):
            relevance_view.show(here, row.feature_id)
        feature_marks.button(here, row.feature_id)
        provenance.how(
            here,
            "A sample counts for a feature if its highest activation over the content tokens is above δ. Effect and "
            "lift compare the two sides of the task in the anchor.",
            key=f"feature_{row.feature_id}",
            cli=f"feature {row.feature_id} --delta {here.delta:g}",
            python="from fac_core.features.detail import feature_detail\n"
            f"feature_detail(ws, space_id, {row.feature_id}, delta)",
            facts={"feature": row.feature_id, "anchor": row.n_anchor, "seed": row.n_seed},
        )


@services.guarded
def enlist(feature_id: int) -> None:
    """Put the feature on the work list."""
    here = services.here()
    worklist.add(here.ws, here.space_id, [feature_id], "features")


@services.guarded
def unlist(feature_id: int) -> None:
    """Take it off."""
    here = services.here()
    worklist.remove(here.ws, here.space_id, [feature_id])


def name_form(detail: FeatureDetail) -> None:
    """A new name, and every earlier one."""
    feature_id = detail.row.feature_id
    with st.form(f"name_form_{feature_id}", border=False):
        st.text_input(
            "Name",
            detail.row.name,
            key=f"new_name_{feature_id}",
            max_chars=MAX_CHARS,
            help="Empty brings back what it is called without.",
        )
        st.form_submit_button("Keep", on_click=keep_name, args=(feature_id,))
    for place, event in enumerate(detail.history):
        heat.words(
            heat.Piece(event.text or "taken back", kind="small"),
            heat.Piece(f"   {event.author}, {event.created_at:%d %b %Y %H:%M}", kind="quiet small"),
            key=f"name_event_{feature_id}_{place}",
        )


@services.guarded
def keep_name(feature_id: int) -> None:
    """Give the name that stands in the form."""
    here = services.here()
    rename(here.ws, here.space_id, feature_id, st.session_state[f"new_name_{feature_id}"], here.reviewer)


# --- a text of one's own ---


def try_text(here: Here, detail: FeatureDetail) -> Probe | None:
    """A field for one's own text, and what it activates."""
    feature_id = detail.row.feature_id
    st.subheader("Try your own text", anchor=False)
    if addressed := services.follow("try", keep=False):
        st.session_state.setdefault("own_text", addressed[:SHORT])
    with st.form("try_text", border=False, enter_to_submit=False):
        text = st.text_area(
            "Your text",
            key="own_text",
            persist_state="session",
            height=80,
            label_visibility="collapsed",
            placeholder=f"a {here.task.sample_word} in your own words",
        )
        st.form_submit_button(
            "Read it", icon=":material/play_arrow:", key="try_go", on_click=to_address, args=("own_text", "try")
        )
    if not (text or "").strip():
        return None
    with services.page(), st.spinner("Reading your text …", show_time=True):
        read = services.cached(probe, here, here.space_id, str(text))
        marks = services.cached(feature_examples.token_marks, here, here.space_id, feature_id, read.text, read.text)
        mine = next((active for active in read.features if active.feature_id == feature_id), None)
        heat.samples(
            [heat.Shown(heat.heat_pieces(marks), head=verdict(here, mine))],
            top=detail.row.max_value,
            key=f"own_{feature_id}",
        )
        if read.n_truncated:
            st.caption(
                f"Only the beginning was read; {theme.plural(read.n_truncated, 'token')} are beyond the longest text."
            )
        with st.expander(
            f"What else it activates ({sum(a.value > here.delta for a in read.features)} features above δ)"
        ):
            feature_list.draw(
                [(a.feature_id, a.name, a.value) for a in read.features[:30]], "activation", "own_features", tallest=320
            )
        return read
    return None


def verdict(here: Here, mine: Any) -> list[heat.Piece]:
    """Whether one's own text activates the feature."""
    if mine is None:
        return [heat.Piece("does not activate this feature")]
    fires = mine.value > here.delta
    look = theme.state("covered" if fires else "missing")
    return [
        heat.Piece(f"{look.mark} {mine.value:.2f}", kind="strong", colour=look.colour),
        heat.Piece(f"{'above' if fires else 'not above'} {theme.threshold(here.delta)}"),
        heat.Piece(f"stronger than {theme.percent(mine.share_below)} of the anchor"),
    ]


# --- how often ---


def histogram(here: Here, detail: FeatureDetail, own: Probe | None) -> None:
    """Samples by activation for each role, δ and one's own text marked."""
    import plotly.graph_objects as go

    roles = {role: bins for role, bins in detail.histogram.items() if any(bins)}
    if not roles:
        return
    st.subheader("How strongly it fires", anchor=False)
    mine = next((a.value for a in own.features if a.feature_id == detail.row.feature_id), None) if own else None
    last = max(max(b for b, n in enumerate(bins) if n) for bins in roles.values())
    last = max(last, int((mine or 0) / DELTA_STEP), int(here.delta / DELTA_STEP)) + 1
    figure = go.Figure()
    for role, bins in roles.items():
        figure.add_bar(
            x=[(b + 0.5) * DELTA_STEP for b in range(last)],
            y=bins[:last],
            name=role,
            width=DELTA_STEP,
            marker={"color": theme.ROLE_COLOURS[role], "line": {"width": 0}},
            opacity=0.75,
            hovertemplate=f"{role}: %{{y}} samples around %{{x:.2f}}<extra></extra>",
        )
    theme.figure(figure, height=210, barmode="overlay", bargap=0.05)
    figure.update_xaxes(title="highest activation in the sample", range=[0, (last + 1) * DELTA_STEP])
    figure.update_yaxes(title="samples")
    text = theme.palette()["text"]
    figure.add_vline(
        here.delta, line={"color": text, "dash": "dot", "width": 1}, annotation={"text": "δ", "font": {"color": text}}
    )
    if mine is not None:
        accent = theme.palette()["accent"]
        figure.add_vline(
            mine, line={"color": accent, "width": 2}, annotation={"text": "your text", "font": {"color": accent}}
        )
    theme.chart(
        figure, key=f"histogram_{detail.row.feature_id}", alt="Histogram of the feature's activations for each role"
    )
