"""Reading again puts what the model gives now in the place of what is stored, and says what that changed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from fac_core.coverage.measure import coverage
from fac_core.errors import InputError, ModelError
from fac_core.feature_space.extraction import start_extraction
from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.health import measured_health
from fac_core.feature_space.rereading import Difference, last_rereading, n_read, start_rereading
from fac_core.feature_space.space import SpaceSpec
from fac_core.features.description import is_current
from fac_core.features.refresh import refresh
from fac_core.jobs import kinds, owner
from fac_core.jobs import stored as stored_rows
from fac_core.jobs.owner import Job
from fac_core.store import contents
from fac_core.workspace import Workspace
from tests.tiny import LABELLED_TEXTS, add_dataset

N = len(LABELLED_TEXTS)


@pytest.fixture(autouse=True)
def _quietly(monkeypatch: pytest.MonkeyPatch, jobs_in_process: None) -> None:
    monkeypatch.setattr(kinds, "FOLLOW_UPS", {})
    # shards of seven texts begin and end in the middle of what is fetched, written and read at a time
    monkeypatch.setattr(contents, "AT_ONCE", 9)
    monkeypatch.setattr(stored_rows, "GROUP", 4)


def read_again(ws: Workspace, space_id: str) -> Job:
    job_id = start_rereading(ws, space_id, shard_size=7)
    assert job_id is not None
    return owner.wait(ws, job_id, timeout=200)


def stored(ws: Workspace) -> dict[str, pa.Table]:
    """All that reading leaves, by content and feature."""
    tables = ("activation", "activation_by_feature", "content_read", "profile")
    return {table: ws.database.arrow(f"SELECT * EXCLUDE (space_id) FROM {table} ORDER BY ALL") for table in tables} | {
        table: ws.database.arrow(f"SELECT * EXCLUDE (space_id) FROM {table} ORDER BY content_id, feature_id")
        for table in tables[:2]
    }


def assert_same(one: dict[str, pa.Table], other: dict[str, pa.Table]) -> None:
    """The same rows; values to the precision of a batch."""
    for name, table in one.items():
        for column in table.column_names:
            found, expected = table[column].to_pylist(), other[name][column].to_pylist()
            assert found == (pytest.approx(expected, abs=1e-4) if isinstance(expected[0], float) else expected), column


def test_what_is_right_stays_as_it_is_and_is_said_to(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    before, measured = stored(ws), coverage(ws, space_id, 0.0)
    assert (last_rereading(ws, space_id), measured_health(ws, space_id)) == (None, None)
    job = read_again(ws, space_id)
    assert (job.state, job.title, job.total) == ("completed", f"Read {N} texts again", N)
    assert_same(stored(ws), before)
    assert coverage(ws, space_id, 0.0) == measured
    found = last_rereading(ws, space_id)
    assert found is not None and (found.n_texts, found.n_changed) == (N, 0)
    assert found.largest < 1e-4
    health = measured_health(ws, space_id)
    assert health is not None and health["n_tokens"] > 0
    read_again(ws, space_id)
    again = measured_health(ws, space_id)
    assert again is not None and again.pop("suspects") == health.pop("suspects")
    assert again.pop("calibration") == pytest.approx(health.pop("calibration"))
    assert again == pytest.approx(health), "a text counts once, however often it is read"


def test_what_was_stored_wrongly_is_put_right_and_counted(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    before = stored(ws)
    with ws.database.transaction() as cursor:
        for table in ("activation", "activation_by_feature"):
            cursor.execute(f"UPDATE {table} SET value = value + 0.5 WHERE content_id = 3")
            cursor.execute(f"UPDATE {table} SET value = value + 0.25 WHERE content_id = 4")
            cursor.execute(f"DELETE FROM {table} WHERE content_id = 5")
            cursor.execute(f"UPDATE {table} SET feature_id = feature_id + 64 WHERE content_id = 6")
        cursor.execute("UPDATE content_read SET n_tokens = 1, l0 = 9 WHERE content_id = 5")
    read_again(ws, space_id)
    assert_same(stored(ws), before)
    found = last_rereading(ws, space_id)
    assert found is not None and (found.n_texts, found.n_changed) == (N, 2)
    assert found.largest == pytest.approx(0.5, abs=1e-4)


def test_a_worker_that_stopped_half_way_goes_on_and_leaves_the_same(
    filled_ws: Workspace, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    before = stored(ws)
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE activation SET value = value + 1; UPDATE activation_by_feature SET value = value + 1")
    real, calls = Extractor.read, []

    def stops(extractor: Extractor, texts: list[str]) -> Any:
        calls.append(len(texts))
        if len(calls) == 3:
            raise ModelError("The model is gone.")
        return real(extractor, texts)

    monkeypatch.setattr(Extractor, "read", stops)
    job = read_again(ws, space_id)
    assert (job.state, job.message) == ("failed", "The model is gone.")
    half = stored(ws)["activation"]
    apart = half["value"].to_numpy() - before["activation"]["value"].to_numpy()
    right = {content for content, by in zip(half["content_id"].to_pylist(), apart.tolist(), strict=True) if by < 0.5}
    assert right == set(range(1, 15)), "two parts are in, whole; the rest is as it was"
    assert coverage(ws, space_id, 0.0).n_anchor > 0
    owner.resume(ws, job.job_id)
    assert owner.wait(ws, job.job_id, timeout=200).state == "completed"
    assert len(calls) == 3 + 11, "what was finished is not read another time"
    assert_same(stored(ws), before)
    found = last_rereading(ws, space_id)
    assert found is not None and (found.n_texts, found.n_changed) == (N, 0)
    assert found.largest == pytest.approx(1.0, abs=1e-4)


def test_one_reading_at_a_time(filled_ws: Workspace, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    with monkeypatch.context() as patched:
        patched.setattr("fac_core.jobs.process.launch", lambda folder: None)
        job_id = start_rereading(ws, space_id)
        assert start_rereading(ws, space_id) == job_id
    assert job_id is not None
    owner.cancel(ws, job_id)


def test_texts_that_are_read_for_the_first_time_come_first(
    ws_with_space: Workspace, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space_id = ws_with_space, tiny_spec.space_id
    assert (n_read(ws, space_id), start_rereading(ws, space_id)) == (0, None)
    add_dataset(ws, "seed")
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    start_extraction(ws, space_id)
    with pytest.raises(InputError, match="Texts are being read"):
        start_rereading(ws, space_id)


def test_texts_that_arrive_meanwhile_are_read_afterwards(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    add_dataset(ws, "holdout", [{"text": "a text that was never read", "label": "benign"}])
    job = read_again(ws, space_id)
    assert job.total == N
    following = owner.jobs(ws)[0]
    assert following.spec["after"] == job.job_id and "again" not in following.spec
    assert owner.wait(ws, following.job_id, timeout=200).state == "completed"
    assert n_read(ws, space_id) == N + 1


def test_features_are_described_anew_when_a_value_changed(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE activation SET value = value + 1; UPDATE activation_by_feature SET value = value + 1")
    refresh(ws, space_id, wait=True)
    assert is_current(ws, space_id)
    read_again(ws, space_id)
    assert not is_current(ws, space_id)


def test_differences_add_up_and_are_told() -> None:
    total = Difference(10, 0, 1e-6).plus(Difference(1, 1, 0.25)).plus(Difference())
    assert total == (11, 1, 0.25)
    assert total.sentence == (
        "11 texts were read again: another set of features fires in 1 of them, and no value differs by more than 0.25."
    )
    assert Difference(1).sentence == (
        "1 text was read again: the same features fire in all of them, and no value differs."
    )
    assert Difference(7).is_none and not total.is_none
