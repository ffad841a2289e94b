"""A preset is data: the parts ``[sae]`` and ``[training]`` of a recipe, in one file of the folder ``recipes``."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from fac_core.errors import InputError

_FOLDER = Path(__file__).parent / "recipes"
SMALL = "small"


class Preset(NamedTuple):
    """Two parts of a recipe."""

    title: str
    entries: dict[str, Any]
    """{``sae``: …, ``training``: …}"""


def preset_names() -> list[str]:
    """All presets, that for a project's own texts first."""
    return sorted((path.stem for path in _FOLDER.glob("*.toml")), key=lambda name: (name != SMALL, name))


@cache
def load_preset(name: str) -> Preset:
    """A preset by its name.

    Raises:
        InputError: there is none of this name.
    """
    if name not in preset_names():
        raise InputError(f"There is no preset {name[:40]!r}; choose one of {', '.join(preset_names())}.")
    entries = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return Preset(entries.pop("title"), entries)
