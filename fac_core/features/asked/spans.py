"""A span holds the peak and context on both sides, and only we can mark a token in it: a text's own marks are undone.

The peak is what the feature answers to; a span that stops before it would be explained by what happens to precede it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fac_core.features.graphemes import widen
from fac_core.features.words import words_of

OPEN, CLOSE = "⟦", "⟧"
"""Around a token that is pointed at; rare in texts, and no prompt's structure."""
SPAN_WORDS = 32
"""Words and marks of a span for the explainer."""
EXCERPT_WORDS = 96
"""Words and marks of a document for a judge."""
MAX_SIDE_CHARS = 600
"""Characters on each side at most, for texts without words."""
_CUT = "…"
_UNDONE = str.maketrans({OPEN: "[", CLOSE: "]"})
Range = tuple[int, int]


def window(text: str, start: int, end: int, n_words: int) -> Range:
    """Characters of up to `n_words` words and marks around [start, end), two thirds of them before it."""
    words = words_of(text)
    if not words:
        return max(0, start - MAX_SIDE_CHARS), min(len(text), end + MAX_SIDE_CHARS)
    at = next((i for i, word in enumerate(words) if word.end > start), len(words) - 1)
    first = max(0, min(at - n_words * 2 // 3, len(words) - n_words))
    last = min(len(words), first + n_words) - 1
    low, high = min(words[first].start, start), max(words[last].end, end)
    ((low, high),) = widen(text, [(max(low, start - MAX_SIDE_CHARS), min(high, end + MAX_SIDE_CHARS))])
    return low, high


def excerpt(text: str, inside: Range, marks: Sequence[Range] = ()) -> str:
    """A part of a text, with marked characters between OPEN and CLOSE and a sign where it was cut.

    Marks that touch, blanks between them aside, are one; a mark has no blanks at its ends. Where all marks are blanks,
    such as a line break on which a feature is active, the first is kept as it is.
    """
    low, high = inside
    parts = [f"{_CUT} "] if text[:low].strip() else []
    at = low
    for start, end in _joined(text, widen(text, marks), low, high):
        parts += [_plain(text[at:start]), OPEN, _plain(text[start:end]), CLOSE]
        at = end
    parts += [_plain(text[at:high]), f" {_CUT}" if text[high:].strip() else ""]
    return "".join(parts).strip()


def around_peak(text: str, start: int, end: int) -> str:
    """The span for the explainer, with its peak marked."""
    return excerpt(text, window(text, start, end, SPAN_WORDS), [(start, end)])


def _joined(text: str, marks: Sequence[Range], low: int, high: int) -> list[Range]:
    found: list[Range] = []
    inside = [(max(start, low), min(end, high)) for start, end in sorted(marks)]
    for start, end in inside:
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        if start >= end:
            continue
        if found and not text[found[-1][1] : start].strip():
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found or [(start, end) for start, end in inside if start < end][:1]


def _plain(text: str) -> str:
    return text.translate(_UNDONE)
