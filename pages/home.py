"""Home answers: how much is covered, what changed it, and what to do next."""

from __future__ import annotations

import sys

import streamlit as st

from fac_core.coverage.gaps import Gap, gaps
from fac_core.coverage.grouping import DATASET, LABEL
from fac_core.coverage.heatmap import group_columns, heatmap
from fac_core.coverage.measure import Coverage
from fac_core.coverage.worklist import worklist
from fac_core.feature_space.extraction import n_unread
from fac_core.jobs import owner
from fac_core.review.export import n_unexported
from fac_core.review.queue import counts
from fac_core.samples.datasets import list_datasets
from fac_core.synthesis.runs import run_summary, runs
from fac_core.workspace import Workspace
from pages.ui import chrome, funnel, heat, provenance, relevance_view, services, theme
from pages.ui.next_step import Waiting, next_step
from pages.ui.services import Here

MAX_BARS = 20


def look_around(here: Here) -> Waiting:
    """Count what decides the next step."""
    ws, space_id = here.ws, here.space_id
    roles = {dataset.role for dataset in list_datasets(ws) if not dataset.deleted}
    active = [job for job in owner.jobs(ws) if job.active]
    listed = worklist(ws, space_id)
    found = services.cached(gaps, here, space_id, here.delta)
    on_list = {item.feature_id for item in listed}
    free = [gap for gap in found if not on_list.intersection(gap.members)]
    reviewed = counts(ws, space_id)
    return Waiting(
        has_seed="seed" in roles,
        has_anchor="anchor" in roles,
        n_unread=n_unread(ws, space_id),
        is_reading=any(job.kind == "extract" for job in active),
        n_pending=reviewed.pending,
        n_open=sum(item.state == "missing" for item in listed),
        n_approved_unexported=n_unexported(ws, space_id),
        n_making=sum(job.kind == "synthesise" for job in active),
        n_clear=sum(gap.stands_out for gap in free),
        n_gaps=len(free),
    )


def sentence(cov: Coverage, found: list[Gap]) -> str:
    """What the page knows right now; the same counts as on the Coverage page."""
    who = "seed set with the added samples" if cov.n_after > cov.n_covered else "seed set"
    n_clear = sum(gap.stands_out for gap in found)
    return (
        f"The {who} activates {theme.count(cov.n_after)} of the {theme.count(cov.n_anchor)} task-relevant features "
        f"that the anchor shows; {theme.plural(len(found), 'gap')}, {theme.count(n_clear)} of them beyond chance."
    )


def show_funnel(here: Here, cov: Coverage) -> None:
    """Features → alive → named → relevant → in the anchor → covered and missing."""
    quiet = theme.palette()["quiet"]
    mode = relevance_view.DECIDES[cov.relevance_mode]
    boxes = [
        ("features", cov.n_features, "of the SAE", "All features of the feature space."),
        ("alive", cov.n_alive, "in any text", theme.TERMS["alive"]),
        ("named", cov.n_named, "method or person", "Features that carry a name."),
        ("relevant", cov.n_relevant, mode, theme.TERMS["relevant"]),
        ("in the anchor", cov.n_anchor, theme.threshold(cov.delta), theme.TERMS["anchor"]),
    ]
    steps = [
        funnel.Step([funnel.Figure(label, theme.count(n), meaning)], note, [(n / max(1, cov.n_features), quiet)])
        for label, n, note, meaning in boxes
    ]
    n_missing = cov.states.get("missing", 0)
    open_too = cov.n_anchor - cov.n_after - n_missing
    covered, missing, other = (theme.state(name) for name in ("covered", "missing", "undersampled"))
    parts = [(cov.n_after, covered), (n_missing, missing), (open_too, other)]
    figures = [
        funnel.Figure(covered.label, theme.count(cov.n_after), covered.meaning, covered.colour),
        funnel.Figure(missing.label, theme.count(n_missing), missing.meaning, missing.colour),
        funnel.Figure(
            "◐ unclear",
            theme.count(open_too),
            "Undersampled, dense or template: their absence says little.",
            other.colour,
        ),
    ]
    bars = [(n / max(1, cov.n_anchor), look.colour) for n, look in parts]
    note = f"{theme.percent(cov.fac_after)} of the anchor's are covered"
    funnel.funnel([*steps, funnel.Step(figures, note, bars)], key="funnel")


def show_fac(here: Here, cov: Coverage) -> None:
    """FAC with its interval, before and after what was approved."""
    with st.container(border=True, gap="small"):
        change = cov.fac_after - cov.fac
        runs_ = [
            heat.Piece("FAC of the seed set\n", kind="quiet small", title=theme.TERMS["fac"]),
            heat.Piece(theme.number(cov.fac), kind="hero"),
        ]
        if change:
            green = theme.state("covered").colour
            runs_ += [
                heat.Piece(" → ", kind="quiet"),
                heat.Piece(theme.number(cov.fac_after), kind="hero", colour=green),
            ]
            runs_ += [heat.Piece(f"  +{change:.3f} with added samples", kind="small", colour=green)]
        interval = f"95 % interval {theme.interval(cov.low, cov.high)}"
        small = f"\n{interval} · n = {theme.count(cov.n_anchor)} · {theme.threshold(cov.delta)}"
        heat.words(*runs_, heat.Piece(small, kind="quiet small", title=theme.TERMS["interval"]), key="fac")
        if cov.n_targets:
            st.caption(
                f"Of {theme.plural(cov.n_targets, 'feature')} aimed at, an approved sample hits {cov.n_hit} "
                f"({theme.percent(cov.missing_hit_rate)}).",
                help=theme.TERMS["missing_hit_rate"],
            )
        if cov.saturated or cov.low_power:
            term = theme.TERMS["saturated" if cov.saturated else "low_power"]
            st.caption(f":orange[:material/warning:] {term}")
        provenance.how(
            here,
            "FAC = |F(Q) ∩ F(P)| / |F(P)|: of the task-relevant features that the anchor P activates above δ, the "
            "share that the seed set Q activates too. The interval resamples families of features.",
            key="fac",
            cli=f"coverage --delta {here.delta:g}",
            python="from fac_core.coverage.measure import coverage\ncoverage(ws, space_id, delta)",
            facts={"F(P)": cov.n_anchor, "covered": cov.n_covered, "with added samples": cov.n_after},
        )


def show_groups(here: Here) -> None:
    """Coverage by topic, source or whatever the samples were brought with, the least covered first."""
    import plotly.graph_objects as go

    columns = services.cached(group_columns, here, here.space_id)
    if not columns:
        return
    bars = {column: services.cached(by_group, here, here.space_id, here.delta, column) for column in columns}
    telling = max(columns, key=lambda column: (column not in (LABEL, DATASET), len(bars[column])))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**Coverage by**", width="content")
        chosen = st.selectbox(
            "Group", columns, index=columns.index(telling), key="home_group", label_visibility="collapsed", width=160
        )
    shown = bars.get(str(chosen), [])[:MAX_BARS]
    names = [theme.chart_text(name.replace("_", " "), 34) for name, _, _ in shown]
    covered, missing = theme.state("covered").colour, theme.state("missing").colour
    chart = go.Figure()
    chart.add_bar(
        y=names,
        x=[share for _, share, _ in shown],
        orientation="h",
        marker={"color": [covered if share else missing for _, share, _ in shown]},
        text=[theme.percent(share) for _, share, _ in shown],
        textposition="outside",
        cliponaxis=False,
        customdata=[theme.count(n) for _, _, n in shown],
        hovertemplate="%{y}: %{text} of %{customdata} features<extra></extra>",
    )
    theme.figure(chart, height=40 + 19 * len(shown), bargap=0.3)
    chart.update_xaxes(range=[0, 1], visible=False)
    chart.update_yaxes(autorange="reversed", showgrid=False, linecolor="rgba(0,0,0,0)")
    theme.chart(chart, key="groups", alt=f"Share of features covered for each {chosen}, the least covered first")
    if len(bars.get(str(chosen), [])) > MAX_BARS:
        st.caption(f"The {MAX_BARS} least covered of {len(bars[str(chosen)])}.")
    st.caption("Of the features that the anchor's texts of a group activate, the share that your texts of it do too.")


def by_group(ws: Workspace, space_id: str, delta: float, column: str) -> list[tuple[str, float, int]]:
    """(group, share covered, features), the least covered first; summed over the rows of the heatmap."""
    found = heatmap(ws, space_id, delta, column, max_rows=sys.maxsize)
    shown, missing = found.n_shown.sum(axis=0).tolist(), found.n_missing.sum(axis=0).tolist()
    rows = [(name, 1 - gone / n, n) for name, n, gone in zip(found.groups, shown, missing, strict=True) if n]
    return sorted(rows, key=lambda row: (row[1], -row[2]))


def show_recent(here: Here) -> None:
    """Runs and jobs, newest first."""
    st.subheader("Lately", anchor=False)
    lines: list[heat.Piece] = []
    for run in runs(here.ws)[:2]:
        summary = run_summary(here.ws, run.run_id)
        lines.append(
            heat.Piece(f"Run of {run.created_at:%d %b %H:%M} closed {summary.n_closed} of {summary.n_targets}.\n")
        )
    for job in owner.jobs(here.ws, 4):
        at = job.ended_at or job.created_at
        lines += [
            heat.Piece(f"{at:%d %b %H:%M}  ", kind="quiet small mono"),
            heat.Piece(f"{job.title}: {job.state}\n", kind="small"),
        ]
    if lines:
        heat.words(*lines, key="recent")
    else:
        st.caption("Jobs and runs will be listed here.")


def unmeasured(here: Here, now: Waiting) -> None:
    """What to do, or to wait for, before there is anything to show."""
    if now.is_reading:
        chrome.page_head("Home", "The texts are being read; FAC and its funnel appear here when that is done.")
        st.caption(
            "Reading is done once for each text, in the job at the left. Other pages stay open to you meanwhile."
        )
    else:
        step = next_step(now)
        chrome.page_head("Home", "Nothing is measured yet.", action=step.label, icon=step.icon, page=step.page)
    show_recent(here)


def show(here: Here) -> None:
    """The page."""
    chrome.need_space(here)
    now = look_around(here)
    step = next_step(now)
    if not (now.has_seed and now.has_anchor):
        if chrome.page_head("Home", "Coverage compares a seed set with an anchor."):
            st.switch_page(step.page, query_params={})
        chrome.need_data(here, "seed", "anchor")
    cov = services.coverage_now(here)
    if not cov.n_anchor:
        unmeasured(here, now)
        return
    found = services.cached(gaps, here, here.space_id, here.delta)
    chrome.page_head("Home", sentence(cov, found), action=step.label, icon=step.icon, page=step.page, help=step.why)
    show_funnel(here, cov)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        show_fac(here, cov)
        show_recent(here)
    with right:
        with st.container(border=True, gap="xsmall"):
            show_groups(here)


show(services.here())
