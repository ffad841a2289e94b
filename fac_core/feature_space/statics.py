"""What the weights alone say about a feature: neighbours, opposites, decoder cluster, boosted
tokens, place on the map, template flag.

Exact, deterministic, computed once for a space and shipped with the embedded one. Directions are decoder rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fac_core.feature_space.decoder_clusters import decoder_clusters
from fac_core.feature_space.extractor import Extractor

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

N_NEIGHBOURS = 10
N_OPPOSITE = 5
N_TOKENS = 8
CHUNK = 1024
# contents with next to no meaning of their own: what fires on most of them belongs to the frame, not to the text
NEUTRAL = ["a", "the", "ok", "hi", "yes", "no", ".", "?", "1", "2", "and", "it", "to", "x", "-", "hmm"]
TEMPLATE_SHARE = 0.5


def directions(extractor: Extractor) -> Tensor:
    """Unit decoder rows [d_sae, d_in]."""
    w = extractor.sae.w_dec
    return w / w.norm(dim=1, keepdim=True)


def neighbours(extractor: Extractor) -> pa.Table:
    """The nearest features by decoder cosine and the most opposite: feature_id, rank, other_id, cosine.

    Ranks of the nearest count from 1 upwards, those of the most opposite from -1 downwards.
    """
    import pyarrow as pa
    import torch

    unit = directions(extractor)
    others_there = len(unit) - 1
    ranks, cosines, others = [], [], []
    for begin in range(0, len(unit), CHUNK):
        similarity = unit[begin : begin + CHUNK] @ unit.T
        rows = torch.arange(len(similarity))
        for sign, n in ((1, N_NEIGHBOURS), (-1, N_OPPOSITE)):
            similarity[rows, rows + begin] = -2.0 * sign  # never itself
            top = similarity.topk(min(n, others_there), dim=1, largest=sign > 0)
            ranks.append(np.tile(sign * np.arange(1, top.indices.shape[1] + 1, dtype=np.int16), (len(rows), 1)))
            cosines.append(top.values.cpu().numpy())
            others.append(top.indices.cpu().numpy().astype(np.int32))
    rank, cosine, other = (
        np.concatenate([np.concatenate(parts[sign::2]) for sign in (0, 1)], axis=1)
        for parts in (ranks, cosines, others)
    )
    n, k = cosine.shape
    return pa.table(
        {
            "feature_id": np.repeat(np.arange(n, dtype=np.int32), k),
            "rank": rank.ravel(),
            "other_id": other.ravel(),
            "cosine": cosine.ravel().astype(np.float32),
        }
    )


def boosted_tokens(extractor: Extractor) -> pa.Table:
    """Output tokens each direction raises most, through final norm weight and unembedding: token, logit."""
    import pyarrow as pa

    model = extractor.backbone.model
    unembed = model.get_output_embeddings().weight.float()
    norm = getattr(getattr(model, "model", None), "norm", None)
    unit = directions(extractor) * norm.weight.float() if norm is not None else directions(extractor)
    values, ids = [], []
    for begin in range(0, len(unit), CHUNK):
        top = (unit[begin : begin + CHUNK] @ unembed.T).topk(min(N_TOKENS, len(unembed)), dim=1)
        values.append(top.values.cpu().numpy())
        ids.append(top.indices.cpu().numpy())
    value, token = np.concatenate(values), np.concatenate(ids)
    n, k = value.shape
    tokenizer = extractor.backbone.tokenizer
    return pa.table(
        {
            "feature_id": np.repeat(np.arange(n, dtype=np.int32), k),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int16), n),
            "token": [tokenizer.decode([int(t)]) for t in token.ravel()],
            "logit": value.ravel().astype(np.float32),
        }
    )


def pca_2d(extractor: Extractor) -> Tensor:
    """First two principal components of the unit decoder rows, [d_sae, 2], with a fixed sign."""
    import torch

    unit = directions(extractor)
    centred = unit - unit.mean(0)
    _, _, v = torch.linalg.svd(centred.T @ centred)
    axes = v[:2]
    axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    return centred @ axes.T


def template_features(extractor: Extractor) -> set[int]:
    """Features that fire whatever the content: on at least half of the neutral contents."""
    counts = np.zeros(extractor.sae.d_sae, int)
    for activations in extractor.read_all(NEUTRAL):
        counts[activations.features] += 1
    return {int(i) for i in np.flatnonzero(counts >= TEMPLATE_SHARE * len(NEUTRAL))}


def feature_static(extractor: Extractor) -> pa.Table:
    """Rows of the store's `feature_static`, without space_id and with UMAP coordinates still missing."""
    import pyarrow as pa

    place = pca_2d(extractor).cpu().numpy().astype(np.float32)
    cluster = decoder_clusters(directions(extractor))
    template = template_features(extractor)
    n = len(place)
    return pa.table(
        {
            "feature_id": np.arange(n, dtype=np.int32),
            "pca_x": place[:, 0],
            "pca_y": place[:, 1],
            "umap_x": pa.nulls(n, pa.float32()),
            "umap_y": pa.nulls(n, pa.float32()),
            "is_template": [i in template for i in range(n)],
            "cluster": cluster.head,
            "cluster_cosine": cluster.cosine,
        }
    )
