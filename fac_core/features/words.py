"""A keyword is made of whole words as a person wrote them: sub-word tokens only say where in the text to look.

Works for any script: combining marks stay with their letter, characters of scripts without spaces are words of their
own, and a mark of punctuation is a token that no phrase reaches across.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fac_core.features.graphemes import combining, visible

# scripts written without spaces: Thai, Lao, Khmer, kana, Han
_UNSPACED = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
# words that say little by themselves; their place in a phrase matters, see `readable`
_ARTICLES = {"a", "an", "the"}
_PARTICLES = {"into", "out", "up", "off", "down", "over", "away", "against", "without"}
_LINKS = (
    _ARTICLES
    | {"and", "or", "but", "nor", "of", "to", "in", "on", "at", "by", "as", "if", "than", "that", "which", "who", "so"}
    | {"is", "are", "was", "were", "be", "been", "am", "it", "its", "this", "these", "those", "there", "then"}
    | {"my", "your", "his", "her", "our", "their", "i", "you", "he", "she", "we", "they", "me", "him", "them", "us"}
    | {"with", "from", "for", "because", "while", "when", "also", "just", "very", "s", "t", "'s"}
)
_LIGHT = _LINKS | {
    *(
        [
            "do",
            "does",
            "did",
            "done",
            "doing",
            "have",
            "has",
            "had",
            "having",
            "can",
            "could",
            "will",
            "would",
            "shall",
            "should",
            "may",
            "might",
            "must",
            "not",
            "no",
            "yes",
            "any",
            "some",
        ]
    ),
    *(
        [
            "what",
            "how",
            "why",
            "where",
            "whose",
            "whom",
            "into",
            "out",
            "up",
            "off",
            "down",
            "over",
            "under",
            "about",
            "after",
            "before",
            "again",
            "all",
            "more",
            "most",
            "such",
        ]
    ),
    *(
        [
            "only",
            "own",
            "same",
            "too",
            "each",
            "both",
            "few",
            "other",
            "here",
            "get",
            "got",
            "go",
            "going",
            "make",
            "made",
            "one",
            "i'm",
            "i've",
            "don't",
            "it's",
            "im",
            "dont",
        ]
    ),
}


class Word(NamedTuple):
    """A word or a single mark of a text."""

    key: str
    """What it is compared by: case-folded, straight apostrophes."""
    start: int
    end: int
    is_word: bool
    """Letters or digits, not a mark."""


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    marks = combining()
    spaced = f"[^\\W_{_UNSPACED}]"
    letter = f"(?:{spaced}|[{marks}])"
    word = f"{spaced}{letter}*(?:['’\\-]{letter}+|(?<=\\d)[.,](?=\\d){letter}+)*"
    return re.compile(f"{word}|[{_UNSPACED}][{marks}]*|{visible()}")


def words_of(text: str) -> list[Word]:
    """Words and marks of a text, in order, with their places."""
    found = []
    for match in _pattern().finditer(text):
        surface = match[0]
        key = surface.casefold().replace("’", "'").replace("‘", "'")
        found.append(Word(key, match.start(), match.end(), surface[0].isalnum()))
    return found


def is_light(key: str) -> bool:
    """A word that names no concept by itself."""
    return key in _LIGHT


def is_link(key: str) -> bool:
    """A word that only ties others together: a phrase neither begins nor ends well with it."""
    return key in _LINKS


def is_particle(key: str) -> bool:
    """into, out, up: part of the verb before it."""
    return key in _PARTICLES


def is_article(key: str) -> bool:
    """a, an, the."""
    return key in _ARTICLES


@lru_cache(maxsize=100_000)
def stem(key: str) -> str:
    """A crude stem that counts the forms of an English word together (hack, hacks, hacking), others as they are.

    What would be left must have four letters (three before a plural s), or *caring* would count as *car*.
    """
    key = key.removesuffix("'s")
    if not key.isascii() or not key.isalpha():
        return key
    for suffix, replacement in (("ies", "y"), ("ing", ""), ("ed", ""), ("ly", ""), ("es", "e")):
        base = key[: -len(suffix)]
        if key.endswith(suffix) and len(base) >= (3 if replacement else 4):
            doubled = base[-1] == base[-2] and base[-1] not in "lsz"
            key = (base[:-1] if doubled else base) + replacement
            break
    else:
        if key.endswith("s") and not key.endswith(("ss", "us", "is")) and len(key) >= 4:
            key = key[:-1]
    return key[:-1] if key.endswith("e") and len(key) > 4 else key
