"""A work folder goes on with the run it was begun for, and with no other: recipe, backbone and texts, byte by byte.

What decides the outcome is written there before anything else; a run that differs in any of it is refused by name of
what differs, for its shards and checkpoint would be another's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fac_core.errors import InputError
from fac_core.feature_space.sealed import sha256_of
from fac_core.feature_space.training.recipe import Recipe

FILE = "identity.json"
_PLACES = {("space", "backbone"), ("space", "revision")}  # where the backbone is found; its digest says what it is
# entries that recipes did not have once: at these values a run is the one it was before
_SINCE = {
    ("space", "dtype"): "float32",
    ("sae", "kind"): "topk",
    ("sae", "tied"): False,
    ("training", "optimizer"): "adam",
    ("training", "weight_decay"): 0.0,
}
_SHOWN = 4
"""Differences named in a sentence."""


def identity(recipe: Recipe, backbone_digest: str, data: Path, files: Sequence[Path]) -> dict[str, str]:
    """Everything that decides the outcome, as {what people call it: value or digest}.

    Raises:
        InputError: a file cannot be read.
    """
    said = {
        f"{part}.{name}": json.dumps(value)
        for part, entries in recipe.model_dump(mode="json").items()
        for name, value in entries.items()
        if (part, name) not in _PLACES and ((part, name) not in _SINCE or value != _SINCE[part, name])
    }
    return (
        said | {"the backbone": backbone_digest} | {path.relative_to(data).as_posix(): _sha256(path) for path in files}
    )


def claim(work: Path, mine: dict[str, str]) -> None:
    """Make a work folder this run's, or find that it is; one in which nothing was computed yet is anybody's.

    Raises:
        InputError: it holds the shards or the checkpoint of another run, or cannot be written.
    """
    path = work / FILE
    temporary = path.with_suffix(".tmp")
    try:
        work.mkdir(parents=True, exist_ok=True)
        if not any(found.is_file() for found in work.rglob("*") if found not in (path, temporary)):
            temporary.write_text(json.dumps(mine, indent=2) + "\n", encoding="utf-8")
            temporary.replace(path)
            return
        theirs = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except OSError as error:
        raise InputError(f"The work folder {work} cannot be used: {error.strerror or error}.") from error
    except ValueError:
        theirs = None
    if theirs != mine:
        raise InputError(
            f"The work folder {work} holds another run ({_differences(mine, theirs)}), which this one cannot go on "
            "from; delete it to start anew, or name another work folder."
        )


def _differences(mine: dict[str, str], theirs: object) -> str:
    if not isinstance(theirs, dict):
        return "it does not say which"
    changed = [name for name in dict.fromkeys([*mine, *theirs]) if mine.get(name) != theirs.get(name)]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"changed: {', '.join(changed[:_SHOWN])}{more}"


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"The corpus file {path} cannot be read: {error.strerror or error}.") from error
