"""What is said about features follows from the rows handed in, and from nothing else: the same input gives the same
names, relevance and families, in a worker process or in this one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.features import relevance_check
from fac_core.features.association import NEGATIVE, POSITIVE, Association
from fac_core.features.families import Links, firing_links, near_copies
from fac_core.features.keywords import SEPARATOR, UNCLEAR, firings, name_features
from fac_core.features.phrases import build_index
from fac_core.features.row_names import name_rows
from fac_core.features.themes import MIN_FIRINGS, find_themes
from fac_core.features.trials import column as _column
from fac_core.features.trials import trials
from fac_core.store.features import CLUSTER, THEME

if TYPE_CHECKING:
    import pyarrow as pa

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Inputs(NamedTuple):
    """Tables a description is made from."""

    contents: pa.Table
    """(content_id, text): the corpus names are made from, without what their scores are measured on."""
    activation: pa.Table
    """(feature_id, content_id, value, char_start, char_end) of those and all anchor contents and contrasts, by feature,
    strongest first."""
    items: pa.Table
    """(content_id, contrast_id, positive, held_out) of the anchor's samples; contrast and positive may be null."""
    pairs: pa.Table
    """(feature_id, other_id, cosine) of decoder directions that nearly coincide."""
    clusters: pa.Table
    """(feature_id, cluster, cosine) of decoder clusters and how near a feature is to the middle of its own."""

    @property
    def anything(self) -> bool:
        """Whether there is something to describe from: of few texts all may be on the other side of the split."""
        return bool(self.contents.num_rows or self.items.num_rows)


def describe_families(inputs: Inputs, delta: float, names: Mapping[int, str]) -> pa.Table:
    """Families of near-copies by firing above δ in the anchor and by decoder cosine: columns of `family`."""
    feature, content, value = _in_anchor(inputs)
    keep = value > delta
    leads = {feature: name.split(SEPARATOR)[0] for feature, name in names.items() if not name.endswith(UNCLEAR)}
    firing = firing_links(feature[keep], content[keep], leads)
    alive = np.unique(_column(inputs.activation, "feature_id"))
    a, b = _column(inputs.pairs, "feature_id"), _column(inputs.pairs, "other_id")
    close = np.isin(a, alive) & np.isin(b, alive)
    return near_copies(firing, Links(a[close], b[close], _column(inputs.pairs, "cosine")[close]))


def describe_themes(inputs: Inputs, delta: float, names: Mapping[int, str]) -> tuple[pa.Table, pa.Table]:
    """Themes of what is alive in the anchor: columns of `family`, and their names as columns of `row_name`."""
    import pyarrow as pa

    found = find_themes(*_in_anchor(inputs), delta)
    ids, themes = (found.feature, found.theme) if found else (np.empty(0, np.int64), np.empty(0, np.int64))
    members = pa.table(
        {
            "feature_id": ids.astype(np.int32),
            "family_id": themes.astype(np.int32),
            "joined_by": pa.array([THEME] * len(ids), pa.string()),
        }
    )
    closeness = found.closeness if found else np.empty(0)
    return members, _row_names(THEME, ids, themes, closeness, names)


def describe_clusters(inputs: Inputs, delta: float, names: Mapping[int, str]) -> pa.Table:
    """What decoder clusters are called after their members that are alive: columns of `row_name`.

    As with themes, those that fire too seldom for good keywords count only where there are no others.
    """
    feature, cluster, cosine = (_column(inputs.clusters, name) for name in ("feature_id", "cluster", "cosine"))
    fires = _column(inputs.activation, "feature_id")
    alive = np.isin(feature, fires)
    often, n = np.unique(fires[_column(inputs.activation, "value") > delta], return_counts=True)
    closeness = np.where(np.isin(feature, often[n >= MIN_FIRINGS]), cosine, 0.0)
    return _row_names(CLUSTER, feature[alive], cluster[alive], closeness[alive], names)


def _row_names(kind: str, feature: Ints, row: Ints, closeness: Floats, names: Mapping[int, str]) -> pa.Table:
    """Rows named after their members, which count by the square of their closeness to the row's middle."""
    import pyarrow as pa

    members: dict[int, dict[int, float]] = {}
    order = np.lexsort((feature, -closeness))
    weight = np.maximum(closeness, 0.0) ** 2
    for i in order.tolist():
        members.setdefault(int(row[i]), {})[int(feature[i])] = float(weight[i])
    called = sorted(name_rows(members, names).items())
    return pa.table(
        {
            "kind": pa.array([kind] * len(called), pa.string()),
            "row_id": pa.array([row for row, _ in called], pa.int32()),
            "name": pa.array([name for _, name in called], pa.string()),
        }
    )


def describe_relevance(inputs: Inputs, method: str) -> pa.Table:
    """Which features go with the task: columns of `relevance`; empty where labels or contrasts are lacking.

    `method` is the task's own (`label` or `contrast`); the other one stands in where the data have only that.
    """
    for used, trial, _ in trials(inputs.activation, inputs.items, method):
        return _relevance_table(trial.test(), used)
    no_id, no_value = np.empty(0, np.int64), np.empty(0)
    return _relevance_table(Association(no_id, no_value, no_value, no_value, no_value, no_id), method)


def describe_check(inputs: Inputs, method: str) -> pa.Table:
    """How the test fares on held-out documents: one row with a `relevance_check.Check` as JSON in `found`, or none."""
    import pyarrow as pa

    found = relevance_check.check(inputs.activation, inputs.items, method)
    return pa.table({"found": pa.array([] if found is None else [json.dumps(found._asdict())], pa.string())})


def describe_names(inputs: Inputs) -> Iterator[pa.Table]:
    """Keywords, some hundred features at a time: (feature_id, text); empty for those that no such text activates."""
    import pyarrow as pa

    index = build_index(inputs.contents.column("text").to_pylist())
    ids = _column(inputs.contents, "content_id")
    order = np.argsort(ids)
    rows = inputs.activation
    content = _column(rows, "content_id")
    place = np.clip(np.searchsorted(ids[order], content), 0, max(0, len(ids) - 1))
    known = ids[order][place] == content if len(ids) else np.zeros(len(content), bool)
    feature, text = (
        _column(rows, "feature_id")[known].astype(np.int64),
        order[place[known]] if len(ids) else content[:0],
    )
    value, start, end = (_column(rows, name)[known] for name in ("value", "char_start", "char_end"))
    found = firings(index, feature, text, value.astype(np.float64), start.astype(np.int64), end.astype(np.int64))
    for feature_ids, names in name_features(index, found):
        yield pa.table({"feature_id": feature_ids.astype(np.int32), "text": pa.array(names, pa.string())})
    unseen = np.setdiff1d(_column(rows, "feature_id"), feature)
    yield pa.table({"feature_id": unseen.astype(np.int32), "text": pa.array([""] * len(unseen), pa.string())})


def _in_anchor(inputs: Inputs) -> tuple[Ints, Ints, Floats]:
    """(feature, content, value) of the anchor's contents."""
    keep = np.isin(_column(inputs.activation, "content_id"), _column(inputs.items, "content_id"))
    feature, content, value = (_column(inputs.activation, name)[keep] for name in ("feature_id", "content_id", "value"))
    return feature.astype(np.int64), content.astype(np.int64), value.astype(np.float64)


def _relevance_table(found: Association, method: str) -> pa.Table:
    import pyarrow as pa

    n = len(found.feature)
    return pa.table(
        {
            "feature_id": found.feature.astype(np.int32),
            "method": pa.array([method] * n, pa.string()),
            "effect": found.effect,
            "lift": found.lift,
            "p_value": found.p,
            "q_value": found.q,
            "n_active": found.n_active.astype(np.int32),
            "relevant": found.relevant,
            "direction": pa.array([POSITIVE if effect > 0.5 else NEGATIVE for effect in found.effect], pa.string()),
        }
    )
