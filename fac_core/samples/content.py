"""Two texts share a content hash exactly when the model would read the same characters.

Normalisation is minimal (NFC, line ends, outer white space), because token spans point into the normalised text.
"""

from __future__ import annotations

import hashlib
import unicodedata


def normalise(text: str) -> str:
    """The text as it is read and stored."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def content_hash(text: str) -> str:
    """Identity of a text's content, 32 hex characters; the text need not be normalised."""
    return hashlib.sha256(normalise(text).encode("utf-8", "surrogatepass")).hexdigest()[:32]
