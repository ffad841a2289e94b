"""Examples are found without sorting all that fires, and are those that sorting all of it would find."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.features.examples import BANDS, examples, ranked
from fac_core.workspace import Workspace
from tests.planted import Planted, plant, recount

few_values = st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0, 4.0]), min_size=1, max_size=40)


@given(few_values, st.data())
def test_ranks_are_those_of_the_whole_sorted(values: list[float], data: st.DataObject) -> None:
    ids = np.array(data.draw(st.permutations(range(len(values)))), np.int64)
    start = data.draw(st.integers(0, len(values)))
    ranks = range(start, data.draw(st.integers(start, len(values))))
    slow = sorted(zip(values, ids.tolist(), strict=True), key=lambda pair: (-pair[0], pair[1]))
    assert ranked(ids, np.array(values, np.float32), ranks) == [slow[rank][1] for rank in ranks]


@pytest.mark.parametrize("n", [1, 3])
def test_bands_are_those_of_a_reading_of_everything(ws: Workspace, n: int) -> None:
    rng = random.Random(n)
    values = [0.5, 1.5, 2.0, 2.5, 3.0, 9.0]
    planted = []
    for place in range(60):
        # texts of one word differ only in spaces, and are shown once; feature f fires in about 5f of them
        active = {f: rng.choice(values) for f in range(1, 12) if rng.random() < f / 12}
        planted.append(Planted("anchor", f"word{rng.randrange(20)}{' ' * place}x", active))
    gone = Planted("pool", "of a deleted set", dict.fromkeys(range(12), 8.0))
    space = plant(ws, [*planted, gone, Planted("seed", "silent", {})])
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE dataset SET deleted_at = created_at WHERE role = 'pool'")
    recount(ws, space)
    for feature in range(12):
        found = examples(ws, space, feature, 1.0, n=n)
        assert {band: [each.content_id for each in found[band]] for band in BANDS} == _slow(ws, space, feature, n)


def _slow(ws: Workspace, space: str, feature: int, n: int) -> dict[str, list[int]]:
    rows = ws.database.rows(
        "SELECT DISTINCT a.content_id, a.value, c.text FROM activation a JOIN sample s USING (content_id) "
        "JOIN dataset d USING (dataset_id) JOIN content c USING (content_id) "
        "WHERE d.deleted_at IS NULL AND a.feature_id = ? AND a.value > 1 AND a.space_id = ?",
        [feature, space],
    )
    rows.sort(key=lambda row: (-row[1], row[0]))
    middle = len(rows) // 2
    around = sorted(range(len(rows)), key=lambda place: (abs(place - middle), place))
    enough = len(rows) >= 3
    orders = [rows, [rows[place] for place in around] if enough else [], rows[::-1] if enough else []]
    wanted = {row[0] for order in orders for row in order[: 4 * n]}
    shown: set[str] = set()
    bands = {}
    for band, order in (("top", orders[0]), ("threshold", orders[2]), ("middle", orders[1])):
        chosen = []
        for row in order:
            plain = " ".join(row[2].split())
            if row[0] in wanted and plain not in shown and len(chosen) < n:
                shown.add(plain)
                chosen.append(row)
        bands[band] = [row[0] for row in sorted(chosen, key=lambda row: (-row[1], row[0]))]
    return bands
