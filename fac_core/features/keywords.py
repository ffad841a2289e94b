"""A feature is called after phrases that are there when it fires and that, when they are there, make it fire.

A candidate's score is the geometric mean of its recall and precision, times how well it reads. The next keyword is
chosen for the firings that the ones before it leave unexplained. Where no phrase scores well, the name says so: better
no name than one that misleads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.features.candidates import WINDOW, Candidates, Firings, candidates_of
from fac_core.features.phrases import MAX_WORDS, Ints, PhraseIndex
from fac_core.features.words import is_light, is_link, is_particle, stem

MAX_KEYWORDS = 4
MAX_CHARS = 80
SEPARATOR = " · "
CLEAR = 0.2
"""Score of its best phrase from which a feature counts as named; below it the name says that it is unclear."""
UNCLEAR = "(unclear)"
CHUNK = 512
_SPELLINGS = 8
_MIN_SCORE, _MIN_GAIN = 0.4, 0.06
_EXPLAINED = 0.85
"""Share of a firing that a keyword next to its peak accounts for."""
Floats = NDArray[np.float64]
Keys = tuple[str, ...]


def firings(index: PhraseIndex, feature: Ints, text: Ints, value: Floats, char_start: Ints, char_end: Ints) -> Firings:
    """Firings from rows sorted by feature and value; a token counts as the word of its last character."""
    return Firings(feature, text, value, index.word_at(text, np.maximum(char_start, char_end - 1)))


def name_features(index: PhraseIndex, rows: Firings) -> Iterator[tuple[Ints, list[str]]]:
    """Keywords for every feature with a firing, a chunk of features at a time: (feature ids, texts)."""
    ids, begin = np.unique(rows.feature, return_index=True)
    ends = np.append(begin[1:], len(rows.feature))
    for first in range(0, len(ids), CHUNK):
        chunk = slice(first, first + CHUNK)
        yield ids[chunk], [_name(index, found) for found in candidates_of(index, rows, begin[chunk], ends[chunk])]


class _Phrases(NamedTuple):
    """The candidates of one feature, as words; all arrays are [phrases]."""

    keys: list[Keys]
    stems: list[Keys]
    quality: Floats
    precision: Floats
    support: Floats
    """Weight of the firings near which a phrase stands."""
    closeness: Floats
    """Summed closeness to the peaks."""


def _name(index: PhraseIndex, candidates: Candidates) -> str:
    chosen, best = _choose(index, candidates)
    name = _write(index, [(int(candidates.phrase[i]), np.flatnonzero(candidates.near[i])) for i in chosen], candidates)
    return name if best >= CLEAR else f"{name} {UNCLEAR}"


def _choose(index: PhraseIndex, candidates: Candidates) -> tuple[list[int], float]:
    """Places of the candidates that together explain the firings, best first, and the score of the best."""
    near, weight = candidates.near, candidates.weight
    phrases = _Phrases(
        [index.keys(phrase) for phrase in candidates.phrase.tolist()],
        [index.stems(phrase) for phrase in candidates.phrase.tolist()],
        index.quality[candidates.phrase],
        candidates.precision,
        (near > 0) @ weight,
        near.sum(axis=1),
    )
    open_weight = weight.copy()
    available = np.ones(len(near), bool)
    chosen: list[int] = []
    said: set[str] = set()
    best = 0.0
    while len(chosen) < MAX_KEYWORDS and available.any():
        recall = near @ open_weight / weight.sum()
        score = np.where(available, np.sqrt(recall * phrases.precision) * phrases.quality, 0.0)
        place = int(score.argmax())
        best = max(best, float(score[place]))
        if score[place] < _MIN_SCORE * best or (chosen and recall[place] < _MIN_GAIN):
            break
        available[place] = False
        if _telling(phrases.keys[place]) <= said:
            continue
        for _ in range(MAX_WORDS - 1):
            place = _longer(phrases, place)
        available[place] = False
        said |= _telling(phrases.keys[place])
        chosen.append(place)
        open_weight *= 1 - _EXPLAINED * np.minimum(1, near[place] / 0.7)
    return chosen, best


def _longer(phrases: _Phrases, place: int) -> int:
    """The phrase with one more word that is there nearly as often, or itself: *hack into* rather than *hack*."""
    as_good = (phrases.support >= 0.7 * phrases.support[place]) & (phrases.precision >= 0.8 * phrases.precision[place])
    as_good &= phrases.quality >= 0.8 * phrases.quality[place]
    longer = [other for other in np.flatnonzero(as_good).tolist() if _adds_a_word(phrases, other, place)]
    return max(longer, key=lambda other: (float(phrases.support[other]), -other)) if longer else place


def _adds_a_word(phrases: _Phrases, longer: int, place: int) -> bool:
    """Whether it is the phrase and one more telling word: before it, or after it if that leads to the peak.

    What follows the peak was not read when the feature fired; only a particle there (*break into*) belongs to the word.
    """
    stems, added = phrases.stems[longer], phrases.keys[longer]
    if stems[1:] == phrases.stems[place]:
        return not is_link(added[0])
    if stems[:-1] != phrases.stems[place]:
        return False
    leads_to_peak = phrases.closeness[longer] > phrases.closeness[place]
    return is_particle(added[-1]) or (bool(leads_to_peak) and not is_link(added[-1]))


def _telling(keys: Keys) -> set[str]:
    return {stem(key) for key in keys if not is_light(key)} or {" ".join(keys)}


def _write(index: PhraseIndex, chosen: list[tuple[int, Ints]], candidates: Candidates) -> str:
    """The keywords as people wrote them; without any, the words up to the strongest peak.

    `chosen` are phrases and the firings near which each stands.
    """
    texts, peaks = candidates.text, candidates.peak
    if not chosen:
        begin = max(int(index.first[texts[0]]), int(peaks[0]) - 2)
        return _surface(index, begin, int(peaks[0]) + 1 - begin, int(texts[0]))[:MAX_CHARS] if index.words else ""
    written = [_common_surface(index, phrase, texts[near], peaks[near]) for phrase, near in chosen]
    while len(written) > 1 and len(SEPARATOR.join(written)) > MAX_CHARS:
        written.pop()
    return SEPARATOR.join(written)[:MAX_CHARS]


def _common_surface(index: PhraseIndex, phrase: int, texts: Ints, peaks: Ints) -> str:
    """The commonest spelling near the strongest peaks; a capital that only begins a sentence does not count."""
    n = int(index.place[phrase, 1])
    spellings: dict[str, int] = {}
    for text, peak in zip(texts[:_SPELLINGS].tolist(), peaks[:_SPELLINGS].tolist(), strict=True):
        low = max(int(index.first[text]), peak - WINDOW)
        high = min(int(index.first[text + 1]), peak + WINDOW + 1)
        for begin in (np.flatnonzero(index.at[n - 1, low:high] == phrase) + low).tolist():
            surface = _surface(index, begin, n, text)
            if begin == index.first[text] or not index.words[begin - 1].is_word:
                surface = _within_a_sentence(surface)
            spellings[surface] = spellings.get(surface, 0) + 1
    return max(spellings, key=lambda surface: (spellings[surface], surface))


def _within_a_sentence(surface: str) -> str:
    """The opening of a sentence as it would stand within one; words all in capitals (*WIN A CAR*, *B2*) keep them."""
    first, _, others = surface.partition(" ")
    following = others.partition(" ")[0]
    opens_small = first[1:].islower() if len(first) > 1 else following != following.upper()
    return surface[:1].lower() + surface[1:] if opens_small else surface


def _surface(index: PhraseIndex, begin: int, n: int, text: int) -> str:
    start, end = index.words[begin].start, index.words[begin + n - 1].end
    return " ".join(index.texts[text][start:end].split())
