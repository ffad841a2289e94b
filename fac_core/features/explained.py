"""Everything said of a feature stands side by side, with who said it, how it did and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fac_core.errors import InputError
from fac_core.feature_space.spaces import delta
from fac_core.features import trust
from fac_core.features.alike import sayings
from fac_core.features.held_out import versions
from fac_core.features.lint import Finding, lint
from fac_core.features.purity import Purity, purity
from fac_core.features.relevance import check_feature
from fac_core.features.split import SCORE, hashes
from fac_core.features.trust import Evidence
from fac_core.store import explanations as store
from fac_core.store import feature_samples as samples
from fac_core.store import features as feature_store
from fac_core.store.explanations import DETECTION, EMBEDDING, FUZZING, INTRUDER, OF_FEATURE, Explanation, Score
from fac_core.store.feature_samples import ExampleRow

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

__all__ = ["DETECTION", "EMBEDDING", "FUZZING", "INTRUDER", "Explained", "JudgedText", "Overview", "Score", "overview"]

WORDS = {
    EMBEDDING: "AUROC on held-out documents",
    DETECTION: "detection, balanced accuracy",
    FUZZING: "fuzzing, balanced accuracy",
    INTRUDER: "intruder found",
}
"""What the value of each protocol is."""


class Explained(NamedTuple):
    """One explanation and how it did."""

    explanation: Explanation
    in_force: bool
    """Whether it is what the feature is called."""
    findings: list[Finding]
    scores: list[Score]
    """The last of each protocol and judge on the data as they are, newest first."""
    earlier: list[Score]
    """Those of other data, of protocols and judges that have none of these; no badge rests on them."""


class Overview(NamedTuple):
    """What is said of a feature, and how far to trust that."""

    badge: str
    """Of the name in force."""
    explained: list[Explained]
    """Newest first."""
    cohesion: Score | None
    """How often an intruder among its documents is found: asks no explanation."""
    purity: Purity | None
    n_above: int
    """Documents to score on in which it is above δ, at most."""

    def n_below(self, score: Score) -> int:
        """How many of the documents that fire for an encoder's score are, at least, not above δ."""
        return max(0, score.n_firing - self.n_above) if score.protocol == EMBEDDING else 0


class JudgedText(NamedTuple):
    """A held-out document of a score."""

    content_id: int
    text: str
    fires: bool
    said: bool | None
    likeness: float | None
    """As for `ScoreItem`."""
    value: float
    """Activation; 0 where the feature is silent."""
    char_start: int
    char_end: int
    """Place of the peak; empty where there is none."""
    sample: ExampleRow | None
    """A sample that holds it; None where all were deleted."""


class Told(NamedTuple):
    """The documents of a score by how they came out, the clearest mistakes first; together they are its figures."""

    missed: list[JudgedText]
    """Fire, and were taken to be silent."""
    taken: list[JudgedText]
    """Silent, and were taken to fire."""
    both: list[JudgedText]
    """Answered both ways; each counts half."""
    unanswered: list[JudgedText]
    """Count for nothing."""
    right: list[JudgedText]

    def figures(self, fires: bool) -> tuple[float, int]:
        """(documents judged right, documents judged) of one side."""
        half = sum(item.fires == fires for item in self.both) / 2
        right = sum(item.fires == fires for item in self.right) + half
        return right, int(right + half) + len(self.missed if fires else self.taken)


def overview(ws: Workspace, space_id: str, feature_id: int) -> Overview:
    """Explanations of one feature with findings and scores.

    Raises:
        InputError: unknown space or feature.
    """
    check_feature(ws, space_id, feature_id)
    name = feature_store.names_of(ws.database, space_id, [feature_id]).get(feature_id, "")
    known = sayings(ws, space_id)
    peaks = purity(ws, space_id, feature_id)
    now = versions(ws, space_id)
    scores = store.scores_of(ws.database, space_id, [feature_id])
    of_name: list[Score] = []
    found: list[Explained] = []
    for explanation in store.explanations_of(ws.database, space_id, [feature_id]):
        if not explanation.text and explanation.verdict != store.CANNOT_TELL:
            continue  # a name that was taken back
        in_force = explanation.text == name and not any(each.in_force for each in found)
        findings = lint(explanation.text, of=feature_id, known=known, purity=peaks) if explanation.text else []
        last = _last(
            sorted(
                (score for score in scores if score.explanation_id == explanation.explanation_id),
                key=lambda score: not now.are_of(score.protocol, score.version),
            )
        )
        mine = [score for score in last if now.are_of(score.protocol, score.version)]
        found.append(Explained(explanation, in_force, findings, mine, last[len(mine) :]))
        of_name += mine if explanation.text == name else []  # of one text given twice, the later explanation's
    return Overview(
        badge=badge(of_name),
        explained=found,
        cohesion=next((s for s in scores if s.explanation_id == OF_FEATURE and s.version == now.encoder), None),
        purity=peaks,
        n_above=samples.n_above(ws.database, space_id, feature_id, delta(ws, space_id), hashes(SCORE)),
    )


def badge(scores: Sequence[Score]) -> str:
    """Badge of an explanation by its scores, those that count first."""
    last: dict[str, Score] = {}
    for score in scores:
        last.setdefault(score.protocol, score)
    return trust.badge_of(Evidence(*(getattr(score, name) for name in Evidence._fields)) for score in last.values())


def too_few(score: Score) -> bool:
    """Whether a score is of too few documents to say anything."""
    if score.protocol == INTRUDER:
        return score.n_firing < trust.MIN_DOCUMENTS
    return trust.too_few(score.n_firing, score.n_silent)


def judged_texts(ws: Workspace, space_id: str, score: Score) -> list[JudgedText]:
    """Documents of a score; none if they were not kept.

    Raises:
        InputError: unknown space or feature.
    """
    items = store.score_items(ws.database, score.score_id)
    contents = [item.content_id for item in items]
    texts = store.content_texts(ws.database, contents)
    peaks = samples.example_rows(ws.database, space_id, score.feature_id, contents)
    found = []
    for item in items:
        row = peaks.get(item.content_id)
        place = (row.value, row.char_start, row.char_end) if row and item.fires else (0.0, 0, 0)
        found.append(JudgedText(item.content_id, texts.get(item.content_id, ""), *item[1:], *place, row))
    return found


def told_apart(items: Sequence[JudgedText]) -> Told:
    """Documents of a score by how they came out."""
    found = Told([], [], [], [], [])
    for item in sorted(items, key=_clearest_first):
        if item.said is None:
            (found.unanswered if item.likeness is None else found.both).append(item)
        elif item.said == item.fires:
            found.right.append(item)
        else:
            (found.missed if item.fires else found.taken).append(item)
    return found


def score_of(ws: Workspace, space_id: str, feature_id: int, score_id: int) -> Score:
    """One score of a feature.

    Raises:
        InputError: it has no such score.
    """
    for score in store.scores_of(ws.database, space_id, [feature_id]):
        if score.score_id == score_id:
            return score
    raise InputError(f"Feature {feature_id} has no score {score_id}.")


def _clearest_first(item: JudgedText) -> tuple[float, float]:
    likeness = item.likeness or 0.0
    return (likeness, -item.value) if item.fires else (-likeness, 0.0)


def _last(scores: Iterable[Score]) -> list[Score]:
    kept: dict[tuple[str, str], Score] = {}
    for score in scores:
        kept.setdefault((score.protocol, score.judge), score)
    return list(kept.values())
