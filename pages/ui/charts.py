"""Figures are pure functions of what `fac_core` answers: the same numbers and theme give the same picture.

Plotly reads a little HTML in every label, so names of others are escaped here before they become one. Each mark that
has a colour also has a sign, a symbol or a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from fac_core.coverage.heatmap import DIFFERENCE, Heatmap
from pages.ui import theme

ROW = 26
"""Pixels of a heatmap's row."""
NAME_CHARS = 44
MARKS = {"missing": (10, 1.0), "undersampled": (6, 0.3), "covered": (5, 0.4)}
"""Size in pixels and opacity of a state's points; others are (5, .4)."""
SYMBOLS = {
    "covered": "circle",
    "missing": "circle-open",
    "undersampled": "diamond",
    "dense": "square",
    "template": "square-open",
}
DRAW_ORDER = ("unrelated", "silent", "dead", "template", "dense", "covered", "undersampled", "missing")
WEBGL_FROM = 4000
"""Points from which a map is drawn by WebGL."""


def literal(text: str, limit: int = NAME_CHARS) -> str:
    """Text of others as a label: one line, shortened, without a tag or a formula that plotly would read."""
    line = " ".join(text.split())
    line = line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
    return escape(line, quote=False).replace("$", "\uff04")


# --- heatmap ---


def heatmap(found: Heatmap, palette: Mapping[str, str], dark: bool, chosen: tuple[int, int] | None = None) -> go.Figure:
    """Rows of features × groups. Colour is the measure; each cell says how many features are missing, ◐ where that
    says little.

    What is not covered stands out from the paper, so the ramp is turned round on a dark one.

    A plotly heatmap cannot be clicked, so each cell also carries an invisible point with (row id, group).
    """
    n_rows, n_columns = found.share.shape
    rows, columns = np.arange(n_rows), np.arange(n_columns)
    chart = go.Figure(
        go.Heatmap(z=found.share, x=columns, y=rows, **_scale(found, dark), hoverinfo="skip", xgap=2, ygap=2)
    )
    shown = [(f, g) for f in rows.tolist() for g in columns.tolist() if found.n_shown[f, g] > 0]
    chart.add_scatter(
        x=[g for _, g in shown],
        y=[f for f, _ in shown],
        mode="markers+text",
        text=[_cell_text(found, f, g) for f, g in shown],
        textfont={"size": 11, "color": [_ink(found, f, g, dark) for f, g in shown]},
        marker={"size": 20, "color": "rgba(0,0,0,0)", "line": {"width": 0}},
        selected={"textfont": {"color": None}},
        unselected={"marker": {"opacity": 0}},
        customdata=[[found.rows[f][0], found.groups[g]] for f, g in shown],
        hovertext=[_cell_hover(found, f, g) for f, g in shown],
        hoverinfo="text",
        showlegend=False,
    )
    if chosen is not None:
        f, g = chosen
        box = {"x0": g - 0.48, "x1": g + 0.48, "y0": f - 0.46, "y1": f + 0.46}
        chart.add_shape(type="rect", **box, line={"color": palette["text"], "width": 2.5}, fillcolor="rgba(0,0,0,0)")
    theme.figure(chart, height=ROW * n_rows + 120, hovermode="closest", hoverdistance=40, clickmode="event+select")
    chart.update_layout(dragmode=False, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    names = [literal(name or f"feature {row}") for row, name in found.rows]
    chart.update_yaxes(tickvals=rows, ticktext=names, range=[n_rows - 0.5, -0.5], showgrid=False, zeroline=False)
    chart.update_yaxes(tickfont={"color": palette["text"], "size": 12})
    chart.update_xaxes(tickvals=columns, ticktext=[literal(group, 18) for group in found.groups], side="top")
    chart.update_xaxes(
        range=[-0.5, n_columns - 0.5],
        showgrid=False,
        zeroline=False,
        tickangle=-35 if n_columns > 6 else 0,
        fixedrange=True,
    )
    chart.update_yaxes(fixedrange=True)
    return chart


def heatmap_cell(selection: Mapping[str, Any], found: Heatmap) -> tuple[int, int] | None:
    """Row and column of the clicked cell; None if there is none in this heatmap (what a browser says is checked)."""
    for point in selection.get("points") or []:
        data = point.get("customdata") or []
        if len(data) == 2 and data[1] in found.groups:
            rows = [place for place, (row, _) in enumerate(found.rows) if row == data[0]]
            if rows:
                return rows[0], found.groups.index(data[1])
    return None


def _scale(found: Heatmap, dark: bool) -> dict[str, Any]:
    bar = {"thickness": 10, "len": 0.5, "lenmode": "fraction", "y": 1, "yanchor": "top", "outlinewidth": 0}
    if found.measure == DIFFERENCE:
        reach = max(0.05, float(np.nanmax(np.abs(found.share), initial=0.0)))
        bar |= {"tickformat": "+.0%", "nticks": 5}
        return {"colorscale": theme.DIVERGING, "zmid": 0, "zmin": -reach, "zmax": reach, "colorbar": bar}
    bar |= {"tickvals": [0, 0.5, 1], "ticktext": ["0 %", "50 %", "100 %"]}
    return {"colorscale": theme.SEQUENTIAL, "reversescale": dark, "zmin": 0, "zmax": 1, "colorbar": bar}


def _cell_text(found: Heatmap, f: int, g: int) -> str:
    n = int(found.n_missing[f, g])
    return f"◐ {n}" if found.undersampled[f, g] else f"○ {n}" if n else ""


def _cell_hover(found: Heatmap, f: int, g: int) -> str:
    row, name = found.rows[f]
    n, shown, value = int(found.n_missing[f, g]), int(found.n_shown[f, g]), float(found.share[f, g])
    measure = f"{value:+.1%} firing rate against the anchor" if found.measure == DIFFERENCE else f"{value:.0%} covered"
    lines = [
        f"<b>{literal(name or f'feature {row}', 70)}</b>",
        f"{literal(found.groups[g], 60)}: {measure}",
        f"{n} of {shown} features of the anchor missing",
    ]
    if found.undersampled[f, g]:
        lines.append("◐ too few were to be expected for that to say much")
    return "<br>".join(lines)


def _ink(found: Heatmap, f: int, g: int, dark: bool) -> str:
    """Black or white, whichever reads on the cell's colour."""
    value = float(found.share[f, g])
    if found.measure == DIFFERENCE:
        reach = max(0.05, float(np.nanmax(np.abs(found.share), initial=0.0)))
        return "#FFFFFF" if abs(value) > 0.6 * reach else "#1D2129"
    return "#1D2129" if (1 - value if dark else value) > 0.55 else "#FFFFFF"


# --- map ---


def feature_map(
    ids: Sequence[int] | NDArray[np.int64],
    x: Sequence[float] | NDArray[np.float64],
    y: Sequence[float] | NDArray[np.float64],
    state: Sequence[str],
    names: Sequence[str],
    palette: Mapping[str, str],
    dark: bool,
) -> go.Figure:
    """Features in the plane, coloured and marked by state; the quiet states lie below the missing ones."""
    states = np.asarray(state)
    chart = go.Figure()
    kind = go.Scattergl if len(ids) > WEBGL_FROM else go.Scatter
    for name in sorted(set(states.tolist()), key=_rank):
        where = np.flatnonzero(states == name)
        look = theme.state(name)
        colour = look.dark if dark else look.light
        size, opacity = MARKS.get(name, (5, 0.4))
        chart.add_trace(
            kind(
                x=np.asarray(x)[where],
                y=np.asarray(y)[where],
                mode="markers",
                name=f"{look.word} · {theme.count(len(where))}",
                marker={
                    "symbol": SYMBOLS.get(name, "circle"),
                    "size": size,
                    "color": colour,
                    "opacity": opacity,
                    "line": {"width": 2 if name == "missing" else 0, "color": colour},
                },
                customdata=[int(ids[i]) for i in where.tolist()],
                text=[f"{ids[i]} · {literal(names[i] or 'no name yet', 60)}" for i in where.tolist()],
                hovertemplate="%{text}<br>" + look.word + "<extra></extra>",
            )
        )
    theme.figure(chart, height=560, dragmode="lasso", hovermode="closest", clickmode="event+select")
    chart.update_xaxes(visible=False)
    chart.update_yaxes(visible=False)
    chart.update_layout(
        legend={"itemsizing": "constant", "y": -0.02, "yanchor": "top", "traceorder": "reversed"},
        modebar={
            "orientation": "v",
            "bgcolor": "rgba(0,0,0,0)",
            "color": palette["quiet"],
            "activecolor": palette["text"],
            "remove": ["toImage", "autoScale2d"],
        },
    )
    return chart


def map_picks(selection: Mapping[str, Any], known: Iterable[int]) -> list[int]:
    """Features inside the box, the lasso or under the click, in order; only such as the map shows."""
    inside = set(known)
    picked = (point.get("customdata") for point in selection.get("points") or [])
    flat = (value[0] if isinstance(value, list) and value else value for value in picked)
    return list(dict.fromkeys(int(value) for value in flat if isinstance(value, int | float) and int(value) in inside))


def _rank(state: str) -> int:
    return DRAW_ORDER.index(state) if state in DRAW_ORDER else -1
