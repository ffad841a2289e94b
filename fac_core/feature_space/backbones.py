"""A backbone is named by ``embedded``, a folder or a model of the Hub, and every name stands for one exact model."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fac_core.errors import ModelError
from fac_core.feature_space import embedded, hub
from fac_core.feature_space.model_files import folder_digest
from fac_core.feature_space.space import EMBEDDED, SpaceSpec


class Model(NamedTuple):
    """One exact model."""

    backbone: str
    """As a space keeps it."""
    digest: str
    revision: str
    """Commit of a model on the Hub, else empty."""
    title: str
    """For people."""


def resolve(named: str, revision: str = "") -> Model:
    """The model that a name stands for now.

    Raises:
        ModelError: there is none, it is not in safetensors, or a revision is asked for that it cannot have.
    """
    named = named.strip()
    if not named:
        raise ModelError("Name a model: a folder, or a model on the Hugging Face Hub such as owner/model.")
    folder = Path(named).expanduser()
    if named == EMBEDDED or folder.is_dir():
        if revision:
            raise ModelError(f"Only a model on the Hugging Face Hub has a revision; {named} is read as it is.")
        if named == EMBEDDED:
            return Model(EMBEDDED, embedded.GGUF_SHA256, "", "SmolLM2-135M-Instruct (embedded)")
        return Model(str(folder.resolve()), folder_digest(folder), "", folder.resolve().name)
    if not hub.is_id(named):
        raise ModelError(f"There is no model folder {named}.")
    commit = hub.commit_of(named, revision)
    return Model(named, commit, commit, named.rpartition("/")[2])


def folder_of(backbone: str, revision: str = "", *, weights: bool = True) -> Path:
    """Folder with a resolved model's files; without `weights` those may be missing.

    Raises:
        ModelError: it cannot be unpacked or downloaded.
    """
    if backbone == EMBEDDED:
        return embedded.backbone_folder()
    return hub.fetch(backbone, revision, weights=weights) if revision else Path(backbone)


def backbone_location(spec: SpaceSpec) -> Path:
    """Folder the backbone of a space is loaded from.

    Raises:
        ModelError: as `folder_of`.
    """
    return folder_of(spec.backbone, spec.revision)
