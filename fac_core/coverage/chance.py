"""A gap stands out when few gaps with as much evidence would be there if the set had been drawn like the anchor.

A set misses some features by mere chance, more of them the more features there are. Two things speak against chance:

* the expected number λ of samples that would show the feature at the anchor's rate; chance misses it with e^-λ;
* its company: a real hole takes a whole subject with it, so the other features of the feature's anchor texts are rarer
  in the set than in the rest of the anchor. p is the share of covered features whose company is at least as rare.

With s = λ - ln p, chance alone leaves about E(s) = Σ min(e^-λ, e^-s) gaps of at least that evidence, over all features
with power; E(s) over their number found is an estimate of the false discovery rate (Storey 2002, with all features
taken as null). It is an estimate: company of features that fire together is not independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fac_core.coverage.states import GapStates
from fac_core.features.counts import Array, Mask
from fac_core.features.states import COVERED, MISSING, has_power, is_dense
from fac_core.store import coverage as store

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from fac_core.workspace import Workspace

Floats = NDArray[np.float64]

STANDS_OUT = 0.1
"""Share of chance misses up to which a gap stands out."""
MAX_TEXTS = 5000
"""Anchor texts whose features are compared; of a larger anchor the first ones by content."""
MAX_COVERED = 500
"""Covered features that say what company is usual."""
_COMMON, _RARE = 0.3, 4
"""Features of more than this share, or fewer than this number of texts say nothing about company."""
_CHUNK = 128
_SEED = 20260210


def chance(ws: Workspace, space_id: str, found: GapStates) -> Floats:
    """Expected share of chance misses among the gaps with at least a feature's evidence, [d_sae]; NaN if not missing.

    Raises:
        InputError: unknown space.
    """
    facts = found.facts
    result = np.full(facts.d_sae, np.nan)
    missing = np.flatnonzero(facts.state == MISSING)
    if not len(missing):
        return result
    expected = facts.counts.expected_in_seed
    powered = has_power(expected) & ~is_dense(facts.counts.anchor_rate)
    covered = np.flatnonzero((facts.state == COVERED) & powered)
    usual = np.random.default_rng(_SEED).permutation(covered)[:MAX_COVERED]
    texts = store.activation_matrix(ws.database, space_id, "anchor", facts.d_sae, MAX_TEXTS)
    asked = np.concatenate([missing, usual])
    rarity = company_rarity(texts, asked, facts.counts.delta, found.at_zero.current, facts.family)
    p = p_values(rarity[: len(missing)], rarity[len(missing) :])
    lam = expected[np.concatenate([missing, covered])]
    result[missing] = chance_share(lam[: len(missing)], p, lam)
    return result


def company_rarity(texts: csr_array, asked: Array, delta: float, in_set: Array, family: Array) -> Floats:
    """How much rarer the set shows the other features of a feature's texts than the rest of the anchor does, [asked].

    Args:
        texts: [n_texts, d_sae], activations of anchor texts.
        asked: features to judge.
        delta: a feature's texts are those above it; company counts at 0.
        in_set: [d_sae], samples of the set with each feature above 0.
        family: [d_sae], family of each feature; members are no company of each other.
    """
    from scipy.sparse import csr_array

    present = csr_array((np.ones(texts.nnz, np.float32), texts.indices, texts.indptr), shape=texts.shape)
    total = np.asarray(present.sum(axis=0)).ravel()
    use = np.flatnonzero((total >= _RARE) & (total <= _COMMON * texts.shape[0]))
    total, seen, kin, company = total[use], in_set[use].astype(np.float64), family[use], present[:, use]
    fires = texts[:, asked] > delta
    result = np.zeros(len(asked))
    for start in range(0, len(asked), _CHUNK):
        members = fires[:, start : start + _CHUNK]
        inside = np.asarray((members.T.astype(np.float32) @ company).todense(), np.float64)
        n_texts = np.maximum(1, np.asarray(members.sum(axis=0)).ravel())[:, None]
        lift = np.log((inside + 0.5) / (n_texts + 0.5) * (texts.shape[0] / total))
        weight = np.where((inside >= 2) & (lift > 0), inside * lift, 0.0)
        weight[family[asked[start : start + _CHUNK]][:, None] == kin] = 0.0
        # the rest of the anchor says how often the set would show the company, in proportion
        rest = total - inside
        rest *= seen.sum() / np.maximum(1.0, rest.sum(axis=1, keepdims=True))
        spread = np.sqrt((weight**2 * (rest + 0.5)).sum(axis=1))
        result[start : start + _CHUNK] = (weight * (rest - seen)).sum(axis=1) / np.maximum(spread, 1e-9)
    return result


def p_values(rarity: Floats, usual: Floats) -> Floats:
    """Share of usual values at least as large, the value itself counted with them."""
    below = np.searchsorted(np.sort(usual), rarity, side="left")
    return np.asarray((1 + len(usual) - below) / (1 + len(usual)), np.float64)


def chance_share(lam: Floats, p: Floats, lam_powered: Floats) -> Floats:
    """Expected share of chance misses among gaps with at least each gap's evidence; never falls with less evidence."""
    evidence = lam - np.log(p)
    order = np.argsort(-evidence, kind="stable")
    by_chance = np.minimum(np.exp(-lam_powered)[:, None], np.exp(-evidence[order])[None]).sum(axis=0)
    n_found = np.searchsorted(-evidence[order], -evidence[order], side="right")
    share = np.minimum(1.0, by_chance / n_found)
    result = np.empty(len(lam))
    result[order] = np.minimum.accumulate(share[::-1])[::-1]
    return result


def stands_out(share: Floats) -> Mask:
    """Gaps that can be told from chance misses."""
    return np.nan_to_num(share, nan=1.0) <= STANDS_OUT
