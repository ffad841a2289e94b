"""Documents are compared in pieces of one size, so that length tells nothing: a long text is cut, never squeezed.

Pieces overlap by half, so that whatever stands in a text is near the middle of one of them. Each is encoded once,
whatever the number of features that fire in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.features.words import words_of

WORDS = 12
"""Words and marks of a piece, about a clause: what makes a feature fire stands near its peak."""
STEP = WORDS // 2
MAX_WORDS = 600
"""Of a text; as far as names look."""
_SPAN = 1 << 32
Ints = NDArray[np.int64]


class Windows(NamedTuple):
    """Pieces of some texts, by text and place."""

    text: Ints
    """[windows] index of the text."""
    start: Ints
    end: Ints
    """[windows] character range in it."""
    first: Ints
    """[texts + 1] those of text i are `first[i]:first[i + 1]`."""

    def around(self, text: Ints, char: Ints) -> Ints:
        """The piece of a text in whose middle a character lies most nearly; texts must have a piece."""
        middle = self.text * _SPAN + (self.start + self.end) // 2
        wanted = text * _SPAN + char
        right = np.clip(np.searchsorted(middle, wanted), self.first[text], self.first[text + 1] - 1)
        left = np.maximum(right - 1, self.first[text])
        nearer: Ints = np.where(abs(middle[left] - wanted) <= abs(middle[right] - wanted), left, right)
        return nearer

    def pieces(self, texts: Sequence[str]) -> list[str]:
        """The pieces as text."""
        rows = zip(self.text.tolist(), self.start.tolist(), self.end.tolist(), strict=True)
        return [texts[text][start:end] for text, start, end in rows]


def cut(texts: Sequence[str]) -> Windows:
    """Cut texts into pieces of WORDS words and marks; the last one of a text reaches back to be as long as others.

    A text without words is one empty piece.
    """
    rows: list[tuple[int, int, int]] = []
    first = [0]
    for number, text in enumerate(texts):
        words = words_of(text)[:MAX_WORDS]
        last = max(0, len(words) - WORDS)
        for begin in dict.fromkeys([*range(0, last, STEP), last]):
            piece = words[begin : begin + WORDS]
            rows.append((number, piece[0].start, piece[-1].end) if piece else (number, 0, 0))
        first.append(len(rows))
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Windows(table[:, 0], table[:, 1], table[:, 2], np.array(first, np.int64))
