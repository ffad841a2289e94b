"""A sample is shown with everything it was brought with, and with what it activates, so that an example can be traced
to the row of the file it stands in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fac_core.features.facts import load_facts
from fac_core.features.states import DENSE_SHARE
from fac_core.samples.datasets import Sample, sample
from fac_core.store import feature_samples as samples
from fac_core.store import features as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


class ActiveFeature(NamedTuple):
    """One feature that fires in a sample."""

    feature_id: int
    name: str
    state: str
    value: float


@dataclass(frozen=True)
class SourceRow:
    """A sample and what it activates."""

    sample: Sample
    features: list[ActiveFeature]
    """Above δ and not too dense, strongest first."""
    n_dense: int
    """Features above δ that were left out because they fire on too much of the anchor."""


def source_row(
    ws: Workspace, space_id: str, sample_id: int, delta: float, max_density: float = DENSE_SHARE
) -> SourceRow:
    """One sample of the project.

    Raises:
        InputError: there is no such sample or space, or δ is no step of the profiles.
    """
    found = sample(ws, sample_id)
    facts = load_facts(ws, space_id, delta)
    rate = facts.counts.anchor_rate
    above = [
        (feature, value)
        for feature, value in samples.active_in(ws.database, space_id, found.content_id)
        if value > delta
    ]
    told = [(feature, value) for feature, value in above if rate[feature] <= max_density]
    names = store.names_of(ws.database, space_id, [feature for feature, _ in told])
    features = [
        ActiveFeature(feature, names.get(feature, ""), str(facts.state[feature]), value) for feature, value in told
    ]
    return SourceRow(found, features, len(above) - len(told))
