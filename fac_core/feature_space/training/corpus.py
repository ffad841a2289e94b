"""No text is read twice, no excluded text is read at all, and the held-out part is fixed by document, not by order.

A document is one field of one row. All its windows are held out or none, since windows of one document overlap.
"""

from __future__ import annotations

import gzip
import json
import lzma
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from fac_core.errors import InputError
from fac_core.feature_space.training.exclusion import Excluded, digest
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
    """Rows of a JSON-lines file, plain, gzipped or xz-compressed.

    Raises:
        InputError: it cannot be read or unpacked, or a line is no JSON object.
    """
    number = 0
    try:
        with _open_text(path) as handle:
            for number, line in enumerate(handle, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError(f"Line {number} of the corpus file {path} is no JSON object.")
                yield row
    except json.JSONDecodeError as error:
        raise InputError(f"Line {number} of the corpus file {path} is no valid JSON: {error.msg}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"The corpus file {path} is not UTF-8 after line {number}.") from error
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(f"The corpus file {path} cannot be unpacked after line {number}: it is damaged.") from error
    except OSError as error:
        raise InputError(f"The corpus file {path} cannot be read: {error.strerror or error}.") from error


def corpus_files(corpus: Corpus, data: Path) -> list[Path]:
    """Every file that decides which texts are read: the sources, then the excluded ones, each once."""
    sources = [data / source.path for source in corpus.source]
    return list(dict.fromkeys([*sources, *_excluded_files(corpus, data)]))


def texts(corpus: Corpus, data: Path, seed: int) -> Iterator[CorpusText]:
    """Texts of each source in a shuffled, repeatable order; the caller stops a source when its tokens are read.

    Raises:
        InputError: a file cannot be read, see `rows_of`.
    """
    excluded = Excluded(
        value
        for path in _excluded_files(corpus, data)
        for row in rows_of(path)
        for value in row.values()
        if isinstance(value, str)
    )
    seen: set[bytes] = set()
    for index, source in enumerate(corpus.source):
        for text, document in _of_source(source, data, random.Random(f"{seed}/{source.path}"), excluded):
            key = digest(text)
            if key in seen or excluded.inside(text):
                continue
            seen.add(key)
            yield CorpusText(index, text, int.from_bytes(document[:4], "big") / 2**32 < corpus.heldout)


def _excluded_files(corpus: Corpus, data: Path) -> list[Path]:
    return [path for pattern in corpus.exclude for path in sorted(data.glob(pattern))]


def _of_source(source: Source, data: Path, rng: random.Random, excluded: Excluded) -> Iterator[tuple[str, bytes]]:
    """Texts with the identity of their document."""
    found: list[tuple[str, bytes]] = []
    for row in rows_of(data / source.path):
        for field in source.fields:
            value = row.get(field)
            if isinstance(value, str) and value.strip() and not excluded.holds(value):
                pieces = _windows(value, rng) if source.window else [value.strip()[:MAX_CHARS]]
                found += [(piece, digest(value)) for piece in pieces]
    rng.shuffle(found)
    yield from found


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


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
