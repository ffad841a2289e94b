"""No text is read twice, no excluded text is read at all, and the held-out part is fixed by content, not by order."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from fac_core.errors import InputError
from fac_core.feature_space.training.recipe import Corpus, Source

WINDOW_CHARS = 700
MAX_CHARS = 4000


class CorpusText(NamedTuple):
    """One text of the corpus."""

    source: int
    """Index of its source in the recipe."""
    text: str
    heldout: bool


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON-lines file, plain, gzipped or xz-compressed."""
    try:
        with _open_text(path) as handle:
            for line in handle:
                yield json.loads(line)
    except OSError as error:
        raise InputError(f"The corpus file {path} cannot be read: {error.strerror or error}.") from error


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def normal_form(text: str) -> str:
    """Text without differences that do not matter for identity: NFC, single spaces, no case."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def texts(corpus: Corpus, data: Path, seed: int) -> Iterator[CorpusText]:
    """Texts of each source in a shuffled, repeatable order; the caller stops a source when its tokens are read."""
    excluded = {
        _digest(value)
        for pattern in corpus.exclude
        for path in sorted(data.glob(pattern))
        for row in rows_of(path)
        for value in row.values()
        if isinstance(value, str)
    }
    seen: set[bytes] = set()
    for index, source in enumerate(corpus.source):
        for text in _of_source(source, data, random.Random(f"{seed}/{source.path}")):
            digest = _digest(text)
            if digest in excluded or digest in seen:
                continue
            seen.add(digest)
            yield CorpusText(index, text, int.from_bytes(digest[:4], "big") / 2**32 < corpus.heldout)


def _of_source(source: Source, data: Path, rng: random.Random) -> Iterator[str]:
    found = []
    for row in rows_of(data / source.path):
        for field in source.fields:
            value = row.get(field)
            if isinstance(value, str) and value.strip():
                found.extend(_windows(value, rng) if source.window else [value.strip()[:MAX_CHARS]])
    rng.shuffle(found)
    yield from found


def _windows(text: str, rng: random.Random) -> list[str]:
    """About one window of WINDOW_CHARS per eight, each beginning after a sentence end."""
    windows = []
    for _ in range(max(1, len(text) // (8 * WINDOW_CHARS))):
        start = rng.randrange(max(1, len(text) - WINDOW_CHARS))
        begin = text.find(". ", start, start + 300)
        begin = start if begin < 0 else begin + 2
        if window := text[begin : begin + WINDOW_CHARS].strip():
            windows.append(window)
    return windows


def _digest(text: str) -> bytes:
    return hashlib.sha256(normal_form(text).encode("utf-8", "surrogatepass")).digest()[:16]
