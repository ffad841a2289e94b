"""Filling a template is plain replacement in one pass: braces inside a value stay text, nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{([a-z_0-9]+)\}")


def names(template: str) -> frozenset[str]:
    """Names of the places of a template."""
    return frozenset(_PLACE.findall(template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each ``{name}`` replaced by its value; a name without a value becomes empty."""
    return _PLACE.sub(lambda match: values.get(match[1], ""), template)


def split(template: str, text: str) -> dict[str, str] | None:
    """Values that `fill` would have made `text` from, white space aside; None if a separator is missing.

    Each separator is taken where it occurs first, so a value that holds the next separator is cut there.
    """
    first, *separators = [part.strip() for part in _PLACE.split(template)[::2]]
    rest = text.strip().removeprefix(first)
    values = {}
    for name, separator in zip(_PLACE.findall(template), separators, strict=True):
        if separator:
            value, found, rest = rest.partition(separator)
            if not found:
                return None
        else:
            value, rest = rest, ""
        values[name] = value.strip()
    return values


def repeated_separator(template: str, text: str) -> str | None:
    """The first separator that occurs in a text more than once, so that `split` cannot know its place; None if none."""
    _, *separators = [part.strip() for part in _PLACE.split(template)[::2]]
    return next((separator for separator in separators if separator and text.count(separator) > 1), None)
