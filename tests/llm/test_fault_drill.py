"""An endpoint that does all that endpoints do wrong, and a worker that is killed: the job ends complete all the same.

Nothing is paid twice that could be avoided, every outcome is counted, and spend never passes the cap.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fac_core.llm.asker import EndpointAsker
from fac_core.llm.calls import CALLS, Calls
from fac_core.llm.desk import Desk
from fac_core.llm.endpoint import Endpoint
from fac_core.llm.pace import AT_ONCE
from fac_core.llm.prices import Cap, Price
from fac_core.llm.spending import spend
from fac_core.llm.terms import Terms
from fac_core.workspace import Workspace
from tests.llm.conftest import question
from tests.llm.fake_endpoint import fails, says, serving, slow

N = 80
PRICE = Price(1.0, 2.0)
WORKER = "import sys; from tests.llm.test_fault_drill import work; work(*sys.argv[1:])"


def work(url: str, folder: str, out: str, cap: str) -> None:
    """A worker's loop: ask what is left, tell what came."""
    endpoint = Endpoint(url, "fake")
    terms = Terms(url, "fake", PRICE, Cap(money=float(cap)))
    desk = Desk(endpoint, Calls(Path(folder) / CALLS, endpoint, PRICE), terms, timeout_s=0.6, attempts=8)
    with Path(out).open("a", encoding="utf-8") as told:
        for answer in EndpointAsker(desk).answers(question(n) for n in range(N)):
            told.write(f"{answer.key} {answer.outcome}\n")
            told.flush()


class Unruly:
    """Answers as a plan drawn beforehand says, and knows what it billed."""

    def __init__(self) -> None:
        rng = random.Random(5)
        kinds = ["malformed"] * 4 + ["refused"] * 4 + ["good"] * (N - 8)
        rng.shuffle(kinds)
        self.kinds = dict(enumerate(kinds))
        self.rng = rng
        self.lock = threading.Lock()
        self.billed: Counter[str] = Counter()
        self.money = 0.0
        self.hung = False

    def __call__(self, handler: Any, body: dict[str, Any]) -> None:
        asked = body["messages"][1]["content"]
        number = int(asked.split()[1])
        with self.lock:
            limited = self.rng.random() < 0.3
            hangs = not limited and number == 30 and not self.hung
            self.hung = self.hung or hangs
            if not limited:
                self.billed[asked] += 1
                self.money += PRICE.of(11, 7)
        if limited:
            fails(429, headers={"retry-after-ms": "10"})(handler, body)
        elif hangs:
            slow(1.0, says("too late"))(handler, body)
        elif self.kinds[number] == "malformed":
            says("It is, I think.")(handler, body)
        elif self.kinds[number] == "refused":
            says(None, refusal="I will not judge.")(handler, body)
        else:
            slow(0.005, says('{"rating": "Yes"}'))(handler, body)


def test_a_job_survives_an_unruly_endpoint_its_restart_and_its_own_death(ws: Workspace, tmp_path: Path) -> None:
    folder = ws.jobs / "drill" / "work"
    folder.mkdir(parents=True)
    out, unruly, cap = tmp_path / "told.txt", Unruly(), 0.05

    def told() -> list[str]:
        return out.read_text().splitlines() if out.exists() else []

    def wait_for(n: int) -> None:
        until = time.monotonic() + 60
        while len(told()) < n and time.monotonic() < until:
            time.sleep(0.01)

    with serving(unruly) as fake:
        arguments = (fake.url, str(folder), str(out), str(cap))
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        worker = subprocess.Popen([sys.executable, "-c", WORKER, *arguments], env=environment)
        wait_for(20)
        worker.kill()
        worker.wait()
    port = int(fake.url.split(":")[2].split("/")[0])
    at_kill = Calls(folder / CALLS, Endpoint(fake.url, "fake"), PRICE)
    n_lost = sum(each.outcome == "lost" for each in at_kill.attempts.values())
    before = set(told())
    out.unlink()
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(work, *arguments)  # the endpoint comes back only after the worker
        time.sleep(0.3)
        with serving(unruly, port=port):
            wait_for(50)
        time.sleep(0.2)  # and goes away once more
        with serving(unruly, port=port):
            again.result(timeout=60)

    outcomes = dict(line.split(" ", 1) for line in told())
    expected = {"good": "answered", "malformed": "unreadable", "refused": "refused"}
    assert outcomes == {f"q{n}": expected[kind] for n, kind in unruly.kinds.items()}
    assert before <= set(told()), "what was told before the kill is told again"

    # paid twice: what was under way at the kill, at the hang or when the endpoint went away; nothing else
    twice = sum(n - 1 for n in unruly.billed.values())
    (row,) = spend(ws)
    assert unruly.hung and twice <= n_lost + row.outcomes.get("timed out", 0) + row.outcomes.get("failed", 0)
    assert n_lost <= AT_ONCE
    # each attempt is in the ledger, and no less is counted than was billed
    assert row.n_attempts == sum(row.outcomes.values()) and row.outcomes["limited"] > 10
    assert row.outcomes["answered"] == N - 8 and row.outcomes["refused"] == 4 and row.outcomes["unreadable"] == 8
    assert row.price is not None and unruly.money <= row.price + 1e-9 <= cap


def test_spend_stays_below_a_cap_that_does_not_suffice_also_after_a_crash(ws: Workspace, tmp_path: Path) -> None:
    folder = ws.jobs / "poor" / "work"
    folder.mkdir(parents=True)
    out, unruly, cap = tmp_path / "told.txt", Unruly(), 40 * PRICE.of(11, 7)
    with serving(unruly) as fake:
        work(fake.url, str(folder), str(out), str(cap / 2))
        lines = (folder / CALLS).read_bytes().splitlines(keepends=True)
        (folder / CALLS).write_bytes(b"".join(lines[:-1]))  # the last end never came to the disk
        lost = Calls(folder / CALLS, Endpoint(fake.url, "fake"), PRICE).attempts.values()
        assert sum(each.outcome == "lost" for each in lost) == 1
        out.unlink()
        work(fake.url, str(folder), str(out), str(cap))
    (row,) = spend(ws)
    assert 0 < unruly.money <= cap and row.price is not None and unruly.money <= row.price <= cap
    assert out.read_text().count("over budget") > N / 2 and row.n_assumed >= 1
