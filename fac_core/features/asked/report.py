"""A score is told with how many documents it is of, on either side, and the interval that so few leave open.

Balanced accuracy: an always-yes judge is worth one half, whatever the numbers on either side.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fac_core.features.asked.judging import Judged, Trial
from fac_core.features.intervals import wilson
from fac_core.store.explanations import Score, ScoreItem


def balanced(right_firing: float, n_firing: int, right_silent: float, n_silent: int) -> tuple[float, float, float]:
    """Balanced accuracy from how many of each side were judged right, both sides having some.

    Its 95 % interval comes from Wilson's of either side (Zou and Donner's recovery of variances).
    """
    shares = (right_firing / n_firing, right_silent / n_silent)
    bounds = (wilson(right_firing, n_firing), wilson(right_silent, n_silent))
    value = sum(shares) / 2
    below = sum((share - low) ** 2 for share, (low, _) in zip(shares, bounds, strict=True)) ** 0.5 / 2
    above = sum((high - share) ** 2 for share, (_, high) in zip(shares, bounds, strict=True)) ** 0.5 / 2
    return value, max(0.0, value - below), min(1.0, value + above)


def score_of(
    trial: Trial, judged: Sequence[Judged], *, judge: str, version: str, at: datetime
) -> tuple[Score, list[ScoreItem]]:
    """Score of a trial and its documents; no value where either side has no answer.

    `n_firing` and `n_silent` are the documents that were answered, `right_firing` and `right_silent` how many of them
    were judged right. A document of which both orders say the opposite counts half, and its item says neither.
    """
    answered = [each for each in judged if each.share_yes is not None]
    firing = [each.share_yes or 0.0 for each in answered if each.fires]
    silent = [1 - (each.share_yes or 0.0) for each in answered if not each.fires]
    right_firing, right_silent = sum(firing), sum(silent)
    value = low = high = None
    if firing and silent:
        value, low, high = balanced(right_firing, len(firing), right_silent, len(silent))
    score = Score(
        score_id=0,
        explanation_id=trial.explanation_id,
        feature_id=trial.feature_id,
        protocol=trial.protocol,
        judge=judge,
        version=version,
        n_firing=len(firing),
        n_silent=len(silent),
        right_firing=right_firing,
        right_silent=right_silent,
        n_unanswered=len(judged) - len(answered),
        value=value,
        low=low,
        high=high,
        created_at=at,
    )
    return score, [ScoreItem(each.content_id, each.fires, _said(each.share_yes), each.share_yes) for each in judged]


def _said(share_yes: float | None) -> bool | None:
    return None if share_yes is None or share_yes == 0.5 else share_yes > 0.5
