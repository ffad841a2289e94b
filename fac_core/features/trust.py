"""A feature's badge says how far its name was borne out by held-out documents, by one rule that anyone can recompute.

The score is of the name in force, on the data as they are: where a model judged it, the weaker of its detection and
fuzzing, else the encoder's. 0.5 is chance for each of them. A score of other documents is history and gives no badge.

| badge | rule |
|---|---|
| high | the lower bound of the 95 % interval is at least 0.7 |
| middle | the value is at least 0.6 and the lower bound above 0.5 |
| low | anything else that was scored |
| unscored | no score of this name, fewer than 5 documents that fire, or fewer than 20 in all |

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
    """What a badge needs to know of a score."""

    protocol: str
    n_firing: int
    n_silent: int
    value: float | None
    low: float | None


def too_few(n_firing: int, n_silent: int) -> bool:
    """Whether a score is of too few documents to say anything; those without an answer are in neither number."""
    return n_firing < MIN_FIRING or n_firing + n_silent < MIN_DOCUMENTS


def badge_of(scores: Iterable[Evidence]) -> str:
    """Badge from the last score of each protocol."""
    usable = {
        score.protocol: (score.value, score.low)
        for score in scores
        if score.value is not None and score.low is not None and not too_few(score.n_firing, score.n_silent)
    }
    by_model = [usable[protocol] for protocol in (DETECTION, FUZZING) if protocol in usable]
    judged = by_model or [usable[protocol] for protocol in (EMBEDDING,) if protocol in usable]
    if not judged:
        return UNSCORED
    return max((_badge(*each) for each in judged), key=BADGES.index)


def _badge(value: float, low: float) -> str:
    if low >= HIGH_FROM:
        return HIGH
    return MIDDLE if value >= MIDDLE_FROM and low > CHANCE else LOW


def badges(ws: Workspace, space_id: str) -> dict[int, str]:
    """Badge of every feature whose name has a score; all others are unscored."""
    named = feature_store.names(ws.database, space_id)
    names = dict(zip(named.column("feature_id").to_pylist(), named.column("name").to_pylist(), strict=True))
    found: dict[int, dict[str, tuple[int, Evidence]]] = {}
    of = versions(ws, space_id)
    rows = store.newest_scores(ws.database, space_id, (DETECTION, FUZZING, EMBEDDING), of).to_pydict()
    columns = (rows[name] for name in ("feature_id", "explanation_id", "text", *Evidence._fields))
    for feature, explanation, text, *score in zip(*columns, strict=True):
        if names.get(feature) == text:  # of one text given twice, the later explanation's
            mine = found.setdefault(feature, {})
            if score[0] not in mine or mine[score[0]][0] < explanation:
                mine[score[0]] = (explanation, Evidence(*score))
    return {feature: badge_of(score for _, score in mine.values()) for feature, mine in found.items()}


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
    have = badges(ws, space_id)
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
