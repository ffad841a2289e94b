"""Whatever a file claims to be, at most `MAX_UNPACKED` bytes of UTF-8 come out of it, or one sentence.

Packing and encoding are known by content. A file's name is only ever shown, never used as a path.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from fac_core.errors import InputError

MAX_UNPACKED = 2 << 30
"""Bytes a file may unpack to; a bomb is stopped here."""
_CHUNK = 1 << 20
_HEAD = 4096
_GZIP, _XZ = b"\x1f\x8b\x08", b"\xfd7zXZ\x00"
# what people bring by mistake, known by as much of its signature as no text begins with
_FOREIGN = {
    re.compile(rb"PK\x03\x04"): "a Zip or Excel file; export it as CSV",
    re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"): "an old Excel file; export it as CSV",
    re.compile(rb"%PDF-\d\.\d[ \t]*(?:[\r\n]|$)"): "a PDF; export its texts as TXT or CSV",
    re.compile(rb"\x28\xb5\x2f\xfd"): "packed with zstd; unpack it, or pack it with gzip",
    re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"): "packed with bzip2; unpack it, or pack it with gzip",
    re.compile(rb"\x80[\x02-\x05]"): "a pickle, which is never opened; export it as JSONL",
    re.compile(rb".{8}DUCK..\x00{6}", re.DOTALL): "a DuckDB database; bring its table as Parquet or CSV",
}


@dataclass(frozen=True)
class Source:
    """A file, or pasted text, to read samples from."""

    name: str
    """Shown to people; see `shown_name`."""
    path: Path | None = None
    pasted: bytes = b""

    @classmethod
    def of(cls, path: Path, filename: str) -> Source:
        """The file at `path`, which the person knows as `filename`.

        Raises:
            InputError: there is no readable file.
        """
        source = cls(shown_name(filename), path)
        with source.raw():
            return source

    @contextmanager
    def raw(self) -> Iterator[IO[bytes]]:
        """The bytes as they are.

        Raises:
            InputError: the file is missing or not readable.
        """
        if self.path is None:
            yield io.BytesIO(self.pasted)
            return
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise InputError(f"The file {self.name} cannot be read: {error.strerror or error}.") from error
        with file:
            yield file

    def sha256(self) -> str:
        """Digest of the bytes as they are."""
        with self.raw() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]

    def head(self) -> bytes:
        """The first bytes, as they are.

        Raises:
            InputError: a foreign format.
        """
        with self.raw() as file:
            return self._own(file.read(_HEAD))

    def tail(self, size: int) -> bytes:
        """The last bytes, as they are."""
        with self.raw() as file:
            file.seek(-min(size, file.seek(0, io.SEEK_END)), io.SEEK_END)
            return file.read(size)

    @contextmanager
    def utf8(self) -> Iterator[io.BufferedReader]:
        """The unpacked bytes, from UTF-16 or UTF-32 made UTF-8, without byte order mark.

        Raises:
            InputError: damaged, a foreign format, or larger than `MAX_UNPACKED`; also while reading.
        """
        with self.raw() as file:
            unpacked = _unpack(file, self.head())
            head = self._own(_read(unpacked, _HEAD, self.name))
            encoding, skip = _encoding(head)
            yield io.BufferedReader(_Stream(unpacked, head[skip:], encoding, self.name), _CHUNK)

    def _own(self, head: bytes) -> bytes:
        """The first bytes, unless they are of a foreign format; what was pasted is text, however it begins."""
        what = None if self.path is None else next((_FOREIGN[magic] for magic in _FOREIGN if magic.match(head)), None)
        if what is not None:
            raise InputError(f"{self.name} is {what}.")
        return head


def shown_name(filename: str) -> str:
    """A file's name as it may be shown: no folders, no control or direction characters, at most 120 characters."""
    return plain_words(re.split(r"[/\\]", filename)[-1])[-120:] or "unnamed file"


def plain_words(text: str) -> str:
    """Text on one line without characters that cannot be seen."""
    return " ".join("".join(char for char in text if char.isprintable() or char.isspace()).split())


def _unpack(file: IO[bytes], head: bytes) -> IO[bytes]:
    if head.startswith(_GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if head.startswith(_XZ):
        return lzma.LZMAFile(file)
    return file


def _encoding(head: bytes) -> tuple[str | None, int]:
    """Encoding to translate from (None: UTF-8) and the length of the byte order mark."""
    marks = [
        (codecs.BOM_UTF8, None),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ]
    for mark, encoding in marks:
        if head.startswith(mark):
            return encoding, len(mark)
    # text in UTF-16 without a mark: every other byte of Latin letters is zero
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = head[start::2]
        if len(half) > 8 and half.count(0) > 0.8 * len(half) and head[1 - start :: 2].count(0) == 0:
            return encoding, 0
    return None, 0


def _read(file: IO[bytes], size: int, name: str) -> bytes:
    try:
        return file.read(size)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise InputError(f"{name} is damaged or cut off and cannot be unpacked; pack it again.") from error
    except OSError as error:
        raise InputError(f"The file {name} cannot be read: {error.strerror or error}.") from error


class _Stream(io.RawIOBase):
    """Bytes of `file` after `head`, counted and translated."""

    def __init__(self, file: IO[bytes], head: bytes, encoding: str | None, name: str) -> None:
        self._file, self._name = file, name
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass") if encoding else None
        self._seen = 0
        self._ended = False
        self._ready = self._translate(head, final=False)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            chunk = _read(self._file, _CHUNK, self._name)
            self._ended = not chunk
            self._seen += len(chunk)
            if self._seen > MAX_UNPACKED:
                raise InputError(
                    f"{self._name} unpacks to more than {MAX_UNPACKED / (1 << 30):g} GB; split it into smaller files."
                )
            self._ready = self._translate(chunk, final=self._ended)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _translate(self, chunk: bytes, *, final: bool) -> bytes:
        if self._decoder is None:
            return chunk
        try:
            return self._decoder.decode(chunk, final).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise InputError(f"{self._name} is cut off in the middle of a character; save it as UTF-8.") from error
