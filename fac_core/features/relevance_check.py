"""What the tests call relevant is measured on documents they have not seen, beside what shuffled labels call relevant.

The labelled anchor falls into halves by the documents' own hashes: half of them pick the relevant features with the
test in use, the others say how many of these go the same way again (*precision*) and how far the picked features alone
tell the task's side from the other (*separation*). The control picks as many features in the same way after the labels
were shuffled. The set in use is picked on the whole anchor, with twice the evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fac_core.features.association import MAX_Q, Association, adjust
from fac_core.features.intervals import wilson
from fac_core.features.trials import Ints, Mask, Separation, Trial, column, trials

if TYPE_CHECKING:
    import pyarrow as pa

SHUFFLES = 20
_SALT = "relevance half"
_SEED = 5


class Check(NamedTuple):
    """The label-driven set on held-out documents."""

    method: str
    """`label` (units are documents) or `contrast` (units are pairs)."""
    n_picked_on: int
    """Units of the half that picked."""
    n_held_out: int
    """Units of the half that measures."""
    n_relevant: int
    """Features picked."""
    n_relevant_shuffled: float
    """The same after shuffling, on average: what the test calls relevant where nothing is."""
    n_tested: int
    """Of the picked, those active in enough held-out units to be tested there."""
    n_same_side: int
    """Of the tested, those on the task's side again."""
    n_confirmed: int
    """Of the tested, those on the task's side beyond chance (one-sided, false-discovery rate 0.1)."""
    same_side_shuffled: float | None
    """Share on the task's side of as many features picked after shuffling."""
    separation: float | None
    """AUROC, or share of pairs in the right order, of the picked features' summed activation; None where none was
    picked."""
    low: float | None
    high: float | None
    """Bounds of its 95 % interval."""
    control: float | None
    """The same of as many features picked after shuffling: mean, lowest and highest of the shuffles."""
    control_low: float | None
    control_high: float | None
    n_shuffles: int

    @property
    def precision(self) -> tuple[float, float, float] | None:
        """Share of the tested that is confirmed, with its 95 % interval; None where none was tested."""
        return _share(self.n_confirmed, self.n_tested)

    @property
    def same_side(self) -> tuple[float, float, float] | None:
        """Share of the tested on the task's side again, with its 95 % interval; None where none was tested."""
        return _share(self.n_same_side, self.n_tested)


def is_held_out(content_hash: str) -> bool:
    """Whether a document belongs to the half that measures."""
    return bool(hashlib.sha256(f"{_SALT} {content_hash}".encode()).digest()[0] & 1)


def halves(content: Sequence[int], contrast: Sequence[int | None], hashes: Mapping[int, str]) -> Mask:
    """Which items measure, [items]; items that share a document, as content or as contrast, are on one side."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for one, other in zip(content, contrast, strict=True):
        a, b = root(one), root(one if other is None else other)
        if a != b:
            parent[max(a, b, key=hashes.__getitem__)] = min(a, b, key=hashes.__getitem__)
    return np.array([is_held_out(hashes[root(one)]) for one in content], bool)


def check(activation: pa.Table, items: pa.Table, method: str) -> Check | None:
    """Measure the test on the items' column `held_out`; None where there is nothing to test.

    Tables as for `trials`; a document that occurs twice counts once.
    """
    _, first = np.unique(column(items, "content_id"), return_index=True)
    once = items.take(np.sort(first))
    for name, trial, rows in trials(activation, once, method):
        return _measured(name, trial, column(once, "held_out").astype(bool)[rows])
    return None


def _measured(method: str, trial: Trial, held_out: Mask) -> Check:
    picking, measuring = trial.take(~held_out), trial.take(held_out)
    found, again = picking.test(), measuring.test()
    picked = np.sort(found.feature[found.relevant])
    side, p = _on_task_side(again, picked)
    told = measuring.separation(picked, picking.tops(picked)) if len(picked) else None
    rng = np.random.default_rng(_SEED)
    false, sides, control = list[int](), list[float](), list[Separation]()
    for _ in range(SHUFFLES):
        shuffled = picking.shuffled(rng).test()
        false.append(int(shuffled.relevant.sum()))
        chosen = _surest(shuffled, len(picked))
        if len(chosen) and (separation := measuring.separation(chosen, picking.tops(chosen))) is not None:
            control.append(separation)
        if len(again_side := _on_task_side(again, chosen)[0]):
            sides.append(float(again_side.mean()))
    values = [one.value for one in control]
    return Check(
        method=method,
        n_picked_on=picking.n,
        n_held_out=measuring.n,
        n_relevant=len(picked),
        n_relevant_shuffled=float(np.mean(false)),
        n_tested=len(side),
        n_same_side=int(side.sum()),
        n_confirmed=int((side & (adjust(p) <= MAX_Q)).sum()) if len(p) else 0,
        same_side_shuffled=float(np.mean(sides)) if sides else None,
        separation=told.value if told else None,
        low=told.low if told else None,
        high=told.high if told else None,
        control=float(np.mean(values)) if values else None,
        control_low=min(values) if values else None,
        control_high=max(values) if values else None,
        n_shuffles=SHUFFLES,
    )


def _on_task_side(found: Association, features: Ints) -> tuple[Mask, np.ndarray]:
    """Of those among some features that were tested: whether the effect is on the task's side, and one-sided p."""
    mine = np.isin(found.feature, features)
    side, p = found.effect[mine] > 0.5, found.p[mine]
    return side, np.where(side, p / 2, 1 - p / 2)


def _surest(found: Association, n: int) -> Ints:
    """The n features with the smallest p on the task's side, sorted by id."""
    up = np.flatnonzero(found.effect > 0.5)
    return np.sort(found.feature[up[np.argsort(found.p[up], kind="stable")[:n]]])


def _share(k: int, n: int) -> tuple[float, float, float] | None:
    return (k / n, *wilson(k, n)) if n else None
