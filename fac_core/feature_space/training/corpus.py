"""No text is read twice, no excluded text is read at all, and the held-out part is fixed by document, not by order.

A document is one field of one row. All its windows are held out or none, since windows of one document overlap. Texts
are shuffled on disk: of each one only its place and digests are in memory, some hundred bytes.
"""

from __future__ import annotations

import gzip
import json
import lzma
import random
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from fac_core.content import Content
from fac_core.errors import InputError
from fac_core.feature_space.training.exclusion import DIGEST, Excluded, digest
from fac_core.feature_space.training.recipe import Corpus, Source

WINDOW_CHARS = 700
MAX_CHARS = 4000
TURNS = "turns"


class CorpusText(NamedTuple):
    """One text of the corpus."""

    source: int
    """Index of its source in the recipe."""
    content: Content
    heldout: bool


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file, or of JSON lines, plain, gzipped or xz-compressed.

    Raises:
        InputError: it cannot be read or unpacked, or a line is no JSON object.
    """
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
        return
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
        for content, document in _of_source(source, data, random.Random(f"{seed}/{source.path}"), excluded):
            key = digest(content.text)
            if key in seen or excluded.inside(content.text):
                continue
            seen.add(key)
            yield CorpusText(index, content, int.from_bytes(document[:4], "big") / 2**32 < corpus.heldout)


def _excluded_files(corpus: Corpus, data: Path) -> list[Path]:
    return [path for pattern in corpus.exclude for path in sorted(data.glob(pattern))]


def _of_source(source: Source, data: Path, rng: random.Random, excluded: Excluded) -> Iterator[tuple[Content, bytes]]:
    """Contents with the identity of their document; a column `turns` beside the text says who says what in it."""
    with tempfile.TemporaryFile(prefix="fac-corpus-") as spool:
        ends, documents = array("Q", [0]), bytearray()
        for row in rows_of(data / source.path):
            for field in source.fields:
                value = row.get(field)
                if isinstance(value, str) and value.strip() and not excluded.holds(value):
                    if turns := row.get(TURNS):
                        pieces = [value]
                    else:
                        pieces = _windows(value, rng) if source.window else [value.strip()[:MAX_CHARS]]
                    for piece in pieces:
                        ends.append(ends[-1] + spool.write(json.dumps([piece, turns]).encode()))
                        documents += digest(value)
        order = list(range(len(ends) - 1))
        rng.shuffle(order)
        for place in order:
            spool.seek(ends[place])
            content = Content.stored(*json.loads(spool.read(ends[place + 1] - ends[place])))
            yield content, bytes(documents[place * DIGEST : (place + 1) * DIGEST])


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"The corpus file {path} cannot be read: it is missing or damaged.") from error


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
