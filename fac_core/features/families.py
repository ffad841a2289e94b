"""Two features are near-copies when they fire on the same texts or point the same way; each is in one family at most.


Links are taken strongest first and a family stops growing at MAX_FAMILY, so that no chain of small likenesses joins
what is different. Otherwise *Write a* and *Develop a* would be one gap twice (method §9, absorption and splitting).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

MIN_JACCARD = 0.8
SAME_NAME_JACCARD = 0.5
"""Enough where two features also have the same first keyword."""
MIN_FIRINGS = 3
MIN_COSINE = 0.8
MAX_FAMILY = 16
FIRING, DECODER, BOTH = "firing", "decoder", "both"
_CHUNK = 512
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Links(NamedTuple):
    """Pairs of features and how alike they are; arrays are [pairs]."""

    a: Ints
    b: Ints
    strength: Floats


def firing_links(feature: Ints, sample: Ints, leads: Mapping[int, str] | None = None) -> Links:
    """Pairs whose firing sets nearly coincide: Jaccard index at least .8, each firing on at least three samples.

    Rows (feature, sample) say that a feature is active in a sample, each once. Between features of the same `leads`
    (first keyword), .5 is enough.
    """
    from scipy.sparse import csr_array

    ids, inverse, size = np.unique(feature, return_inverse=True, return_counts=True)
    samples, column = np.unique(sample, return_inverse=True)
    fires = csr_array((np.ones(len(feature), np.float32), (inverse, column)), shape=(len(ids), len(samples)))
    # sets of very different size cannot coincide: in order of size, each chunk meets only a band of others
    order = np.lexsort((ids, size))
    order = order[size[order] >= MIN_FIRINGS]
    size, fires, ids = size[order], fires[order], ids[order]
    lead = np.array([(leads or {}).get(feature, "") for feature in ids.tolist()], object)
    found_a, found_b, found_j = [], [], []
    for begin in range(0, len(order), _CHUNK):
        rows = slice(begin, min(begin + _CHUNK, len(order)))
        end = int(np.searchsorted(size, size[rows.stop - 1] / SAME_NAME_JACCARD, side="right"))
        shared: Any = (fires[rows] @ fires[begin:end].T).tocoo()
        i, j = shared.coords[0] + begin, shared.coords[1] + begin
        jaccard = shared.data / (size[i] + size[j] - shared.data)
        keep = (i < j) & (jaccard >= SAME_NAME_JACCARD)
        i, j, jaccard = i[keep], j[keep], jaccard[keep]
        keep = (jaccard >= MIN_JACCARD) | ((lead[i] == lead[j]) & (lead[i] != ""))
        found_a.append(ids[i[keep]])
        found_b.append(ids[j[keep]])
        found_j.append(jaccard[keep].astype(np.float64))
    if not found_a:
        return Links(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    return Links(np.concatenate(found_a), np.concatenate(found_b), np.concatenate(found_j))


def near_copies(firing: Links, decoder: Links) -> pa.Table:
    """Families of more than one feature: (feature_id, family_id, joined_by); a family's id is its smallest member."""
    import pyarrow as pa

    family: dict[int, list[int]] = {}
    links = [
        (-strength, a, b, kind)
        for kind, found in ((FIRING, firing), (DECODER, decoder))
        for a, b, strength in zip(*(part.tolist() for part in found), strict=True)
    ]
    for _, a, b, _ in sorted(links):
        mine, other = family.setdefault(int(a), [int(a)]), family.setdefault(int(b), [int(b)])
        if mine is not other and len(mine) + len(other) <= MAX_FAMILY:
            mine.extend(other)
            for member in other:
                family[member] = mine
    by: dict[int, set[str]] = {}
    for _, a, b, kind in links:
        if family[int(a)] is family[int(b)]:
            by.setdefault(int(a), set()).add(kind)
            by.setdefault(int(b), set()).add(kind)
    members = sorted(by)
    return pa.table(
        {
            "feature_id": pa.array(members, pa.int32()),
            "family_id": pa.array([min(family[member]) for member in members], pa.int32()),
            "joined_by": pa.array([BOTH if len(by[i]) == 2 else next(iter(by[i])) for i in members], pa.string()),
        }
    )
