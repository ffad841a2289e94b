"""A feature's badge says how far its name was borne out by held-out documents, by one rule that anyone can recompute.

The score is of the name in force, on the data as they are: where a model judged it, the weaker of its detection and
fuzzing, else the encoder's. 0.5 is chance for each of them. A score of other documents is history and gives no badge.

| badge | rule |
|---|---|
| high | the lower bound of the 95 % interval is at least 0.7 |
| middle | the value is at least 0.6 and the lower bound above 0.5 |
| low | anything else that was scored |
| unscored | no score of this name, fewer than 5 documents that fire, or fewer than 20 in all |

Beside the badge stands the score it rests on; one of too few documents is shown as such and sorts with those that have
none.
0.7 is the pass mark others use for balanced accuracy; here the whole interval must lie above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fac_core.errors import InputError
from fac_core.features.held_out import Versions, versions
from fac_core.store import explanations as store
from fac_core.store import features as feature_store
from fac_core.store.explanations import DETECTION, EMBEDDING, FUZZING

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

HIGH, MIDDLE, LOW, UNSCORED = "high", "middle", "low", "unscored"
BADGES = (HIGH, MIDDLE, LOW, UNSCORED)
"""Best first."""
ANY = "any"
"""Nothing is required."""
REQUIRABLE = (ANY, LOW, MIDDLE, HIGH)
HIGH_FROM, MIDDLE_FROM, CHANCE = 0.7, 0.6, 0.5
MIN_FIRING, MIN_DOCUMENTS = 5, 20
_SETTING = "least_trust"


class Evidence(NamedTuple):
    """What a badge and a table need to know of a score."""

    protocol: str
    judge: str
    n_firing: int
    n_silent: int
    value: float | None
    low: float | None
    high: float | None

    @property
    def too_few(self) -> bool:
        """Whether it is of too few documents to say anything."""
        return too_few(self.n_firing, self.n_silent)


class NameScore(NamedTuple):
    """How far the name in force was borne out."""

    badge: str
    score: Evidence
    """What the badge rests on; of too few documents where all are. Its value is never None."""


def too_few(n_firing: int, n_silent: int) -> bool:
    """Whether a score is of too few documents to say anything; those without an answer are in neither number."""
    return n_firing < MIN_FIRING or n_firing + n_silent < MIN_DOCUMENTS


def badge_of(scores: Iterable[Evidence]) -> str:
    """Badge from the last score of each protocol."""
    found = name_score(scores)
    return UNSCORED if found is None else found.badge


def name_score(scores: Iterable[Evidence]) -> NameScore | None:
    """Badge and what it rests on, from the last score of each protocol; None where none has a value."""
    told = [score for score in scores if score.value is not None]
    judged = [score for score in told if not score.too_few] or told
    by_model = [score for score in judged if score.protocol in (DETECTION, FUZZING)]
    found = [NameScore(_badge(score), score) for score in by_model or judged]
    return max(found, key=lambda each: (BADGES.index(each.badge), -(each.score.value or 0.0)), default=None)


def _badge(score: Evidence) -> str:
    if score.value is None or score.low is None or score.too_few:
        return UNSCORED
    if score.low >= HIGH_FROM:
        return HIGH
    return MIDDLE if score.value >= MIDDLE_FROM and score.low > CHANCE else LOW


def badges(ws: Workspace, space_id: str) -> dict[int, str]:
    """Badge of every feature whose name has a score; all others are unscored."""
    return {feature: each.badge for feature, each in name_scores(ws, space_id).items()}


def name_scores(ws: Workspace, space_id: str, feature_ids: Sequence[int] | None = None) -> dict[int, NameScore]:
    """Badge and score of every feature, or of some, whose name has a score with a value."""
    names = feature_store.names_of(ws.database, space_id, feature_ids)
    found: dict[int, dict[str, tuple[int, Evidence]]] = {}
    of = versions(ws, space_id)
    rows = store.newest_scores(ws.database, space_id, (DETECTION, FUZZING, EMBEDDING), of, feature_ids).to_pydict()
    columns = (rows[name] for name in ("feature_id", "explanation_id", "text", *Evidence._fields))
    for feature, explanation, text, *score in zip(*columns, strict=True):
        if names.get(feature) == text:  # of one text given twice, the later explanation's
            mine = found.setdefault(feature, {})
            if score[0] not in mine or mine[score[0]][0] < explanation:
                mine[score[0]] = (explanation, Evidence(*score))
    told = {feature: name_score(score for _, score in mine.values()) for feature, mine in found.items()}
    return {feature: each for feature, each in told.items() if each is not None}


def newest(ws: Workspace, space_id: str) -> tuple[int, Versions]:
    """What badges go with beside names: as long as it is the same, no score has come or has become history.

    Raises:
        InputError: the project does not know the space.
    """
    return store.newest_score(ws.database, space_id), versions(ws, space_id)


def least_trust(ws: Workspace) -> str:
    """The badge that synthesis requires in this project; ANY unless a curator chose one."""
    return ws.setting(_SETTING, ANY)


def require_trust(ws: Workspace, badge: str) -> None:
    """Require a badge, or a better one, before texts are written for a feature; ANY requires none.

    Raises:
        InputError: no such badge.
    """
    if badge not in REQUIRABLE:
        raise InputError(f"There is no least trust {badge[:40]!r}; choose one of {', '.join(REQUIRABLE)}.")
    ws.set_setting(_SETTING, badge)


def mistrusted(ws: Workspace, space_id: str, feature_ids: Sequence[int]) -> Mapping[int, str]:
    """Those of some features that the project's least trust leaves out, with their badge."""
    least = least_trust(ws)
    if least == ANY:
        return {}
    have = {feature: each.badge for feature, each in name_scores(ws, space_id, feature_ids).items()}
    worst = BADGES.index(least)
    of = {feature: have.get(feature, UNSCORED) for feature in feature_ids}
    return {feature: badge for feature, badge in of.items() if BADGES.index(badge) > worst}


def left_out_sentence(ws: Workspace, left_out: Mapping[int, str]) -> str:
    """Which features are left out of a run and why, in one sentence; empty if none is."""
    if not left_out:
        return ""
    listed = [f"{feature} ({badge})" for feature, badge in list(left_out.items())[:10]]
    more = f" and {len(left_out) - 10} more" if len(left_out) > 10 else ""
    return (
        f"Left out, since this project asks for names of at least {least_trust(ws)} trust: "
        f"feature{'s' * (len(left_out) > 1)} {', '.join(listed)}{more}; score or reword their explanations."
    )
