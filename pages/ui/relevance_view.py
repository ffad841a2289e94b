"""Relevance as it is said by labels, by a judge and by people, side by side, and what the labels' word is worth.

A judge's reasons are text of others: they are drawn as literal text only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from fac_core.features.agreement import Agreement
from fac_core.features.asked.rubric_plan import JUDGE as RATE
from fac_core.features.judgement import ALIVE, AUTO, BOTH, EITHER, JUDGE, LABEL
from fac_core.features.relevance import Overview, RelevanceTest, Sides, overrule, overview, sides
from fac_core.features.relevance_check import Check
from fac_core.features.trials import LABEL as BY_LABELS
from pages.ui import explain_view, heat, provenance, services, theme
from pages.ui.services import Here

OPEN, YES, NO = "open", "yes", "no"
MODE_WORDS = {
    AUTO: "automatic: by the labels where that leaves enough features",
    LABEL: "by the labels: features that go with the task beyond chance",
    JUDGE: "by the judge: features a model rated against the rubric, with anything but No",
    BOTH: "where labels and judge agree that a feature belongs",
    EITHER: "where labels or judge say that a feature belongs",
    ALIVE: "every alive feature",
}
DECIDES = {
    LABEL: "by labels",
    JUDGE: "by the judge",
    BOTH: "where labels and judge agree",
    EITHER: "by labels or judge",
    ALIVE: "every alive feature",
}


# --- one feature ---


def show(here: Here, feature_id: int) -> None:
    """What labels, judge and people say of one feature, and the word of whoever looks at it."""
    found = sides(here.ws, here.space_id, feature_id)
    how = "a person decided" if found.person is not None else DECIDES[found.mode]
    heat.words(
        heat.Piece("Belongs to the task" if found.relevant else "Does not belong to the task", kind="strong"),
        heat.Piece(f"   {how}", kind="quiet small"),
        key=f"relevance_stands_{feature_id}",
    )
    heat.words(*_labels(found.tests), *_judge(found), key=f"relevance_sides_{feature_id}")
    _person(feature_id, found)


def _labels(tests: Sequence[RelevanceTest]) -> list[heat.Piece]:
    if not tests:
        return [_head("By labels"), heat.Piece("not tested: too few anchor samples activate it\n", kind="small")]
    runs = []
    for test in tests:
        side = "more" if test.direction == "positive" else "less"
        verdict = "relevant" if test.relevant else "not beyond chance" if side == "more" else "not relevant"
        units = "samples" if test.method == BY_LABELS else "pairs that differ"
        runs += [
            _head("By labels"),
            heat.Piece(f"{verdict}\n", kind="small strong"),
            heat.Piece(
                f"{side} active on the task's side: {test.effect_name} {test.effect:.2f}, lift "
                f"{theme.number(test.lift, 1)}, p {test.p_value:.2g}, q {test.q_value:.2g}, in "
                f"{theme.count(test.n_active)} {units}\n",
                kind="quiet small",
                title=theme.TERMS[test.effect_name],
            ),
        ]
    return runs


def _judge(found: Sides) -> list[heat.Piece]:
    if not found.ratings:
        return [_head("By the judge"), heat.Piece("not rated yet\n", kind="small")]
    runs = []
    for said in found.ratings:
        notes = [said.model, f"{said.created_at:%d %b %Y}"]
        notes += ["judged from its texts alone"] if said.from_texts else []
        notes += [] if said.current else ["of an older rubric, does not count"]
        runs += [
            _head("By the judge"),
            heat.Piece(said.rating.capitalize(), kind="small strong" if said.current else "small quiet"),
            heat.Piece(f"   {' · '.join(notes)}\n", kind="quiet small"),
            heat.Piece(f"{said.reason}\n", kind="small" if said.current else "small quiet"),
        ]
    return runs


def _person(feature_id: int, found: Sides) -> None:
    key = f"belongs_{feature_id}"
    st.session_state[key] = OPEN if found.person is None else YES if found.person else NO
    st.segmented_control(
        "What you say",
        [OPEN, YES, NO],
        key=key,
        required=True,
        on_change=_keep,
        args=(feature_id,),
        help="Your word outranks labels and judge. Open leaves it to them.",
    )
    for place, event in enumerate(found.overrules):
        word = OPEN if event.relevant is None else YES if event.relevant else NO
        heat.words(
            heat.Piece(word, kind="small"),
            heat.Piece(f"   {event.author}, {event.created_at:%d %b %Y %H:%M}", kind="quiet small"),
            key=f"relevance_event_{feature_id}_{place}",
        )


@services.guarded
def _keep(feature_id: int) -> None:
    here = services.here()
    said = st.session_state[f"belongs_{feature_id}"]
    overrule(here.ws, here.space_id, feature_id, {YES: True, NO: False}.get(said), here.reviewer)


def _head(text: str) -> heat.Piece:
    return heat.Piece(f"{text}: ", kind="quiet small")


# --- all features ---


class Figure(NamedTuple):
    """A number with where it comes from, as it stands in the summary."""

    label: str
    value: str
    note: str
    help: str


def summary(here: Here) -> None:
    """What the label-driven set is worth on held-out documents, and how far the judge agrees with it."""
    found: Overview = services.cached(overview, here, here.space_id)
    heat.words(*standing(found), key="relevance_standing")
    if found.why:
        st.text(found.why)
    next_steps(found)
    if found.check is not None:
        _row(check_figures(found.check), "relevance_check")
        if found.check.separation is not None:
            _chart(found.check)
    else:
        st.caption("The labels could not be tested: the anchor has no labels of both sides and no contrasts.")
    if found.agreement is not None:
        _row(agreement_figures(found.agreement), "relevance_agreement")
    provenance.how(
        here,
        "The anchor's documents fall into halves by their hashes. One half picks the features that go with the task; "
        "the other says how many of these do so again, and how well their summed activation tells the task's side from "
        "the other. The control picks as many features after the labels were shuffled.",
        key="relevance_summary",
        cli="relevance",
        python="from fac_core.features.relevance import overview\noverview(ws, space_id)",
    )


def next_steps(found: Overview) -> None:
    """Where a model can be asked and where it is chosen what counts."""
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Ask the judge" if not found.n_rated else "Ask the judge for more",
            icon=":material/rule:",
            type="tertiary",
            key="relevance_ask",
            on_click=explain_view.turn_to,
            args=(RATE,),
            help="Have a model rate features against the task's rubric; what it costs is seen before it is asked.",
        )
        if st.button(
            "Choose what counts",
            icon=":material/settings:",
            type="tertiary",
            key="relevance_choose",
            help="Labels, judge, both, either, or every alive feature: coverage follows.",
        ):
            st.switch_page("pages/settings.py", query_params={})


def standing(found: Overview) -> list[heat.Piece]:
    """Who says what, in one line each."""
    judged = found.judgement
    rated = (
        f"{theme.count(judged.n_by_judge)} of {theme.plural(found.n_rated, 'rated feature')}"
        if found.n_rated
        else "nothing rated yet"
    )
    older = f"; {theme.count(found.n_older)} of an older rubric do not count" if found.n_older else ""
    return [
        _head("By labels"),
        heat.Piece(f"{theme.count(judged.n_by_label)} of {theme.plural(found.n_tested, 'tested feature')}   "),
        _head("By the judge"),
        heat.Piece(f"{rated}{older}   "),
        _head("By people"),
        heat.Piece(f"{theme.count(found.n_overruled)}   "),
        _head("What counts"),
        heat.Piece(DECIDES[judged.mode], kind="strong"),
    ]


def check_figures(found: Check) -> list[Figure]:
    """Precision and separation with their controls."""
    units = "document" if found.method == BY_LABELS else "pair"
    picked = Figure(
        "Picked on one half",
        theme.count(found.n_relevant),
        f"on {theme.plural(found.n_picked_on, units)}; {found.n_relevant_shuffled:.2g} where labels are shuffled",
        "Features that the test calls relevant on half of the anchor.",
    )
    precision, side = found.precision, found.same_side
    if precision is None or side is None or found.separation is None or found.low is None or found.high is None:
        return [picked]
    shuffled = "" if found.same_side_shuffled is None else f", shuffled {theme.percent(found.same_side_shuffled)}"
    control = (
        ""
        if found.control is None or found.control_low is None or found.control_high is None
        else f"; shuffled {theme.number(found.control)} ({theme.interval(found.control_low, found.control_high)})"
    )
    return [
        picked,
        Figure(
            "Precision",
            theme.percent(precision[0]),
            f"{found.n_confirmed} of {found.n_tested} hold beyond chance ({_percents(precision)}); "
            f"{theme.percent(side[0])} on the same side{shuffled}",
            "Of the features picked on one half, the share that goes with the task beyond chance on the other. Small "
            "halves confirm few, so the share on the same side stands beside it; without meaning it would be half.",
        ),
        Figure(
            "Held-out AUROC" if found.method == BY_LABELS else "Held-out accuracy",
            theme.number(found.separation),
            f"{theme.interval(found.low, found.high)} on {theme.plural(found.n_held_out, units)}{control}",
            "How well the picked features alone, by their summed activation, tell the task's side from the other on "
            "documents that did not pick them; as many features picked on shuffled labels are the control.",
        ),
    ]


def agreement_figures(found: Agreement) -> list[Figure]:
    """How far labels and judge say the same."""
    low, high = found.interval
    return [
        Figure(
            "Labels and judge agree",
            theme.percent(found.share),
            f"{_percents((found.share, low, high))}, n = {theme.count(found.n)}",
            "Share of the features on which both say the same.",
        ),
        Figure(
            "Cohen's kappa",
            theme.number(found.kappa),
            "0 is chance, 1 is full agreement",
            "Agreement beyond what the two would reach if each gave its verdicts at random.",
        ),
        Figure(
            "Both · neither",
            f"{theme.count(found.both)} · {theme.count(found.neither)}",
            f"labels only {theme.count(found.label_only)}, judge only {theme.count(found.judge_only)}",
            "Features that both call relevant, and that neither does.",
        ),
    ]


def _row(figures: Sequence[Figure], key: str) -> None:
    with st.container(key=key):
        for column, figure in zip(st.columns(3, gap="medium"), figures, strict=False):
            column.metric(figure.label, figure.value, help=figure.help)
            column.caption(figure.note)


def _chart(found: Check) -> None:
    import plotly.graph_objects as go

    rows = [
        ("picked on labels", found.separation, found.low, found.high, theme.ROLE_COLOURS["seed"]),
        (
            "picked on shuffled labels",
            found.control,
            found.control_low,
            found.control_high,
            theme.ROLE_COLOURS["anchor"],
        ),
    ]
    chart = go.Figure()
    for name, value, low, high, colour in rows:
        if value is None or low is None or high is None:
            continue
        chart.add_scatter(
            x=[value],
            y=[name],
            mode="markers",
            marker={"size": 10, "color": colour},
            error_x={"type": "data", "symmetric": False, "array": [high - value], "arrayminus": [value - low]},
            showlegend=False,
            hovertemplate=f"{name}: {value:.2f} ({low:.2f}–{high:.2f})<extra></extra>",
        )
    theme.figure(chart, height=130)
    what = "AUROC" if found.method == BY_LABELS else "share of pairs in the right order"
    chart.update_xaxes(title=f"{what} on held-out documents", range=[0.2, 1.02])
    chart.update_yaxes(autorange="reversed")
    chart.add_vline(0.5, line={"color": theme.palette()["quiet"], "dash": "dot", "width": 1})
    theme.chart(
        chart,
        key="relevance_separation",
        alt=f"Held-out separation {theme.number(found.separation)} against {theme.number(found.control)} for shuffled "
        "labels",
    )


def _percents(share: tuple[float, float, float]) -> str:
    return f"{share[1] * 100:.0f}–{share[2] * 100:.0f} %"
