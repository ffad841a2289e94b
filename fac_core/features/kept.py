"""What was counted from one state of the data is kept for that state alone, so nothing kept can be out of date.

A state is known by the data version and the roles and sizes of the datasets. Only the last few are kept: a page that
moves δ or turns back reads nothing again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

from fac_core.store.coverage import profile_state

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

T = TypeVar("T")
_all: WeakSet[Kept[Any]] = WeakSet()


class Kept(Generic[T]):
    """The last `size` answers to one kind of question."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: OrderedDict[tuple[Any, ...], T] = OrderedDict()
        self._lock = threading.Lock()
        _all.add(self)

    def get(self, ws: Workspace, space_id: str, question: tuple[Any, ...], ask: Callable[[], T]) -> T:
        """The answer to `question` for the data as they are now, or what `ask` returns."""
        state = profile_state(ws.database, space_id)
        key = (ws.database.path, id(ws.database), space_id, question)
        with self._lock:
            if (*key, state) in self._answers:
                self._answers.move_to_end((*key, state))
                return self._answers[*key, state]
        answer = ask()
        if profile_state(ws.database, space_id) == state:  # else it may be of either state
            with self._lock:
                self._answers[*key, state] = answer
                while len(self._answers) > self._size:
                    self._answers.popitem(last=False)
        return answer

    def clear(self) -> None:
        """Keep nothing of what was asked so far."""
        with self._lock:
            self._answers.clear()


def forget() -> None:
    """Have everything read from the store again, by whoever asks next."""
    for kept in list(_all):
        kept.clear()
