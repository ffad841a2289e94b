"""The rail of filters: each of them lives in the address, so every view of the table can be sent to someone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import streamlit as st

from fac_core.features import semantic_search
from fac_core.features.asked.results import SAID, features_by_said
from fac_core.features.criteria import ALONE, Criteria
from fac_core.features.index_job import KIND
from fac_core.features.marks import LIST, TAG, WORK_LIST, members, names
from fac_core.features.relevance import effect_name
from fac_core.features.states import OTHER_STATES, STATES
from fac_core.features.table import GIVEN
from fac_core.features.trust import BADGES
from fac_core.jobs import owner
from fac_core.workspace import Workspace
from pages.ui import asking_view, row_choice, services, theme
from pages.ui.services import Here

SORTS = {
    "effect": "effect",
    "anchor": "anchor count",
    "seed": "seed count",
    "synthetic": "new count",
    "max": "top activation",
    "lift": "lift",
    "score": "score",
    "q": "surest (q)",
    "name": "name",
    "id": "number",
}
ASCENDING = {"q", "name", "id"}
RELEVANT = {"relevant": True, "other": False, "all": None}
WORDS, MEANING = "words", "meaning"
DENSITIES = {"20 %": 0.2, "10 %": 0.1, "5 %": 0.05, "1 %": 0.01}
SAID_WORDS = dict(zip(SAID, ("there is one", "it cannot tell", "refuted by the verifier"), strict=True))
JOINED = {"firing": "firing", "decoder": "decoder", "both": "both", ALONE: "no family"}


@dataclass(frozen=True)
class Filters:
    """What the rail says."""

    criteria: Criteria
    sort: str
    n_set: int
    """How many filters narrow the table."""
    instead: bool = False
    """Whether words are looked for because meaning cannot be searched yet."""


def rail(here: Here) -> Filters:
    """Draw the filters and read them."""
    search, by_meaning, instead = _search(here)
    sort = st.selectbox(
        "Sort by",
        list(SORTS),
        format_func={**SORTS, "effect": effect_name(here.ws, here.space_id)}.__getitem__,
        key="f_sort",
        bind="query-params",
        disabled=by_meaning,
        help="A search by meaning shows the likest first." if by_meaning else None,
    )
    relevant = st.selectbox("Task", list(RELEVANT), key="f_task", bind="query-params", help=theme.TERMS["relevant"])
    states = st.pills(
        "State",
        [*STATES, *OTHER_STATES],
        selection_mode="multi",
        format_func=lambda name: theme.state(name).label,
        key="f_state",
        bind="query-params",
        wrap=True,
        help="At the δ in use. Nothing chosen shows all.",
    )
    lists = [WORK_LIST, *names(here.ws, here.space_id, LIST)]
    listed = st.selectbox("On a list", lists, index=None, key="f_list", bind="query-params", placeholder="any")
    tags = list(names(here.ws, here.space_id, TAG))
    tag = None
    if tags:
        tag = st.selectbox("Tag", tags, index=None, key="f_tag", bind="query-params", placeholder="any")
    dense = st.selectbox(
        "Fires on at most",
        list(DENSITIES),
        index=None,
        key="f_dense",
        bind="query-params",
        placeholder="any share of the anchor",
        help=theme.TERMS["density"],
    )
    joined = st.pills(
        "Joined to a family by",
        list(JOINED),
        selection_mode="multi",
        format_func=JOINED.__getitem__,
        key="f_joined",
        bind="query-params",
        wrap=True,
        help=theme.TERMS["family"],
    )
    trust = st.pills(
        "Trust in the name",
        list(BADGES),
        selection_mode="multi",
        format_func=lambda name: theme.TRUST[name].label,
        key="f_trust",
        bind="query-params",
        wrap=True,
        help=theme.TERMS["trust"],
    )
    said = st.selectbox(
        "A model's explanation",
        list(SAID_WORDS),
        index=None,
        format_func=SAID_WORDS.__getitem__,
        key="f_said",
        bind="query-params",
        placeholder="any or none",
    )
    family, theme_id, cluster = (_one_set(name) for name in ("family", "theme", "cluster"))
    asked = asking_view.asked_in()
    criteria = Criteria(
        search="" if by_meaning else search,
        states=tuple(name for name in states or () if name in theme.STATES),
        relevant=RELEVANT.get(str(relevant)),
        family=family,
        theme=theme_id,
        cluster=cluster,
        joined=tuple(name for name in joined or () if name in JOINED),
        in_list=True if listed == WORK_LIST else None,
        trust=tuple(name for name in trust or () if name in BADGES),
        max_density=DENSITIES.get(dense or ""),
        among=_among(
            here,
            search if by_meaning else "",
            None if listed in (None, WORK_LIST) else members(here.ws, here.space_id, LIST, listed),
            None if tag is None else members(here.ws, here.space_id, TAG, tag),
            None if said is None else features_by_said(here.ws, here.space_id, said),
            None if asked is None else asking_view.asked_features(here, asked),
        ),
    )
    chosen = (
        search,
        criteria["states"],
        relevant != "all",
        listed,
        tag,
        dense,
        criteria["joined"],
        trust,
        said,
        family is not None,
        theme_id is not None,
        cluster is not None,
        asked is not None,
    )
    order = GIVEN if by_meaning else sort if sort in SORTS else "effect"
    return Filters(criteria, order, sum(map(bool, chosen)), instead)


def _search(here: Here) -> tuple[str, bool, bool]:
    """What is searched for, whether by meaning, and whether by words in place of that."""
    search = st.text_input(
        "Search", key="f_search", bind="query-params", live=True, placeholder="word or number", icon=":material/search:"
    )
    how = st.segmented_control(
        "Search by",
        [WORDS, MEANING],
        default=WORDS,
        required=True,
        key="f_mode",
        bind="query-params",
        label_visibility="collapsed",
        on_change=index_for,
        args=("f_mode",),
    )
    text = (search or "").strip()
    if how != MEANING:
        return text, False, False
    means = can_mean(here, semantic_search.EXPLANATION)
    return text, means and bool(text), not means and bool(text)


def can_mean(here: Here, subject: str) -> bool:
    """Whether meaning is searched; where it cannot be, or not of all texts yet, say so and offer what helps."""
    if not semantic_search.is_here():
        st.caption(semantic_search.NOT_HERE)
        return False
    waiting, sees = services.cached(_indexed, here, here.space_id, subject, beside=(_n_jobs_done(here),))
    if waiting > semantic_search.AT_ONCE:
        making = any(job.kind == KIND and job.active for job in owner.jobs(here.ws))
        how = "a search does not see them" if sees else "until they are, words are searched"
        st.caption(f"{theme.plural(waiting, 'text')} not indexed yet; {how}.")
        st.button(
            "Indexing …" if making else "Index them",
            key=f"index_{subject}",
            icon=":material/hub:",
            disabled=making,
            on_click=start_index,
            help="A job of a few minutes for some thousand texts; it can be cancelled and resumed.",
        )
    return sees


def say_instead() -> None:
    """Say above what was found that words were looked for; the search itself says what would change that."""
    st.caption("Found by words: meaning cannot be searched here yet.")


def _indexed(ws: Workspace, space_id: str, subject: str) -> tuple[int, bool]:
    return semantic_search.n_unindexed(ws, space_id), semantic_search.sees(ws, space_id, subject)


def _n_jobs_done(here: Here) -> int:
    return sum(job.kind == KIND and not job.active for job in owner.jobs(here.ws))


@services.guarded
def start_index() -> None:
    """Have the texts indexed."""
    here = services.here()
    semantic_search.start_index(here.ws, here.space_id)


@services.guarded
def index_for(key: str) -> None:
    """Have the texts indexed as soon as someone wants to search by meaning."""
    if st.session_state[key] == MEANING:
        here = services.here()
        semantic_search.index_if_wanted(here.ws, here.space_id)


def _one_set(name: str) -> int | None:
    """The one family, theme or decoder cluster that is looked at, with a way back to all."""
    said = services.follow(f"f_{name}")
    if not said or not (said.isascii() and said.isdecimal() and len(said) < 9):
        return None
    word = row_choice.KINDS[name]
    st.button(
        f"{word.capitalize()} of {said}",
        icon=":material/close:",
        key=f"f_{name}_off",
        on_click=services.go,
        args=(f"f_{name}", None),
        help=f"Only this {word} is shown; press to show all.",
    )
    return int(said)


def _among(here: Here, meaning: str, *groups: Collection[int] | None) -> tuple[int, ...] | None:
    """Features found by meaning, likest first, and in all groups, of which None is any; None where nothing is asked."""
    found: list[int] | None = None
    if meaning:
        hits = semantic_search.features_by_meaning(here.ws, here.space_id, meaning[: semantic_search.MAX_QUERY])
        found = [hit.id for hit in hits]
    for group in groups:
        if group is not None:
            held = dict.fromkeys(group)
            found = list(held) if found is None else [each for each in found if each in held]
    return None if found is None else tuple(found)
