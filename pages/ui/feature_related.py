"""What lies near a feature in three senses, each a way on: like direction, firing together, opposite direction; and the
family that counts as one with it; and the rows of heatmaps it is in.
"""

from __future__ import annotations

import streamlit as st

from fac_core.features.coactive import Coactive, coactive
from fac_core.features.detail import FeatureDetail
from fac_core.features.map_job import start_map
from fac_core.jobs import owner
from fac_core.workspace import Workspace
from pages.ui import feature_list, heat, row_choice, services, theme
from pages.ui.services import Here

N_SHOWN = 8
LIKE, TOGETHER, OPPOSITE = "like", "together", "opposite"
KINDS = {
    LIKE: "Like direction: by the cosine of their decoder directions.",
    TOGETHER: "Fires together: by normalised pointwise mutual information over samples above δ, 1 if both always fire "
    "together, 0 if they are independent; three samples with both at least.",
    OPPOSITE: "Opposite direction: by the most negative cosine.",
}
JOINED = {
    "firing": "they fire on nearly the same samples",
    "decoder": "their directions nearly coincide",
    "both": "both",
}


def show(here: Here, detail: FeatureDetail) -> None:
    """Related features of three kinds, family and tokens."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.subheader("Related features", anchor=False, width="content")
        kind = st.segmented_control(
            "Related by",
            list(KINDS),
            default=LIKE,
            required=True,
            key="near_by",
            bind="query-params",
            label_visibility="collapsed",
        )
    st.caption(KINDS.get(str(kind), ""))
    if kind == TOGETHER:
        _together(here, detail)
    else:
        _directions(here, detail.opposites if kind == OPPOSITE else detail.neighbours, str(kind))
    left, right = st.columns(2, gap="large")
    with left:
        family(detail)
        rows_of(detail)
    with right:
        tokens(detail)


def _together(here: Here, detail: FeatureDetail) -> None:
    found = services.cached(_coactive, here, here.space_id, detail.row.feature_id, here.delta)
    if found:
        feature_list.draw([(each.feature_id, each.name, each.npmi) for each in found], "NPMI", TOGETHER)
    else:
        st.caption("No other feature fires in three of its samples.")


def _coactive(ws: Workspace, space_id: str, feature_id: int, delta: float) -> list[Coactive]:
    return coactive(ws, space_id, feature_id, delta, N_SHOWN)


def _directions(here: Here, rows: list[tuple[int, str, float]], key: str) -> None:
    if rows:
        feature_list.draw(rows[:N_SHOWN], "cosine", key)
        return
    making = any(job.kind == "map" and job.active for job in owner.jobs(here.ws))
    st.caption("Not computed for this space.")
    st.button(
        "Computing …" if making else "Compute",
        key=f"{key}_compute",
        type="tertiary",
        icon=":material/hub:",
        disabled=making,
        on_click=compute,
        help="A job that compares all directions and lays out the map.",
    )


@services.guarded
def compute() -> None:
    """Compare the directions."""
    here = services.here()
    start_map(here.ws, here.space_id)


def family(detail: FeatureDetail) -> None:
    """Near-copies, and what joined each of them."""
    st.subheader("Its family", anchor=False, help=theme.TERMS["family"])
    if not detail.family:
        st.caption("It has no near-copy.")
        return
    by = detail.row.joined_by
    st.caption(
        f"It was joined by {by}: {JOINED[by]}." if by in JOINED and by != "both" else "Joined by firing and decoder."
    )
    feature_list.draw(
        [(each.feature_id, each.name, each.joined_by) for each in detail.family], "joined by", "family", tallest=260
    )
    st.button(
        "Show the family in the table",
        type="tertiary",
        icon=":material/table_rows:",
        key="family_rows",
        on_click=services.go,
        args=("f_family", str(detail.row.family_id)),
    )


def rows_of(detail: FeatureDetail) -> None:
    """Its theme and its decoder cluster, each a way to all of its features in the table."""
    st.subheader("In the heatmap", anchor=False, help=theme.TERMS["rows"])
    if not detail.rows:
        st.caption("It is in no theme and no decoder cluster.")
    for each in detail.rows:
        word = row_choice.KINDS[each.kind]
        heat.words(
            heat.Piece(f"{word}   ", kind="quiet small"),
            heat.Piece(each.name or f"{word} of {each.row_id}", kind="strong"),
            heat.Piece(f"   {theme.plural(each.n_features, 'feature')}", kind="quiet small"),
            key=f"row_{each.kind}",
        )
        st.button(
            f"Show the {word} in the table",
            type="tertiary",
            icon=":material/table_rows:",
            key=f"rows_{each.kind}",
            on_click=services.go,
            args=(f"f_{each.kind}", str(each.row_id)),
        )


def tokens(detail: FeatureDetail) -> None:
    """Output tokens the feature raises."""
    st.subheader(
        "Tokens it raises", anchor=False, help="Output tokens whose logits the feature's decoder direction raises most."
    )
    if not detail.tokens:
        st.caption("Not computed for this space.")
        return
    runs = [
        heat.Piece(f"{token.replace(' ', '␣').replace(chr(10), '⏎')}   ", kind="mono", title=f"+{logit:.2f}")
        for token, logit in detail.tokens
    ]
    heat.words(*runs, key=f"tokens_{detail.row.feature_id}")
