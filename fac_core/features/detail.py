"""A feature's page draws on the same facts as the table's row, so the two can never tell different counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.features.facts import load_facts
from fac_core.features.naming import NameEvent, history
from fac_core.features.relevance import OverruleEvent, RelevanceTest, check_feature, judgements, tests_of
from fac_core.features.rows import NO_ROW, ROWS_BY, row_ids
from fac_core.features.table import FeatureRow, feature_row
from fac_core.store import coverage as coverage_store
from fac_core.store import feature_weights as weights
from fac_core.store import features as store
from fac_core.store.activations import LAST_BIN

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


class FamilyMember(NamedTuple):
    """A near-copy of a feature."""

    feature_id: int
    name: str
    joined_by: str
    """What joined it: `firing`, `decoder` or `both`."""


class RowOf(NamedTuple):
    """A row of heatmaps that a feature is in."""

    kind: str
    """`theme` or `cluster` (of decoder directions)."""
    row_id: int
    name: str
    n_features: int


@dataclass(frozen=True)
class FeatureDetail:
    """Everything about one feature at one δ."""

    row: FeatureRow
    history: list[NameEvent]
    """Names, newest first."""
    histogram: dict[str, list[int]]
    """Samples of each role by activation: 64 bins of width 0.25, bin b holds (b·0.25, (b+1)·0.25], the last is open."""
    neighbours: list[tuple[int, str, float]]
    """(feature, name, decoder cosine), nearest first."""
    opposites: list[tuple[int, str, float]]
    """(feature, name, decoder cosine), most opposite first."""
    tokens: list[tuple[str, float]]
    """(output token, logit) the feature raises most."""
    relevance: list[RelevanceTest]
    judgements: list[OverruleEvent]
    family: list[FamilyMember]
    """Other members of its family."""
    rows: list[RowOf]
    """Its theme and its decoder cluster, as far as it is in one."""


def feature_detail(ws: Workspace, space_id: str, feature_id: int, delta: float) -> FeatureDetail:
    """A feature's page.

    Raises:
        InputError: unknown space or feature, or δ is no step of the profiles.
    """
    check_feature(ws, space_id, feature_id)
    facts = load_facts(ws, space_id, delta)
    near = weights.neighbours(ws.database, space_id, feature_id)
    opposite = weights.opposites(ws.database, space_id, feature_id)
    members = [int(i) for i in np.flatnonzero(facts.family == facts.family[feature_id]) if i != feature_id]
    named = [*(other for other, _ in near), *(other for other, _ in opposite), *members]
    names = store.names_of(ws.database, space_id, named)
    return FeatureDetail(
        row=feature_row(ws, space_id, feature_id, facts),
        history=history(ws, space_id, feature_id),
        histogram=_histogram(ws, space_id, feature_id),
        neighbours=[(other, names.get(other, ""), cosine) for other, cosine in near],
        opposites=[(other, names.get(other, ""), cosine) for other, cosine in opposite],
        tokens=weights.tokens(ws.database, space_id, feature_id),
        relevance=tests_of(ws, space_id, feature_id),
        judgements=judgements(ws, space_id, feature_id),
        family=[FamilyMember(member, names.get(member, ""), facts.joined_by[member]) for member in members],
        rows=_rows_of(ws, space_id, feature_id, facts.d_sae),
    )


def _rows_of(ws: Workspace, space_id: str, feature_id: int, d_sae: int) -> list[RowOf]:
    found = []
    for kind in ROWS_BY:
        ids = row_ids(ws, space_id, d_sae, kind)
        row = int(ids[feature_id])
        if row != NO_ROW:
            name = store.row_names(ws.database, space_id, kind).get(row, "")
            found.append(RowOf(kind, row, name, int((ids == row).sum())))
    return found


def _histogram(ws: Workspace, space_id: str, feature_id: int) -> dict[str, list[int]]:
    counts = {role: [0] * (LAST_BIN + 1) for role in coverage_store.ROLES}
    for row in coverage_store.feature_bins(ws.database, space_id, [feature_id]).to_pylist():
        counts[row["role"]][row["bin"]] = row["n"]
    return counts
