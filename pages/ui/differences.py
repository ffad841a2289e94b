"""Two texts side by side are compared word by word: shared words stand out, an edit shows what it put in and took."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from pages.ui.heat import Piece

_PARTS = re.compile(r"\s+|\w+|[^\w\s]")
MAX_PARTS = 600
"""Beyond this a comparison is of no use to a reader and the text is shown plain."""


def beside(other: str, text: str) -> list[Piece]:
    """`other` as pieces; words it shares with `text`, in the same order, are strong and the rest is quiet."""
    theirs, ours = _PARTS.findall(other), _PARTS.findall(text)
    if len(theirs) > MAX_PARTS or len(ours) > MAX_PARTS:
        return [Piece(other)]
    folded = [part.casefold() for part in theirs], [part.casefold() for part in ours]
    pieces = []
    for tag, start, end, _, _ in SequenceMatcher(None, *folded, autojunk=False).get_opcodes():
        if start < end:
            pieces.append(Piece("".join(theirs[start:end]), kind="strong" if tag == "equal" else "quiet"))
    return pieces or [Piece(other)]


def edited(before: str, after: str) -> list[Piece]:
    """One text with what an edit took out and put in."""
    old, new = _PARTS.findall(before), _PARTS.findall(after)
    if len(old) > MAX_PARTS or len(new) > MAX_PARTS:
        return [Piece(after)]
    pieces = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(Piece("".join(old[a:b])))
            continue
        if a < b:
            pieces.append(Piece("".join(old[a:b]), kind="removed"))
        if c < d:
            pieces.append(Piece("".join(new[c:d]), kind="added"))
    return pieces or [Piece(after)]
