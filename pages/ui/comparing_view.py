"""What two spaces say of one seed set, and two SAEs of the same texts, side by side."""

from __future__ import annotations

import streamlit as st

from fac_core.coverage.across import across_spaces
from fac_core.coverage.measure import aims
from fac_core.errors import InputError
from fac_core.feature_space import spaces
from fac_core.feature_space.comparing import COSINE, Side, side_of_folder, side_of_space
from fac_core.feature_space.comparing_job import last_comparison, start_comparison
from fac_core.feature_space.health import acceptance
from fac_core.feature_space.training.in_project import space_of, trained
from pages.ui import services, theme
from pages.ui.services import Here


def coverage_in_spaces(here: Here) -> None:
    """One seed set in every space of the project; nothing with fewer than two."""
    known = spaces.spaces(here.ws)
    if len(known) < 2:
        return
    beside = tuple(
        (spaces.delta(here.ws, s.space_id), aims(here.ws, s.space_id), acceptance(here.ws, s.space_id)) for s in known
    )
    found = services.cached(across_spaces, here, beside=beside)
    st.subheader("The same seed set in each space", anchor=False)
    number = st.column_config.NumberColumn
    st.dataframe(
        [
            {
                "space": each.name,
                "δ": each.delta,
                "FAC": each.fac,
                "95 %": theme.interval(each.low, each.high, 3),
                "alive": each.n_alive,
                "in anchor": each.n_anchor,
                "missing": each.n_missing,
                "unread texts": each.n_unread,
                "saturated": each.saturated,
                "reads as it should": each.fits,
            }
            for each in found
        ],
        column_config={"FAC": number(format="%.3f"), "δ": number(format="%g")},
        hide_index=True,
        key="coverage_in_spaces",
        alt="FAC, alive and missing features of the seed set in each feature space",
    )
    st.caption(
        "Each at its own δ, over the features of its own SAE: two measurements, not one scale."
        + (f" {theme.TERMS['saturated']}" if any(each.saturated for each in found) else ""),
    )


def two_saes(here: Here) -> None:
    """Two of the project's SAEs on its texts; nothing with fewer than two."""
    sides = _sides(here)
    if len(sides) < 2:
        return
    st.markdown("**Two SAEs on the same texts**")
    left, right, last = st.columns([3, 3, 1], vertical_alignment="bottom")
    offered = hash(tuple(sides))  # an SAE that became a space is another option
    words = theme.apart({key: side.name for key, side in sides.items()})
    a, b = (
        column.selectbox(label, list(sides), place, format_func=words.__getitem__, key=f"{key}_{offered}")
        for column, label, place, key in ((left, "First SAE", 0, "compare_a"), (right, "Second SAE", 1, "compare_b"))
    )
    one, other = sides[str(a)], sides[str(b)]
    if last.button("Compare", key="compare_saes", help="Reads up to 2,000 texts of the project by both, in a job."):
        with services.page():
            start_comparison(here.ws, one, other)
            st.rerun()
    found = last_comparison(here.ws, one, other)
    if found is None:
        return
    number = st.column_config.NumberColumn
    share = number(format="percent")
    st.dataframe(
        [
            {
                "SAE": side.name,
                "block": side.block,
                "features": side.d_sae,
                "FVU": side.fvu,
                "L0": side.l0,
                "dead": side.dead_share,
                "dense": side.dense_share,
                "firing": side.n_firing,
                "shared": side.shared,
                "shared of firing": side.shared_firing,
            }
            for side in found.sides
        ],
        column_config={
            "FVU": number(format="%.3f"),
            "L0": number(format="%.1f"),
            **dict.fromkeys(("dead", "dense", "shared", "shared of firing"), share),
        },
        hide_index=True,
        key="two_saes",
        alt="FVU, L0, dead, dense, firing and shared features of two SAEs",
    )
    st.caption(
        f"On {theme.plural(found.n_texts, 'text')}. Dead: firing on none of them. Shared: with a counterpart in the "
        f"other, cosine of the decoders {COSINE:g} or more."
    )


def _sides(here: Here) -> dict[str, Side]:
    """SAEs of the project's spaces, then those trained here that are none yet, by space or name."""
    found = {each.space_id: side_of_space(each.spec, each.name) for each in spaces.spaces(here.ws)}
    for sae in trained(here.ws):
        if not space_of(here.ws, sae):
            try:
                found[sae.name] = side_of_folder(sae.folder)
            except InputError:
                continue
    return found
