"""Which features belong to the task (F) is the tests' answer, corrected by what a person said, and nothing else.

Two modes: `label` takes the features whose association with the task is significant (method §4 without a judge),
`alive` takes every feature. `auto` uses the label where it finds enough: tests that call fewer than one feature in
twenty relevant (a small anchor, look-alikes on both sides, answers that differ in style only) would leave out what a
set is about, and FAC would speak of a handful of features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.errors import InputError
from fac_core.features.counts import Mask
from fac_core.store import features as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

AUTO, LABEL, ALIVE = "auto", "label", "alive"
MODES = (AUTO, LABEL, ALIVE)
MIN_BY_LABEL = 50
MIN_SHARE_BY_LABEL = 0.05
"""Of the features that were tested."""
_SETTING = "relevance_mode"


class Judgement(NamedTuple):
    """Which features are relevant, and why."""

    mode: str
    """`label` or `alive`: what decided."""
    relevant: Mask
    """[d_sae]; with mode `alive` also features that never fire."""
    n_by_label: int
    """Features the tests call relevant."""


def chosen_mode(ws: Workspace) -> str:
    """The project's setting: `auto`, `label` or `alive`."""
    return ws.setting(_SETTING, AUTO)


def choose_mode(ws: Workspace, mode: str) -> None:
    """Set which features count as relevant.

    Raises:
        InputError: no such mode.
    """
    if mode not in MODES:
        raise InputError(f"There is no relevance mode {mode!r}; choose one of {', '.join(MODES)}.")
    ws.set_setting(_SETTING, mode)


def judge(ws: Workspace, space_id: str, d_sae: int) -> Judgement:
    """The task-relevant features F of a space."""
    ids, n_tested = store.relevant_by_test(ws.database, space_id)
    by_label = np.zeros(d_sae, bool)
    by_label[ids] = True
    n_by_label = len(ids)
    mode = chosen_mode(ws)
    if mode == AUTO:
        mode = LABEL if n_by_label >= max(MIN_BY_LABEL, MIN_SHARE_BY_LABEL * n_tested) else ALIVE
    mask = by_label if mode == LABEL else np.ones(d_sae, bool)
    for feature_id, verdict in store.overrules(ws.database, space_id).items():
        mask[feature_id] = verdict
    return Judgement(mode, mask, n_by_label)
