"""An SAE lies in a folder or file of this machine, or at one commit on the Hugging Face Hub, and is the same anyway.

Of a repository only those files are downloaded that the SAE's format reads: the same code that will read them is asked
beforehand, about empty files under their names.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from fac_core.errors import InputError, ModelError
from fac_core.feature_space import hub
from fac_core.feature_space.hub import Place
from fac_core.feature_space.sae_formats.registry import fitting, one_of
from fac_core.store.spaces import STATIC_TABLES

CARD = "card.json"
_BESIDE = (CARD, *(f"{name}.parquet" for name in STATIC_TABLES))
_PLAIN = re.compile(r"[A-Za-z0-9_+=-][A-Za-z0-9_.+=-]*(?:/[A-Za-z0-9_+=-][A-Za-z0-9_.+=-]*)*")
_SHOWN = 6
# Gemma Scope says in the names of its repositories alone which tensor its SAEs read
_GEMMA_SCOPE = re.compile(r"layer_(\d+)/width_\w+(?:/.*)?")
_READS = {
    "res": "hook_resid_post",
    "mlp": "hook_mlp_out",
    "att": "attn.hook_z",
    "transcoders": "ln2.hook_normalized",
}


def exact(named: str, revision: str = "") -> str:
    """The name under which a space keeps an SAE: an absolute path, or a place on the Hub with its commit.

    Args:
        named: a folder or file, or ``owner/repository[@revision][:folder or file]``.
        revision: of the repository, where the name has none.

    Raises:
        InputError: nothing is named, or a revision is asked for that it cannot have.
        ModelError: nothing there, no access or no network.
    """
    named = named.strip()
    there, path = on_hub(named), Path(named).expanduser()
    if there is None:
        if revision:
            raise InputError(f"Only an SAE on the Hugging Face Hub has a revision; {named} is read as it is.")
        return str(path.resolve())
    if revision and there.revision not in ("", revision):
        raise InputError(f"{named} names a revision already; leave the other one ({revision[:40]}) out.")
    asked = there.revision or revision
    commit = asked if hub.is_commit(asked) else hub.look(there.repository, asked, "SAE").commit
    return str(there._replace(revision=commit))


def on_hub(named: str) -> Place | None:
    """The place on the Hub that an SAE's name means; None for one on this machine, which goes before.

    Raises:
        InputError: nothing is named.
    """
    if not named.strip():
        raise InputError(
            "Name the SAE: a folder or file, or a place on the Hugging Face Hub (owner/repository:folder)."
        )
    return None if Path(named).expanduser().exists() else hub.place(named)


def at_hand(path: Path) -> Path:
    """The folder or file of an SAE on this machine; one on the Hub is downloaded if it is not here yet.

    Raises:
        ModelError: it cannot be downloaded, or there is no SAE at the place.
    """
    if (there := on_hub(str(path))) is None:
        return path
    if hub.is_commit(there.revision) and fitting(here := _inside(hub.kept(there.repository, there.revision), there)):
        return here
    found = hub.look(there.repository, there.revision, "SAE")
    names = wanted(found.files, there)
    return _inside(hub.fetch_files(there.repository, found.commit, names, "SAE"), there)


def wanted(names: Iterable[str], there: Place) -> list[str]:
    """Those of a repository's files that are read of the SAE at a place.

    Raises:
        ModelError: no SAE at the place, or more than one.
    """
    names = [name for name in names if _PLAIN.fullmatch(name)]
    start = f"{there.inside}/" if there.inside else ""
    near = [
        name for name in names if name == there.inside or (name.startswith(start) and name.count("/", len(start)) < 2)
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in near:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        path = _inside(root, there)
        if not (formats := fitting(path)):
            raise ModelError(_nothing(there, names, start))
        read = [file.relative_to(root).as_posix() for file in one_of(formats, str(there)).files(path)]
    beside = [f"{start}{name}" for name in _BESIDE]
    outer = there.inside.rpartition("/")[0]
    beside.append(f"{outer}/config.json" if outer else "config.json")  # where sparsify names the model
    return sorted({*read, *(name for name in beside if name in names)})


def title(named: str) -> str:
    """What people call an SAE, from the name a space keeps."""
    there = on_hub(named)
    return Path(named).name if there is None else (there.inside or there.repository).rpartition("/")[2]


def declared_hook(named: str) -> str | None:
    """Where an SAE reads by the name of its place on the Hub, for formats whose files do not say; None if unknown."""
    there = on_hub(named)
    layer = _GEMMA_SCOPE.fullmatch(there.inside) if there else None
    reads = _READS.get(there.repository.rpartition("-")[2]) if there else None
    return f"blocks.{layer[1]}.{reads}" if layer and reads else None


def _inside(root: Path, there: Place) -> Path:
    return root / there.inside if there.inside else root


def _nothing(there: Place, names: list[str], start: str) -> str:
    kinds = (".safetensors", ".npz", ".pt", ".pth", ".bin")
    files = [name for name in names if name.endswith(kinds) and name.startswith(start)]
    places = sorted(
        {name if name.endswith((".npz", ".pt", ".pth", ".bin")) else name.rpartition("/")[0] for name in files}
    )
    places = [place for place in places if place and place != there.inside]
    if not places:
        return f"There is no SAE at {there}."
    more = " and more" if len(places) > _SHOWN else ""
    return (
        f"There is no one SAE at {there}; name a folder or file in it after a colon, such as "
        f"{there.repository}:{places[0]} (there are {', '.join(places[:_SHOWN])}{more})."
    )
