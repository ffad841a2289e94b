"""How often features fire in the same samples, counted in samples throughout, so shares can be compared.

Only samples whose rows are kept are counted: of a pool's top examples it is not known what else fires in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fac_core.store.activations import SAMPLED

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.store.database import Database

_COUNTED = f"SELECT dataset_id FROM dataset WHERE deleted_at IS NULL AND {SAMPLED}"


def samples_above(database: Database, space_id: str, step: int) -> tuple[pa.Table, int]:
    """Samples in which each feature reaches bin `step`, (feature_id, n), and samples read in all."""
    found = database.arrow(
        "SELECT feature_id, CAST(sum(n) AS BIGINT) AS n FROM profile WHERE space_id = ? AND bin >= ? "
        f"AND dataset_id IN ({_COUNTED}) GROUP BY feature_id",
        [space_id, step],
    )
    read = database.one(
        "SELECT CAST(coalesce(sum(n_samples - n_unread), 0) AS BIGINT) FROM profile_total WHERE space_id = ? "
        f"AND dataset_id IN ({_COUNTED})",
        [space_id],
    )
    return found, int(read[0]) if read else 0


def together(database: Database, space_id: str, feature_id: int, delta: float, most: int) -> tuple[pa.Table, int]:
    """Of the samples in which a feature fires above δ, those in which each other does too: (feature_id, n), and how
    many samples were looked at: at most those of `most` contents, the same random ones each time."""
    chosen = (
        "SELECT s.content_id, count(*) AS times FROM sample s JOIN (SELECT content_id FROM activation_by_feature "
        "WHERE space_id = $space AND feature_id = $feature AND value > $delta) USING (content_id) "
        f"WHERE s.dataset_id IN ({_COUNTED}) GROUP BY s.content_id ORDER BY hash(s.content_id), s.content_id "
        "LIMIT $most"
    )
    asked = {"space": space_id, "feature": feature_id, "delta": delta, "most": most}
    found = database.arrow(
        f"WITH chosen AS MATERIALIZED ({chosen}) SELECT a.feature_id, CAST(sum(c.times) AS BIGINT) AS n "
        "FROM activation a JOIN chosen c USING (content_id) WHERE a.space_id = $space AND a.value > $delta "
        "GROUP BY a.feature_id",
        asked,
    )
    own = found.filter(found.column("feature_id").to_numpy() == feature_id).column("n").to_pylist()
    return found, int(own[0]) if own else 0
