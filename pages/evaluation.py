"""Evaluation answers: did coverage rise, by how much, where, and does anything else say so too."""

from __future__ import annotations

import streamlit as st

from fac_core.coverage.sweep import sweep
from fac_core.evaluation.change import Change, change, closed_by_row
from fac_core.evaluation.diversity import DiversityChange
from fac_core.evaluation.texts import text_diversity
from pages.ui import chrome, curves, provenance, row_choice, services, theme, threshold
from pages.ui.services import Here

MOST_ROWS = 25
NOTES = (
    "FAC counts features, not quality: it says that a sample activates what the anchor activates, not that it is good "
    "data. "
    "Whether it helps a model is measured by training on it, which this page does not do.",
    "The samples were chosen because they activate missing features, so a rise is expected; what is informative is "
    "its size "
    "for each added sample, the hit rate against the shuffled baseline (Synthesis), and whether it holds at other δ.",
    "Everything is read by one layer of one model. A feature that its SAE does not know cannot be missing here.",
    "Distinct-n falls as a collection grows; compare the columns at equal length.",
)


def sentence(found: Change) -> str:
    """What the page knows right now."""
    if not found.n_added:
        return "No sample has been approved yet, so before and after are the same."
    return (
        f"{theme.plural(found.n_added, 'added sample')} closed {theme.plural(found.rise.n, 'feature')}: FAC rose from "
        f"{found.before.share:.3f} to {found.after.share:.3f} at δ = {found.delta:g}, {found.per_sample:.1f} features "
        "a sample."
    )


def show_change(here: Here, found: Change) -> None:
    """FAC before and after, the rise, and missing_hit_rate."""
    cov = services.coverage_now(here)
    left, one, two = st.columns([3, 1, 1], gap="large")
    with left:
        before, after = ((part.share, part.low, part.high) for part in (found.before, found.after))
        theme.chart(
            curves.before_after(before, after, theme.palette(), theme.is_dark()),
            key="before_after",
            alt=f"FAC before {found.before.share:.3f}, after {found.after.share:.3f}, with intervals",
        )
    with one:
        st.metric("Rise of FAC", f"{found.rise.share:+.4f}", help=theme.TERMS["fac"])
        st.caption(
            f"95 % interval of the difference {found.rise.low:.4f}–{found.rise.high:.4f} · "
            f"n = {theme.count(found.n_anchor)} features"
        )
        provenance.how(
            here,
            "The features of F(P) that the seed set does not activate and the seed set with the approved samples "
            "does, over "
            "|F(P)|. The interval resamples families and is of the paired difference; the intervals drawn on the left "
            "are of "
            "each share by itself.",
            key="rise",
            cli=f"coverage --delta {here.delta:g}",
            python="from fac_core.evaluation.change import change\nchange(ws, space_id, delta)",
            facts={
                "F(P)": found.n_anchor,
                "before": found.before.n,
                "after": found.after.n,
                "seed samples": found.n_seed,
            },
        )
    with two:
        st.metric("missing_hit_rate", theme.number(cov.missing_hit_rate, 3), help=theme.TERMS["missing_hit_rate"])
        st.caption(f"{cov.n_hit} of {theme.plural(cov.n_targets, 'feature')} aimed at, by approved samples")


def show_sweep(here: Here) -> None:
    """Before and after at every δ."""
    st.subheader("At other thresholds", anchor=False)
    before = services.cached(sweep, here, here.space_id)
    after = services.cached(sweep, here, here.space_id, added=True)
    default = here.space.default_delta if here.space else 0.0
    top = max(threshold.top_of(before, default), here.delta)
    theme.chart(
        curves.sweep(before, here.delta, default, top, theme.palette(), theme.is_dark(), after),
        key="sweep",
        alt="FAC and missing features over δ, before and after",
    )
    st.caption(
        "Dotted: the seed set. Solid: with the approved samples. Upright lines: the δ in use, and (dashed) the "
        "calibrated one."
    )


def show_closed(here: Here) -> None:
    """Where it rose."""
    st.subheader("Where it rose", anchor=False)
    if not services.cached(closed_by_row, here, here.space_id, here.delta):
        st.text("No feature was closed at this δ yet.")
        return
    by = row_choice.rows_by()
    found = services.cached(closed_by_row, here, here.space_id, here.delta, by)
    shown = found[:MOST_ROWS]
    theme.chart(
        curves.closes(
            [row.name or f"feature {row.row_id}" for row in shown],
            [row.n_before for row in shown],
            [row.n_closed for row in shown],
            [row.n_anchor for row in shown],
            theme.is_dark(),
        ),
        key="closed",
        alt="Rows with newly covered features: covered before, newly covered, still open",
    )
    if len(found) > MOST_ROWS:
        st.caption(f"{len(found) - MOST_ROWS} more rows gained a feature.")


def show_diversity(here: Here) -> None:
    """Diversity of the words, beside it."""
    st.subheader("Do the words say so too?", anchor=False)
    found = services.cached(text_diversity, here)
    number = st.column_config.NumberColumn
    st.dataframe(
        _rows(found),
        column_config={
            "words": number(format="localized"),
            "distinct-1": number(format="%.3f"),
            "distinct-2": number(format="%.3f"),
            "bigram entropy": number(format="%.2f"),
        },
        hide_index=True,
        key="diversity",
        alt="Distinct-1, distinct-2 and bigram entropy before and after",
    )
    st.caption(
        f"Equal length: {theme.count(found.equal_words)} words drawn text by text, mean of ten draws. Distinct-n: "
        "different n-grams over n-grams; entropy of bigrams in bits."
    )


def _rows(found: DiversityChange) -> list[dict[str, object]]:
    parts = {
        "seed": found.before,
        "seed + approved": found.after,
        "approved alone": found.added,
        "seed, equal length": found.before_equal,
        "seed + approved, equal length": found.after_equal,
    }
    return [
        {
            "texts": name,
            "words": part.n_words,
            "distinct-1": part.distinct_1,
            "distinct-2": part.distinct_2,
            "bigram entropy": part.bigram_entropy,
        }
        for name, part in parts.items()
    ]


def show(here: Here) -> None:
    """The page."""
    space_id = chrome.need_space(here)
    chrome.need_data(here, "seed", "anchor")
    found = services.cached(change, here, space_id, here.delta)
    chrome.page_head(
        "Evaluation",
        sentence(found),
        action=None if found.n_added else "Close gaps first",
        icon=":material/science:",
        page="pages/synthesis.py",
    )
    show_change(here, found)
    show_sweep(here)
    left, right = st.columns([3, 3], gap="large")
    with left:
        show_closed(here)
    with right:
        show_diversity(here)
        st.subheader("What this does not say", anchor=False)
        st.markdown("\n".join(f"- {note}" for note in NOTES))


show(services.here())
