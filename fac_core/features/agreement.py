"""Two methods that agree by chance alone agree by nothing: beside the share stands kappa, and n beside both."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.features.counts import Mask
from fac_core.features.intervals import wilson
from fac_core.features.judgement import current_ratings
from fac_core.features.trials import column
from fac_core.store import relevance as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


class Agreement(NamedTuple):
    """Features by what the labels and the judge say of them; only those that both speak of."""

    both: int
    label_only: int
    judge_only: int
    neither: int

    @property
    def n(self) -> int:
        """Features compared."""
        return sum(self)

    @property
    def share(self) -> float:
        """Share of the features on which both say the same."""
        return (self.both + self.neither) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share."""
        return wilson(self.both + self.neither, self.n)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None where each of the two says the same of every feature, so that chance explains all."""
        n = self.n
        by_label, by_judge = (self.both + self.label_only) / n, (self.both + self.judge_only) / n
        chance = by_label * by_judge + (1 - by_label) * (1 - by_judge)
        return None if chance == 1 else (self.share - chance) / (1 - chance)


def compare(by_label: Mask, by_judge: Mask) -> Agreement:
    """Two verdicts on the same features, [features] each."""
    counts = (by_label & by_judge, by_label & ~by_judge, ~by_label & by_judge, ~by_label & ~by_judge)
    return Agreement(*(int(each.sum()) for each in counts))


def agreement(ws: Workspace, space_id: str) -> Agreement | None:
    """How far labels and judge agree on the features that were tested and rated against the rubric as it stands; None
    where there are none."""
    tests = store.relevance_rows(ws.database, space_id)
    by_label = dict(zip(column(tests, "feature_id").tolist(), column(tests, "relevant").tolist(), strict=True))
    by_judge = current_ratings(ws, space_id)
    common = sorted(by_label.keys() & by_judge.keys())
    if not common:
        return None
    return compare(np.array([by_label[i] for i in common]), np.array([by_judge[i] for i in common]))
