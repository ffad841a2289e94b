"""Training an SAE as a person sees it: what is read and at which block, curves while it runs, a card at the end."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fac_core.errors import InputError
from fac_core.feature_space import spaces
from fac_core.feature_space.training import in_project
from fac_core.feature_space.training.in_project import MAX_TOKENS, TrainedSae, readable, space_of, start_training
from fac_core.feature_space.training.presets import Preset, load_preset, preset_names
from fac_core.feature_space.training.recipe import JUMPRELU, KINDS, TOPK, merged
from fac_core.features.refresh import bring_up_to_date
from fac_core.jobs import owner
from pages.ui import chrome, comparing_view, curves, heat, services, theme
from pages.ui.services import Here

BLOCK = 10
"""Block offered first: of the embedded model, another than the one its own SAE reads."""
EVERY_S = 1.5
KIND_WORDS = {
    "topk": "Top-K: the k largest of each token",
    "batchtopk": "BatchTopK: k a token on average",
    "jumprelu": "JumpReLU: a threshold of each feature, L0 aimed at k",
}
_AT = "training_"


def show(here: Here) -> None:
    """All of it, for Settings: coverage in the project's spaces, training, trained SAEs, two SAEs on the same texts."""
    comparing_view.coverage_in_spaces(here)
    with st.expander("Train an SAE", icon=":material/model_training:", key="train_sae"):
        st.caption(
            "Learns a dictionary of features from the residual stream of one block of a model, on texts of this "
            "project. A few hundred texts give a small dictionary of what these texts are about; an SAE for general "
            "use takes millions of tokens (`fac train-sae --recipe`)."
        )
        form(here)
        if (job := in_project.latest_run(here.ws)) is not None and job.state != "completed":
            st.fragment(_live, run_every=EVERY_S if job.active else None)(here, job.job_id)
        for sae in in_project.trained(here.ws):
            card(here, sae)
        comparing_view.two_saes(here)


def form(here: Here) -> None:
    """What to train, on what, and how."""
    datasets = {dataset.dataset_id: dataset for dataset in readable(here.ws)}
    if not datasets:
        st.text("There are no texts to train on yet; bring them on Seed set.")
        return
    chosen = str(
        st.selectbox(
            "Recipe",
            preset_names(),
            format_func=lambda name: load_preset(name).title,
            key=f"{_AT}preset",
            help="Sets what the fields below begin with, and the optimiser, the schedule of k and the revival of dead "
            "features.",
        )
    )
    preset = load_preset(chosen)
    sae, training = preset.entries["sae"], preset.entries["training"]
    with st.form("train_sae_form", border=False):
        left, right = st.columns(2)
        name = left.text_input("Name", key=f"{_AT}name", max_chars=60, placeholder="names the SAE's folder")
        read = right.multiselect(
            "Texts",
            list(datasets),
            default=[key for key, dataset in datasets.items() if dataset.role == "anchor"] or list(datasets)[:1],
            format_func=lambda key: (
                f"{datasets[key].name} ({datasets[key].role}, {theme.plural(datasets[key].n_rows, 'text')})"
            ),
            key=f"{_AT}texts",
            help="Held-out sets are not offered, and their texts are left out wherever else they occur.",
        )
        model = left.text_input(
            "Model", "embedded", key=f"{_AT}model", help="embedded, a folder, or owner/model on the Hugging Face Hub."
        )
        block = right.number_input(
            "Block", 1, value=BLOCK, key=f"{_AT}block", help="Its output is read; counted from 1."
        )
        kind = left.selectbox(
            "Kind",
            KINDS,
            KINDS.index(sae["kind"]),
            format_func=KIND_WORDS.__getitem__,
            key=f"{_AT}kind_{chosen}",
        )
        d_sae = right.number_input(
            "Features",
            8,
            value=sae["d_sae"],
            key=f"{_AT}d_sae_{chosen}",
            help="2^14 (16,384) to 2^17 (131,072) for a large model and millions of tokens; less for few texts.",
        )
        k = left.number_input("Active features a token, k", 1, value=sae["k"], key=f"{_AT}k_{chosen}")
        samples = right.number_input(
            "Activations shown, with repetition", 1, value=training["samples"], key=f"{_AT}samples_{chosen}"
        )
        batch = left.number_input("Activations a step", 1, value=training["batch"], key=f"{_AT}batch_{chosen}")
        tokens = right.number_input("Tokens read at most", 1, value=MAX_TOKENS, key=f"{_AT}tokens")
        pressed = st.form_submit_button("Train", icon=":material/play_arrow:")
    if not pressed:
        return
    space = {"backbone": model, "block": int(block)}
    shape = {"kind": kind, "d_sae": int(d_sae), "k": int(k)}
    asked = {"samples": int(samples), "batch": int(batch)}
    with services.page(), st.spinner("Looking at the model …", show_time=True):
        if not read:
            raise InputError("Choose the texts to train on.")
        start_training(here.ws, name, _entries(preset, space, shape, asked), read, max_tokens=int(tokens))
        st.rerun()


def _entries(preset: Preset, space: dict[str, Any], shape: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    """A recipe's parts; what a preset has for another kind is left out."""
    entries = merged(preset.entries, {"space": space, "sae": shape, "training": training})
    if shape["kind"] == JUMPRELU:
        entries["sae"].pop("k_start", None)
    if shape["kind"] != TOPK:
        entries["sae"].pop("tied", None)
    return entries


def _live(here: Here, job_id: str) -> None:
    """A training that runs or was stopped: where it is, its curves, cancel or resume."""
    with services.page():
        job = owner.get(here.ws, job_id)
        with st.container(border=True, key="training_run"):
            chrome.job_controls(
                here,
                job,
                "training",
                stop="Stop training",
                resume="Resume training",
                help_stop="Leaves a checkpoint; Resume goes on from there.",
            )
            if points := in_project.curve_of(here.ws, job):
                theme.chart(
                    curves.training(points, theme.palette()),
                    key="training_curves",
                    alt=f"FVU, L0 and dead features up to step {points[-1].step}",
                )


def card(here: Here, sae: TrainedSae) -> None:
    """How a trained SAE measured, and the way to use it."""
    with st.container(border=True, key=f"trained_{sae.name}"):
        place = sae.recipe.space
        heat.words(
            heat.Piece(sae.name, kind="strong"),
            heat.Piece(
                f"   {sae.recipe.sae.kind}, {theme.count(sae.card['d_sae'])} features, output of block {place.block} "
                f"of {place.backbone}",
                kind="quiet small",
            ),
            key=f"trained_head_{sae.name}",
        )
        figures = (
            ("FVU", theme.number(sae.card["fvu"], 3), theme.TERMS["fvu"]),
            ("L0", theme.number(sae.card["l0"], 1), theme.TERMS["l0"]),
            ("Dead", theme.percent(sae.card["dead_share"], 1), DEAD),
            ("Silent on held-out", theme.percent(1 - sae.card["alive_share"], 1), SILENT),
            ("Dense", theme.percent(sae.card["dense_share"], 2), DENSE),
        )
        for column, (label, value, help_) in zip(st.columns(len(figures)), figures, strict=True):
            column.metric(label, value, help=help_)
        st.caption(
            f"Measured on {theme.plural(sae.card['heldout_tokens'], 'token')} of held-out texts; trained on "
            f"{theme.plural(sae.card['distinct_tokens'], 'token')}, {theme.count(sae.card['samples'])} shown, in "
            f"{sae.card['training_minutes']:g} min."
        )
        if sae.curve:
            theme.chart(
                curves.training(sae.curve, theme.palette()),
                key=f"trained_curves_{sae.name}",
                alt=f"FVU, L0 and dead features over {sae.curve[-1].step} steps",
            )
        known = space_of(here.ws, sae)
        if known == here.space_id and known:
            st.caption("It is the feature space you are looking at.")
        else:
            st.button(
                "Look at its feature space" if known else "Use as a feature space",
                icon=":material/arrow_forward:",
                key=f"use_{sae.name}",
                on_click=_use,
                args=(sae.name,),
            )


DEAD = "Features that fired on none of the last activations of training, as many as the recipe says."
SILENT = "Features that fire on no token of the held-out texts; of few texts most are only rare."
DENSE = "Features that fire on more than a tenth of the held-out tokens and tell little apart."


@services.guarded
def _use(name: str) -> None:
    """Make a trained SAE the session's feature space and read the texts in it."""
    here = services.here()
    space_id = in_project.use_as_space(here.ws, name)
    services.move(space=space_id)
    reading = bring_up_to_date(here.ws, space_id)
    title = spaces.space(here.ws, space_id).name
    services.say(f"{title} is the feature space now{'; its texts are being read' if reading else ''}.")
