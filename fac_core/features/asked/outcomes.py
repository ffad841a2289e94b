"""What became of a job is told whole: what came to nothing is counted beside what did not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from fac_core.features.judgement import RATINGS
from fac_core.llm.asking import UNREAD
from fac_core.store.explanations import CANNOT_TELL, REFUTED

NOT_VERIFIED = "not verified"
"""Of an explanation whose verifier's call came to nothing."""
WORDS = {
    "answered": "answered as asked",
    "unreadable": "unreadable both times",
    "cut off": "cut off at the token limit",
}
"""Of outcomes whose name alone says too little."""
VERDICTS = {
    "yes": "borne out by the verifier",
    "probably": "probably so",
    "maybe": "perhaps so",
    REFUTED: "refuted by the verifier",
    CANNOT_TELL: "of which the model cannot tell",
    NOT_VERIFIED: "explained and not verified",
}


def told(result: Mapping[str, Any] | None) -> list[str]:
    """What became of a job: a line about its features or explanations, one about the questions of each purpose, then
    what the service said of those it rejected.
    """
    by_purpose: dict[str, list[str]] = defaultdict(list)
    for name, n in sorted(_counts(result, "outcomes").items(), key=lambda item: (item[0].split(": ")[0], -item[1])):
        purpose, outcome = name.split(": ", 1)
        by_purpose[purpose].append(f"{n:,} {WORDS.get(outcome, outcome)}")
    lines = [*_subjects(result), *(f"{purpose}: {', '.join(counts)}" for purpose, counts in by_purpose.items())]
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


def _subjects(result: Mapping[str, Any] | None) -> list[str]:
    """What became of the features that were asked about, or of the explanations that were judged."""
    verdicts, ratings, scored = (_counts(result, name) for name in ("verdicts", "ratings", "scored"))
    parts: list[str] = []
    if verdicts:
        parts = [f"{verdicts[verdict]:,} {words}" for verdict, words in VERDICTS.items() if verdicts.get(verdict)]
    elif ratings:
        parts = [f"{ratings[rating]:,} rated {rating}" for rating in RATINGS if ratings.get(rating)]
    elif scored:
        parts = [f"{n:,} with a score by {protocol}" for protocol, n in scored.items()]
    what = "explanations" if scored else "features"
    asked = (result or {}).get(f"n_{what}")
    reached = max(scored.values()) if scored else sum((verdicts or ratings).values())
    if asked is not None and asked > reached:
        parts.append(f"{asked - reached:,} of {asked:,} without any")
    return [f"{what}: {', '.join(parts)}"] if parts else []


def _counts(result: Mapping[str, Any] | None, name: str) -> dict[str, int]:
    return dict((result or {}).get(name) or {})
