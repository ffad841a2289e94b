"""Rows that are read some at a time are the rows of the whole table, and the others stay on disk."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_core.errors import StoreError
from fac_core.jobs import stored
from fac_core.jobs.folder import JobFolder
from fac_core.jobs.stored import StoredRows, write_pieces


def ids(values: list[int]) -> pa.Table:
    return pa.table({"id": pa.array(values, pa.int64())})


@given(
    pieces=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    begin=st.integers(0, 30),
    size=st.integers(0, 12),
    low=st.integers(0, 60),
    span=st.integers(0, 20),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_part_is_that_part_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[int], begin: int, size: int, low: int, span: int
) -> None:
    monkeypatch.setattr(stored, "GROUP", 4)
    whole = list(range(0, 2 * sum(pieces), 2))
    cuts = [0, *(sum(pieces[: n + 1]) for n in range(len(pieces)))]
    write_pieces(tmp_path / "a.parquet", (ids(whole[a:b]) for a, b in pairwise(cuts)))
    rows = StoredRows(tmp_path / "a.parquet")
    assert len(rows) == len(whole)
    assert rows.slice(begin, size)["id"].to_pylist() == whole[begin : begin + size]
    assert rows.between("id", low, low + span)["id"].to_pylist() == [i for i in whole if low <= i <= low + span]


def test_neither_writing_nor_reading_holds_the_whole(tmp_path: Path) -> None:
    row, n, idle = "x" * 2000, 20 * stored.GROUP, pa.total_allocated_bytes()
    held = []

    def pieces() -> object:
        for begin in range(0, n, 2 * stored.GROUP):
            numbers = range(begin, begin + 2 * stored.GROUP)
            yield pa.table({"id": list(numbers), "text": [f"{number}{row}" for number in numbers]})
            held.append(pa.total_allocated_bytes() - idle)

    folder = JobFolder.create(tmp_path / "job", "extract", {}, {"input": pieces()})  # type: ignore[dict-item]
    rows, seen = folder.input_rows(), []
    for begin in range(0, n, 700):
        part = rows.slice(begin, 700)
        seen += [part["id"].to_pylist()[0], part["id"].to_pylist()[-1]]
        held.append(pa.total_allocated_bytes() - idle)
    assert seen == [place for begin in range(0, n, 700) for place in (begin, min(begin + 699, n - 1))]
    assert max(held) < 0.5 * n * len(row)


def test_a_file_that_is_gone_or_torn_is_a_sentence(tmp_path: Path) -> None:
    write_pieces(tmp_path / "a.parquet", [ids(list(range(5000)))])
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    for name in ("a", "absent"):
        with pytest.raises(StoreError, match=rf"{name}\.parquet is missing or damaged"):
            StoredRows(tmp_path / f"{name}.parquet").slice(0, 10)


def test_an_input_without_columns_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="its columns are unknown"):
        write_pieces(tmp_path / "a.parquet", [])
    assert not list(tmp_path.iterdir())
