"""Examples are found without sorting all that fires, and are those that sorting all of it would find."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.features.examples import MISS, ZERO, SampleFilter, choices, examples, ranked
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
        expected = _slow(ws, space, feature, n)
        assert {band: [each.content_id for each in found[band]] for band in expected} == expected


def _slow(ws: Workspace, space: str, feature: int, n: int) -> dict[str, list[int]]:
    rows = ws.database.rows(
        "SELECT DISTINCT a.content_id, a.value, c.text FROM activation a JOIN sample s USING (content_id) "
        "JOIN dataset d USING (dataset_id) JOIN content c USING (content_id) "
        "WHERE d.deleted_at IS NULL AND a.feature_id = ? AND a.space_id = ?",
        [feature, space],
    )
    rows.sort(key=lambda row: (-row[1], row[0]))
    weak = [row for row in rows if row[1] <= 1]
    rows = [row for row in rows if row[1] > 1]
    middle = len(rows) // 2
    around = sorted(range(len(rows)), key=lambda place: (abs(place - middle), place))
    enough = len(rows) >= 3
    orders = [rows, rows[::-1] if enough else [], [rows[place] for place in around] if enough else [], weak]
    shown: set[str] = set()
    bands = {}
    for band, order in zip(("top", "threshold", "middle", "miss"), orders, strict=True):
        chosen = []
        for row in order[: 6 * n]:
            plain = " ".join(row[2].split())
            if plain not in shown and len(chosen) < n:
                shown.add(plain)
                chosen.append(row)
        bands[band] = [row[0] for row in sorted(chosen, key=lambda row: (-row[1], row[0]))]
    return bands


def test_a_silent_text_is_one_that_was_read_and_in_which_nothing_fires(ws: Workspace) -> None:
    fires = [Planted("anchor", f"it fires here {i}", {1: 2.0}) for i in range(5)]
    weak = [Planted("anchor", f"hardly anything {i}", {1: 0.25}) for i in range(5)]
    silent = [Planted("anchor", f"nothing at all {i}", {2: 3.0}) for i in range(5)]
    space = plant(ws, [*fires, *weak, *silent])
    found = examples(ws, space, 1, 1.0, n=9)
    assert {each.content_id for each in found[ZERO]} == {11, 12, 13, 14, 15}
    assert [each.value for each in found[ZERO]] == [0.0] * 5
    assert {each.content_id for each in found[MISS]} == {6, 7, 8, 9, 10}
    assert found[ZERO] == examples(ws, space, 1, 1.0, n=9)[ZERO], "the same ones each time"


def test_where_nothing_lies_below_the_threshold_a_near_miss_is_what_a_like_feature_fires_on(ws: Workspace) -> None:
    texts = [Planted("anchor", f"both speak of {i}", {1: 2.0, 2: 2.0}) for i in range(4)]
    texts += [Planted("anchor", "only the other", {2: 5.0}), Planted("anchor", "only the other, weakly", {2: 1.0})]
    space = plant(ws, [*texts, Planted("anchor", "neither of them", {})], neighbours=[(1, 2, 0.7)])
    found = examples(ws, space, 1, 0.0, n=3)
    assert [(each.text, each.value, each.beside) for each in found[MISS]] == [
        ("only the other", 0.0, 2),
        ("only the other, weakly", 0.0, 2),
    ]
    assert [each.text for each in found[ZERO]] == ["neither of them"], "no text is in two bands"


def test_nearly_the_same_texts_are_shown_once_and_counted(ws: Workspace) -> None:
    long = "please tell me in a few simple words how one can open this old wooden door without any key at all today"
    texts = [
        Planted("anchor", long, {1: 9.0}),
        Planted("anchor", long.upper(), {1: 8.5}),
        Planted("anchor", long + " thanks", {1: 8.0}),
        Planted("seed", long, {1: 9.0}),
        Planted("anchor", "something else entirely", {1: 7.0}),
    ]
    found = examples(ws, plant(ws, texts), 1, 0.0, n=3)
    assert [(each.text, each.n_alike) for each in found["top"]] == [(long, 3), ("something else entirely", 0)]
    assert found["middle"] == [] and found["threshold"] == [], "no copy comes back in another band"


HOSTILE_KEYS = ["plain", "with space", 'a"b', "a/b", "a~1b", "$.x", "", "'; DROP TABLE sample; --", "ключ"]


@pytest.mark.parametrize("column", HOSTILE_KEYS, ids=range(len(HOSTILE_KEYS)))
def test_examples_are_narrowed_by_any_metadata_column(ws: Workspace, column: str) -> None:
    texts = [
        Planted("anchor", f"number {i} of these", {1: 2.0}, meta={column: "yes" if i % 2 else "no"}) for i in range(8)
    ]
    texts += [Planted("anchor", "without the column", {1: 5.0})]
    space = plant(ws, texts)
    found = examples(ws, space, 1, 0.0, n=9, where=SampleFilter(column=column, value="yes"))
    assert {each.content_id for band in found.values() for each in band} == {2, 4, 6, 8}
    assert choices(ws).columns == {column: ["no", "yes"]}


def test_examples_are_narrowed_by_role_set_and_label(ws: Workspace) -> None:
    texts = [
        Planted("seed", "one of the seed", {1: 2.0}, label="harmful"),
        Planted("anchor", "one of the anchor", {1: 2.0}, label="harmful"),
        Planted("anchor", "two of the anchor", {1: 2.0}, label="benign"),
        Planted("anchor", "three, elsewhere", {1: 2.0}, label="benign", dataset="other"),
        Planted("anchor", "silent there", {}, label="benign"),
    ]
    space = plant(ws, texts)

    def found(**only: str) -> set[str]:
        bands = examples(ws, space, 1, 0.0, where=SampleFilter(**only))
        return {each.text for band in bands.values() for each in band}

    assert found(role="seed") == {"one of the seed"}
    assert found(label="benign") == {"two of the anchor", "three, elsewhere", "silent there"}
    assert found(dataset_id="other", label="benign") == {"three, elsewhere"}
    assert found(role="pool") == set()
    assert choices(ws).labels == ["benign", "harmful"]


def test_of_short_texts_that_differ_in_one_word_of_ten_one_is_shown(ws: Workspace) -> None:
    head = "win a free phone now click the link"
    ends = [f"{head} {end}" for end in ("early today", "early 115", "maybe today")]
    other = "today early link the click now phone free a win"  # the same words in another order say something else
    texts = [*ends, other, "how to kill a process", "how to kill a person"]
    space = plant(ws, [Planted("anchor", text, {1: 9.0 - place}) for place, text in enumerate(texts)])
    shown = examples(ws, space, 1, 0.5)["top"]
    assert [(each.text, each.n_alike) for each in shown] == [(ends[0], 2), *((text, 0) for text in texts[3:])]
