"""The format of an SAE is found by its files, so a folder can hold one format only."""

from __future__ import annotations

from pathlib import Path

from fac_core.errors import ModelError
from fac_core.feature_space.sae_formats import (
    dictionary_learning,
    fac_paper,
    gemma_scope,
    llama_scope,
    saelens,
    sparsify,
)
from fac_core.feature_space.sae_formats.parts import Format

FORMATS: tuple[Format, ...] = (
    saelens.FORMAT,
    sparsify.FORMAT,
    gemma_scope.FORMAT,
    llama_scope.FORMAT,
    dictionary_learning.FORMAT,
    fac_paper.FORMAT,
)


def fitting(path: Path) -> list[Format]:
    """The formats that a folder or file can be of."""
    return [format for format in FORMATS if path.exists() and format.files(path)]


def one_of(formats: list[Format], place: str) -> Format:
    """The only one of the formats that fit; `place` is what people call where the SAE lies.

    Raises:
        ModelError: none fits, or more than one.
    """
    if not formats:
        known = ", ".join(f"{format.title} ({format.looks})" for format in FORMATS)
        raise ModelError(f"No SAE format fits {place}; known are {known}.")
    if len(formats) > 1:
        names = " and ".join(format.title for format in formats)
        raise ModelError(f"{place} looks like {names} at once; put the SAE into a folder of its own.")
    return formats[0]
