"""Settings answers: what is fixed for this project, and what it rests on."""

from __future__ import annotations

import streamlit as st

from fac_core.coverage.sweep import sweep
from fac_core.feature_space import spaces
from fac_core.feature_space.calibration import DENSE, SINK
from fac_core.feature_space.health import SUSPECT, accept, acceptance, calibration, health, n_silent
from fac_core.feature_space.spaces import DELTA_STEP, MAX_DELTA
from fac_core.features.judgement import MODES, chosen_mode
from fac_core.features.relevance import choose_mode
from fac_core.llm import endpoint
from pages.ui import (
    asking_view,
    chrome,
    explanations_view,
    heat,
    provenance,
    relevance_view,
    services,
    space_view,
    task_view,
    theme,
    training_view,
)
from pages.ui.services import Here


@services.guarded
def set_delta() -> None:
    """Take over the slider."""
    here = services.here()
    spaces.set_delta(here.ws, here.space_id, float(st.session_state["settings_delta"]))


@services.guarded
def reset_delta() -> None:
    """Back to the calibrated default."""
    here = services.here()
    if here.space:
        spaces.set_delta(here.ws, here.space_id, here.space.default_delta)


@services.guarded
def set_mode() -> None:
    """Take over the relevance mode."""
    choose_mode(services.here().ws, st.session_state["settings_mode"])


@services.guarded
def set_veil() -> None:
    """Take over the veil."""
    services.here().ws.set_setting("veil", "on" if st.session_state["settings_veil"] else "off")


@services.guarded
def set_reviewer() -> None:
    """Take over the name, for this session and as the project's default."""
    name = " ".join(st.session_state["settings_reviewer"].split())[:60]
    st.session_state["_reviewer"] = name
    services.here().ws.set_setting("reviewer", name)


@services.guarded
def set_endpoint() -> None:
    """Keep address and model."""
    here = services.here()
    endpoint.set_endpoint(here.ws, st.session_state["settings_url"], st.session_state["settings_model"])
    services.say("The endpoint is kept with the project.")


def measuring(here: Here) -> None:
    """δ and relevance."""
    assert here.space
    st.subheader("Measuring", anchor=False)
    default = here.space.default_delta
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.session_state["settings_delta"] = here.delta
        st.slider(
            "Activation threshold δ",
            0.0,
            min(MAX_DELTA, max(8.0, here.delta)),
            step=DELTA_STEP,
            format="%.2f",
            key="settings_delta",
            on_change=set_delta,
            help=theme.TERMS["delta"],
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Calibrated for this space: {default:g} · in the paper: 0")
            if here.delta != default:
                st.button(f"Use {default:g}", on_click=reset_delta, type="tertiary", key="settings_delta_reset")
    with right:
        points = {point.delta: point for point in services.cached(sweep, here, here.space_id)}
        if point := points.get(here.delta):
            st.metric("FAC at this δ", theme.number(point.fac), help=theme.TERMS["fac"])
            st.caption(f"{theme.plural(point.n_missing, 'feature')} missing · {theme.threshold(here.delta)}")
    st.session_state["settings_mode"] = chosen_mode(here.ws)
    st.radio(
        "Which features belong to the task",
        MODES,
        format_func=relevance_view.MODE_WORDS.__getitem__,
        key="settings_mode",
        on_change=set_mode,
        help=theme.TERMS["relevant"],
    )
    explanations_view.least(here)


def people(here: Here) -> None:
    """Name and veil."""
    st.subheader("People", anchor=False)
    st.session_state["settings_reviewer"] = here.reviewer
    st.text_input(
        "Your name",
        key="settings_reviewer",
        on_change=set_reviewer,
        width=320,
        max_chars=60,
        help="Signs decisions, names of features and overruled relevance.",
    )
    if here.task.sensitive:
        st.session_state["settings_veil"] = here.veiled
        st.toggle(
            "Veil sample texts",
            key="settings_veil",
            on_change=set_veil,
            help="Texts of this task can be upsetting. Under the veil each is blurred until it is clicked.",
        )
    st.caption("Light or dark follows your system; the menu at the top right of the page changes it for this browser.")


def generator(here: Here) -> None:
    """Endpoint for generation and explanations; the key never passes through the page."""
    st.subheader("Endpoint", anchor=False)
    st.caption(
        "Optional: the local model generates and keywords explain without it. Any OpenAI-compatible service will do; "
        "`fac llm serve` starts one with the embedded model on this machine."
    )
    with st.form("endpoint", border=False):
        left, right = st.columns(2)
        left.text_input(
            "Base URL",
            here.ws.setting(endpoint.URL_SETTING),
            key="settings_url",
            placeholder="http://localhost:8000/v1",
        )
        right.text_input(
            "Model", here.ws.setting(endpoint.MODEL_SETTING), key="settings_model", placeholder="name of the model"
        )
        st.form_submit_button("Keep", on_click=set_endpoint)
    if not endpoint.has_key():
        st.caption(
            "No key is set. A service that wants one gets it from the environment: "
            "`FAC_LLM_API_KEY` or `OPENAI_API_KEY`."
        )
    else:
        st.caption(":material/key: A key is set on this machine. It is never shown, stored with the project or logged.")
    if model := here.ws.setting(endpoint.MODEL_SETTING):
        asking_view.price_form(here, model)
    asking_view.ledger(here)


def space_card(here: Here) -> None:
    """What the feature space is and how it measures."""
    assert here.space
    space = here.space
    st.subheader("Feature space", anchor=False)
    if card := health(here.ws, space.space_id):
        chrome.notice(card.sentence, chrome.HEALTH_LOOK[card.state])
        if card.state == SUSPECT:
            accepting(here)
    spec = space.spec
    facts = {
        "Name": space.name,
        "Id": space.space_id,
        "Model": f"{spec.backbone} at {spec.revision}" if spec.revision else spec.backbone,
        "Reads": spec.hook_in_words(),
        "SAE": provenance.sae_in_words(spec),
        "Pooling": f"{spec.pooling} over {spec.mask}",
        "Longest text": f"{spec.max_length} tokens",
        "Declared": f"FVU {theme.number(space.card.get('fvu'))} · L0 {theme.number(space.card.get('l0'), 1)}",
        "Calibrated δ": f"{space.default_delta:g}",
    }
    lines: list[heat.Piece] = []
    for name, value in (facts | measured_here(here)).items():
        lines += [heat.Piece(f"{name}: ", kind="quiet small"), heat.Piece(f"{value}\n", kind="small")]
    heat.words(*lines, key="space_facts")
    if space.card:
        with st.expander("The SAE's card"):
            st.json(space.card, expanded=1)


def measured_here(here: Here) -> dict[str, str]:
    """What was found out about the space on the project's own texts."""
    found = calibration(here.ws, here.space_id)
    if found is None:
        return {}
    silent = n_silent(here.ws, here.space_id)
    return {
        "Silent here": f"{theme.count(silent)} of {theme.count(here.space.d_sae if here.space else 0)} features fired "
        "in no text that was read",
        "Dense": f"{found.dense_share:.1%} of features fire on more than {DENSE:.0%} of tokens",
        "Norm of the residual stream": f"{theme.number(found.norm_low, 0)} · {theme.number(found.norm_median, 0)} · "
        f"{theme.number(found.norm_high, 0)} (1 %, median, 99 % of content tokens), {found.n_sinks} beyond "
        f"{SINK:g} times the median",
        "Were template and special tokens counted": f"FVU {theme.number(found.fvu_with_special)} · "
        f"L0 {theme.number(found.l0_with_special, 1)}",
        "Template alone": f"{theme.plural(found.n_template_features, 'feature')} would fire with nothing said; none of "
        "these activations counts",
    }


def accepting(here: Here) -> None:
    """Use a space that does not fit all the same, with a reason; an empty one marks it again."""
    with st.form("accept_space", border=False):
        reason = st.text_input(
            "Use it all the same, because",
            acceptance(here.ws, here.space_id),
            key=f"accept_{here.space_id}",
            help="The space is marked on every page until a reason stands here.",
        )
        if st.form_submit_button("Accept"):
            services.guarded(accept)(here.ws, here.space_id, reason)
            st.rerun()


def show(here: Here) -> None:
    """The page."""
    where = f"The project lies in {here.ws.root}; its task is {here.task.title.lower()}."
    chrome.page_head("Settings", where)
    if here.space is None:
        if chrome.empty(
            "This project has no feature space yet.", action="Use the embedded one", icon=":material/download:"
        ):
            spaces.ensure_embedded(here.ws)
            st.rerun()
    else:
        measuring(here)
    people(here)
    generator(here)
    if here.space is not None:
        space_card(here)
    training_view.show(here)
    space_view.further_space(here)
    with st.expander("Tasks of your own"):
        task_view.show(here)
    with st.expander("What this task counts as relevant"):
        heat.words(
            heat.Piece(here.task.description + "\n"),
            *[heat.Piece(f"· {line}\n", kind="small") for line in here.task.rubric],
        )


show(services.here())
