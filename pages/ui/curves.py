"""Curves and bars are pure functions of what `fac_core` answers; the values chosen by a person are marked on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from fac_core.coverage.richness import Richness
from fac_core.coverage.sweep import SweepPoint
from fac_core.feature_space.training.trainer import StepStats
from pages.ui import theme
from pages.ui.charts import literal

# --- threshold ---


def sweep(
    points: Sequence[SweepPoint],
    chosen: float,
    default: float,
    top: float,
    palette: Mapping[str, str],
    dark: bool,
    after: Sequence[SweepPoint] = (),
) -> go.Figure:
    """FAC and the number of missing features over δ, side by side; the chosen and the calibrated δ are marked."""
    from plotly.subplots import make_subplots

    chart = make_subplots(rows=1, cols=2, horizontal_spacing=0.09)
    look = theme.state("missing")
    colours = {1: palette["accent"], 2: look.dark if dark else look.light}
    curves = [(list(points), "before" if after else "", "dot" if after else "solid")]
    if after:
        curves.append((list(after), "with approved samples", "solid"))
    for found, name, dash in curves:
        inside = [point for point in found if point.delta <= top + 1e-9]
        x = [point.delta for point in inside]
        for column, y, what in (
            (1, [point.fac for point in inside], "FAC %{y:.3f}"),
            (2, [point.n_missing for point in inside], "%{y} missing"),
        ):
            chart.add_scatter(
                x=x,
                y=y,
                row=1,
                col=column,
                mode="lines",
                name=name or "FAC",
                legendgroup=name,
                showlegend=bool(after) and column == 1,
                line={"color": colours[column], "width": 2, "dash": dash},
                hovertemplate=f"δ = %{{x}}: {what}<extra>{name}</extra>",
            )
    for column in (1, 2):
        chart.add_vline(x=default, line={"color": palette["quiet"], "width": 1, "dash": "dash"}, row=1, col=column)
        chart.add_vline(x=chosen, line={"color": palette["text"], "width": 1.5}, row=1, col=column)
    shared = [point for point in points if abs(point.delta - chosen) < 1e-9]
    for point in shared:
        for column, height in ((1, point.fac), (2, point.n_missing)):
            chart.add_scatter(
                x=[chosen],
                y=[height],
                row=1,
                col=column,
                mode="markers",
                marker={"size": 8, "color": palette["text"]},
                hoverinfo="skip",
                showlegend=False,
            )
    theme.figure(chart, height=230 if after else 170, hovermode="x")
    chart.update_xaxes(range=[0, top], dtick=1 if top <= 10 else 2, title={"text": "δ", "standoff": 2})
    chart.update_yaxes(range=[0, 1.02], tickformat=".1f", row=1, col=1)
    chart.update_yaxes(rangemode="tozero", nticks=4, row=1, col=2)
    _heads(chart, ("FAC", "○ missing features"), palette)
    chart.update_layout(margin={"l": 8, "r": 8, "t": 22, "b": 8})
    if after:
        chart.update_layout(legend={"x": 0, "y": 1.2}, margin={"t": 56})
    return chart


# --- richness ---


def richness(found: Richness, palette: Mapping[str, str]) -> go.Figure:
    """Relevant features against seed samples: seen so far, and to be expected with more samples of the same kind."""
    seen = [point for point in found.curve if point[0] <= found.n_samples]
    more = [point for point in found.curve if point[0] >= found.n_samples]
    chart = go.Figure()
    for points, name, dash in (
        (seen, "the seed as it grew", "solid"),
        (more, "more of the same kind (expected)", "dot"),
    ):
        chart.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            mode="lines",
            name=name,
            line={"color": palette["accent"], "width": 2.5, "dash": dash},
            hovertemplate="%{x} samples: %{y:.0f} features<extra></extra>",
        )
    chart.add_scatter(
        x=[found.n_samples],
        y=[found.n_observed],
        mode="markers+text",
        text=[f"  {theme.count(found.n_observed)} now"],
        textposition="bottom right",
        textfont={"color": palette["text"]},
        marker={"size": 9, "color": palette["text"]},
        hoverinfo="skip",
        showlegend=False,
    )
    for y, text, dash in (
        (found.n_anchor, f"{theme.count(found.n_anchor)} in the anchor", "solid"),
        (found.estimate, f"{theme.count(round(found.estimate))} without end (Chao2)", "dash"),
    ):
        chart.add_hline(
            y=y,
            line={"color": palette["quiet"], "width": 1, "dash": dash},
            annotation={"text": text, "font": {"color": palette["quiet"], "size": 11}},
            annotation_position="top left" if text.endswith("anchor") else "bottom left",
        )
    theme.figure(chart, height=340, hovermode="closest")
    chart.update_xaxes(title="seed samples", rangemode="tozero")
    chart.update_yaxes(title="features of the anchor activated", range=[0, found.n_anchor * 1.08 or 1])
    return chart


# --- training an SAE ---


def training(points: Sequence[StepStats], palette: Mapping[str, str]) -> go.Figure:
    """FVU, L0 and the share of dead features over the steps of a training, side by side."""
    from plotly.subplots import make_subplots

    chart = make_subplots(rows=1, cols=3, horizontal_spacing=0.07)
    x = [point.step for point in points]
    parts = (
        ("FVU", [point.fvu for point in points], "%{y:.3f}"),
        ("L0", [point.l0 for point in points], "%{y:.1f}"),
        ("dead features", [point.dead_share for point in points], "%{y:.1%}"),
    )
    theme.figure(chart, height=190, hovermode="x")
    for column, (name, y, shown) in enumerate(parts, start=1):
        chart.add_scatter(
            x=x,
            y=y,
            row=1,
            col=column,
            mode="lines+markers" if len(x) < 2 else "lines",
            line={"color": palette["accent"], "width": 2},
            showlegend=False,
            hovertemplate=f"step %{{x}}: {shown}<extra>{name}</extra>",
        )
    _heads(chart, [name for name, _, _ in parts], palette)
    chart.update_xaxes(title={"text": "step", "standoff": 2}, rangemode="tozero")
    chart.update_yaxes(rangemode="tozero", nticks=4)
    chart.update_yaxes(tickformat=".0%", row=1, col=3)
    chart.update_layout(margin={"l": 8, "r": 8, "t": 22, "b": 8})
    return chart


# --- evaluation ---


def before_after(
    before: tuple[float, float, float], after: tuple[float, float, float], palette: Mapping[str, str], dark: bool
) -> go.Figure:
    """FAC with its interval before and after; each is (value, low, high)."""
    green = theme.state("covered")
    rows = (
        ("seed set", before, palette["quiet"], "circle-open"),
        ("seed + approved", after, green.dark if dark else green.light, "circle"),
    )
    chart = go.Figure()
    for name, (value, low, high), colour, symbol in rows:
        chart.add_scatter(
            x=[value],
            y=[name],
            mode="markers+text",
            text=[f"{value:.3f}"],
            textposition="top center",
            textfont={"color": palette["text"], "size": 14},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - value],
                "arrayminus": [value - low],
                "thickness": 2,
                "width": 6,
                "color": colour,
            },
            marker={"size": 12, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}},
            hovertemplate=f"{name}: {value:.3f}, 95 % interval {low:.3f}–{high:.3f}<extra></extra>",
            showlegend=False,
        )
    theme.figure(chart, height=170)
    low, high = min(before[1], after[1]), max(before[2], after[2])
    pad = max(0.01, 0.15 * (high - low))
    chart.update_xaxes(range=[max(0, low - pad), min(1.01, high + pad)], title="FAC", nticks=6)
    chart.update_yaxes(range=[1.35, -0.65], showgrid=False, tickfont={"color": palette["text"], "size": 13})
    return chart


def closes(
    names: Sequence[str], before: Sequence[int], closed: Sequence[int], total: Sequence[int], dark: bool
) -> go.Figure:
    """Rows of features that gained a covered one: covered before, newly covered, still open."""
    rows = [literal(name) for name in names]
    parts = (
        ("● covered before", before, "covered", 0.45, ""),
        ("● newly covered", closed, "covered", 1.0, "/"),
        ("○ still open", [t - b - c for t, b, c in zip(total, before, closed, strict=True)], "missing", 0.25, ""),
    )
    chart = go.Figure()
    for name, values, state, opacity, pattern in parts:
        look = theme.state(state)
        chart.add_bar(
            y=list(range(len(rows))),
            x=list(values),
            orientation="h",
            name=name,
            marker={
                "color": look.dark if dark else look.light,
                "opacity": opacity,
                "line": {"width": 0},
                "pattern": {"shape": pattern, "size": 5, "solidity": 0.25},
            },
            hovertemplate="%{x} " + name[2:] + "<extra></extra>",
        )
    theme.figure(chart, height=70 + 24 * len(rows), barmode="stack", bargap=0.25)
    chart.update_yaxes(tickvals=list(range(len(rows))), ticktext=rows, autorange="reversed", showgrid=False)
    chart.update_xaxes(title="features of the row in the anchor")
    chart.update_layout(legend={"traceorder": "normal"})
    return chart


def _heads(chart: go.Figure, texts: Sequence[str], palette: Mapping[str, str]) -> None:
    """A heading over each chart of a row."""
    for column, text in enumerate(texts, start=1):
        chart.add_annotation(
            text=text,
            x=0,
            y=1.0,
            xref=f"x{'' if column == 1 else column} domain",
            yref="paper",
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 12, "color": palette["text"]},
        )
