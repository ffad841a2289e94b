"""One state has one colour and one mark everywhere, in light and dark, and a colour never speaks alone.

Marks and colours are those of the Okabe–Ito set; the dark variants are lightened until they read on charcoal.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class State:
    """How a feature's state looks and what it means."""

    mark: str
    word: str
    light: str
    dark: str
    meaning: str

    @property
    def label(self) -> str:
        """Mark and word."""
        return f"{self.mark} {self.word}"

    @property
    def colour(self) -> str:
        """Hex colour for the theme on screen."""
        return self.dark if is_dark() else self.light


STATES: dict[str, State] = {
    "covered": State("●", "covered", "#009E73", "#2DBE95", "A seed sample activates it above δ."),
    "missing": State(
        "○",
        "missing",
        "#D55E00",
        "#F0803C",
        "The anchor activates it, no seed sample does, and chance cannot explain it.",
    ),
    "undersampled": State(
        "◐",
        "undersampled",
        "#B87F00",
        "#E69F00",
        "No seed sample activates it, but so few were to be expected that it says little.",
    ),
    "template": State(
        "▢", "template", "#6B7280", "#9AA3AF", "It answers to the chat template, not to what people wrote."
    ),
    "dense": State(
        "▣", "dense", "#6B7280", "#9AA3AF", "It is active in more than a tenth of the anchor and tells little apart."
    ),
    "absorbed": State("◇", "absorbed", "#2E8FC4", "#56B4E9", "A more specific feature speaks in its place."),
    "untrusted": State("?", "untrusted", "#B0588A", "#CC79A7", "Its explanation did not hold up."),
    "in_review": State("◉", "in review", "#0072B2", "#6CB4EE", "A new sample that activates it waits for review."),
    "unrelated": State(
        "·", "not relevant", "#6B7280", "#9AA3AF", "The anchor activates it, but it does not go with the task."
    ),
    "silent": State("·", "not in anchor", "#6B7280", "#9AA3AF", "Alive, but no anchor sample activates it above δ."),
    "dead": State("·", "never active", "#6B7280", "#9AA3AF", "No text read so far activates it."),
}

TRUST: dict[str, State] = {
    "high": State("●", "high", "#009E73", "#2DBE95", "The lower bound of its score is at least 0.7; 0.5 is chance."),
    "middle": State("◐", "middling", "#B07D00", "#E69F00", "Its score is at least 0.6 and surely better than chance."),
    "low": State("○", "low", "#D55E00", "#F0803C", "It tells held-out documents apart hardly better than chance."),
    "unscored": State(
        "·", "not scored", "#6B7280", "#9AA3AF", "No score yet, or of too few documents in which the feature fires."
    ),
}
"""How far a name was borne out."""
TERMS: dict[str, str] = {
    "fac": "Feature Activation Coverage: of the relevant features the anchor activates, the share the set has too.",
    "missing_hit_rate": "Of the features aimed at, the share that a sample approved in review activates. Not the same "
    "as FAC.",
    "delta": "δ, the activation threshold: a feature counts as active in a text only strictly above it.",
    "anchor": "The anchor is the set of texts that says what should be covered.",
    "seed": "The seed set is the set you want to complete.",
    "relevant": "Features that belong to the task: by its labels or preferred answers beyond chance, by a judge, or by "
    "a person's word, as the settings say.",
    "alive": "A feature is alive if at least one text that was read activates it at all.",
    "family": "Features that fire on nearly the same samples or point nearly the same way count as one family.",
    "rows": "A theme is a set of features that fire in the same texts; a decoder cluster is a set of features whose "
    "decoder directions lie near one another, whatever the texts. Both are named from their members' keywords.",
    "chance": "Of the gaps with at least this much evidence, the share a set that left nothing out would have too. "
    "Up to 10 % a gap is called beyond chance.",
    "robust": "A gap is robust if the feature is missing at this δ and also at δ = 0.",
    "density": "Share of the anchor's samples that activate the feature above δ.",
    "lift": "How many times more often the feature is active in samples with the task's label than in others.",
    "AUROC": "How well the feature alone, by its strength or, where it is rare, by firing at all, tells the two sides "
    "of the task apart; 0.5 is chance.",
    "pair effect": "By how much the feature is stronger in the task's answers than in the others, pair by pair: the "
    "matched-pairs rank-biserial correlation over all pairs, moved to 0 … 1; 0.5 is none.",
    "trust": "How far the name tells held-out documents in which the feature fires from others: ● high, ◐ middling, "
    "○ low, · not scored.",
    "score": "How well the name tells held-out documents apart: trust, AUROC (of a model that judges, balanced "
    "accuracy), its 95 % interval, documents in which the feature fires + silent ones. Chance is .5; grey: too few "
    "documents.",
    "interval": "95 % interval: bootstrap over families of features.",
    "l0": "L0: mean number of active features a token.",
    "fvu": "FVU: share of the residual stream's variance that the SAE does not explain.",
    "saturated": "Nearly everything counts as covered at this δ, so FAC tells little apart. Raise δ to see finer gaps.",
    "low_power": "Nearly all that is open is too rare in the anchor for a seed set of this size to be called missing; "
    "a larger seed or anchor tells more.",
}

_LIGHT = {"text": "#1D2129", "quiet": "#5B6472", "grid": "#E6E9EE", "paper": "#FFFFFF", "accent": "#0072B2"}
_DARK = {"text": "#E6E9EE", "quiet": "#9AA3AF", "grid": "#2A313B", "paper": "#14171C", "accent": "#56B4E9"}

ROLE_COLOURS = {"anchor": "#999999", "seed": "#0072B2", "pool": "#56B4E9", "holdout": "#CC79A7", "synthetic": "#E69F00"}
SEQUENTIAL = "Viridis"
DIVERGING = "RdBu"


def is_dark() -> bool:
    """Whether the page on screen is dark."""
    return st.context.theme.type == "dark"


def palette() -> dict[str, str]:
    """Colours of text, grid and paper for the theme on screen."""
    return _DARK if is_dark() else _LIGHT


def state(name: str) -> State:
    """Look of a state; one we do not know reads as itself."""
    return STATES.get(name, State("·", name, "#6B7280", "#9AA3AF", ""))


def figure(chart: go.Figure, *, height: int = 260, **layout: Any) -> go.Figure:
    """The chart in the project's dress: font, grid, margins and hover style are set here and nowhere else."""
    colours = palette()
    axis = {
        "gridcolor": colours["grid"],
        "zerolinecolor": colours["grid"],
        "linecolor": colours["grid"],
        "automargin": True,
    }
    chart.update_layout(
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        font={"family": "'Source Sans', system-ui, sans-serif", "size": 12, "color": colours["quiet"]},
        hoverlabel={
            "bgcolor": colours["paper"],
            "bordercolor": colours["grid"],
            "font": {"color": colours["text"], "size": 12},
            "align": "left",
        },
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "title": None},
        colorway=list(ROLE_COLOURS.values()),
        **layout,
    )
    chart.update_xaxes(**axis)
    chart.update_yaxes(**axis)
    return chart


def chart(figure_: go.Figure, *, key: str, alt: str, **options: Any) -> Any:
    """Draw a chart dressed by `figure`, with a name for screen readers."""
    if "selection_mode" not in options:
        figure_.update_layout(dragmode=False)  # a drag would zoom, and the way back is not to be seen
    config = {"displaylogo": False, "displayModeBar": options.pop("modebar", False), "scrollZoom": False}
    return st.plotly_chart(figure_, theme=None, key=key, alt=alt, config=config, **options)


def number(value: float | None, digits: int = 2) -> str:
    """A number for people; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:,.{digits}f}"


def count(n: int) -> str:
    """A whole number with thin groups that no line is broken at."""
    return f"{n:,}".replace(",", "\u202f")


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage."""
    return "–" if share is None or share != share else f"{share * 100:.{digits}f} %"


def threshold(delta: float) -> str:
    """δ as it stands beside every number."""
    return f"δ = {delta:g}"


def interval(low: float, high: float, digits: int = 2) -> str:
    """An interval as it stands beside a number."""
    return f"{low:.{digits}f}–{high:.{digits}f}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """Number and word that agree."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """A time span for people."""
    if seconds is None or seconds != seconds or seconds < 0:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def plain(text: str) -> str:
    """Text of others for the few places that only take Markdown (labels of pills, tabs and expanders): every mark of
    Markdown is escaped and links are broken, so it reads as it was written."""
    escaped = "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!|<>~$:\"'&=/@^" else c for c in " ".join(text.split()))
    return escaped


def of_rows(key: str, ids: Sequence[int]) -> str:
    """Key of a table of these rows: a choice in a table is kept by its place, and would stand for others in another."""
    return f"{key}_{hash(tuple(ids))}"


def apart(words: Mapping[str, str]) -> dict[str, str]:
    """Words of options, with the option itself behind those that several share: a select box tells its options by their
    words, and of equal ones it takes the last, whichever was pressed."""
    shared = Counter(words.values())
    return {option: f"{said} · {option}" if shared[said] > 1 else said for option, said in words.items()}


def chart_text(text: str, limit: int = 80) -> str:
    """Text of others for hover texts and axes of charts, where a few tags would otherwise be read."""
    short = " ".join(text.split())
    short = short if len(short) <= limit else short[: limit - 1] + "…"
    return html.escape(short, quote=False)
