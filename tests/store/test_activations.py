"""Rows of activations and the counts made from them agree with counting by hand."""

from __future__ import annotations

import math
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_core.feature_space.space import SpaceSpec
from fac_core.store import activations as store
from fac_core.store import contents
from fac_core.store.database import bump_data_version
from fac_core.store.datasets import mark_deleted, set_role
from fac_core.store.feature_samples import max_values, top_texts
from fac_core.workspace import Workspace, now
from tests.tiny import add_dataset

SPACE = "0123456789abcdef"


def _read(ids: list[int]) -> pa.Table:
    return pa.table(
        {
            "content_id": pa.array(ids, pa.int64()),
            "n_tokens": pa.array([3] * len(ids), pa.int32()),
            "n_truncated": pa.array([0] * len(ids), pa.int32()),
            "l0": pa.array([1.0] * len(ids), pa.float64()),
        }
    )


def _active(rows: list[tuple[int, int, float]]) -> pa.Table:
    ids, features, values = zip(*rows, strict=True) if rows else ([], [], [])
    zeros = [0] * len(rows)
    return pa.table(
        {
            "content_id": pa.array(ids, pa.int64()),
            "feature_id": pa.array(features, pa.int32()),
            "value": pa.array(values, pa.float32()),
            "token_pos": pa.array(zeros, pa.int32()),
            "char_start": pa.array(zeros, pa.int32()),
            "char_end": pa.array(zeros, pa.int32()),
        }
    )


def _bin(value: float) -> int:
    """The bin by its definition: (b/4, (b+1)/4], the last one open."""
    return next((b for b in range(63) if b * 0.25 < value <= (b + 1) * 0.25), 63)


def unread(ws: Workspace) -> list[str]:
    """Texts that are not read yet, by id."""
    tables = contents.contents(ws.database, contents.unread_ids(ws.database, SPACE))
    return [text for table in tables for text in table["text"].to_pylist()]


def test_a_content_is_stored_once_however_often_it_comes(ws: Workspace) -> None:
    with ws.database.transaction() as cursor:
        assert store.insert_activations(cursor, SPACE, _read([1, 2]), _active([(1, 5, 1.0), (2, 5, 2.0)])) == 2
    with ws.database.transaction() as cursor:
        assert store.insert_activations(cursor, SPACE, _read([2, 3]), _active([(2, 5, 9.0), (3, 6, 3.0)])) == 1
    with ws.database.transaction() as cursor:
        assert store.insert_activations(cursor, "another space", _read([1]), _active([(1, 5, 7.0)])) == 1
    expected = [(1, 5, 1.0), (2, 5, 2.0), (3, 6, 3.0)]
    for table in ("activation", "activation_by_feature"):
        sql = f"SELECT content_id, feature_id, value FROM {table} WHERE space_id = ? ORDER BY ALL"
        assert ws.database.rows(sql, [SPACE]) == expected


def test_a_content_with_nothing_active_is_known_to_be_read(ws: Workspace) -> None:
    add_dataset(ws, "seed", [{"text": "one"}, {"text": "two", "contrast": "not two"}])
    assert unread(ws) == ["one", "two", "not two"]
    with ws.database.transaction() as cursor:
        store.insert_activations(cursor, SPACE, _read([1]), _active([]))
    assert unread(ws) == ["two", "not two"]
    assert contents.count_unread(ws.database, SPACE) == 2


def test_texts_of_deleted_datasets_are_not_read(ws: Workspace) -> None:
    add_dataset(ws, "seed", [{"text": "one"}])
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE dataset SET deleted_at = created_at")
    assert unread(ws) == [] and contents.count_unread(ws.database, SPACE) == 0


@given(
    values=st.lists(
        st.floats(0, 20, width=32, exclude_min=True)
        | st.integers(1, 70).map(lambda step: step / 4)
        | st.sampled_from([1e-45, 1e-30, 0.25, 15.75, 15.750001, 16.0, 16.25, 3e38]),
        min_size=1,
        max_size=20,
    ),
    repeats=st.integers(1, 2),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_profiles_count_samples_as_counting_by_hand_does(ws: Workspace, values: list[float], repeats: int) -> None:
    with ws.database.transaction() as cursor:
        for table in ("sample", "dataset", "content", "content_read", "activation", "activation_by_feature"):
            cursor.execute(f"DELETE FROM {table}")
    add_dataset(ws, "seed", [{"text": f"text {n}"} for n in range(len(values))] * repeats)
    ids = [row[0] for row in ws.database.rows("SELECT content_id FROM content ORDER BY content_id")]
    rows = [(content_id, n % 3, value) for n, (content_id, value) in enumerate(zip(ids, values, strict=True))]
    with ws.database.transaction() as cursor:
        store.insert_activations(cursor, SPACE, _read(ids), _active(rows))
        bump_data_version(cursor)
        store.rebuild_profiles(cursor, SPACE)
    exact = [(feature, float(pa.scalar(value, pa.float32()).as_py())) for _, feature, value in rows]
    expected = Counter((feature, _bin(value)) for feature, value in exact)
    found = {(f, b): n for f, b, n in ws.database.rows("SELECT feature_id, bin, n FROM profile")}
    assert found == {key: n * repeats for key, n in expected.items()}
    assert ws.database.one("SELECT n_samples, n_unread FROM profile_total") == (len(values) * repeats, 0)
    assert store.profiles_current(ws.database, SPACE)


@pytest.mark.parametrize("delta", [0.0, 0.25, 1.5, 3.0, 15.75])
def test_counts_above_a_step_of_the_slider_are_exact_from_profiles(filled_ws: Workspace, delta: float) -> None:
    from_rows = filled_ws.database.rows(
        "SELECT dataset_id, feature_id, count(*) FROM activation JOIN sample USING (content_id) WHERE value > ? "
        "GROUP BY ALL ORDER BY ALL",
        [delta],
    )
    from_profiles = filled_ws.database.rows(
        "SELECT dataset_id, feature_id, CAST(sum(n) AS BIGINT) FROM profile WHERE bin >= ? GROUP BY ALL ORDER BY ALL",
        [math.floor(delta / store.BIN_WIDTH)],
    )
    assert from_rows == from_profiles


def test_rebuilding_changes_the_order_of_rows_only(filled_ws: Workspace) -> None:
    sql = "SELECT * FROM activation_by_feature ORDER BY ALL"
    before = filled_ws.database.rows(sql)
    space_id = before[0][0]
    with filled_ws.database.transaction() as cursor:
        store.rebuild_by_feature(cursor, space_id)
    assert filled_ws.database.rows(sql) == before
    laid = filled_ws.database.rows("SELECT feature_id, value FROM activation_by_feature")
    assert laid == sorted(laid, key=lambda row: (row[0], -row[1]))


def _rows(ws: Workspace, table: str) -> list[tuple[object, ...]]:
    return ws.database.rows(f"SELECT * FROM {table} ORDER BY ALL")


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["read", "read again", "dataset", "delete", "restore", "role"]),
            st.integers(0, 3),
            st.sampled_from([0.25, 0.3, 2.0, 20.0]),
        ),
        max_size=12,
    )
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counting_what_changed_gives_what_counting_everything_does(
    ws: Workspace, steps: list[tuple[str, int, float]]
) -> None:
    with ws.database.transaction() as cursor:
        for table in (
            "sample",
            "dataset",
            "content",
            "content_read",
            "activation",
            "activation_by_feature",
            "profile",
            "profile_total",
        ):
            cursor.execute(f"DELETE FROM {table}")
    add_dataset(ws, "seed", [{"text": f"text {n}"} for n in (0, 1)], name="0")
    ids = [row[0] for row in ws.database.rows("SELECT content_id FROM content ORDER BY content_id")]
    for number, (act, place, value) in enumerate(steps, start=1):
        name = str(place % number)
        if act == "dataset":
            texts = [f"text {place}", f"text {number}"]
            add_dataset(ws, "pool", [{"text": text} for text in texts], name=f"of step {number}")
            ids = [row[0] for row in ws.database.rows("SELECT content_id FROM content ORDER BY content_id")]
        with ws.database.transaction() as cursor:
            bump_data_version(cursor)
            if act in {"read", "read again"}:
                chosen = ids[: place + 1]
                put = store.insert_activations if act == "read" else store.replace_activations
                put(cursor, SPACE, _read(chosen), _active([(content, content % 3, value) for content in chosen]))
                if act == "read again" and place == 3:
                    continue  # a job that ended early: what it changed is counted by whoever counts next
            elif act == "delete":
                mark_deleted(cursor, name, now())
            elif act == "restore":
                cursor.execute("UPDATE dataset SET deleted_at = NULL WHERE dataset_id = ?", [name])
            elif act == "role":
                set_role(cursor, name, "anchor")
            store.update_profiles(cursor, SPACE)
        assert store.profiles_current(ws.database, SPACE)
        found = _rows(ws, "profile"), _rows(ws, "profile_total")
        with ws.database.transaction() as cursor:
            store.rebuild_profiles(cursor, SPACE)
        assert found == (_rows(ws, "profile"), _rows(ws, "profile_total"))


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_rows_laid_some_features_at_a_time_are_the_same_rows_in_order(
    filled_ws: Workspace, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(store, "_LAID_AT_ONCE", at_once)
    before = _rows(filled_ws, "activation_by_feature")
    with filled_ws.database.transaction() as cursor:
        store.rebuild_by_feature(cursor, tiny_spec.space_id)
    laid = filled_ws.database.rows("SELECT feature_id, value FROM activation_by_feature")
    assert laid == sorted(laid, key=lambda row: (row[0], -row[1]))
    assert _rows(filled_ws, "activation_by_feature") == before


def test_a_large_space_is_laid_anew_when_a_tenth_of_it_lies_apart(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_LARGE", 10)
    is_laid = []
    for first, end in [(1, 21), (21, 22), (22, 23), (23, 24)]:
        with ws.database.transaction() as cursor:
            store.insert_activations(
                cursor, SPACE, _read(list(range(first, end))), _active([(n, n % 4, 1.0) for n in range(first, end)])
            )
            store.rebuild_by_feature(cursor, SPACE)
        laid = ws.database.rows("SELECT feature_id FROM activation_by_feature")
        is_laid.append(laid == sorted(laid))
    assert is_laid == [True, False, False, True]
    with ws.database.transaction() as cursor:
        store.replace_activations(cursor, SPACE, _read([1]), _active([(1, 0, 9.0)]))
        store.rebuild_by_feature(cursor, SPACE)
    laid = ws.database.rows("SELECT feature_id FROM activation_by_feature")
    assert laid == sorted(laid), "rows of another reading lie anywhere, so all are laid"


@pytest.mark.parametrize("uncounted", ["nothing", "newly read", "read again"])
def test_the_highest_value_is_found_whatever_profiles_know(ws: Workspace, uncounted: str) -> None:
    add_dataset(ws, "seed", [{"text": f"text {n}"} for n in range(4)])
    add_dataset(ws, "pool", [{"text": "text 0"}, {"text": "deleted"}])
    ids = [row[0] for row in ws.database.rows("SELECT content_id FROM content ORDER BY content_id")]
    rows = [(ids[0], 1, 3.0), (ids[1], 1, 3.1), (ids[2], 2, 40.0), (ids[2], 1, 3.2), (ids[4], 1, 9.0)]
    with ws.database.transaction() as cursor:
        store.insert_activations(cursor, SPACE, _read([*ids[:3], ids[4]]), _active(rows))
        store.rebuild_profiles(cursor, SPACE)
        mark_deleted(cursor, "pool", now())
        if uncounted == "newly read":
            store.insert_activations(cursor, SPACE, _read([ids[3]]), _active([(ids[3], 1, 8.0), (ids[3], 5, 0.5)]))
        elif uncounted == "read again":
            store.replace_activations(cursor, SPACE, _read([ids[2]]), _active([(ids[2], 2, 0.25)]))
    expected = {
        "nothing": {1: 3.2, 2: 40.0},
        "newly read": {1: 8.0, 2: 40.0, 5: 0.5},
        "read again": {1: 3.1, 2: 0.25},
    }[uncounted]
    found = max_values(ws.database, SPACE).to_pylist()
    assert {row["feature_id"]: row["value"] for row in found} == pytest.approx(expected)
    place = {"nothing": {1: 2, 2: 2}, "newly read": {1: 3, 2: 2}, "read again": {1: 1, 2: 2}}[uncounted]
    texts = {feature: text for feature, (text, _, _) in top_texts(ws.database, SPACE, [1, 2], "seed").items()}
    assert texts == {feature: f"text {number}" for feature, number in place.items()}
