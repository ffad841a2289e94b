"""Which documents activate a feature and where, whether to explain it or to score what was said of it.

Only texts of samples that a person brought are seen, and of those only texts whose every activation is known: neither
approved samples, which were written from an explanation, nor the held-out set, nor the top examples of a pool too large
for rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fac_core.content import Content
from fac_core.store.activations import SAMPLED
from fac_core.store.approved import APPROVED_DATASET

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.store.database import Database


def documents(database: Database, space_id: str) -> pa.Table:
    """Documents that were read in a space: (content_id, form_hash), by id."""
    return database.arrow(
        "SELECT c.content_id, c.form_hash FROM content c JOIN content_read r ON r.space_id = ? "
        "AND r.content_id = c.content_id WHERE c.content_id IN (SELECT s.content_id FROM sample s JOIN dataset d "
        f"USING (dataset_id) WHERE d.deleted_at IS NULL AND d.role <> 'holdout' AND d.dataset_id <> ? AND d.{SAMPLED}) "
        "ORDER BY c.content_id",
        [space_id, APPROVED_DATASET],
    )


def firings(database: Database, space_id: str, feature_ids: Sequence[int]) -> pa.Table:
    """Activations of some features: (feature_id, content_id, char_start, char_end), strongest first."""
    return database.arrow(
        "SELECT feature_id, content_id, char_start, char_end FROM activation_by_feature WHERE space_id = ? "
        "AND feature_id IN (SELECT unnest(?::INTEGER[])) ORDER BY feature_id, value DESC, content_id",
        [space_id, list(feature_ids)],
    )


def contents(database: Database, content_ids: Sequence[int]) -> dict[int, Content]:
    """Some contents by id."""
    found = database.rows(
        "SELECT content_id, text, turns FROM content WHERE content_id IN (SELECT unnest(?::BIGINT[]))",
        [list(content_ids)],
    )
    return {int(content): Content.stored(text, turns) for content, text, turns in found}
