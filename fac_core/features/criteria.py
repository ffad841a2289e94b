"""What a person looks for among features: every filter is a sieve over the table's columns, and all of them must let
a feature through.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypedDict

import numpy as np

from fac_core.features.columns import Columns
from fac_core.features.counts import Array
from fac_core.store.features import CLUSTER, THEME

_MAX_DIGITS = 10
ALONE = "alone"
"""Value of `joined` for features without a family."""


class Criteria(TypedDict, total=False):
    """Filters of the table; one that is left out lets everything through."""

    search: str
    """All words are in the name, or it is the feature's number."""
    states: Collection[str]
    relevant: bool | None
    family: int | None
    theme: int | None
    cluster: int | None
    """Decoder cluster; as a theme, known by its most central feature."""
    joined: Collection[str]
    """What joined it to its family: `firing`, `decoder` or `both`; ALONE for those without."""
    in_list: bool | None
    """In the work list."""
    trust: Collection[str]
    """Badges of the name, as of `trust`."""
    max_density: float | None
    """Highest share of anchor samples above δ."""
    among: Sequence[int] | None
    """Only these, such as those of a list or of a search by meaning; sorting by `given` keeps their order."""


def passing(columns: Columns, criteria: Criteria) -> Array:
    """Features that pass all filters, in the order of `among` or else ascending."""
    facts = columns.facts
    keep = np.ones(facts.d_sae, bool)
    if states := criteria.get("states"):
        keep &= np.isin(facts.state, list(states))
    if (relevant := criteria.get("relevant")) is not None:
        keep &= facts.relevant == relevant
    if (family := criteria.get("family")) is not None:
        keep &= facts.family == family
    for kind, row in ((THEME, criteria.get("theme")), (CLUSTER, criteria.get("cluster"))):
        if row is not None:
            keep &= columns.rows[kind] == row
    if joined := criteria.get("joined"):
        by = np.full(facts.d_sae, ALONE, object)
        by[list(facts.joined_by)] = list(facts.joined_by.values())
        keep &= np.isin(by.astype(str), list(joined))
    if (in_list := criteria.get("in_list")) is not None:
        keep &= columns.in_list == in_list
    if trust := criteria.get("trust"):
        keep &= np.isin(columns.trust.badge.astype(str), list(trust))
    if (density := criteria.get("max_density")) is not None:
        keep &= facts.counts.anchor_rate <= density
    among = criteria.get("among")
    if among is None:
        found = np.flatnonzero(keep)
    else:
        wanted = np.asarray(among, np.int64)
        wanted = wanted[(wanted >= 0) & (wanted < facts.d_sae)]
        found = wanted[keep[wanted]]
    words = criteria.get("search", "").casefold().split()
    if not words:
        return found
    folded, hits = columns.names.folded, found.tolist()
    for word in words:
        hits = [feature for feature in hits if word in folded[feature]]
    is_number = len(words) == 1 and len(words[0]) < _MAX_DIGITS and words[0].isascii() and words[0].isdecimal()
    by_number = [int(words[0])] if is_number else []
    return found[np.isin(found, np.array([*hits, *by_number], np.int64))]
