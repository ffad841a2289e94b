"""A run as it stands: how close each feature came, own hits beside the shuffled baseline, and what stayed open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from fac_core.jobs import owner
from fac_core.jobs.owner import Job
from fac_core.synthesis.outcomes import OUTCOMES
from fac_core.synthesis.runs import Run, RunSummary, TargetRow, run_summary, run_table
from pages.ui import bullets, chrome, heat, provenance, services, theme
from pages.ui.services import Here

OUTCOME_WORDS = {
    "hit": "hits",
    "no_activation": "silent",
    "refusal": "refused",
    "cut_off": "cut off",
    "unparsable": "unreadable",
    "duplicate": "copies",
}
OUTCOME_MEANINGS = (
    "**Hits** activate their feature above δ. **Silent** samples were read but do not. **Refused**, **cut off**, "
    "**unreadable** and **copies** (of a text shown or held) are no samples and were not scored."
)


def job_controls(here: Here, job: Job) -> None:
    """Where the run's job stands, with cancel or resume."""
    chrome.job_controls(
        here,
        job,
        "run",
        stop="Cancel run",
        resume="Resume run",
        help_stop="Stops after the current step; what is done is kept.",
    )


def run_rows(here: Here, rows: Sequence[TargetRow]) -> None:
    """Each feature of the run: how close, how often, and what became of the attempts."""
    if not rows:
        return
    scale = max(*(row.best_value for row in rows), 1.6 * rows[0].delta, 1e-6)
    bullets.bullets([bullet(row, scale) for row in rows], veiled=here.veiled, delta=rows[0].delta, key="run_rows")
    st.caption("The tick on each bar is δ. " + OUTCOME_MEANINGS)


def bullet(row: TargetRow, scale: float) -> bullets.Bullet:
    """One feature of a run; `scale` is the activation at the full width of the bar."""
    value = row.best_value
    above = value > row.delta
    tried = bool(row.outcomes or row.best_text)
    colour = theme.state("covered").colour if above else theme.state("missing").colour
    if row.closed:
        state, ink = "● closed", theme.state("covered").colour
    else:
        state, ink = ("○ open", theme.state("missing").colour) if tried else ("waits", "")
    return bullets.Bullet(
        name=f"{row.name or 'no name yet'} · {row.feature_id}",
        text=row.best_text,
        attempts=str(row.attempts),
        share=value / scale,
        tick=row.delta / scale,
        value=f"{value:.2f}, δ = {row.delta:g}" if tried else "nothing yet",
        colour=colour,
        counts=[(OUTCOME_WORDS[name], row.outcomes.get(name, 0)) for name in OUTCOMES if row.outcomes],
        state=state,
        ink=ink,
    )


def summary(here: Here, run_id: str, found: RunSummary) -> None:
    """Own hits beside the shuffled baseline, closes, outcomes."""
    one, two, three, four = st.columns(4, gap="medium")
    one.metric("Features closed", f"{found.n_closed} of {found.n_targets}")
    two.metric(
        "Own-hit rate",
        theme.percent(found.own_hit_rate),
        help="Of all samples written, failures included, the share that activates the very feature it was written for.",
    )
    three.metric(
        "Shuffled baseline",
        theme.percent(found.shuffled_hit_rate, 1),
        help="The same samples scored against another feature of the run, drawn blind: what chance alone would give.",
    )
    four.metric("Samples written", theme.count(found.n_candidates), help=OUTCOME_MEANINGS)
    words = [f"{OUTCOME_WORDS[name]} {found.outcomes.get(name, 0)}" for name in OUTCOMES]
    st.caption(" · ".join(words))
    provenance.how(
        here,
        "Each sample is scored by the extractor that measured the gap, against all features. The baseline pairs every "
        "sample "
        "with another target of the same run (a derangement) before anything is written.",
        key="run",
        cli="synthesise --help",
        python=f"from fac_core.synthesis.runs import run_summary\nrun_summary(ws, {run_id!r})",
        facts={"samples": found.n_candidates, "targets": found.n_targets},
    )


def stayed_open(found: RunSummary, names: Mapping[int, str]) -> None:
    """What stayed open and why."""
    if not found.open:
        return
    st.subheader("What stayed open, and why", anchor=False)
    pieces = []
    for feature, why in found.open:
        pieces += [
            heat.Piece("○ ", colour=theme.state("missing").colour),
            heat.Piece(names.get(feature) or "no name yet"),
            heat.Piece(f"  {feature}   ", kind="quiet small"),
            heat.Piece(f"{why}\n"),
        ]
    heat.words(*pieces, key="stayed_open")


def live(here: Here, run: Run) -> None:
    """The run's table, asked anew every second and a half while its job is active."""
    st.fragment(_live, run_every=1.5 if run.state in owner.ACTIVE else None)(here, run)


def _live(here: Here, run: Run) -> None:
    with services.page():
        job = owner.get(here.ws, run.job_id) if run.job_id else None
        if job is not None:
            job_controls(here, job)
        found = run_summary(here.ws, run.run_id)
        if found.n_found:
            st.text(f"{theme.plural(found.n_found, 'real text')} came from the pool.")
        if found.n_candidates:
            summary(here, run.run_id, found)
        rows = run_table(here.ws, run.run_id)
        run_rows(here, rows)
        if job is None or not job.active:
            stayed_open(found, {row.feature_id: row.name for row in rows})
