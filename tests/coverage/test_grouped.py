"""Counts of groups at every δ equal counting sample by sample."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fac_core.coverage import grouped
from fac_core.coverage.grouping import ANCHOR, IN_HAND
from fac_core.workspace import Workspace
from tests.planted import Planted, plant

STEPS = (0, 1, 4, 7, 63)
VALUES = [0.1, 0.25, 0.3, 1.0, 1.1, 1.75, 1.8, 15.75, 16.0, 40.0]
Sample = tuple[str, int, str]


@pytest.mark.parametrize("column", ["t", "dataset"])
@pytest.mark.parametrize("at_once", [1, 40, 1000])
def test_samples_of_a_cell_are_counted_as_one_by_one(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, column: str, at_once: int
) -> None:
    monkeypatch.setattr(grouped, "ROWS_AT_ONCE", at_once)
    rng = random.Random(at_once)
    active = [{rng.randrange(8): rng.choice(VALUES) for _ in range(4)} for _ in range(30)]
    roles = ["anchor", "seed", "synthetic", "pool"]
    # far fewer texts than samples: many are in several groups, on both sides, or twice in one cell
    samples = [(rng.choice(roles), rng.randrange(30), rng.choice("xyz")) for _ in range(120)]
    planted = [Planted(role, f"text {text}", active[text], meta={"t": topic}) for role, text, topic in samples]
    space = plant(ws, planted, d_sae=8)
    found = grouped.load_grouped(ws, space, 8, column)
    groups = found.grouping.groups
    cells = {(s, f, g) for s in (ANCHOR, IN_HAND) for f in range(8) for g in groups}
    for step in STEPS:
        expected = _one_by_one(samples, active, column, step / 4)
        above = found.above(step, 8)
        assert {cell: above[cell[0], cell[1], groups.index(cell[2])] for cell in cells} == {
            cell: expected[cell] for cell in cells
        }


def _one_by_one(
    samples: list[Sample], active: list[dict[int, float]], column: str, delta: float
) -> Counter[tuple[int, int, str]]:
    counts: Counter[tuple[int, int, str]] = Counter()
    datasets = {role for role, _, _ in samples if role in ("seed", "synthetic")}
    for role, text, topic in samples:
        if role == "pool":
            continue
        side = ANCHOR if role == "anchor" else IN_HAND
        groups = {topic} if column == "t" else datasets if side == ANCHOR else {role}
        for feature, value in active[text].items():
            for group in groups if value > delta else ():
                counts[side, feature, group] += 1
    return counts


def test_what_was_counted_is_kept_until_the_data_change(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [
        Planted(role, f"{role} {i}", {1: 2.0}, meta={"t": "xy"[i % 2]}) for role in ("anchor", "seed") for i in (0, 1)
    ]
    space = plant(ws, samples)
    first = grouped.load_grouped(ws, space, 32, "t")
    assert grouped.load_grouped(ws, space, 32, "t") is first
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE meta SET value = CAST(value AS BIGINT) + 1 WHERE key = 'data_version'")
    assert grouped.load_grouped(ws, space, 32, "t") is not first
