"""Which features belong to the task (F) is decided here and nowhere else: by what the project's setting names, and
above it by what a person said.

`label` takes the features whose association with the task is significant; `judge` those a model rated against the
task's rubric as it stands, with anything but No (method §4); `both` and `either` join the two; `alive` takes every
feature. `auto` uses the labels where they find enough: tests that call fewer than one feature in twenty relevant (a
small anchor, look-alikes on both sides, answers that differ in style only) would leave out what a set is about, and FAC
would speak of a handful of features.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.errors import InputError
from fac_core.features.counts import Mask
from fac_core.store import relevance as store
from fac_core.tasks import load_task

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

AUTO, LABEL, JUDGE, BOTH, EITHER, ALIVE = "auto", "label", "judge", "both", "either", "alive"
MODES = (AUTO, LABEL, JUDGE, BOTH, EITHER, ALIVE)
MIN_BY_LABEL = 50
MIN_SHARE_BY_LABEL = 0.05
"""Of the features that were tested."""
YES, PROBABLY, MAYBE, NO = "yes", "probably", "maybe", "no"
RATINGS = (YES, PROBABLY, MAYBE, NO)
_SETTING = "relevance_mode"


class Judgement(NamedTuple):
    """Which features are relevant, and why."""

    mode: str
    """What decided: any of MODES but `auto`."""
    relevant: Mask
    """[d_sae]; with mode `alive` also features that never fire."""
    n_by_label: int
    """Features the tests call relevant."""
    n_by_judge: int
    """Features rated relevant against the rubric as it stands."""


def chosen_mode(ws: Workspace) -> str:
    """The project's setting, one of MODES."""
    return ws.setting(_SETTING, AUTO)


def choose_mode(ws: Workspace, mode: str) -> None:
    """Set which features count as relevant.

    Raises:
        InputError: no such mode.
    """
    if mode not in MODES:
        raise InputError(f"There is no relevance mode {mode!r}; choose one of {', '.join(MODES)}.")
    ws.set_setting(_SETTING, mode)


def enough_by_label(n_tested: int) -> int:
    """How many of the tested features the tests must call relevant for `auto` to go by them."""
    return max(MIN_BY_LABEL, math.ceil(MIN_SHARE_BY_LABEL * n_tested))


def judge(ws: Workspace, space_id: str, d_sae: int) -> Judgement:
    """The task-relevant features F of a space."""
    ids, n_tested = store.relevant_by_test(ws.database, space_id)
    by_label, by_judge = np.zeros(d_sae, bool), np.zeros(d_sae, bool)
    by_label[ids] = True
    by_judge[[feature for feature, relevant in current_ratings(ws, space_id).items() if relevant]] = True
    n_by_label, n_by_judge = len(ids), int(by_judge.sum())
    mode = chosen_mode(ws)
    if mode == AUTO:
        mode = LABEL if n_by_label >= enough_by_label(n_tested) else ALIVE
    mask = {
        LABEL: by_label,
        JUDGE: by_judge,
        BOTH: by_label & by_judge,
        EITHER: by_label | by_judge,
        ALIVE: np.ones(d_sae, bool),
    }[mode]
    for feature_id, verdict in store.overrules(ws.database, space_id).items():
        mask[feature_id] = verdict
    return Judgement(mode, mask, n_by_label, n_by_judge)


def current_ratings(ws: Workspace, space_id: str) -> dict[int, bool]:
    """Whether each feature that was rated against the rubric as it stands is relevant: {feature_id: rating is not No}.

    A rating of an older rubric answers another question and counts as none.
    """
    version = load_task(ws.task).rubric_version
    newest = store.ratings(ws.database, space_id, version)
    return {feature: rating != NO for feature, rating in newest.items()}
