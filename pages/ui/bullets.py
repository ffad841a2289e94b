"""How close each feature of a run came: a bar of the best activation so far against a tick at δ, counts beside it.

Names and texts are set as `textContent`; a closed feature has a mark and a word, not only a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

_CSS = """
:host { display: block; }
#root { font-family: var(--st-font); color: var(--st-text-color); font-size: .9rem;
        font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
th { text-align: left; font-weight: 500; font-size: .78rem; opacity: .72; padding: .2rem .5rem .35rem;
     border-bottom: 1px solid var(--st-border-color); }
td { padding: .4rem .5rem; border-bottom: 1px solid var(--st-border-color); vertical-align: top; }
.name { font-weight: 500; overflow-wrap: anywhere; }
.best { font-size: .8rem; opacity: .75; margin-top: .1rem; display: -webkit-box; -webkit-line-clamp: 2;
        -webkit-box-orient: vertical; overflow: hidden; overflow-wrap: anywhere; unicode-bidi: plaintext; }
.veiled { filter: blur(.3em); }
.number { text-align: right; }
.track { position: relative; height: .55rem; margin-top: .38rem; border-radius: .2rem;
         background: color-mix(in srgb, var(--st-text-color) 12%, transparent); }
.fill { height: 100%; border-radius: .2rem; }
.tick { position: absolute; top: -.22rem; bottom: -.22rem; width: 2px; background: var(--st-text-color); }
.value { font-size: .78rem; opacity: .8; margin-top: .2rem; }
.counts { display: flex; flex-wrap: wrap; gap: .1rem .7rem; font-size: .8rem; }
.counts span { white-space: nowrap; } .zero { opacity: .4; }
"""

_JS = """
function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}
export default function ({ data, parentElement }) {
  const table = make("table");
  const head = make("tr");
  data.heads.forEach((text, i) => {
    const cell = make("th", i === 1 ? "number" : "", text);
    cell.style.width = data.widths[i];
    head.append(cell);
  });
  const top = make("thead");
  top.append(head);
  const body = make("tbody");
  for (const row of data.rows) {
    const line = make("tr");
    const name = make("td");
    name.append(make("div", "name", row.name));
    if (row.text) {
      const best = make("div", "best" + (data.veiled ? " veiled" : ""), row.text);
      best.dir = "auto";
      if (!data.veiled) best.title = row.text;
      name.append(best);
    }
    const bar = make("td");
    const track = make("div", "track");
    track.setAttribute("role", "img");
    track.setAttribute("aria-label", row.value);
    const fill = make("div", "fill");
    fill.style.width = 100 * Math.max(0, Math.min(1, row.share)) + "%";
    fill.style.background = row.colour;
    const tick = make("div", "tick");
    tick.style.left = 100 * Math.max(0, Math.min(1, row.tick)) + "%";
    tick.title = data.tick;
    track.append(fill, tick);
    bar.append(track, make("div", "value", row.value));
    const counts = make("td");
    const list = make("div", "counts");
    for (const [word, n] of row.counts) list.append(make("span", n ? "" : "zero", word + " " + n));
    counts.append(list);
    const state = make("td", "", row.state);
    state.style.color = row.ink;
    line.append(name, make("td", "number", row.attempts), bar, counts, state);
    body.append(line);
  }
  table.append(top, body);
  parentElement.querySelector("#root").replaceChildren(table);
}
"""

_widget = st.components.v2.component("fac_bullets", html="<div id='root'></div>", css=_CSS, js=_JS)

HEADS = ("feature and its best sample", "tried", "best activation against δ", "outcomes", "state")
WIDTHS = ("34%", "7%", "24%", "24%", "11%")


@dataclass(frozen=True)
class Bullet:
    """One feature of a run."""

    name: str
    text: str
    """Best sample so far; empty if there is none."""
    attempts: str
    share: float
    """Best activation as a share of the scale, 0 to 1."""
    tick: float
    """δ on the same scale."""
    value: str
    colour: str
    counts: Sequence[tuple[str, int]]
    state: str
    ink: str
    """Colour of the state's words."""


def bullets(rows: Sequence[Bullet], *, veiled: bool, delta: float, key: str) -> None:
    """Draw the table."""
    data = {
        "heads": list(HEADS),
        "widths": list(WIDTHS),
        "rows": [asdict(row) for row in rows],
        "veiled": veiled,
        "tick": f"δ = {delta:g}",
    }
    _widget(data=data, key=key)
