"""A repository of the Hugging Face Hub is one commit of it: a branch or tag becomes its hash before anything is read.

Only the files that are read are downloaded, and only where there is room for them. Everything that can go wrong on the
way (no network, no such repository, no access, a full disk) is one sentence here.
"""

from __future__ import annotations

import errno
import fnmatch
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fac_core.errors import ModelError
from fac_core.feature_space.model_files import READ_SUFFIXES, WEIGHT_SUFFIX, check_model_names

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_ID = re.compile(f"{_NAME}(?:/{_NAME})?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PLACE = re.compile(rf"({_NAME}/{_NAME})(?:@([A-Za-z0-9_][A-Za-z0-9_./-]*))?(?::([A-Za-z0-9_.+=/-]+))?")
# folders, and a second copy of the weights in their maker's own format
_NOT_READ = ["*/*", "consolidated*"]


class Place(NamedTuple):
    """A repository, or a folder or file in it: ``owner/repository[@revision][:inside]``."""

    repository: str
    revision: str = ""
    """Commit, tag or branch; empty for ``main`` as it is now."""
    inside: str = ""
    """Folder or file, with / between; empty for the whole."""

    def __str__(self) -> str:
        return (
            self.repository
            + (f"@{self.revision}" if self.revision else "")
            + (f":{self.inside}" if self.inside else "")
        )


class Repository(NamedTuple):
    """What the Hub says about one commit of a repository."""

    commit: str
    files: Mapping[str, int | None]
    """Size in bytes of each file, None where the Hub does not say."""
    licence: str
    """As its card names it; empty if it does not."""
    gated: bool
    """Whether access has to be asked for."""
    n_parameters: int | None
    """Weights in its safetensors files."""


def is_id(name: str) -> bool:
    """Whether a name can be that of a repository on the Hub, such as ``owner/model``."""
    return _ID.fullmatch(name) is not None


def place(named: str) -> Place | None:
    """The place on the Hub that a name can mean; None if it can mean none, such as a path."""
    found = _PLACE.fullmatch(named.strip())
    if found is None:
        return None
    inside = (found[3] or "").strip("/")
    if any(part in ("", ".", "..") for part in inside.split("/")) and inside:
        return None
    return Place(found[1], found[2] or "", inside)


def commit_of(model: str, revision: str = "") -> str:
    """The commit (40 hex digits) that a branch, tag or commit of a model stands for now; default ``main``.

    Raises:
        ModelError: no such model or revision, no access, no network, or no weights in safetensors.
    """
    try:
        found = look(model, revision)
    except Unreachable:
        if is_commit(revision):  # it stands for itself; whether it is on this machine shows when it is read
            return revision
        raise
    check_model_names(model, {name for name in found.files if "/" not in name})
    return found.commit


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit, which never stands for anything else."""
    return _COMMIT.fullmatch(revision) is not None


def look(repository: str, revision: str = "", what: str = "model") -> Repository:
    """What the Hub says about a revision of a repository; `what` is what people call it: model or SAE.

    Raises:
        ModelError: no such repository or revision, no access or no network.
    """
    import huggingface_hub

    with _told(repository, revision, what):
        info = huggingface_hub.model_info(repository, revision=revision or "main", files_metadata=True)
    card, weights = info.card_data, info.safetensors
    return Repository(
        str(info.sha),
        {file.rfilename: file.size for file in info.siblings or []},
        str(getattr(card, "license_name", None) or getattr(card, "license", None) or ""),
        bool(info.gated),
        int(weights.total) if weights is not None else None,
    )


def fetch(model: str, commit: str, *, weights: bool = True) -> Path:
    """Folder with the files of a commit that are read, downloaded where they are not on this machine yet.

    Args:
        model: id on the Hub.
        commit: from `commit_of`.
        weights: off to leave out the weights, the bulk of it.

    Raises:
        ModelError: as `commit_of`, or the disk is full.
    """
    return _download(model, commit, _patterns(weights), "model")


def fetch_files(repository: str, commit: str, names: Iterable[str], what: str) -> Path:
    """Folder of a commit with the named files in it, downloaded where they are not on this machine yet.

    Raises:
        ModelError: as `fetch`.
    """
    return _download(repository, commit, sorted(names), what)


def read_of_model(files: Mapping[str, int | None]) -> dict[str, int | None]:
    """Those of a model repository's files that `fetch` downloads."""
    read = [name for pattern in _patterns(True) for name in fnmatch.filter(files, pattern)]
    return {name: files[name] for name in read if not any(fnmatch.fnmatch(name, no) for no in _NOT_READ)}


def kept(repository: str, commit: str) -> Path:
    """Where the files of a commit lie once they were downloaded."""
    from huggingface_hub.file_download import repo_folder_name

    return cache_folder() / repo_folder_name(repo_id=repository, repo_type="model") / "snapshots" / commit


def cache_folder() -> Path:
    """Folder of everything that was downloaded from the Hub."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def free_bytes() -> int:
    """Room on the disk of `cache_folder`."""
    folder = cache_folder()
    return shutil.disk_usage(next(each for each in [folder, *folder.parents] if each.exists())).free


def kept_bytes(repository: str) -> int:
    """Bytes of a repository that are on this machine, of whatever commit."""
    blobs = kept(repository, "").parent / "blobs"
    return sum(file.stat().st_size for file in blobs.iterdir() if file.is_file()) if blobs.is_dir() else 0


def size(n_bytes: int) -> str:
    """A number of bytes for people."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.0f} MB"


def _patterns(weights: bool) -> list[str]:
    suffixes = READ_SUFFIXES if weights else READ_SUFFIXES - {WEIGHT_SUFFIX}
    return [f"*{suffix}" for suffix in sorted(suffixes)]


def _download(repository: str, commit: str, allowed: list[str], what: str) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    ignored = _NOT_READ if what == "model" and any("*" in pattern for pattern in allowed) else []
    with _told(repository, commit, what):
        try:
            planned = huggingface_hub.snapshot_download(
                repository, revision=commit, allow_patterns=allowed, ignore_patterns=ignored, dry_run=True
            )
        except errors.DryRunError:  # the Hub cannot be asked; all may be here, and otherwise it is told why below
            planned = []
        _check_room(repository, sum(file.file_size or 0 for file in planned if file.will_download), what)
        return Path(
            huggingface_hub.snapshot_download(
                repository, revision=commit, allow_patterns=allowed, ignore_patterns=ignored
            )
        )


def _check_room(repository: str, needed: int, what: str) -> None:
    if needed and (free := free_bytes()) < needed:
        raise ModelError(
            f"The cache of the Hugging Face Hub in {cache_folder()} has {size(free)} free and the {what} "
            f"{repository} needs {size(needed)}; free some space or set HF_HOME to another folder."
        )


class Unreachable(ModelError):
    """The Hub does not answer, and the files are not on this machine."""


@contextmanager
def _told(repository: str, revision: str, what: str) -> Iterator[None]:
    """Turn an error of the Hub's client into a sentence."""
    from huggingface_hub import errors

    at = f"https://huggingface.co/{repository}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelError(
            f"The {what} {repository} is gated; ask for access at {at} and log in with: hf auth login"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"There is no folder and no {what} on the Hugging Face Hub called {repository}, or it is private; "
            "check the name, or log in with: hf auth login"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"The {what} {repository} has no revision {revision or 'main'}; see {at}/commits for those it has."
        ) from error
    except errors.HFValidationError as error:
        raise ModelError(
            f"{repository!r} is neither a folder nor the name of a {what} on the Hugging Face Hub."
        ) from error
    except errors.HfHubHTTPError as error:
        raise ModelError(
            f"The Hugging Face Hub refused to give {repository} (status {error.response.status_code}); "
            f"try again later, or give a local {what} folder."
        ) from error
    except (errors.HTTPError, OSError) as error:  # type: ignore[attr-defined]  # of the client's HTTP library
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EACCES, errno.EROFS}:
            raise ModelError(
                f"The {what} {repository} could not be written to the cache of the Hugging Face Hub "
                f"({error.strerror}); free some space or set HF_HOME to another folder."
            ) from error
        raise Unreachable(
            f"The {what} {repository} is not on this machine and the Hugging Face Hub cannot be reached; "
            f"connect to the network, or give a local {what} folder."
        ) from error
