"""One text has one set of activations, whoever asks: seed, anchor, pool, candidate and the curator's own words.

This is the one verifier. Batches are sorted by length and right-padded, the template's prefix is read once, codes stay
sparse from the Top-K to the maximum over tokens, and the position of each maximum is kept. The result does not depend
on what else is in the batch (a slow version in the tests is its oracle), so a batch that does not fit into memory is
read in halves.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import InputError, ModelError
from fac_core.feature_space import embedded
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.backbones import backbone_location
from fac_core.feature_space.batching import batches
from fac_core.feature_space.devices import checked, placed, ran_out, rough_products
from fac_core.feature_space.model_files import folder_digest
from fac_core.feature_space.sae import Codes, Sae
from fac_core.feature_space.sae_formats import load_sae, sae_digest
from fac_core.feature_space.space import EMBEDDED, MASK, SpaceSpec
from fac_core.feature_space.tokens import ContentTokens

if TYPE_CHECKING:
    from torch import Tensor

    from fac_core.content import Content

DEVICE_VARIABLE = "FAC_DEVICE"
# padded tokens a batch: small batches stay in a processor's cache, large ones fill an accelerator
TOKEN_BUDGET = {"cpu": 2048, "cuda": 16384}
AHEAD = 2048
"""Contents tokenised while those before them are read."""


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
    positions: NDArray[np.int32]
    """[n], token of each activation"""
    features: NDArray[np.int32]
    """[n]"""
    values: NDArray[np.float32]
    """[n]"""

    def of_feature(self, feature_id: int) -> list[float]:
        """Activation of one feature at each content token."""
        heat = np.zeros(len(self.tokens.ids), np.float32)
        own = self.features == feature_id
        heat[self.positions[own]] = self.values[own]
        return [float(value) for value in heat]


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

    def __init__(self, spec: SpaceSpec, backbone: Backbone, sae: Sae, token_budget: int | None = None) -> None:
        if spec.pooling != "max":
            raise ModelError("This version takes the maximum over tokens; the space asks otherwise.")
        if spec.mask != MASK:
            raise ModelError(
                f"The space counts “{spec.mask[:80]}”, as an earlier version did, and this one counts “{MASK}”; "
                "add the space again and read the texts in it."
            )
        if (sae.d_sae, sae.k) != (spec.d_sae, spec.k):
            raise ModelError(
                f"The SAE has {sae.d_sae} features and k = {sae.k}, but the space was made for {spec.d_sae} and "
                f"{spec.k}; make a new space for it."
            )
        if sae.d_in != backbone.d_model:
            raise ModelError(
                f"The SAE reads vectors of width {sae.d_in}, but the model's residual stream has {backbone.d_model}; "
                "choose the SAE that was trained on this model."
            )
        self.spec = spec
        self.backbone = backbone
        self.sae = sae if spec.apply_topk else sae.without_topk()
        self.token_budget = token_budget or TOKEN_BUDGET.get(backbone.device.split(":")[0], TOKEN_BUDGET["cpu"])
        self.health = Health()
        self._lock = threading.Lock()

    def read(self, contents: Sequence[Content | str]) -> Iterator[tuple[int, TextActivations]]:
        """Activations of each content as (index in `contents`, activations), in the order they come out of the batches.

        A plain text is one user turn. A content without any token that counts comes out with nothing active.

        Raises:
            ModelError: the model produced a value that is not a number, its template cannot render a content's roles,
                or memory is too small for one text.
        """
        for begin, tokens in self._tokenised(contents):
            for batch in batches(tokens, self.token_budget):
                for index, found in self._read_batch(batch, tokens):
                    yield begin + index, found
            for index, content in enumerate(tokens):
                if not content.ids:
                    nothing = TextActivations(*_NOTHING, np.empty((0, 2), np.int32), 0, content.n_truncated, 0.0)
                    yield begin + index, nothing

    def _tokenised(self, contents: Sequence[Content | str]) -> Iterator[tuple[int, list[ContentTokens]]]:
        """Tokens of AHEAD contents at a time, with the place of the first; the next are made while these are read."""

        def made(begin: int) -> list[ContentTokens]:
            return [self.backbone.tokenize(one, self.spec.max_length) for one in contents[begin : begin + AHEAD]]

        with ThreadPoolExecutor(1, "tokens") as thread:
            coming = thread.submit(made, 0)
            for begin in range(0, len(contents), AHEAD):
                tokens = coming.result()
                coming = thread.submit(made, begin + AHEAD)
                yield begin, tokens

    def read_one(self, content: Content | str) -> TextActivations:
        """Activations of one content.

        Raises:
            InputError: it has no token that counts.
        """
        found = next(self.read([content]))[1]
        if not found.n_tokens:
            raise InputError("The text has no tokens to read.")
        return found

    def read_all(self, contents: Iterable[Content | str]) -> list[TextActivations]:
        """Activations of all contents, in their order."""
        found = dict(self.read(list(contents)))
        return [found[index] for index in range(len(found))]

    def read_tokens(self, content: Content | str) -> TokenActivations:
        """Activations of one content, token by token.

        Raises:
            InputError: it has no token that counts.
        """
        tokens = self.backbone.tokenize(content, self.spec.max_length)
        if not tokens.ids:
            raise InputError("The text has no tokens to read.")
        with self._lock:
            codes = self._codes(tokens)
        where, features, values = (part.cpu().numpy() for part in (codes.tokens(), codes.features, codes.values))
        return TokenActivations(tokens, where.astype(np.int32), features.astype(np.int32), values)

    def fit(self, x: Tensor) -> Health:
        """How the SAE does on residual vectors [tokens, d_in]."""
        with self._products():
            codes, health = self.sae.encode(x), Health()
        health.add(x, self.sae.decode(codes, x), int((codes.values > 0).sum()))
        return health

    def template_features(self) -> NDArray[np.int32]:
        """Features that fire on the template around a user's turn in which nothing is said, ascending (P11).

        None of them counts; they would count on every text if the template did.
        """
        ids = self.backbone.tokens.template_ids()
        if not ids:
            return _NOTHING[0]
        with self._lock:
            codes = self._codes(ContentTokens(ids, [], 0, shares_prefix=False))
        return np.unique(codes.features[codes.values > 0].cpu().numpy()).astype(np.int32)

    def _codes(self, tokens: ContentTokens) -> Codes:
        """Codes of one content's tokens; the lock is held."""
        with self._products():
            return self.sae.encode(self.backbone.residuals([tokens])[0])

    def _products(self) -> AbstractContextManager[None]:
        """How the SAE's matrix products are computed: no finer than what they multiply."""
        return nullcontext() if self.spec.dtype == "float32" else rough_products(self.backbone.device)

    def _read_batch(self, batch: list[int], tokens: list[ContentTokens]) -> Iterator[tuple[int, TextActivations]]:
        """Read a batch, in halves where memory runs out; later batches are then smaller too."""
        try:
            found = self._activations(batch, tokens)
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            if len(batch) == 1:
                raise ModelError(
                    f"There is not enough memory to read a text of {len(tokens[batch[0]].ids):,} tokens; make the "
                    "space's longest text shorter, or use a smaller dtype or another device."
                ) from error
            found = None
        if found is not None:
            yield from found
            return
        self.token_budget = max(1, self.token_budget // 2)
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            yield from self._read_batch(half, tokens)

    def _activations(self, batch: list[int], tokens: list[ContentTokens]) -> list[tuple[int, TextActivations]]:
        import torch

        lengths = [len(tokens[index].offsets) for index in batch]
        with self._lock, torch.no_grad(), self._products():
            hidden = self.backbone.residuals([tokens[index] for index in batch])
            inside = torch.arange(hidden.shape[1]) < torch.tensor(lengths)[:, None]
            inside = inside.to(hidden.device)
            x = hidden[inside].float()
            if not bool(torch.isfinite(x).all()):
                raise ModelError("The model produced an activation that is not a number; check model and dtype.")
            codes = self.sae.encode(x)
            active = codes.values > 0
            self.health.add(x, self.sae.decode(codes, x), int(active.sum()))
            rows, positions = inside.nonzero(as_tuple=True)
            token, values, features = (part[active] for part in (codes.tokens(), codes.values, codes.features))
            fired = torch.bincount(rows[token], minlength=len(batch)).tolist()
            pooled = _max_pool(values, features, rows[token], positions[token], len(batch))
        read = []
        for index, length, n_fired, (features_of, values_of, where) in zip(batch, lengths, fired, pooled, strict=True):
            content = tokens[index]
            spans = np.asarray(content.offsets, np.int32)[where]
            found = TextActivations(features_of, values_of, where, spans, length, content.n_truncated, n_fired / length)
            read.append((index, found))
        return read


_Pooled = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]
_NOTHING: _Pooled = (np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int32))


def _max_pool(value: Tensor, feature: Tensor, row: Tensor, position: Tensor, n_rows: int) -> list[_Pooled]:
    """Features of each row, ascending, with maximum and its first position, from one entry [n] for each activation."""
    if not len(value):
        return [_NOTHING] * n_rows
    width = int(feature.max()) + 1
    pairs, pair = (row * width + feature).unique(return_inverse=True)  # sorted: by row, then by feature
    best = value.new_zeros(len(pairs)).scatter_reduce_(0, pair, value, "amax")
    at_best = value == best[pair]
    first = position.new_full((len(pairs),), int(position.max())).scatter_reduce_(
        0, pair[at_best], position[at_best], "amin"
    )
    ends = (pairs // width).bincount(minlength=n_rows).cumsum(0)[:-1].cpu().numpy()
    found = (pairs % width).int(), best, first.int()
    parts = (np.split(part.cpu().numpy(), ends) for part in found)
    return list(zip(*parts, strict=True))


_loaded: dict[tuple[str, str], Extractor] = {}
_load_lock = threading.Lock()


def load_extractor(spec: SpaceSpec, device: str | None = None) -> Extractor:
    """Extractor of a space on `device` (default: an accelerator if there is one).

    The last one is kept, since model and SAE are large and constant; threads that ask together wait for one loading.

    Raises:
        InputError: there is no such device.
        ModelError: model or SAE missing, damaged, or not the ones the space was made with.
    """
    key = (spec.to_json(), checked(device or default_device()))
    with _load_lock:
        if key not in _loaded:
            _loaded.clear()
            _loaded[key] = _load(spec, key[1])
        return _loaded[key]


def default_device() -> str:
    """The device that ``FAC_DEVICE`` names, else ``cuda`` where torch can use one, else ``cpu``."""
    import torch

    return os.environ.get(DEVICE_VARIABLE) or ("cuda" if torch.cuda.is_available() else "cpu")


def _load(spec: SpaceSpec, device: str) -> Extractor:
    _same(f"SAE in {spec.sae}", sae_digest(Path(spec.sae)), spec.sae_digest)
    backbone = _load_backbone(spec, device)
    sae = load_sae(Path(spec.sae), d_model=backbone.d_model).sae
    try:
        sae = sae.to(backbone.output_device)
    except RuntimeError as error:
        if not ran_out(error):
            raise  # otherwise its weights stay here and are brought over in chunks
    return Extractor(spec, backbone, sae)


def _load_backbone(spec: SpaceSpec, device: str) -> Backbone:
    folder = backbone_location(spec)
    device = placed(folder, spec.dtype, device)
    if spec.backbone != EMBEDDED:
        if not spec.revision:  # a commit is told by its hash
            _same(f"model in {folder}", folder_digest(folder), spec.backbone_digest)
        return Backbone.load(folder, spec.block, dtype=spec.dtype, device=device)
    try:
        return Backbone.load(folder, spec.block, dtype=spec.dtype, device=device)
    except ModelError:
        folder = embedded.remade_folder()  # such as one that another version of transformers wrote
    try:
        return Backbone.load(folder, spec.block, dtype=spec.dtype, device=device)
    except ModelError as error:
        raise ModelError(f"{str(error).rstrip('.')}; run: {embedded.REPAIR_COMMAND}") from error


def _same(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise ModelError(
            f"The {what} has changed since the space was made (digest {found[:12]}… instead of {expected[:12]}…); "
            "make a new space for it."
        )
