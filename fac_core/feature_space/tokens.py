"""A content is cut into the tokens that the model sees when it stands in its template (P10), and only its own count.

Template and text are tokenised together, since a tokenizer may join the characters on both sides of a border. Strings
that look like special tokens are read as plain characters wherever a text holds them: no text can end its own turn.
Which tokens count follows from character ranges, for each turn of its own (P11).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.content import USER, Content, Turn
from fac_core.feature_space.templates import Template, said_turns

_PROBES = ("a", "The", "9", "é", "(", '"', "日", "Ω", "…")
"""Beginnings of texts, to see which tokens of the template no text changes."""


class ContentTokens(NamedTuple):
    """The tokens that are read for one content, and which of them count."""

    ids: list[int]
    """Token ids behind the template's constant beginning, or from the first where `shares_prefix` is off; in an encoder
    with what stands behind the content."""
    offsets: list[tuple[int, int]]
    """Character range in the text of each token that counts; tokens inside one character share its range."""
    n_truncated: int
    """Tokens that would count and were not read, beyond the space's maximum length."""
    places: list[int] | None = None
    """Where in `ids` each token that counts stands; None where all do."""
    shares_prefix: bool = True


class Tokens:
    """Contents → tokens, for one tokenizer."""

    def __init__(self, tokenizer: Any, *, encoder: bool = False, n_positions: int | None = None) -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._template = Template(tokenizer)
        self._encoder = encoder
        self._n_positions = n_positions
        special = sorted(set(getattr(tokenizer, "all_special_tokens", [])), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, special))) if special else None
        self.prefix_ids = self._constant_beginning()
        """Tokens with which every content of a user begins."""

    def of(self, content: Content | str, max_length: int) -> ContentTokens:
        """Tokens of a content, a plain text being one user turn; at most `max_length` of all turns' tokens are read.

        Raises:
            ModelError: the model's chat template cannot render its roles.
        """
        if isinstance(content, str):
            content = Content(content)
        text = content.text
        turns = said_turns(content.turns) if content.turns else [Turn(USER, 0, len(text), True)]
        ids, offsets, spans = self._in_template(text, turns)
        own = [_inside(offsets, start, end) for start, end in spans]
        everything = _joined(own)
        limit = self._within_positions(len(ids), everything, max_length)
        last = int(everything[limit - 1]) if limit and len(everything) else -1
        places = _joined([where for where, turn in zip(own, turns, strict=True) if turn.counts])
        kept = places[places <= last]
        if not len(kept):
            return ContentTokens([], [], len(places))
        behind = ids[int(everything[-1]) + 1 :] if self._encoder else []
        read = [*ids[: (last if self._encoder else int(kept[-1])) + 1], *behind]
        begin = len(self.prefix_ids)
        shares = not self._encoder and read[:begin] == self.prefix_ids and int(kept[0]) >= begin
        dropped = begin if shares else 0
        all_count = len(kept) == len(read) - dropped
        return ContentTokens(
            ids=read[dropped:],
            offsets=_in_text(offsets[kept], spans, turns),
            n_truncated=len(places) - len(kept),
            places=None if all_count else (kept - dropped).tolist(),
            shares_prefix=shares,
        )

    def template_ids(self) -> list[int]:
        """The tokens of a user's turn in which nothing is said."""
        return self._in_template("", [Turn(USER, 0, 0, True)])[0]

    def _within_positions(self, n_ids: int, everything: NDArray[np.int64], max_length: int) -> int:
        """How many of the turns' tokens are read."""
        limit = min(max_length, len(everything))
        if self._n_positions is None or not limit:
            return limit
        spare = n_ids - int(everything[-1]) - 1 if self._encoder else 0
        return int(np.searchsorted(everything[:limit], self._n_positions - spare))

    def _in_template(
        self, text: str, turns: Sequence[Turn]
    ) -> tuple[list[int], NDArray[np.int64], list[tuple[int, int]]]:
        """Token ids, their character ranges [n, 2] in the rendered text, and where each turn stands in that."""
        around = self._template.around([turn.role for turn in turns])
        pieces, spans, at = [around[0]], [], len(around[0])
        for turn, behind in zip(turns, around[1:], strict=True):
            said = text[turn.start : turn.end]
            spans.append((at, at + len(said)))
            pieces += [said, behind]
            at += len(said) + len(behind)
        rendered = "".join(pieces)
        if self._special and any(self._special.search(said) for said in pieces[1::2]):
            ids, offsets = self._guarded(rendered, pieces)
        else:
            ids, offsets = self._encode(rendered, plain=False)
        lead, tail = self._template.lead, self._template.tail
        nowhere = [(-1, -1)]
        table = np.array([*nowhere * len(lead), *offsets, *nowhere * len(tail)], np.int64).reshape(-1, 2)
        return [*lead, *ids, *tail], table, spans

    def _guarded(self, rendered: str, pieces: list[str]) -> tuple[list[int], list[tuple[int, int]]]:
        """The same where what is said holds a special token's characters: only the template's own are special.

        The template's special tokens cut the text into stretches that are tokenised as plain characters.
        """
        assert self._special
        cuts, at = [], 0
        for number, piece in enumerate(pieces):
            if number % 2 == 0:
                cuts += [(at + found.start(), at + found.end()) for found in self._special.finditer(piece)]
            at += len(piece)
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        begin = 0
        for start, end in [*cuts, (len(rendered), len(rendered))]:
            for a, b, plain in ((begin, start, True), (start, end, False)):
                if a < b:
                    found, ranges = self._encode(rendered[a:b], plain=plain)
                    ids += found
                    offsets += [(a + low, a + high) for low, high in ranges]
            begin = end
        return ids, offsets

    def _encode(self, text: str, *, plain: bool) -> tuple[list[int], list[tuple[int, int]]]:
        with self._lock:  # a tokenizer keeps how it last read special tokens, for whichever thread comes next
            found = self._tokenizer(
                text, add_special_tokens=False, split_special_tokens=plain, return_offsets_mapping=True, verbose=False
            )
        return list(found["input_ids"]), found["offset_mapping"]

    def _constant_beginning(self) -> list[int]:
        """Tokens of the template before a user's content that stay the same whatever the content begins with."""
        common: list[int] | None = None
        for probe in _PROBES:
            ids, offsets, [(start, end)] = self._in_template(probe, [Turn(USER, 0, len(probe), True)])
            inside = _inside(offsets, start, end)
            before = ids[: int(inside[0]) if len(inside) else 0]
            if common is None:
                common = before
            while before[: len(common)] != common:
                common = common[:-1]
        return common or []


def _inside(offsets: NDArray[np.int64], start: int, end: int) -> NDArray[np.int64]:
    """Places of the tokens that hold a character of [start, end), or stand empty inside it."""
    a, b = offsets[:, 0], offsets[:, 1]
    overlap = np.minimum(b, end) > np.maximum(a, start)
    return np.flatnonzero(overlap | ((a == b) & (a >= start) & (a < end)))


def _joined(places: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.unique(np.concatenate([np.empty(0, np.int64), *places]))


def _in_text(
    ranges: NDArray[np.int64], spans: Sequence[tuple[int, int]], turns: Sequence[Turn]
) -> list[tuple[int, int]]:
    """Character ranges of the rendered text as ranges of the content's own, cut at the borders of their turn."""
    if len(turns) == 1:
        (start, end), turn = spans[0], turns[0]
        clipped = np.clip(ranges, start, end) - start + turn.start
        return [(int(a), int(b)) for a, b in clipped]
    found = []
    for a, b in ranges.tolist():
        number = next(n for n, (start, end) in enumerate(spans) if max(a, start) < min(b, end) or start <= a == b < end)
        start, end = spans[number]
        shift = turns[number].start - start
        found.append((max(a, start) + shift, min(b, end) + shift))
    return found
