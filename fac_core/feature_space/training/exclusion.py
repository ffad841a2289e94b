"""A text of the corpus is kept out if it is an excluded text, holds one whole, or lies inside one.

Compared in normal form, in time linear in all texts: long texts are looked up by runs of WORDS words, and only what
shares a run is compared in full. Shorter texts are excluded only where they are equal, for a label or a "yes" lies
inside everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from fac_core.content import normal_form

WORDS = 8
DIGEST = 16
"""Bytes of a digest."""


def digest(text: str) -> bytes:
    """Identity of a text, DIGEST bytes; texts of one normal form share it."""
    return _digest(normal_form(text))


class Excluded:
    """Texts that must not be trained on."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        forms = dict.fromkeys(map(normal_form, texts))
        self._whole = {_digest(form) for form in forms}
        self._holding: dict[str, list[str]] = {}
        """Normal forms of the excluded texts that hold a run."""
        self._at: dict[str, list[str]] = {}
        """Each under the one of its runs that fewest others hold, so that little is compared."""
        for form in forms:
            for run in dict.fromkeys(_runs(form)):
                self._holding.setdefault(run, []).append(form)
        for form in forms:
            if (rarest := self._rarest(form)) is not None:
                self._at.setdefault(rarest, []).append(form)

    def holds(self, text: str) -> bool:
        """Whether a text is an excluded one or holds one whole."""
        form = normal_form(text)
        if _digest(form) in self._whole:
            return True
        return any(
            excluded in form for run in dict.fromkeys(_runs(form, cut=False)) for excluded in self._at.get(run, ())
        )

    def inside(self, text: str) -> bool:
        """Whether a text lies inside an excluded one."""
        form = normal_form(text)
        run = self._rarest(form)
        return run is not None and any(form in excluded for excluded in self._holding.get(run, ()))

    def _rarest(self, form: str) -> str | None:
        return min(_runs(form), key=lambda run: len(self._holding.get(run, ())), default=None)


def _runs(form: str, *, cut: bool = True) -> list[str]:
    """Every run of WORDS words; with `cut` without the outer words of a longer text, which quotes or cuts change."""
    words = form.split(" ")
    if cut and len(words) >= WORDS + 2:
        words = words[1:-1]
    return [" ".join(words[place : place + WORDS]) for place in range(len(words) - WORDS + 1)]


def _digest(form: str) -> bytes:
    return hashlib.sha256(form.encode("utf-8", "surrogatepass")).digest()[:DIGEST]
