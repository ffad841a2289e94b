"""A feature is called after phrases that are there when it fires and that, when they are there, make it fire.

*Recall*: share of the feature's firings, weighted by strength, with the phrase within eight words of the peak, less the
farther away and less after it, since the model had not read on. *Precision*: mean activation, relative to the maximum,
over all texts of the corpus that have the phrase; texts that have it where the feature is silent are the matched
negatives. A phrase's score is the geometric mean of both times how well it reads. The next keyword is chosen for the
firings that the ones before it leave unexplained. Where no phrase scores well, the name says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.features.phrases import MAX_WORDS, NO_PHRASE, Ints, PhraseIndex
from fac_core.features.words import is_light, is_link, is_particle, stem

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WINDOW = 8
TOP_ROWS = 48
"""Strongest firings a feature is named from."""
MAX_KEYWORDS = 4
MAX_CHARS = 80
SEPARATOR = " · "
CLEAR = 0.2
"""Score of its best phrase from which a feature counts as named; below it the name says that it is unclear."""
UNCLEAR = "(unclear)"
CHUNK = 512
_CANDIDATES = 30
_SPELLINGS = 8
_LEFT, _RIGHT, _OVERHANG, _TRAILING_MARK = 0.88, 0.75, 0.9, 0.4
_MIN_SCORE, _MIN_GAIN = 0.4, 0.06
Floats = NDArray[np.float64]


class Firings(NamedTuple):
    """Activations by feature, strongest first within each; all arrays are [rows]."""

    feature: Ints
    text: Ints
    """Index of the text in the corpus."""
    value: Floats
    peak: Ints
    """Global index of the word at the peak."""


def firings(index: PhraseIndex, feature: Ints, text: Ints, value: Floats, char_start: Ints, char_end: Ints) -> Firings:
    """Firings from rows sorted by feature and value; a token counts as the word of its last character."""
    return Firings(feature, text, value, index.word_at(text, np.maximum(char_start, char_end - 1)))


def name_features(index: PhraseIndex, rows: Firings) -> Iterator[tuple[Ints, list[str]]]:
    """Keywords for every feature with a firing, a chunk of features at a time: (feature ids, texts)."""
    ids, begin = np.unique(rows.feature, return_index=True)
    ends = np.append(begin[1:], len(rows.feature))
    for first in range(0, len(ids), CHUNK):
        chunk = slice(first, first + CHUNK)
        yield ids[chunk], _name_chunk(index, rows, begin[chunk], ends[chunk])


@dataclass(frozen=True)
class _Candidates:
    """Phrases near the peaks of one feature, best first."""

    phrase: Ints
    precision: Floats
    near: Floats
    """[phrases, rows] closeness of the phrase to the peak of each firing, 0 = not there."""


def _name_chunk(index: PhraseIndex, rows: Firings, begin: Ints, ends: Ints) -> list[str]:
    n_features = len(begin)
    strongest = rows.value[begin]
    local = np.repeat(np.arange(n_features), ends - begin)
    all_rows = np.concatenate([np.arange(a, b) for a, b in zip(begin, ends, strict=True)])
    strength = rows.value[all_rows] / strongest[local]
    rank = all_rows - begin[local]
    top = rank < TOP_ROWS
    row, phrase, near = _phrases_near(index, rows.text[all_rows[top]], rows.peak[all_rows[top]])
    owner, weight, rank = local[top], strength[top], rank[top]

    key = owner[row] * index.n_phrases + phrase
    order = np.argsort(key, kind="stable")
    row, phrase, near, key = row[order], phrase[order], near[order], key[order]
    pairs, first, count = np.unique(key, return_index=True, return_counts=True)
    weight = weight**2
    explained = np.add.reduceat(weight[row] * near, first) if len(first) else np.empty(0)
    pair_owner, pair_phrase = np.divmod(pairs, index.n_phrases)
    total = np.bincount(owner, weight, minlength=n_features)
    n_top = np.bincount(owner, minlength=n_features)
    recall = explained / total[pair_owner]
    # away from the peak a phrase may be there by chance; at the peak a single word is what the feature read
    nearest = np.maximum.reduceat(near, first) if len(first) else np.empty(0)
    single = (index.place[pair_phrase, 1] == 1) & (nearest == 1)
    enough = np.where(nearest == 1, 2, 3)
    supported = single | (count >= np.minimum(enough, n_top[pair_owner]))
    precision = _precision(index, local, rows.text[all_rows], strength, n_features, pair_owner, pair_phrase)
    score = np.where(supported, np.sqrt(recall * precision) * index.quality[pair_phrase], 0.0)

    by_feature = np.lexsort((pair_phrase, -score, pair_owner))
    starts = np.searchsorted(pair_owner[by_feature], np.arange(n_features + 1))
    names = []
    for feature in range(n_features):
        chosen = by_feature[starts[feature] : starts[feature + 1]][:_CANDIDATES]
        chosen = chosen[score[chosen] > 0]
        closeness = np.zeros((len(chosen), n_top[feature]))
        for place, pair in enumerate(chosen):
            members = slice(first[pair], first[pair] + count[pair])
            closeness[place, rank[row[members]]] = near[members]
        mine = np.arange(begin[feature], begin[feature] + n_top[feature])
        candidates = _Candidates(pair_phrase[chosen], precision[chosen], closeness)
        phrases, best = _choose(index, candidates, (rows.value[mine] / strongest[feature]) ** 2)
        name = _write(index, phrases, rows.text[mine], rows.peak[mine])
        names.append(name if best >= CLEAR else f"{name} {UNCLEAR}")
    return names


def _phrases_near(index: PhraseIndex, text: Ints, peak: Ints) -> tuple[Ints, Ints, Floats]:
    """Phrases within WINDOW words of each peak: (row, phrase, closeness), the closest occurrence of each."""
    low, high = index.first[text], index.first[text + 1]
    found_row, found_phrase, found_near = [], [], []
    for n in range(1, MAX_WORDS + 1):
        shift = np.arange(-WINDOW, WINDOW - n + 2)
        begin = peak[:, None] + shift
        inside = (begin >= low[:, None]) & (begin + n <= high[:, None])
        phrase = np.where(inside, index.at[n - 1][np.clip(begin, 0, index.at.shape[1] - 1)], NO_PHRASE)
        row, column = np.nonzero(phrase != NO_PHRASE)
        before, beyond = np.maximum(0, -(shift + n - 1)), np.maximum(0, shift + n - 1)
        closeness = np.where(before > 0, _LEFT**before, np.where(shift > 0, _RIGHT ** (beyond + 1), _OVERHANG**beyond))
        found_row.append(row)
        found_phrase.append(phrase[row, column])
        # a mark after the word at the peak says nothing; one the feature fires on does
        trailing = index.ends_in_mark[phrase[row, column]] & (beyond[column] > 0)
        found_near.append(closeness[column] * np.where(trailing, _TRAILING_MARK, 1.0))
    row, phrase, near = (np.concatenate(parts) for parts in (found_row, found_phrase, found_near))
    order = np.lexsort((-near, phrase, row))
    row, phrase, near = row[order], phrase[order], near[order]
    fresh = np.ones(len(row), bool)
    fresh[1:] = (row[1:] != row[:-1]) | (phrase[1:] != phrase[:-1])
    return row[fresh], phrase[fresh], near[fresh]


def _precision(
    index: PhraseIndex,
    local: Ints,
    text: Ints,
    strength: Floats,
    n_features: int,
    pair_owner: Ints,
    pair_phrase: Ints,
) -> Floats:
    """Mean relative activation over the texts that have a phrase, shrunk by one text without it."""
    from scipy.sparse import csr_array

    fires = csr_array((strength, (local, text)), shape=(n_features, len(index.texts)))
    together: csr_array = fires @ index.has
    together.sort_indices()
    owner = np.repeat(np.arange(n_features), np.diff(together.indptr))
    keys = owner * index.n_phrases + together.indices
    found = np.searchsorted(keys, pair_owner * index.n_phrases + pair_phrase)
    shared: Floats = together.data[found].astype(np.float64)
    return shared / (index.df[pair_phrase] + 1)


def _choose(index: PhraseIndex, candidates: _Candidates, weight: Floats) -> tuple[list[tuple[int, Ints]], float]:
    """Phrases that together explain the firings, the best first, each with the firings near which it stands."""
    keys = [index.keys(phrase) for phrase in candidates.phrase.tolist()]
    quality = index.quality[candidates.phrase]
    near, precision = candidates.near, candidates.precision
    support, closeness = (near > 0) @ weight, near.sum(axis=1)
    open_weight, total = weight.copy(), weight.sum()
    available = np.ones(len(keys), bool)
    chosen: list[tuple[int, Ints]] = []
    said: set[str] = set()
    best = 0.0
    while len(chosen) < MAX_KEYWORDS and available.any():
        recall = near @ open_weight / total
        score = np.where(available, np.sqrt(recall * precision) * quality, 0.0)
        place = int(score.argmax())
        best = max(best, float(score[place]))
        if score[place] < _MIN_SCORE * best or (chosen and recall[place] < _MIN_GAIN):
            break
        available[place] = False
        if _stems(keys[place]) <= said:
            continue
        for _ in range(MAX_WORDS - 1):
            place = _longer(keys, place, support, closeness, precision, quality)
        available[place] = False
        said |= _stems(keys[place])
        chosen.append((int(candidates.phrase[place]), np.flatnonzero(near[place])))
        open_weight *= 1 - 0.85 * np.minimum(1, near[place] / 0.7)
    return chosen, best


def _longer(
    keys: list[tuple[str, ...]], place: int, support: Floats, closeness: Floats, precision: Floats, quality: Floats
) -> int:
    """The phrase with one more word that is there nearly as often, or itself: *hack into* rather than *hack*."""
    as_good = (support >= 0.7 * support[place]) & (precision >= 0.8 * precision[place])
    as_good &= quality >= 0.8 * quality[place]
    longer = [
        other
        for other in np.flatnonzero(as_good).tolist()
        if _adds_a_word(keys[other], keys[place], nearer=bool(closeness[other] > closeness[place]))
    ]
    return max(longer, key=lambda other: (float(support[other]), -other)) if longer else place


def _adds_a_word(longer: tuple[str, ...], keys: tuple[str, ...], *, nearer: bool) -> bool:
    """Whether it is the phrase and one more telling word: before it, or after it if that leads to the peak.

    What follows the peak was not read when the feature fired; only a particle there (*break into*) belongs to the word.
    """
    if longer[1:] == keys:
        return not is_link(longer[0])
    return longer[:-1] == keys and (is_particle(longer[-1]) or (nearer and not is_link(longer[-1])))


def _stems(keys: tuple[str, ...]) -> set[str]:
    telling = {stem(key) for key in keys if not is_light(key)}
    return telling or {" ".join(keys)}


def _write(index: PhraseIndex, chosen: list[tuple[int, Ints]], texts: Ints, peaks: Ints) -> str:
    """The keywords as people wrote them; without any, the words up to the strongest peak."""
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
            opens = begin == index.first[text] or not index.words[begin - 1].is_word
            if opens and (n > 1 or surface[1:2].islower()):
                surface = surface[:1].lower() + surface[1:]
            spellings[surface] = spellings.get(surface, 0) + 1
    return max(spellings, key=lambda surface: (spellings[surface], surface))


def _surface(index: PhraseIndex, begin: int, n: int, text: int) -> str:
    start, end = index.words[begin].start, index.words[begin + n - 1].end
    return " ".join(index.texts[text][start:end].split())
