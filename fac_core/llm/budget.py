"""Spend never passes the cap: the most an attempt can cost is set aside before it begins and settled when it has ended.

What was begun and never ended counts in full, after a crash too, since the journal that says so was on disk before the
call. While others are under way, a call that does not fit yet waits for what they leave.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from fac_core.llm.calls import Attempt
from fac_core.llm.prices import Cap

LOOK_EVERY_S = 0.2


class OverBudget(Exception):
    """An attempt would pass the cap; it was not made."""


class Budget:
    """What one job may spend, has spent and has set aside; shared by its threads."""

    def __init__(self, cap: Cap, spent: Iterable[Attempt] = ()) -> None:
        self.cap = cap
        self.money = self.tokens = self.calls = 0.0
        """Spent or set aside."""
        self._open = 0  # begun in this process; what an earlier one left open settles without having been counted
        self._changed = threading.Condition()
        for attempt in spent:
            self._add(attempt, 1)

    def reserve(self, attempt: Attempt, *, wait: bool = True, given_up: Callable[[], bool] = lambda: False) -> None:
        """Set aside the most that an attempt can cost.

        Raises:
            OverBudget: it does not fit, and nothing that is under way can make room for it; or `given_up`.
        """
        with self._changed:
            while not self._fits(attempt):
                if not wait or self._open <= 0 or given_up():
                    raise OverBudget
                self._changed.wait(LOOK_EVERY_S)
            self._add(attempt, 1)
            self._open += 1

    def settle(self, reserved: Attempt, told: Attempt) -> None:
        """Put what an attempt did cost in the place of what was set aside for it."""
        with self._changed:
            self._add(reserved, -1)
            self._add(told, 1)
            self._open -= 1
            self._changed.notify_all()

    def _fits(self, attempt: Attempt) -> bool:
        amounts = (attempt.price or 0.0, attempt.tokens_in + attempt.tokens_out, 1)
        held = (self.money, self.tokens, self.calls)
        return all(
            most is None or spent + more <= most * (1 + 1e-9)
            for most, spent, more in zip(self.cap, held, amounts, strict=True)
        )

    def _add(self, attempt: Attempt, sign: int) -> None:
        self.money += sign * (attempt.price or 0.0)
        self.tokens += sign * (attempt.tokens_in + attempt.tokens_out)
        self.calls += sign * attempt.billed
