"""What became of a job's questions is told whole: those that came to nothing are counted beside those that did not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from fac_core.llm.asking import UNREAD

WORDS = {
    "answered": "answered as asked",
    "unreadable": "unreadable both times",
    "cut off": "cut off at the token limit",
}
"""Of outcomes whose name alone says too little."""


def told(result: Mapping[str, Any] | None) -> list[str]:
    """Outcomes of a job's questions, one line for each purpose, then what the service said of those it rejected."""
    by_purpose: dict[str, list[str]] = defaultdict(list)
    for name, n in sorted(_counts(result, "outcomes").items(), key=lambda item: (item[0].split(": ")[0], -item[1])):
        purpose, outcome = name.split(": ", 1)
        by_purpose[purpose].append(f"{n:,} {WORDS.get(outcome, outcome)}")
    lines = [f"{purpose}: {', '.join(counts)}" for purpose, counts in by_purpose.items()]
    if any(_counts(result, "outcomes").get(f"explain: {outcome}") for outcome in UNREAD):
        lines.append("where an explanation was cut off or came in prose, its first whole sentence stands for it")
    rejections = _counts(result, "rejections")
    if rejections:
        n, said = sum(rejections.values()), max(rejections, key=lambda sentence: rejections[sentence])
        lines.append(f"{n:,} rejected by the service, which says: {said}")
    return lines


def n_unread(result: Mapping[str, Any] | None) -> int:
    """Questions whose replies said nothing that can be used; they are asked anew only if somebody wants that."""
    counts = _counts(result, "outcomes")
    return sum(n for name, n in counts.items() if name.split(": ", 1)[1] in UNREAD)


def _counts(result: Mapping[str, Any] | None, name: str) -> dict[str, int]:
    return dict((result or {}).get(name) or {})
