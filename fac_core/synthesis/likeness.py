"""A candidate that repeats a text we hold is found whatever the number of texts, and is never counted as new.

Two texts are near duplicates if their word 3-grams overlap by 70 % (Jaccard), if one's 3-grams lie almost all inside
the other's, or if few words differ; case and punctuation do not count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import NamedTuple

JACCARD = 0.7
CONTAINED = 0.8
EDIT = 0.85
"""Share of matching words, by the longest matching blocks."""
_LOOK_AT = 20
"""Texts compared in full: those that share most 3-grams."""
# Thai to Burmese, Khmer, kana, Han
_SCRIPTS = (
    "\u0e01-\u0eff\u0f40-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
UNSPACED = re.compile(f"[{_SCRIPTS}]")
"""A character of a script that puts no space between words."""
UNSPACED_RUN = re.compile(f"[{_SCRIPTS}]+")
_WORD = re.compile(f"[{_SCRIPTS}]|[^\\W{_SCRIPTS}]+")


class Likeness(NamedTuple):
    """Two texts compared: 1 is equal."""

    value: float
    near: bool


def words(text: str) -> list[str]:
    """The words that count for comparison; in scripts without spaces each character is one."""
    return _WORD.findall(text.casefold())


def grams(text: str) -> frozenset[tuple[str, ...]]:
    """Word 3-grams; a shorter text is one gram."""
    found = words(text)
    return frozenset(tuple(found[i : i + 3]) for i in range(max(1, len(found) - 2)))


def likeness(one: str, other: str) -> Likeness:
    """How alike two texts are."""
    a, b = grams(one), grams(other)
    shared = len(a & b)
    jaccard = shared / len(a | b)
    contained = shared / min(len(a), len(b)) if min(len(a), len(b)) >= 4 else 0.0
    edit = max(_matching(words(one), words(other)), _matching(words(other), words(one)))
    near = jaccard >= JACCARD or contained >= CONTAINED or edit >= EDIT
    return Likeness(max(jaccard, edit), near)


def _matching(one: list[str], other: list[str]) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


class Index:
    """Texts that can be searched for likeness."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts: list[str] = []
        self._by_gram: dict[tuple[str, ...], list[int]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Add a text."""
        for gram in grams(text):
            self._by_gram.setdefault(gram, []).append(len(self.texts))
        self.texts.append(text)

    def near(self, text: str) -> str | None:
        """The most alike of the near duplicates of a text, or None."""
        shared = Counter(number for gram in grams(text) for number in self._by_gram.get(gram, ()))
        alike = [(likeness(text, self.texts[number]), number) for number, _ in shared.most_common(_LOOK_AT)]
        best = max((pair for pair in alike if pair[0].near), default=None)
        return None if best is None else self.texts[best[1]]


class Nearest:
    """The most alike text of a fixed collection, by shared rare words (TF-IDF cosine); always has an answer."""

    def __init__(self, texts: list[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectors = TfidfVectorizer(analyzer=words, sublinear_tf=True)
        known = [text for text in texts if words(text)]
        self._numbers = [number for number, text in enumerate(texts) if words(text)]
        self._matrix = self._vectors.fit_transform(known) if known else None

    def find(self, text: str) -> tuple[int, float] | None:
        """Number of the most alike text and its cosine; None if the collection is empty."""
        if self._matrix is None:
            return None
        cosine = (self._vectors.transform([text]) @ self._matrix.T).toarray()[0]
        best = int(cosine.argmax())
        return self._numbers[best], float(min(1.0, cosine[best]))
