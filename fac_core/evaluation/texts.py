"""Diversity is measured on the texts that coverage counts: samples of the seed, and the synthetic samples in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fac_core.evaluation.diversity import DiversityChange, compare
from fac_core.store.review import texts_in_role

if TYPE_CHECKING:
    from fac_core.workspace import Workspace


def text_diversity(ws: Workspace) -> DiversityChange:
    """Diversity of the seed's texts before and after what was added.

    Raises:
        InputError: the seed holds no words.
    """
    with ws.database.cursor() as cursor:
        seed = texts_in_role(cursor, "seed")
        added = texts_in_role(cursor, "synthetic")
    return compare(seed, added)
