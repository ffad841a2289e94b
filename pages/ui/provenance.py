"""Every number can say how it was computed, and can be computed again outside the app: as a command and in Python."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from fac_core.feature_space.space import SpaceSpec
from pages.ui import heat, theme
from pages.ui.services import Here


def how(
    here: Here,
    what: str,
    *,
    key: str,
    cli: str = "",
    python: str = "",
    facts: Mapping[str, object] | None = None,
    label: str = "how computed",
) -> None:
    """A small popover beside a number.

    Args:
        here: what the session looks at; its space, δ and data version are shown.
        what: one sentence on the computation, ours, Markdown allowed.
        key: unique on the page.
        cli: arguments of the ``fac`` command that gives the same number, without project.
        python: lines that give it, with `ws`, `space_id` and `delta` at hand.
        facts: further lines, such as n.
    """
    with st.popover(label, type="tertiary", icon=":material/info:", key=f"how_{key}"):
        st.markdown(what)
        heat.words(*_lines(here, facts or {}), key=f"how_{key}_facts")
        if cli:
            st.caption("On the command line")
            st.code(f"fac {cli} --project {here.ws.root.name}", language="bash", wrap_lines=True)
        if python:
            st.caption("In Python")
            st.code(_python(here, python), language="python", wrap_lines=True)


def sae_in_words(spec: SpaceSpec) -> str:
    """Size, k and Top-K flag of a space's SAE."""
    flag = "applied" if spec.apply_topk else "not applied"
    return f"{theme.count(spec.d_sae)} features, k = {spec.k}, Top-K {flag}"


def _lines(here: Here, facts: Mapping[str, object]) -> list[heat.Piece]:
    rows: dict[str, object] = dict(facts)
    if here.space:
        spec = here.space.spec
        rows |= {
            "space": f"{here.space.name} · {here.space_id}",
            "read at": spec.hook_in_words(),
            "tokens": spec.mask,
            "SAE": sae_in_words(spec),
            "pooling": f"{spec.pooling} over the text's tokens",
            "threshold": f"{theme.threshold(here.delta)} (strictly above)",
        }
    rows["data version"] = here.version
    pieces: list[heat.Piece] = []
    for name, value in rows.items():
        pieces += [heat.Piece(f"{name}: ", kind="quiet small"), heat.Piece(f"{value}\n", kind="small")]
    return pieces


def _python(here: Here, lines: str) -> str:
    """The lines with all they need: imports first, then the project, then what was asked for."""
    asked = lines.strip().splitlines()
    imports = [
        "from fac_core.workspace import home, open_project",
        *(line for line in asked if line.startswith("from ")),
    ]
    setup = [f"ws = open_project(home() / {here.ws.root.name!r})"]
    if here.space:
        setup.append(f"space_id, delta = {here.space_id!r}, {here.delta:g}")
    return "\n".join([*sorted(imports), "", *setup, *(line for line in asked if not line.startswith("from "))])
