"""A model of the Hugging Face Hub is one commit of it: a branch or tag becomes its hash before anything is read.

Everything that can go wrong on the way (no network, no such model, no access) is one sentence here.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fac_core.errors import ModelError
from fac_core.feature_space.model_files import READ_SUFFIXES, WEIGHT_SUFFIX, check_model_names

_ID = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?(?:/[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_id(name: str) -> bool:
    """Whether a name can be that of a model on the Hub, such as ``owner/model``."""
    return _ID.fullmatch(name) is not None


def commit_of(model: str, revision: str = "") -> str:
    """The commit (40 hex digits) that a branch, tag or commit of a model stands for now; default ``main``.

    Raises:
        ModelError: no such model or revision, no access, no network, or no weights in safetensors.
    """
    import huggingface_hub

    try:
        with _told(model, revision):
            info = huggingface_hub.model_info(model, revision=revision or "main")
    except _Unreachable:
        if _COMMIT.fullmatch(revision):  # it stands for itself; whether it is on this machine shows when it is read
            return revision
        raise
    names = {file.rfilename for file in info.siblings or [] if "/" not in file.rfilename}
    check_model_names(model, names)
    return str(info.sha)


def fetch(model: str, commit: str, *, weights: bool = True) -> Path:
    """Folder with the files of a commit that are read, downloaded where they are not on this machine yet.

    Args:
        model: id on the Hub.
        commit: from `commit_of`.
        weights: off to leave out the weights, the bulk of it.

    Raises:
        ModelError: as `commit_of`, or the disk is full.
    """
    import huggingface_hub

    suffixes = READ_SUFFIXES if weights else READ_SUFFIXES - {WEIGHT_SUFFIX}
    with _told(model, commit):
        return Path(
            huggingface_hub.snapshot_download(
                model,
                revision=commit,
                allow_patterns=[f"*{suffix}" for suffix in sorted(suffixes)],
                ignore_patterns=["*/*"],
            )
        )


class _Unreachable(ModelError):
    """The Hub does not answer, and the files are not on this machine."""


@contextmanager
def _told(model: str, revision: str) -> Iterator[None]:
    """Turn an error of the Hub's client into a sentence."""
    from huggingface_hub import errors

    at = f"https://huggingface.co/{model}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelError(
            f"The model {model} is gated; ask for access at {at} and log in with: hf auth login"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"There is no folder and no model on the Hugging Face Hub called {model}, or it is private; "
            "check the name, or log in with: hf auth login"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"The model {model} has no revision {revision or 'main'}; see {at}/commits for those it has."
        ) from error
    except errors.HFValidationError as error:
        raise ModelError(f"{model!r} is neither a folder nor the name of a model on the Hugging Face Hub.") from error
    except errors.HfHubHTTPError as error:
        raise ModelError(
            f"The Hugging Face Hub refused to give {model} (status {error.response.status_code}); "
            "try again later, or give a local model folder."
        ) from error
    except (errors.HTTPError, OSError) as error:  # type: ignore[attr-defined]  # of the client's HTTP library
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EACCES, errno.EROFS}:
            raise ModelError(
                f"The model {model} could not be written to the cache of the Hugging Face Hub ({error.strerror}); "
                "free some space or set HF_HOME to another folder."
            ) from error
        raise _Unreachable(
            f"The model {model} is not on this machine and the Hugging Face Hub cannot be reached; "
            "connect to the network, or give a local model folder."
        ) from error
