"""A space's id changes with everything that changes an activation, and with nothing else.

The id hashes model, block, SAE, Top-K flag, pooling, mask rule, length and dtype by content, never by location, so a
cache made on one machine is valid on another.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fac_core.errors import ModelError
from fac_core.feature_space.sae_formats import sae_digest

EMBEDDED = "embedded"
CARD_KEYS = {"block": int, "n_blocks": int, "d_sae": int, "k": int, "fvu": float, "l0": float, "alive_share": float}
"""What every card says."""
_MEND = "mend it, or reinstall FAC Explorer if it came with it"
MASK = "tokens of the turns that count, each turn in its place in the model's chat template"
"""Which tokens count; a space made under another rule is another space."""
DATA = Path(__file__).resolve().parents[2] / "data"
# where a thing lies, and how it is called, does not change what it computes
_NOT_IDENTITY = {"backbone", "sae", "name"}


@dataclass(frozen=True)
class SpaceSpec:
    """How a text becomes feature activations."""

    name: str
    """Shown to people; not part of the identity."""
    backbone: str
    """``embedded``, a local model folder or GGUF file, or the name of a model on the Hugging Face Hub."""
    backbone_digest: str
    block: int
    """Output of this block, counted from 1."""
    n_blocks: int
    sae: str
    """Folder or file of the SAE, in any format of `sae_formats`, or its place on the Hub with the commit."""
    sae_digest: str
    d_sae: int
    k: int
    apply_topk: bool = True
    pooling: str = "max"
    mask: str = MASK
    max_length: int = 512
    dtype: str = "float32"
    revision: str = ""
    """Commit of a model on the Hub; empty for others, which are told by their digest."""

    @property
    def space_id(self) -> str:
        """Identity of the space, 16 hex characters."""
        identity = {key: value for key, value in asdict(self).items() if key not in _NOT_IDENTITY}
        if not self.revision:
            del identity["revision"]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The spec as stored and sent to workers."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | dict[str, Any]) -> SpaceSpec:
        """Inverse of `to_json`; the shipped SAE is where this installation has it, wherever the spec was made.

        Raises:
            ModelError: it has entries this version does not know.
        """
        entries = json.loads(text) if isinstance(text, str) else text
        try:
            spec = cls(**entries)
        except TypeError as error:
            raise ModelError(
                "The feature space was described by another version of FAC Explorer; update it."
            ) from error
        here, there = embedded_folder(), Path(spec.sae)
        moved = spec.backbone == EMBEDDED and there.name == here.name and not there.exists()
        return replace(spec, sae=str(here)) if moved else spec

    def hook_in_words(self) -> str:
        """Where the SAE reads, for people."""
        return f"output of block {self.block} of {self.n_blocks}, counted from 1"


def embedded_folder() -> Path:
    """Folder of the shipped SAE, its card and its per-feature tables."""
    return DATA / "embedded"


def embedded_space() -> SpaceSpec:
    """The shipped space: SmolLM2-135M-Instruct read at mid-depth by the project's own SAE.

    Raises:
        ModelError: the shipped files are missing.
    """
    from fac_core.feature_space import embedded

    folder = embedded_folder()
    card = read_card(folder)
    return SpaceSpec(
        name="Embedded (SmolLM2-135M-Instruct)",
        backbone=EMBEDDED,
        backbone_digest=embedded.GGUF_SHA256,
        block=card["block"],
        n_blocks=card["n_blocks"],
        sae=str(folder),
        sae_digest=sae_digest(folder),
        d_sae=card["d_sae"],
        k=card["k"],
    )


def read_card(folder: Path) -> dict[str, Any]:
    """The card of an SAE: what went in and what was measured (``card.json``).

    Raises:
        ModelError: missing, unreadable, or an entry of `CARD_KEYS` is not a number of its kind.
    """
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The SAE in {folder} has no readable card.json; {_MEND}.") from error
    if not isinstance(card, dict):
        raise ModelError(f"The file card.json of the SAE in {folder} is not a card; {_MEND}.")
    for key, kind in CARD_KEYS.items():
        if key not in card:
            raise ModelError(f"The card of the SAE in {folder} does not say {key}; {_MEND}.")
        if not _is_number(card[key], kind):
            raise ModelError(f"The card of the SAE in {folder} says {key} is {str(card[key])[:40]!r}; {_MEND}.")
    if not _is_number(card.get("default_delta", 0.0), float):
        raise ModelError(
            f"The card of the SAE in {folder} says default_delta is {str(card['default_delta'])[:40]!r}; {_MEND}."
        )
    return card


def _is_number(value: Any, kind: type) -> bool:
    """Whether a card's entry is a finite number of at least zero, whole where `kind` is int."""
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        return False
    return math.isfinite(value) and value >= 0
