"""A backbone is named by ``embedded``, a folder, a GGUF file or a model of the Hub; each name is one exact model.

A model of the Hub in safetensors is told by its commit; everything else by the digest of what is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fac_core.errors import ModelError
from fac_core.feature_space import embedded, gguf, hub, sealed
from fac_core.feature_space.model_files import folder_digest
from fac_core.feature_space.space import EMBEDDED, SpaceSpec


class Model(NamedTuple):
    """One exact model."""

    backbone: str
    """As a space keeps it."""
    digest: str
    revision: str
    """Commit of a model on the Hub that is told by it, else empty."""
    title: str
    """For people."""


def resolve(named: str, revision: str = "") -> Model:
    """The model that a name stands for now; a GGUF file on the Hub is downloaded, since its digest is its identity.

    Args:
        named: ``embedded``, a folder, a GGUF file, ``owner/model`` or ``owner/model[@revision]:file.gguf``.
        revision: commit, tag or branch of a model on the Hub; default ``main``.

    Raises:
        ModelError: there is none, it is in no format that is read, or a revision is asked for that it cannot have.
    """
    named = named.strip()
    if not named:
        raise ModelError("Name a model: a folder, a GGUF file, or a model on the Hugging Face Hub such as owner/model.")
    path = Path(named).expanduser()
    is_file = path.is_file() and path.suffix == gguf.SUFFIX
    if named == EMBEDDED or path.is_dir() or is_file:
        if revision:
            raise ModelError(f"Only a model on the Hugging Face Hub has a revision; {named} is read as it is.")
        if named == EMBEDDED:
            return Model(EMBEDDED, embedded.GGUF_SHA256, "", "SmolLM2-135M-Instruct (embedded)")
        path = path.resolve()
        return Model(str(path), gguf.digest_of(path), "", path.stem) if is_file else _folder(path)
    if (there := hub.place(named)) is not None and (there.inside or there.revision):
        return _file_on_hub(there, revision)
    if not hub.is_id(named):
        raise ModelError(f"There is no model folder or GGUF file {named}.")
    commit = hub.commit_of(named, revision)
    return Model(named, commit, commit, named.rpartition("/")[2])


def folder_of(backbone: str, revision: str = "", *, weights: bool = True, digest: str = "") -> Path:
    """Folder with a resolved model's files; without `weights` those may be missing.

    Args:
        backbone: as `resolve` gives it.
        revision: the same.
        weights: off where they are not needed yet.
        digest: of a GGUF file; its unpacked model is then used even where the file is gone.

    Raises:
        ModelError: it cannot be unpacked or downloaded.
    """
    if backbone == EMBEDDED:
        return embedded.backbone_folder()
    if backbone.endswith(gguf.SUFFIX) and not Path(backbone).is_dir():
        unpacked = gguf.folder_of_digest(digest)
        if digest and sealed.is_whole(unpacked):
            return unpacked
        file = _gguf_file(backbone)
        return gguf.model_folder(file, digest or gguf.digest_of(file), f"the model {file.name}")
    return hub.fetch(backbone, revision, weights=weights) if revision else Path(backbone)


def backbone_location(spec: SpaceSpec) -> Path:
    """Folder the backbone of a space is loaded from.

    Raises:
        ModelError: as `folder_of`.
    """
    return folder_of(spec.backbone, spec.revision, digest=spec.backbone_digest)


def _folder(path: Path) -> Model:
    return Model(str(path), folder_digest(path), "", path.name)


def _file_on_hub(there: hub.Place, revision: str) -> Model:
    if not there.inside.endswith(gguf.SUFFIX):
        raise ModelError(
            f"{there} names no model; of a repository on the Hugging Face Hub a whole model (owner/model, with a "
            "revision beside it) or a GGUF file (owner/model:file.gguf) can be read."
        )
    if there.revision and revision not in ("", there.revision):
        raise ModelError(f"{there} names a revision already; leave the other one ({revision[:40]}) out.")
    asked = there.revision or revision
    found = there._replace(revision=asked if hub.is_commit(asked) else hub.look(there.repository, asked).commit)
    file = _gguf_file(str(found))
    return Model(str(found), gguf.digest_of(file), "", file.stem)


def _gguf_file(backbone: str) -> Path:
    """A GGUF file on this machine, downloaded if it is a file of the Hub that is not here yet."""
    there = None if Path(backbone).exists() else hub.place(backbone)
    if there is None:
        return Path(backbone)
    file = hub.kept(there.repository, there.revision) / there.inside
    if not file.is_file():
        file = hub.fetch_files(there.repository, there.revision, [there.inside], "model") / there.inside
    if not file.is_file():
        raise ModelError(f"There is no file {there.inside} in the model {there.repository} on the Hugging Face Hub.")
    return file
