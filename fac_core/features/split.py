"""A document is used either to explain features or to score explanations, never for both, whatever is asked of it.

The side follows from the hash of the document's normal form, so it is fixed before anything is explained, is the same
for every feature, judge and project, does not change when documents come or go, and is one for all copies of a text
that differ in blanks or capitals only.

Near copies (`samples.duplicates`) can lie on either side; one on the scoring side is left out where scores are measured
(`held_out`, `asked.documents`). What is alike in other words, or by less than that, such as texts from one template, is
not: a score says how an explanation does on more of the same data, not on data of another kind.
"""

from __future__ import annotations

import math
from typing import Literal

Side = Literal["explain", "score"]
EXPLAIN: Side = "explain"
SCORE: Side = "score"
SCORE_SHARE = 1 / 3
"""Share of documents that scores are measured on. Of the 1,200 texts of the toxicity demo a third costs 1 % of the
features that fire above δ their name and makes no more of them unclear, and lets 4,490 features fire on five documents
or more that no name has seen; a quarter, 3,742.
"""
REVISION = 2
"""The way the sides are kept apart; raised when other documents would now be scored on."""
MAX_EXPLAINING = 6000
"""Texts that names are made from, all of the explaining side: the anchor first, then seed, synthetic and pool."""
_BOUND = f"{math.ceil(SCORE_SHARE * 16**8):08x}"
_AFTER_ALL = "g"


def side_of(form_hash: str) -> Side:
    """Side of a document by the hash of its normal form, in hexadecimal."""
    return SCORE if form_hash < _BOUND else EXPLAIN


def state() -> str:
    """What the sides are known by: as long as it is the same, no text has changed from one to the other."""
    return f"{REVISION}-{_BOUND}"


def hashes(side: Side) -> tuple[str, str]:
    """The hashes of a side: from the first on, up to but without the second."""
    return ("", _BOUND) if side == SCORE else (_BOUND, _AFTER_ALL)
