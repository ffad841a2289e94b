"""A further feature space: nothing is downloaded before it was said how much it is, and a button was pressed."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from fac_core.feature_space import adding, needs, presets, spaces
from fac_core.feature_space.hooks import block_of
from fac_core.feature_space.needs import Needs
from fac_core.feature_space.presets import Preset
from pages.ui import chrome, services
from pages.ui.services import Here

OWN = ""
_WANTED = "_space_wanted"


class Wanted(NamedTuple):
    """A feature space that was asked for, as it stood in the form."""

    backbone: str
    revision: str
    sae: str
    sae_revision: str
    block: str
    dtype: str
    name: str
    length: int
    topk: bool
    preset_id: str = OWN
    """The preset, if model and SAE are still those it names."""


def further_space(here: Here) -> None:
    """Another model and its SAE, as a space of this project."""
    with st.expander("Add a feature space", icon=":material/add:", key="further_space"):
        st.caption(
            "A model and an SAE that was trained on the output of one of its blocks, in the format of SAELens, Gemma "
            "Scope, Llama Scope, sparsify, dictionary_learning or the paper's own checkpoints. "
            "Texts are read anew in the new space; other spaces and what was read in them stay."
        )
        _choose_preset()
        if wanted := _form():
            st.session_state[_WANTED] = wanted
        with services.page():
            _confirm(here)


def _choose_preset() -> None:
    """A published pair that fills the form in, with what it takes."""
    known = {each.id: each for each in presets.presets() if not each.refused}
    chosen = st.selectbox(
        "Published pair",
        [OWN, *known],
        format_func=lambda preset_id: known[preset_id].title if preset_id else "None: a model and an SAE of your own",
        key="space_preset",
        on_change=_fill_in,
    )
    if chosen:
        preset = known[chosen]
        with services.page():
            _takes(needs.of_preset(preset, st.session_state.get("space_dtype", preset.dtype)))
        if more := " ".join(part for part in (preset.note, preset.caveat) if part):
            st.caption(more)


def _fill_in() -> None:
    """Put a preset into the form; going back to one's own empties it."""
    st.session_state.pop(_WANTED, None)
    chosen = st.session_state["space_preset"]
    preset = presets.preset(chosen) if chosen else None
    st.session_state["space_backbone"] = preset.model if preset else ""
    st.session_state["space_sae"] = preset.sae_place if preset else ""
    st.session_state["space_block"] = str(preset.block) if preset else ""
    st.session_state["space_dtype"] = preset.dtype if preset else adding.DTYPES[0]
    st.session_state["space_revision"] = st.session_state["space_sae_revision"] = ""


def _form() -> Wanted | None:
    """The form; what stands in it when it is sent."""
    with st.form("add_space", border=False):
        left, right = st.columns(2)
        backbone = left.text_input(
            "Model",
            key="space_backbone",
            placeholder="folder, GGUF file, or owner/model on the Hugging Face Hub",
            help="A GGUF file on the Hub: owner/model:file.gguf",
        )
        revision = right.text_input(
            "Revision", key="space_revision", placeholder="main", help="Of a model on the Hub. Its commit is kept."
        )
        sae = left.text_input(
            "SAE",
            key="space_sae",
            placeholder="folder or file, or owner/repository:folder on the Hugging Face Hub",
            help="Of a repository only the files of the SAE are downloaded.",
        )
        sae_revision = right.text_input(
            "Revision of the SAE", key="space_sae_revision", placeholder="main", help="Of an SAE on the Hub."
        )
        block = left.text_input(
            "Block",
            key="space_block",
            placeholder="as the SAE says",
            help="The SAE reads the output of this block, counted from 1; a name such as blocks.14.hook_resid_post "
            "will do. Most SAEs say which; where one does not, name it.",
        )
        dtype = right.selectbox("The model computes in", adding.DTYPES, key="space_dtype")
        name = left.text_input(
            "Name", key="space_name", max_chars=adding.MAX_NAME, placeholder="made from model, block and SAE"
        )
        length = right.number_input("Longest text, in tokens", 1, value=512, key="space_length")
        topk = st.toggle(
            "Apply the SAE's Top-K",
            value=True,
            key="space_topk",
            help="Off to read a Top-K SAE as the paper's code does, with every feature above zero.",
        )
        if not st.form_submit_button("Add"):
            return None
    wanted = Wanted(backbone, revision, sae, sae_revision, block, dtype, name, int(length), topk)
    preset = _preset(st.session_state["space_preset"])
    as_published = preset and (backbone, revision, sae, sae_revision) == (preset.model, "", preset.sae_place, "")
    return wanted._replace(preset_id=preset.id) if preset and as_published else wanted


def _confirm(here: Here) -> None:
    """Add what was asked for: at once where it is on this machine, else when the download is agreed to."""
    wanted: Wanted | None = st.session_state.get(_WANTED)
    if wanted is None:
        return
    preset = _preset(wanted.preset_id)
    del st.session_state[_WANTED]  # an error ends the asking
    if preset:
        takes = needs.of_preset(preset, wanted.dtype)
    else:
        with st.spinner("Looking at model and SAE …", show_time=True):
            takes = needs.of_choice(
                wanted.backbone,
                wanted.sae,
                revision=wanted.revision,
                sae_revision=wanted.sae_revision,
                dtype=wanted.dtype,
            )
    takes.check_room()
    if not takes.asks:
        _add(here, wanted, preset, takes)
        return
    st.session_state[_WANTED] = wanted
    with st.container(border=True, key="space_confirm"):
        if not preset:
            _takes(takes)
        st.caption("The SAE is downloaded now; the model when texts are first read in the space.")
        with st.container(horizontal=True):
            agreed = st.button("Download and add", type="primary", icon=":material/download:", key="space_download")
            if st.button("Not now", key="space_cancel"):
                del st.session_state[_WANTED]
                st.rerun()
    if agreed:
        del st.session_state[_WANTED]
        _add(here, wanted, preset, takes)


def _add(here: Here, wanted: Wanted, preset: Preset | None, takes: Needs) -> None:
    from fac_core.feature_space import hub

    amount = f"Downloading about {hub.size(takes.sae.download or 0)} …" if takes.sae.download else "Adding …"
    with st.spinner(amount, show_time=True):
        space_id = adding.add_space(
            here.ws,
            wanted.backbone,
            wanted.sae,
            block=block_of(wanted.block) if wanted.block.strip() else None,
            revision=wanted.revision,
            sae_revision=wanted.sae_revision,
            name=wanted.name,
            dtype=wanted.dtype,
            max_length=wanted.length,
            apply_topk=wanted.topk,
            declared=preset.declared if preset else None,
        )
    services.move(space=space_id)
    services.say(f"{spaces.space(here.ws, space_id).name} is added; read the texts in it on Seed set.")
    st.rerun()


def _takes(takes: Needs) -> None:
    """What it takes, shown literally."""
    for line in takes.lines:
        st.text(line)
    if takes.warning:
        chrome.notice(takes.warning, "warning")


def _preset(preset_id: str) -> Preset | None:
    return presets.preset(preset_id) if preset_id else None
