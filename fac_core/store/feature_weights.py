"""What the weights alone say about features: the same for every data set read in a space.

Rows come from files shipped with a space or from the map job; queries here never look at a sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fac_core.store.database import Database


def coordinates(database: Database, space_id: str) -> pa.Table:
    """Places on the map: (feature_id, pca_x, pca_y, umap_x, umap_y)."""
    return database.arrow(
        "SELECT feature_id, pca_x, pca_y, umap_x, umap_y FROM feature_static WHERE space_id = ? ORDER BY feature_id",
        [space_id],
    )


def has_static(database: Database, space_id: str) -> bool:
    """Whether the facts that need the weights are known for a space."""
    return database.one("SELECT 1 FROM feature_static WHERE space_id = ? LIMIT 1", [space_id]) is not None


def set_layout(cursor: duckdb.DuckDBPyConnection, space_id: str, rows: pa.Table) -> None:
    """Put features on the map: (feature_id, umap_x, umap_y)."""
    cursor.register("incoming_layout", rows)
    cursor.execute(
        "UPDATE feature_static SET umap_x = l.umap_x, umap_y = l.umap_y FROM incoming_layout l "
        "WHERE feature_static.space_id = ? AND feature_static.feature_id = l.feature_id",
        [space_id],
    )
    cursor.unregister("incoming_layout")


def neighbours(database: Database, space_id: str, feature_id: int) -> list[tuple[int, float]]:
    """Nearest features by decoder cosine: (feature_id, cosine), nearest first."""
    found = database.rows(
        "SELECT other_id, cosine FROM feature_neighbour WHERE space_id = ? AND feature_id = ? AND rank > 0 "
        "ORDER BY rank",
        [space_id, feature_id],
    )
    return [(int(other), float(cosine)) for other, cosine in found]


def all_neighbours(database: Database, space_id: str) -> pa.Table:
    """Nearest features by decoder cosine of every feature: (feature_id, other_id), nearest first."""
    return database.arrow(
        "SELECT feature_id, other_id FROM feature_neighbour WHERE space_id = ? AND rank >= 0 ORDER BY feature_id, rank",
        [space_id],
    )


def opposites(database: Database, space_id: str, feature_id: int) -> list[tuple[int, float]]:
    """Features whose decoder direction points the other way most: (feature_id, cosine), most opposite first."""
    found = database.rows(
        "SELECT other_id, cosine FROM feature_neighbour WHERE space_id = ? AND feature_id = ? AND rank < 0 "
        "ORDER BY rank DESC",
        [space_id, feature_id],
    )
    return [(int(other), float(cosine)) for other, cosine in found]


def has_opposites(database: Database, space_id: str) -> bool:
    """Whether opposite features are known for a space; those computed before they were kept are not."""
    row = database.one("SELECT 1 FROM feature_neighbour WHERE space_id = ? AND rank < 0 LIMIT 1", [space_id])
    return row is not None


def clusters(database: Database, space_id: str) -> pa.Table:
    """Decoder clusters: (feature_id, cluster, cosine to the middle of it); without rows where they are not known."""
    return database.arrow(
        "SELECT feature_id, cluster, cluster_cosine AS cosine FROM feature_static "
        "WHERE space_id = ? AND cluster IS NOT NULL ORDER BY feature_id",
        [space_id],
    )


def has_clusters(database: Database, space_id: str) -> bool:
    """Whether decoder clusters are known for a space; facts computed before there were any lack them."""
    found = database.one("SELECT 1 FROM feature_static WHERE space_id = ? AND cluster IS NOT NULL LIMIT 1", [space_id])
    return found is not None


def close_pairs(database: Database, space_id: str, at_least: float) -> pa.Table:
    """Pairs of features whose decoder directions nearly coincide: (feature_id, other_id, cosine)."""
    return database.arrow(
        "SELECT feature_id, other_id, cosine FROM feature_neighbour WHERE space_id = ? AND cosine >= ? "
        "ORDER BY feature_id, rank",
        [space_id, at_least],
    )


def tokens(database: Database, space_id: str, feature_id: int) -> list[tuple[str, float]]:
    """Output tokens the feature's direction raises most: (token, logit), strongest first."""
    found = database.rows(
        "SELECT token, logit FROM feature_token WHERE space_id = ? AND feature_id = ? ORDER BY rank",
        [space_id, feature_id],
    )
    return [(str(token), float(logit)) for token, logit in found]
