"""One text has one set of activations, whoever asks: seed, anchor, pool, candidate and the curator's own words.

This is the one verifier. Batches are sorted by length and right-padded, the template's prefix is read once, codes stay
sparse from the Top-K to the maximum over tokens, and the position of each maximum is kept. The result does not depend
on what else is in the batch (a slow version in the tests is its oracle).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import InputError, ModelError
from fac_core.feature_space.backbone import Backbone, ContentTokens
from fac_core.feature_space.batching import length_sorted
from fac_core.feature_space.sae import TopKSae
from fac_core.feature_space.space import SpaceSpec, backbone_location

if TYPE_CHECKING:
    from torch import Tensor

TOKEN_BUDGET = 2048


class TextActivations(NamedTuple):
    """Active features of one text: each feature's maximum over the content tokens (method §1)."""

    features: NDArray[np.int32]
    """[n], ascending"""
    values: NDArray[np.float32]
    """[n], above zero"""
    positions: NDArray[np.int32]
    """[n], index of the content token of the (first) maximum"""
    spans: NDArray[np.int32]
    """[n, 2], that token's character range in the text"""
    n_tokens: int
    n_truncated: int
    l0: float
    """Mean number of active features a token."""


class TokenActivations(NamedTuple):
    """Activations of one text token by token, for token heat."""

    tokens: ContentTokens
    features: NDArray[np.int32]
    """[n_tokens, k]"""
    values: NDArray[np.float32]
    """[n_tokens, k]"""

    def of_feature(self, feature_id: int) -> list[float]:
        """Activation of one feature at each content token."""
        return (self.values * (self.features == feature_id)).max(axis=1, initial=0.0).tolist()


@dataclass
class Health:
    """Sums from which FVU and L0 of everything read follow; adding two of them merges two reads."""

    n_tokens: int = 0
    n_active: int = 0
    sq_error: float = 0.0
    sum_sq: float = 0.0
    sum_x: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def add(self, x: Tensor, reconstruction: Tensor, n_active: int) -> None:
        """Take in a batch of residual vectors and their reconstructions."""
        total = x.double().sum(0).cpu().numpy()
        self.merge(
            Health(
                len(x),
                n_active,
                float((x - reconstruction).double().square().sum()),
                float(x.double().square().sum()),
                total,
            )
        )

    def merge(self, other: Health) -> None:
        """Add another read's sums."""
        if not other.n_tokens:
            return
        self.sum_x = self.sum_x + other.sum_x if self.n_tokens else other.sum_x
        self.n_tokens += other.n_tokens
        self.n_active += other.n_active
        self.sq_error += other.sq_error
        self.sum_sq += other.sum_sq

    @property
    def fvu(self) -> float:
        """Fraction of variance unexplained: squared error over squared deviation from the mean vector."""
        if not self.n_tokens:
            return float("nan")
        deviation = self.sum_sq - float(np.square(self.sum_x).sum()) / self.n_tokens
        return self.sq_error / deviation if deviation > 0 else float("nan")

    @property
    def l0(self) -> float:
        """Mean number of active features a token."""
        return self.n_active / self.n_tokens if self.n_tokens else float("nan")


class Extractor:
    """Texts → activations in one space."""

    def __init__(self, spec: SpaceSpec, backbone: Backbone, sae: TopKSae, token_budget: int = TOKEN_BUDGET) -> None:
        if sae.d_in != backbone.d_model:
            raise ModelError(
                f"The SAE reads vectors of width {sae.d_in}, but the model's residual stream has {backbone.d_model}; "
                "choose the SAE that was trained on this model."
            )
        self.spec = spec
        self.backbone = backbone
        self.sae = sae
        self.token_budget = token_budget
        self.health = Health()
        self._lock = threading.Lock()

    def read(self, texts: Sequence[str]) -> Iterator[tuple[int, TextActivations]]:
        """Activations of each text as (index in `texts`, activations), in the order they come out of the batches.

        Raises:
            InputError: a text without any content token.
            ModelError: the model produced a value that is not a number.
        """
        tokens = [self.backbone.tokenize(text, self.spec.max_length) for text in texts]
        for index, content in enumerate(tokens):
            if not content.ids:
                raise InputError(f"Text {index + 1} has no tokens to read.")
        for batch in length_sorted(range(len(texts)), lambda index: len(tokens[index].ids), self.token_budget):
            yield from self._read_batch(batch, tokens)

    def read_one(self, text: str) -> TextActivations:
        """Activations of one text."""
        return next(self.read([text]))[1]

    def read_all(self, texts: Iterable[str]) -> list[TextActivations]:
        """Activations of all texts, in their order."""
        found = dict(self.read(list(texts)))
        return [found[index] for index in range(len(found))]

    def read_tokens(self, text: str) -> TokenActivations:
        """Activations of one text, token by token."""
        content = self.backbone.tokenize(text, self.spec.max_length)
        if not content.ids:
            raise InputError("The text has no tokens to read.")
        with self._lock:
            codes = self.sae.encode(self.backbone.residuals([content.ids])[0])
        return TokenActivations(
            content, codes.features.cpu().numpy().astype(np.int32), codes.values.cpu().numpy().astype(np.float32)
        )

    def _read_batch(
        self, batch: list[int], tokens: list[ContentTokens]
    ) -> Iterator[tuple[int, TextActivations]]:
        import torch

        lengths = [len(tokens[index].ids) for index in batch]
        with self._lock, torch.no_grad():
            hidden = self.backbone.residuals([tokens[index].ids for index in batch])
            inside = torch.arange(hidden.shape[1]) < torch.tensor(lengths)[:, None]
            x = hidden[inside.to(hidden.device)].float()
            if not bool(torch.isfinite(x).all()):
                raise ModelError("The model produced an activation that is not a number; check model and dtype.")
            codes = self.sae.encode(x)
            active = codes.values > 0
            self.health.add(x, self.sae.decode(codes), int(active.sum()))
            rows, positions = (part.cpu() for part in inside.nonzero(as_tuple=True))
            pooled = _max_pool(
                codes.values.cpu().numpy(), codes.features.cpu().numpy(), rows.numpy(), positions.numpy()
            )
        fired = np.bincount(rows.numpy(), weights=active.sum(1).cpu().numpy(), minlength=len(batch))
        for row, index in enumerate(batch):
            features, values, where = pooled.get(row, _NOTHING)
            content = tokens[index]
            spans = np.asarray(content.offsets, np.int32)[where]
            l0 = float(fired[row] / lengths[row])
            yield index, TextActivations(features, values, where, spans, lengths[row], content.n_truncated, l0)


_Pooled = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]
_NOTHING: _Pooled = (np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32))


def _max_pool(
    values: NDArray[np.float32], features: NDArray[np.int64], rows: NDArray[np.int64], positions: NDArray[np.int64]
) -> dict[int, _Pooled]:
    """Maximum of each (text, feature) and its first position, from codes [tokens, k]; sparse throughout."""
    k = values.shape[1]
    flat = values.ravel()
    keep = np.flatnonzero(flat > 0)
    row, feature = np.repeat(rows, k)[keep], features.ravel()[keep]
    position, value = np.repeat(positions, k)[keep], flat[keep]
    order = np.lexsort((position, -value, feature, row))
    row, feature, position, value = row[order], feature[order], position[order], value[order]
    first = np.ones(len(row), bool)
    first[1:] = (row[1:] != row[:-1]) | (feature[1:] != feature[:-1])
    row, feature, position, value = row[first], feature[first], position[first], value[first]
    present, starts = np.unique(row, return_index=True)
    ends = [*starts[1:], len(row)]
    return {
        int(text): (
            feature[a:b].astype(np.int32),
            value[a:b].astype(np.float32),
            position[a:b].astype(np.int32),
        )
        for text, a, b in zip(present, starts, ends, strict=True)
    }


def load_extractor(spec: SpaceSpec, device: str = "cpu") -> Extractor:
    """Extractor of a space; loaded once per process and space, since model and SAE are large and constant.

    Raises:
        ModelError: model or SAE missing, damaged, or not the ones the space was made with.
    """
    return _load_extractor(spec.to_json(), device)


@lru_cache(maxsize=1)
def _load_extractor(spec_json: str, device: str) -> Extractor:
    from fac_core.feature_space.space import sae_digest

    spec = SpaceSpec.from_json(spec_json)
    if (found := sae_digest(Path(spec.sae))) != spec.sae_digest:
        raise ModelError(
            f"The SAE in {spec.sae} has changed since the space was made (digest {found[:12]}… instead of "
            f"{spec.sae_digest[:12]}…); make a new space for it."
        )
    backbone = Backbone.load(backbone_location(spec), spec.block, dtype=spec.dtype, device=device)
    return Extractor(spec, backbone, TopKSae.load(Path(spec.sae), d_model=backbone.d_model, device=device))
