"""A document is used either to explain features or to score explanations, never for both, whatever is asked of it.

The side follows from the document's own hash, so it is fixed before anything is explained, is the same for every
feature and every project, and does not change when documents come or go.
"""

from __future__ import annotations

from typing import Literal

Side = Literal["explain", "score"]
EXPLAIN: Side = "explain"
SCORE: Side = "score"
SCORE_SHARE = 1 / 3
"""Share of documents that scores are measured on."""


def side_of(content_hash: str) -> Side:
    """Side of a document by its content hash, in hexadecimal."""
    return SCORE if int(content_hash[:8], 16) < SCORE_SHARE * 16**8 else EXPLAIN
