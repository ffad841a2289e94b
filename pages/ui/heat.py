"""Sample text reaches the page only as `textContent` and `title` of elements made here, so nothing in it is ever read
as HTML, Markdown or a link.

Heat is one ramp from the page's own background to orange; the peak token is underlined and values stand in the
hover text, so colour never speaks alone. A veiled text keeps the shapes of its words, so that lifting moves nothing.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from fac_core.features.graphemes import widen

LIMIT = 1500
"""Characters of one text that are shown; the window lies around the strongest span."""


@dataclass(frozen=True)
class Piece:
    """A run of text with one look."""

    text: str
    value: float = 0.0
    """Activation; 0 draws no heat."""
    peak: bool = False
    kind: str = ""
    """'' or any of: strong, quiet, small, mono, title, hero, found, added, removed; separated by spaces."""
    colour: str = ""
    """Hex colour of ours, for marks of states."""
    title: str = ""
    """Hover text; the value where there is none."""


@dataclass(frozen=True)
class Shown:
    """One text on the page, with a quiet line above and below it."""

    pieces: Sequence[Piece]
    head: Sequence[Piece] = field(default_factory=tuple)
    foot: Sequence[Piece] = field(default_factory=tuple)
    heading: str = ""
    """Starts a group of texts."""
    link: tuple[str, str] | None = None
    """What stands at the end of the head, and what `on_link` is told when it is pressed."""


_CSS = """
:host { display: block; }
#root { font-family: var(--st-font); font-size: 1rem; color: var(--st-text-color); line-height: 1.65; }
#root.plain { line-height: 1.45; }
.group { font-size: .8rem; font-weight: 600; letter-spacing: .01em; opacity: .75; margin: .9rem 0 .35rem; }
.group:first-child { margin-top: 0; }
.card { max-width: 78ch; padding: .55rem .8rem; margin: 0 0 .5rem; border: 1px solid var(--st-border-color);
        border-radius: var(--st-base-radius); background: var(--st-background-color); }
.big .card { padding: 1rem 1.2rem; font-size: 1.15rem; line-height: 1.75; }
.plain .card { border: 0; padding: 0; margin: 0; background: none; max-width: none; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
.side { display: flex; flex-wrap: wrap; gap: .1rem .7rem; font-size: .78rem; line-height: 1.5; opacity: .72;
        font-variant-numeric: tabular-nums; }
.link { font: inherit; color: var(--st-link-color); background: none; border: 0; padding: 0; cursor: pointer; }
.link:hover, .link:focus-visible { text-decoration: underline; }
.head { margin-bottom: .15rem; } .foot { margin-top: .2rem; }
.t { border-radius: .18em; }
.hot { color: #1D2129; }
.peak, .found { text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 3px; }
.strong, .found { font-weight: 600; } .quiet { opacity: .65; } .small { font-size: .85em; }
.mono { font-family: var(--st-code-font); font-variant-ligatures: none; font-size: .9em; }
.hero { font-size: 2.1rem; font-weight: 600; line-height: 1.2; font-variant-numeric: tabular-nums; }
.small.mono { font-size: .8em; }
.title { font-size: 1.35rem; font-weight: 600; line-height: 1.3; }
.added { text-decoration: underline; text-decoration-color: #009E73; text-decoration-thickness: 2px; }
.removed { text-decoration: line-through; opacity: .6; }
.veiled { filter: blur(.33em); cursor: pointer; user-select: none; }
.veiled:focus-visible { outline: 2px solid var(--st-primary-color); filter: blur(.28em); }
"""

_JS = """
let inked = 0.45;  // heat from which dark ink reads better than the page's own; light ink holds out longer
function run(piece, top) {
  const span = document.createElement("span");
  span.className = "t" + (piece.k ? " " + piece.k : "") + (piece.p ? " peak" : "");
  span.textContent = piece.t;
  if (piece.c) span.style.color = piece.c;
  if (piece.v > 0) {
    const heat = Math.min(1, top > 0 ? piece.v / top : 1);
    const share = Math.round(12 + 78 * heat) + "%";
    span.style.background = "color-mix(in srgb, #E69F00 " + share + ", var(--st-background-color))";
    if (heat > inked) span.classList.add("hot");
    span.title = piece.h || "activation " + piece.v.toFixed(2) + (piece.p ? ", the strongest token" : "");
  } else if (piece.h) span.title = piece.h;
  return span;
}
function line(pieces, name) {
  const row = document.createElement("div");
  row.className = "side " + name;
  for (const piece of pieces) row.append(run(piece, 0));
  return row;
}
function link(item, setTriggerValue) {
  const press = document.createElement("button");
  press.className = "link";
  press.type = "button";
  press.textContent = item.link[0];
  press.onclick = () => setTriggerValue("link", item.link[1]);
  return press;
}
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector("#root");
  root.className = data.look;
  const [red, green, blue] = (getComputedStyle(root).color.match(/[0-9.]+/g) || [0, 0, 0]).map(Number);
  inked = red + green + blue > 384 ? 0.68 : 0.45;
  const nodes = [];
  for (const item of data.items) {
    if (item.g) {
      const group = document.createElement("div");
      group.className = "group";
      group.textContent = item.g;
      nodes.push(group);
    }
    const card = document.createElement("div");
    card.className = "card";
    if (item.head.length || item.link) {
      const head = line(item.head, "head");
      if (item.link) head.append(link(item, setTriggerValue));
      card.append(head);
    }
    const text = document.createElement("div");
    text.className = "text";
    text.dir = "auto";
    for (const piece of item.body) text.append(run(piece, data.top));
    if (data.veiled) {
      text.classList.add("veiled");
      text.tabIndex = 0;
      text.setAttribute("role", "button");
      text.setAttribute("aria-label", "Veiled text; press to show it");
      text.title = "Veiled. Click to show this text; the veil of the project is lifted in Settings.";
      const lift = () => {
        text.classList.remove("veiled");
        for (const name of ["role", "aria-label", "title", "tabindex"]) text.removeAttribute(name);
      };
      text.onclick = lift;
      text.onkeydown = (event) => { if (event.key === "Enter") lift(); };
    }
    card.append(text);
    if (item.foot.length) card.append(line(item.foot, "foot"));
    nodes.push(card);
  }
  root.replaceChildren(...nodes);
}
"""

_widget = st.components.v2.component("fac_text", html="<div id='root'></div>", css=_CSS, js=_JS)


def samples(
    items: Sequence[Shown],
    *,
    veiled: bool = False,
    top: float = 0.0,
    look: str = "",
    key: str | None = None,
    on_link: Callable[[str], object] | None = None,
) -> None:
    """Draw texts as cards, all in one widget.

    Args:
        items: texts with their pieces.
        veiled: blur each until it is clicked.
        top: activation drawn in full orange; default the strongest one shown.
        look: '' for a list of cards, 'big' for one text that is the page's hero, 'plain' for text without a card.
        on_link: called with what the pressed card's link says; a key is then needed.
    """
    strongest = max((piece.value for item in items for piece in item.pieces), default=0.0)
    data = {"items": [_item(item) for item in items], "veiled": veiled, "top": top or strongest, "look": look}
    if on_link is None:
        _widget(data=data, key=key)
        return

    def pressed() -> None:
        said = (st.session_state.get(str(key)) or {}).get("link")
        if isinstance(said, str):
            on_link(said)

    _widget(data=data, key=key, on_link_change=pressed)


def token_heat(
    tokens: Sequence[tuple[str, float]],
    *,
    top: float = 0.0,
    veiled: bool = False,
    look: str = "",
    key: str | None = None,
    head: Sequence[Piece] = (),
    foot: Sequence[Piece] = (),
) -> None:
    """Draw one text from its tokens and their activations; joined, the tokens are the text."""
    samples([Shown(heat_pieces(tokens), head, foot)], veiled=veiled, top=top, look=look, key=key)


def sample_text(
    text: str,
    spans: Sequence[tuple[int, int, float]] = (),
    *,
    top: float = 0.0,
    veiled: bool = False,
    look: str = "",
    key: str | None = None,
    head: Sequence[Piece] = (),
    foot: Sequence[Piece] = (),
    limit: int = LIMIT,
) -> None:
    """Draw one text; `spans` are (start, end, activation) in characters, the strongest is underlined."""
    samples([Shown(text_pieces(text, spans, limit=limit), head, foot)], veiled=veiled, top=top, look=look, key=key)


def words(*runs: Piece | str, key: str | None = None) -> None:
    """A line of text of others (names of features, of files) where Markdown would otherwise be read into it."""
    pieces = [Piece(run) if isinstance(run, str) else run for run in runs]
    samples([Shown(pieces)], look="plain", key=key)


def heat_pieces(tokens: Sequence[tuple[str, float]], limit: int = LIMIT) -> list[Piece]:
    """Tokens as pieces, the strongest marked."""
    strongest = max((value for _, value in tokens), default=0.0)
    peak = next((i for i, (_, value) in enumerate(tokens) if value == strongest and value > 0), -1)
    return _window([Piece(text, value, i == peak) for i, (text, value) in enumerate(tokens)], limit)


def text_pieces(text: str, spans: Sequence[tuple[int, int, float]] = (), limit: int = LIMIT) -> list[Piece]:
    """A text cut at its spans, the strongest marked; spans are widened to whole characters, overlapping ones keep the
    first.
    """
    places = widen(text, [(start, end) for start, end, _ in spans])
    spans = [(*place, value) for place, (_, _, value) in zip(places, spans, strict=True)]
    pieces: list[Piece] = []
    strongest = max((value for _, _, value in spans), default=0.0)
    at = 0
    for start, end, value in sorted(spans):
        if start < at or end <= start or end > len(text):
            continue
        if start > at:
            pieces.append(Piece(text[at:start]))
        pieces.append(Piece(text[start:end], value, value == strongest))
        at = end
    if at < len(text) or not pieces:
        pieces.append(Piece(text[at:]))
    return _window(pieces, limit)


def word_pieces(text: str, places: Sequence[tuple[int, int]], limit: int = LIMIT) -> list[Piece]:
    """A text with the words at some places marked; a long one is cut around the first of them."""
    pieces: list[Piece] = []
    at = 0
    for start, end in widen(text, places):
        if start < at:
            continue
        pieces.append(Piece(text[at:start]))
        pieces.append(Piece(text[start:end], peak=not at, kind="found"))
        at = end
    return _window([piece for piece in [*pieces, Piece(text[at:])] if piece.text] or [Piece("")], limit)


def veil_words(text: str) -> str:
    """A text for a table cell under the veil: all but blanks and plain punctuation becomes dots; word shapes stay."""
    return "".join(c if c.isspace() or c in string.punctuation else "•" for c in text)


def _window(pieces: list[Piece], limit: int) -> list[Piece]:
    """The part of a long text around its strongest piece, with the cut said."""
    total = sum(len(piece.text) for piece in pieces)
    if total <= limit:
        return pieces
    before = 0
    for piece in pieces:
        if piece.peak:
            break
        before += len(piece.text)
    else:
        before = 0
    start = max(0, min(before - limit // 3, total - limit))
    ((start, end),) = widen("".join(piece.text for piece in pieces), [(start, start + limit)])
    kept: list[Piece] = []
    at = 0
    for piece in pieces:
        low, high = max(start - at, 0), min(end - at, len(piece.text))
        if low < high:
            kept.append(Piece(piece.text[low:high], piece.value, piece.peak, piece.kind, piece.colour, piece.title))
        at += len(piece.text)
    if start:
        kept.insert(0, Piece(f"… {start:,} characters before …\n", kind="quiet small"))
    if end < total:
        kept.append(Piece(f"\n… {total - end:,} more characters …", kind="quiet small"))
    return kept


def _item(item: Shown) -> dict[str, Any]:
    return {
        "g": item.heading,
        "link": item.link,
        "head": [_piece(piece) for piece in item.head],
        "body": [_piece(piece) for piece in item.pieces],
        "foot": [_piece(piece) for piece in item.foot],
    }


def _piece(piece: Piece) -> dict[str, Any]:
    return {
        "t": piece.text,
        "v": round(float(piece.value), 3),
        "p": piece.peak,
        "k": piece.kind,
        "c": piece.colour,
        "h": piece.title,
    }
