"""The pair that step 2 learns from is made of measured activations: its good text fires, its bad one does not.

Method §5: x+ is the candidate of step 1 with the highest activation, x- the one with the lowest. Where no candidate
fires, the strongest text of the anchor takes the place of x+.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fac_core.synthesis.targets import Target


class Scored(NamedTuple):
    """A sample of step 1 and the activation of its target."""

    fields: dict[str, str]
    value: float


class Pair(NamedTuple):
    """What step 2 is shown."""

    good: dict[str, str]
    bad: dict[str, str] | None
    """None if every sample of step 1 fired, or none could be scored."""
    from_corpus: bool
    """Whether the good text comes from the anchor, since no sample of step 1 fired."""


def choose_pair(step1: Sequence[Scored], target: Target, delta: float) -> Pair | None:
    """The pair for step 2; None if there is nothing that fires, neither written nor in the anchor."""
    good = max(step1, key=lambda scored: scored.value, default=None)
    bad = min(step1, key=lambda scored: scored.value, default=None)
    missing = None if bad is None or bad.value > delta else bad.fields
    if good is not None and good.value > delta:
        return Pair(good.fields, missing, False)
    return Pair(target.examples[0].fields, missing, True) if target.examples else None
