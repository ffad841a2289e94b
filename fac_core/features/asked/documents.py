"""No document that an explanation is judged on is, or nearly is, one whose span its explainer saw.

Documents for explaining and documents for scoring come from two sides that never meet, fixed by their own hashes. Of
the second, near duplicates of what the explainer saw of this feature are left out: of the document, or of the span
around the peak, since the other answer to the same prompt is another document and may lie on the other side. (Keywords
are made from more documents than these; that nothing is judged that is like any of them holds for the encoder's score
only, `features.held_out`.)

An explanation is written from the strongest and some middling documents, and judged on firing documents of every
strength against silent ones of two kinds: any, and hard ones, on which the nearest decoder neighbour fires or whose
words are nearest. A document fires if its highest activation is above 0, and as many of each fifth of those are taken:
an explanation speaks for the whole range of a feature, whatever δ is. (The encoder's score is of those above δ or the
ten strongest: `features.scoring`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.content import Content, normal_form
from fac_core.features.asked.explaining import Shown
from fac_core.features.asked.hard import Hard
from fac_core.features.asked.judging import Item
from fac_core.features.asked.spans import EXCERPT_WORDS, around_peak, excerpt, window
from fac_core.features.split import SCORE, side_of
from fac_core.samples.duplicates import near_duplicates
from fac_core.store import documents as store

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

N_TOP, N_MIDDLE = 10, 5
"""Spans for the explainer, by activation."""
N_BANDS = 5
PER_BAND, PER_BAND_QUICK = 5, 2
"""Firing documents of each fifth of activations that an explanation is judged on; as many silent ones."""
MIN_FIRING = 5
"""Below, a score says nothing and is not asked for."""
_LOOK_AHEAD = 4
_A_TIME = 50
"""Features whose rows are looked at together."""


class Firing(NamedTuple):
    """Where a feature is active, strongest first."""

    content_ids: NDArray[np.int64]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]

    def where(self, kept: NDArray[np.bool_] | slice) -> Firing:
        """Some of it."""
        return Firing(self.content_ids[kept], self.starts[kept], self.ends[kept])


class Held(NamedTuple):
    """A document that an explanation is judged on."""

    content: Content
    item: Item
    """As a judge sees it: the part around the peak, unmarked; of a silent document, around any place."""

    @classmethod
    def of(cls, content_id: int, fires: bool, content: Content, start: int, end: int) -> Held:
        """A document by the place that is shown."""
        shown = excerpt(content.text, window(content.text, start, end, EXCERPT_WORDS))
        return cls(content, Item(content_id, fires, shown))


class Documents:
    """The documents of a project in a space, on their two sides."""

    def __init__(self, ws: Workspace, space_id: str) -> None:
        self._ws, self._space_id = ws, space_id
        table = store.documents(ws.database, space_id)
        ids = table.column("content_id").to_numpy()
        score = np.array([side_of(name) == SCORE for name in table.column("form_hash").to_pylist()], bool)
        self.score_side, self.explain_side = ids[score], ids[~score]
        self._hard = Hard(ws, space_id, self.score_side)

    def shown(self, feature_ids: Sequence[int]) -> Iterator[Shown]:
        """Spans for the explainer, of those features that are active on its side."""
        for feature, firing in self._firings(feature_ids):
            fires = firing.where(np.isin(firing.content_ids, self.explain_side))
            if len(fires.content_ids):
                yield self._spans(feature, fires)

    def held(self, feature_ids: Sequence[int], per_band: int, seed: int) -> Iterator[tuple[int, list[Held]]]:
        """Documents that each feature's explanations are judged on; features that fire too seldom are left out."""
        for feature, firing in self._firings(feature_ids):
            fires = firing.where(np.isin(firing.content_ids, self.score_side))
            rng = np.random.default_rng([seed, feature])
            shown = self._spans(feature, firing.where(np.isin(firing.content_ids, self.explain_side)))
            explained = [each.text for each in store.contents(self._ws.database, shown.content_ids).values()]
            explained += shown.spans
            chosen = self._banded(fires, per_band, rng, explained)
            if len(chosen) < MIN_FIRING:
                continue
            silent = np.setdiff1d(self.score_side, fires.content_ids, assume_unique=True)
            yield feature, chosen + self._silent(feature, chosen, silent, rng, explained)

    def _firings(self, feature_ids: Sequence[int]) -> Iterator[tuple[int, Firing]]:
        for at in range(0, len(feature_ids), _A_TIME):
            part = feature_ids[at : at + _A_TIME]
            table = store.firings(self._ws.database, self._space_id, part)
            features = table.column("feature_id").to_numpy()
            rows = Firing(
                table.column("content_id").to_numpy(),
                table.column("char_start").to_numpy(),
                table.column("char_end").to_numpy(),
            )
            for feature in part:
                low, high = np.searchsorted(features, [feature, feature + 1])
                yield feature, rows.where(slice(int(low), int(high)))

    def _spans(self, feature: int, fires: Firing) -> Shown:
        n, middle = len(fires.content_ids), len(fires.content_ids) // 2
        near = sorted(range(n), key=lambda rank: (abs(rank - middle), rank))[: N_MIDDLE * _LOOK_AHEAD]
        top = list(range(min(n, N_TOP * _LOOK_AHEAD)))
        ids = fires.content_ids.tolist()
        texts = store.contents(self._ws.database, [ids[rank] for rank in {*top, *near}])
        seen: set[str] = set()
        chosen: list[tuple[int, str]] = []
        for ranks, wanted in ((top, N_TOP), (near, N_MIDDLE)):
            first = len(chosen)
            for rank in ranks:
                span = around_peak(texts[ids[rank]].text, int(fires.starts[rank]), int(fires.ends[rank]))
                alike = {normal_form(span), normal_form(texts[ids[rank]].text)}
                if len(chosen) - first < wanted and not alike & seen:
                    chosen.append((rank, span))
                    seen |= alike
        chosen.sort()
        return Shown(feature, tuple(span for _, span in chosen), tuple(ids[rank] for rank, _ in chosen))

    def _banded(self, fires: Firing, per_band: int, rng: np.random.Generator, explained: Sequence[str]) -> list[Held]:
        """Different documents of each fifth of a feature's activations, none of them like what was explained; a fifth
        that has too few leaves them to the others.
        """
        bands = [rng.permutation(band) for band in np.array_split(np.arange(len(fires.content_ids)), N_BANDS)]
        first = [band[: per_band * _LOOK_AHEAD].tolist() for band in bands]
        ids = fires.content_ids.tolist()
        texts = store.contents(self._ws.database, [ids[rank] for band in first for rank in band])
        looked_at = [rank for band in first for rank in band]
        spans = [
            around_peak(texts[ids[rank]].text, int(fires.starts[rank]), int(fires.ends[rank])) for rank in looked_at
        ]
        alike = _like([texts[ids[rank]].text for rank in looked_at], explained) | _like(spans, explained)
        new = {rank for rank, known in zip(looked_at, alike, strict=True) if not known}
        seen: set[str] = set()
        kept: list[list[int]] = [[] for _ in bands]
        spare: list[int] = []
        for band, taken in zip(first, kept, strict=True):
            for rank in band:
                text = normal_form(texts[ids[rank]].text)
                if text not in seen and rank in new:
                    seen.add(text)
                    (taken if len(taken) < per_band else spare).append(rank)
        ranks = [rank for taken in kept for rank in taken]
        ranks += spare[: per_band * N_BANDS - len(ranks)]
        return [
            Held.of(ids[rank], True, texts[ids[rank]], int(fires.starts[rank]), int(fires.ends[rank])) for rank in ranks
        ]

    def _silent(
        self,
        feature: int,
        chosen: Sequence[Held],
        silent: NDArray[np.int64],
        rng: np.random.Generator,
        explained: Sequence[str],
    ) -> list[Held]:
        """As many silent documents as firing ones, about half of them hard."""
        shuffled = rng.permutation(silent)
        n_hard = len(chosen) // 2
        texts = [held.content.text for held in chosen]
        seen = {normal_form(text) for text in texts}
        found = self._new(self._hard.near(feature, texts, shuffled), n_hard, seen, explained)
        taken = {content_id for content_id, _ in found}
        rest = (int(content_id) for content_id in shuffled if int(content_id) not in taken)
        found += self._new(rest, len(chosen) - len(found), seen, explained)
        return [
            Held.of(content_id, False, content, at, at)
            for content_id, content in found
            for at in [int(rng.integers(len(content.text) + 1))]
        ]

    def _new(
        self, ids: Iterable[int], wanted: int, seen: set[str], explained: Sequence[str]
    ) -> list[tuple[int, Content]]:
        """The first documents whose texts were not seen yet and are not like what was explained."""
        found: list[tuple[int, Content]] = []
        waiting = iter(ids)
        while len(found) < wanted:
            part = [content_id for content_id, _ in zip(waiting, range(wanted), strict=False)]
            if not part:
                break
            texts = store.contents(self._ws.database, part)
            alike = _like([texts[content_id].text for content_id in part], explained)
            for content_id, known in zip(part, alike, strict=True):
                text = normal_form(texts[content_id].text)
                if text not in seen and not known and len(found) < wanted:
                    seen.add(text)
                    found.append((content_id, texts[content_id]))
        return found


def _like(texts: Sequence[str], known: Sequence[str]) -> NDArray[np.bool_]:
    """Which of some texts are near duplicates of known ones."""
    return near_duplicates(texts, known).known >= 0
