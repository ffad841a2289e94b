"""An endpoint that says "too many" is heard by every call, not only by the one it told.

The number of calls at once grows by one for each round that went well and is halved by a round that was limited, as
TCP does it (AIMD); a pause that the server names holds for all that have not begun.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

AT_ONCE = 8
JITTER_S = (0.02, 0.2)
"""Added to a pause, so that not all calls begin in one moment, and none before it is over."""


class Pace:
    """How many calls may be under way at one endpoint; shared by its threads."""

    def __init__(
        self,
        at_once: int = AT_ONCE,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = max(1, at_once)
        self.limit = float(self._most)
        """Calls that may be under way now; its whole part counts."""
        self._sleep = sleep
        self._clock = clock
        self._changed = threading.Condition()
        self._under_way = 0
        self._round = 0
        self._paused_until = float("-inf")

    @contextmanager
    def turn(self) -> Iterator[int]:
        """Wait for a place and for the end of a pause; gives the round in which the call begins."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < max(1, int(self.limit)))
            self._under_way += 1
        try:
            self._wait_out()
            yield self._round
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def went_well(self) -> None:
        """A call was answered: a whole round of these makes room for one more."""
        with self._changed:
            self.limit = min(self._most, self.limit + 1 / self.limit)
            self._changed.notify_all()

    def limited(self, began_in: int, wait_s: float) -> None:
        """A call that began in this round was told to wait; calls of one round halve the limit once."""
        with self._changed:
            self._paused_until = max(self._paused_until, self._clock() + wait_s + random.uniform(*JITTER_S))
            if began_in == self._round:
                self.limit = max(1.0, self.limit / 2)
                self._round += 1

    def _wait_out(self) -> None:
        waited_for = float("-inf")
        while (until := self._paused_until) > waited_for and (left := until - self._clock()) > 0:
            self._sleep(left)
            waited_for = until
