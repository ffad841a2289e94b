"""Rows of activations and the counts made from them agree with counting by hand."""

from __future__ import annotations

import math
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_core.store import activations as store
from fac_core.store.database import bump_data_version
from fac_core.workspace import Workspace
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
    assert store.unread_contents(ws.database, SPACE)["text"].to_pylist() == ["one", "two", "not two"]
    with ws.database.transaction() as cursor:
        store.insert_activations(cursor, SPACE, _read([1]), _active([]))
    assert store.unread_contents(ws.database, SPACE)["text"].to_pylist() == ["two", "not two"]
    assert store.count_unread(ws.database, SPACE) == 2


def test_texts_of_deleted_datasets_are_not_read(ws: Workspace) -> None:
    add_dataset(ws, "seed", [{"text": "one"}])
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE dataset SET deleted_at = created_at")
    assert store.unread_contents(ws.database, SPACE).num_rows == store.count_unread(ws.database, SPACE) == 0


@given(
    values=st.lists(
        st.floats(0, 20, width=32, exclude_min=True)
        | st.integers(1, 70).map(lambda step: step / 4)
        | st.sampled_from([1e-30, 0.25, 15.75, 15.750001, 16.0, 16.25]),
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
