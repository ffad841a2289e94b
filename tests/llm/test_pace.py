"""An endpoint that limits calls is asked less at once by everybody, and more again while it goes well."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from fac_core.llm.pace import Pace


def test_a_limit_halves_the_calls_at_once_a_round_and_answers_bring_them_back() -> None:
    pace = Pace(16, sleep=lambda _: None)
    with pace.turn() as one, pace.turn() as other:
        pace.limited(one, 0.0)
        pace.limited(other, 0.0)  # of the same round
    assert pace.limit == 8
    with pace.turn() as later:
        pace.limited(later, 0.0)
    assert pace.limit == 4
    for _ in range(4):
        pace.went_well()
    assert 4.5 < pace.limit < 5.5, "a round that went well makes room for one more"
    for _ in range(1000):
        pace.went_well()
    assert pace.limit == 16


def test_it_never_stops_altogether() -> None:
    pace = Pace(4, sleep=lambda _: None)
    for _ in range(10):
        with pace.turn() as began:
            pace.limited(began, 0.0)
    with pace.turn():
        assert pace.limit == 1


def test_a_pause_that_one_call_was_told_holds_for_all() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(4, sleep=sleep, clock=lambda: now[0])
    with pace.turn() as began:
        pace.limited(began, 7.0)
    with pace.turn():  # of whoever comes next
        assert 7.0 < now[0] < 7.5
    with pace.turn():
        assert len(slept) == 1


def test_no_more_than_the_limit_are_under_way() -> None:
    pace, lock, counts = Pace(3), threading.Lock(), [0, 0]

    def call(_: int) -> None:
        with pace.turn():
            with lock:
                counts[0] += 1
                counts[1] = max(counts)
            time.sleep(0.002)
            with lock:
                counts[0] -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(call, range(40)))
    assert counts[1] <= 3
