"""A choice's text is found by its letter in the question itself, so an item with shuffled choices means the same."""

from __future__ import annotations

import re

_OPTION = re.compile(r"(?:^|(?<=\s))\(([A-H])\)[ \t]*", re.MULTILINE)
_MARK = re.compile(r"\(?([A-Ha-h])[).:]?")


def options(question: str) -> dict[str, str]:
    """The choices a question lists, ``{"(A)": text, ...}``; empty unless it lists each letter once, from A on."""
    # a bio may mention "(A)" in passing: the list of choices is the last run that starts with A
    found = list(_OPTION.finditer(question))
    starts = [i for i, match in enumerate(found) if match[1] == "A"]
    if not starts:
        return {}
    found = found[starts[-1] :]
    if [match[1] for match in found] != [chr(ord("A") + i) for i in range(len(found))] or len(found) < 2:
        return {}
    ends = [match.start() for match in found[1:]] + [len(question)]
    return {f"({match[1]})": question[match.end() : end].strip() for match, end in zip(found, ends, strict=True)}


def mark(answer: str) -> str | None:
    """A choice's letter as ``(A)``, also if written ``A``, ``a)`` or ``A.``; None if it is no letter."""
    match = _MARK.fullmatch(answer.strip())
    return f"({match[1].upper()})" if match else None
