"""A journal that is damaged costs what is damaged of it: the rest is counted once, and nobody is kept from the ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fac_core.errors import StoreError
from fac_core.jobs.folder import JobFolder
from fac_core.llm.asker import EndpointAsker
from fac_core.llm.calls import CALLS, SHORTEST_LINE, Attempt, Calls
from fac_core.llm.endpoint import Endpoint
from fac_core.llm.estimate import estimate
from fac_core.llm.prices import Cap, Price
from fac_core.llm.spending import damage, spend
from fac_core.llm.terms import Terms, make_asker
from fac_core.workspace import Workspace
from tests.llm.conftest import MakeDesk, question
from tests.llm.fake_endpoint import says, serving

YES = '{"rating": "Yes"}'
PRICE = Price(1.0, 2.0)


def asked(ws: Workspace, url: str, name: str, numbers: range) -> Path:
    """A job that asked some questions; its journal."""
    job = JobFolder.create(ws.jobs / name, "test", {}, {})
    list(make_asker(job, Terms(url, "fake", PRICE, at_once=1)).answers(question(n) for n in numbers))
    return job.work / CALLS


def torn(line: bytes) -> bytes:
    return line[:40] + b"\x00\xff" + line[60:]


def without_a_number(line: bytes) -> bytes:
    said = json.loads(line)
    del said["attempt"]["tokens_in"]
    return json.dumps(said).encode() + b"\n"


def nonsense(line: bytes) -> bytes:
    return line.replace(b'"tokens_out": 7', b'"tokens_out": "7"')


@pytest.mark.parametrize("harm", [torn, without_a_number, nonsense])
def test_what_can_be_read_is_counted_once_and_the_file_is_named_once(ws: Workspace, harm: object) -> None:
    with serving(says(YES)) as fake:
        path = asked(ws, fake.url, "old", range(3))
        asked(ws, fake.url, "new", range(3, 5))
        lines = path.read_bytes().splitlines(keepends=True)
        lines[3] = harm(lines[3])  # type: ignore[operator]  # the end of the second question
        path.write_bytes(b"".join(lines))
        (row,) = spend(ws)
        with path.open("ab") as more:
            more.write(lines[-1])
        assert spend(ws) == [row]
        (sentence,) = damage(ws)
        foreseen = estimate(ws, Terms(fake.url, "fake", PRICE), [question(n) for n in range(6)])
    assert row.n_attempts == 5 and row.outcomes == {"answered": 4, "lost": 1} and row.n_assumed == 1
    assert str(path) in sentence and "1 line is not in the ledger" in sentence
    assert foreseen.n_cached == 4


def test_a_journal_that_nobody_may_open_is_named_and_the_others_count(ws: Workspace) -> None:
    with serving(says(YES)) as fake:
        path = asked(ws, fake.url, "old", range(2))
        asked(ws, fake.url, "new", range(2, 4))
    path.unlink()
    path.mkdir()
    (row,) = spend(ws)
    assert row.n_attempts == 2 and damage(ws) == []


def test_a_cap_counts_each_attempt_that_may_have_been_lost_as_the_dearest(make_desk: MakeDesk) -> None:
    with serving(says(YES)) as fake:
        desk = make_desk(fake.url, price=PRICE, at_once=1)
        list(EndpointAsker(desk).answers(question(n) for n in range(3)))
        path = desk.calls._path
        before = make_desk(fake.url, price=PRICE).budget
        lines = path.read_bytes().splitlines(keepends=True)
        most = Attempt.of(json.loads(lines[0])["attempt"])
        path.write_bytes(b"".join([lines[0], lines[1], b"\x00" * len(lines[2] + lines[3]) + b"\n", *lines[4:]]))
        after = make_desk(fake.url, price=PRICE).budget
        n_lost = -(-(len(lines[2] + lines[3]) + 1) // SHORTEST_LINE)
        assert n_lost >= 2 and most.price is not None
        assert after.calls == 2 + n_lost and after.money >= before.money + most.price
        # and it goes on within what is left
        desk = make_desk(fake.url, price=PRICE, cap=Cap(calls=int(after.calls) + 1), at_once=1)
        found = [answer.outcome for answer in EndpointAsker(desk).answers(question(n) for n in range(5))]
    assert sorted(found) == ["answered", "answered", "answered", "over budget", "over budget"]


def test_a_journal_that_tells_nothing_of_its_own_job_is_refused(tmp_path: Path) -> None:
    (tmp_path / CALLS).write_bytes(b"\x00" * 900 + b"\n")
    with pytest.raises(StoreError, match="start a new job"):
        Calls(tmp_path / CALLS, Endpoint("http://h/v1", "m"), None)
    assert Calls(tmp_path / "mine.jsonl", Endpoint("http://h/v1", "m"), None, [tmp_path / CALLS]).attempts == {}


def test_no_line_about_an_attempt_is_shorter_than_is_reckoned(tmp_path: Path) -> None:
    calls = Calls(tmp_path / CALLS, Endpoint("http://h", "m"), None)
    calls.begin(calls.planned("0" * 64, "a", bytes_in=1, most_in=1, most_out=1))
    assert len((tmp_path / CALLS).read_bytes()) >= SHORTEST_LINE
