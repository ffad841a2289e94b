"""A row of many features is called after words that its members' keywords share and that other rows lack.

Words are weighed by class-based TF-IDF with a row as a class: how much of the row's keywords a word is, times how rare
it is in the keywords of all rows. Members count by how central they are. A lone mark, number, letter or function word
is said only where no member offers better.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from fac_core.features.keywords import SEPARATOR, UNCLEAR
from fac_core.features.words import is_light, is_link, stem, words_of

NAMED_AFTER = 3
TELLING, WORD, REST = 0, 1, 2
"""How well a phrase reads as part of a name: with a telling word, with any word, without."""
_MIN_LETTERS = 3
"""Of a telling word of the Latin alphabet; in other scripts a single character may say much."""

_LEAST = 1e-9
_SHORTENED = ("n't", "'t", "'s", "'re", "'ll", "'d", "'ve", "'m")
_UNMARKED, _UNMARKED_LETTERS = ("nt", "s"), 4
"""The same written without an apostrophe (*havent*, *whats*), after so many letters."""


class _Phrase(NamedTuple):
    surface: str
    """Without the marks and ties at its ends."""
    stems: tuple[str, ...]
    """Of its telling words, or of all where none is telling."""
    tier: int


class _Row(NamedTuple):
    weight: dict[str, float]
    """Of stems."""
    surfaces: dict[str, dict[_Phrase, float]]
    """Phrases that hold a stem, and how much each is said."""


def name_rows(members: Mapping[int, Mapping[int, float]], names: Mapping[int, str]) -> dict[int, str]:
    """Names of rows by id; a row none of whose members has a name is called nothing.

    Args:
        members: features of each row and how much each counts; where words weigh the same, the first one's is said.
        names: keywords of features, the most telling first; unclear ones are not listened to if any is clear.
    """
    rows = {row: _weigh(features, names) for row, features in members.items()}
    spread: Counter[str] = Counter()
    for row in rows.values():
        spread.update(row.weight)
    usual = sum(spread.values()) / max(1, len(rows))
    return {row: SEPARATOR.join(_choose(found, spread, usual)) for row, found in rows.items()}


def _weigh(features: Mapping[int, float], names: Mapping[int, str]) -> _Row:
    """What the keywords of a row say; the first keyword of a feature counts whole, the second half, and so on."""
    said = [(name, counts) for feature, counts in features.items() if (name := names.get(feature, ""))]
    clear = [(name, counts) for name, counts in said if not name.endswith(UNCLEAR)]
    weight: dict[str, float] = defaultdict(float)
    surfaces: dict[str, dict[_Phrase, float]] = defaultdict(lambda: defaultdict(float))
    for name, counts in clear or [(name.removesuffix(UNCLEAR).rstrip(), counts) for name, counts in said]:
        for place, keyword in enumerate(name.split(SEPARATOR), start=1):
            phrase = _phrase(keyword)
            for each in phrase.stems:
                weight[each] += counts / place
                surfaces[each][phrase] += counts / place
    return _Row(weight, surfaces)


def _choose(row: _Row, spread: Counter[str], usual: float) -> Iterable[str]:
    """The phrases of the words that weigh most, saying no word twice; worse tiers only where a better one is empty."""

    def rank(each: str) -> tuple[int, float]:
        tier = min(phrase.tier for phrase in row.surfaces[each])
        return tier, -row.weight[each] * math.log1p(usual / max(spread[each], _LEAST))

    chosen: list[str] = []
    said: set[str] = set()
    best = None
    for each in sorted(row.weight, key=rank):
        tier = rank(each)[0]
        best = tier if best is None else best
        if tier > best or len(chosen) == NAMED_AFTER:
            break
        if each in said:
            continue
        found = row.surfaces[each]
        new = {phrase: n for phrase, n in found.items() if phrase.tier == tier and not said & set(phrase.stems)}
        if new:
            phrase = max(new, key=new.__getitem__)
            chosen.append(phrase.surface)
            said.update(phrase.stems)
    return chosen


@lru_cache(maxsize=100_000)
def _phrase(keyword: str) -> _Phrase:
    words = words_of(keyword)
    spoken = [word for word in words if word.is_word]
    telling = [word for word in spoken if _is_telling(word.key)]
    if telling:
        kept = [word for word in words if word.is_word]
        while is_link(kept[0].key) or not _is_letters(kept[0].key):
            kept.pop(0)
        while is_link(kept[-1].key) or not _is_letters(kept[-1].key):
            kept.pop()
        surface = keyword[kept[0].start : kept[-1].end]
        return _Phrase(surface, tuple(dict.fromkeys(stem(word.key) for word in telling)), TELLING)
    if any(_is_letters(word.key) for word in spoken):
        surface = keyword[spoken[0].start : spoken[-1].end]
        return _Phrase(surface, (" ".join(word.key for word in spoken),), WORD)
    return _Phrase(keyword, (keyword.casefold(),), REST)


def _is_telling(key: str) -> bool:
    bases = [key.removesuffix(ending) for ending in _SHORTENED]
    bases += [base for ending in _UNMARKED if len(base := key.removesuffix(ending)) >= _UNMARKED_LETTERS]
    if any(is_light(base) for base in bases):
        return False
    return _is_letters(key) and (not key.isascii() or len(key) >= _MIN_LETTERS)


def _is_letters(key: str) -> bool:
    return any(char.isalpha() for char in key)
