"""The funnel and the big number: figures of ours drawn without Markdown, each bar with its number beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

_CSS = """
:host { display: block; }
#root { display: flex; flex-wrap: wrap; gap: .3rem; align-items: stretch; font-family: var(--st-font);
        color: var(--st-text-color); font-variant-numeric: tabular-nums; }
.step { flex: 1 1 5.6rem; min-width: 5.6rem; padding: .55rem .7rem .65rem; border: 1px solid var(--st-border-color);
        border-radius: var(--st-base-radius); display: flex; flex-direction: column; }
.step.wide { flex-grow: 2.4; min-width: 13rem; }
.parts { display: flex; gap: 1rem; }
.arrow { align-self: center; opacity: .45; flex: 0 0 auto; }
.label { font-size: .8rem; opacity: .75; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.value { font-size: 1.5rem; font-weight: 600; line-height: 1.3; }
.note { font-size: .75rem; opacity: .7; line-height: 1.3; margin-bottom: .45rem; }
.bar { height: .35rem; margin-top: auto; flex: none; border-radius: .2rem; overflow: hidden; display: flex; gap: 1px;
       background: var(--st-secondary-background-color); }
.bar i { display: block; height: 100%; }
"""

_JS = """
function make(tag, name, text) {
  const node = document.createElement(tag);
  node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}
export default function ({ data, parentElement }) {
  const nodes = [];
  data.steps.forEach((step, i) => {
    if (i) { const arrow = make("div", "arrow", "→"); arrow.setAttribute("aria-hidden", "true"); nodes.push(arrow); }
    const box = make("div", step.figures.length > 1 ? "step wide" : "step");
    const parts = make("div", "parts");
    for (const figure of step.figures) {
      const part = make("div", "");
      part.title = figure.meaning;
      const label = make("div", "label", figure.label);
      const value = make("div", "value", figure.value);
      if (figure.colour) label.style.color = value.style.color = figure.colour;
      if (figure.colour) label.style.opacity = 1;
      part.append(label, value);
      parts.append(part);
    }
    const bar = make("div", "bar");
    for (const [share, colour] of step.bars) {
      const part = make("i", "");
      part.style.width = Math.max(0, Math.min(1, share)) * 100 + "%";
      part.style.background = colour;
      bar.append(part);
    }
    box.append(parts, make("div", "note", step.note), bar);
    nodes.push(box);
  });
  parentElement.querySelector("#root").replaceChildren(...nodes);
}
"""

_widget = st.components.v2.component("fac_funnel", html="<div id='root'></div>", css=_CSS, js=_JS)


@dataclass(frozen=True)
class Figure:
    """One number of a box."""

    label: str
    value: str
    meaning: str = ""
    """Hover text."""
    colour: str = ""


@dataclass(frozen=True)
class Step:
    """One box of the funnel, with one or more numbers over one bar."""

    figures: Sequence[Figure]
    note: str = ""
    bars: Sequence[tuple[float, str]] = ()
    """(share of the box's width, hex colour)"""


def funnel(steps: Sequence[Step], *, key: str) -> None:
    """Draw boxes with arrows between them."""
    _widget(data={"steps": [asdict(step) for step in steps]}, key=key)
