"""Extraction as a job: everything unread is read once, and the result is the extractor's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from fac_core.errors import InputError
from fac_core.feature_space.extraction import (
    activation_tables,
    export_cache,
    import_cache,
    refresh_profiles,
    start_extraction,
)
from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.health import health_card, measured_health
from fac_core.feature_space.space import SpaceSpec
from fac_core.jobs import kinds, owner
from fac_core.workspace import Workspace
from tests.tiny import LABELLED_TEXTS, ODD_TEXTS, add_dataset


@pytest.fixture(autouse=True)
def _no_follow_up(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, jobs_in_process: None) -> None:
    if request.node.name != "test_after_a_reading_the_features_are_described":
        monkeypatch.setattr(kinds, "FOLLOW_UPS", {})


def _rows(texts: list[str]) -> list[dict[str, str]]:
    return [{"text": text, "label": "harmful"} for text in texts]


def test_a_job_reads_all_texts_as_the_extractor_does(
    ws_with_space: Workspace, tiny_spec: SpaceSpec, extractor: Extractor
) -> None:
    ws = ws_with_space
    add_dataset(ws, "seed", [*_rows(ODD_TEXTS), {"text": ODD_TEXTS[0]}, {"text": "new", "contrast": "the other way"}])
    job_id = start_extraction(ws, tiny_spec.space_id, shard_size=4)
    assert job_id is not None
    assert start_extraction(ws, tiny_spec.space_id) == job_id, "one reading at a time"
    job = owner.wait(ws, job_id, timeout=200)
    assert (job.state, job.message) == ("completed", "")
    assert (job.done, job.total) == (13, 13)

    contents = ws.database.rows("SELECT content_id, text FROM content ORDER BY content_id")
    expected = activation_tables([(i, extractor.read_one(text)) for i, text in contents])
    stored = ws.database.arrow(
        "SELECT content_id, feature_id, token_pos, char_start, char_end, value FROM activation "
        "ORDER BY content_id, feature_id"
    )
    for column in ("content_id", "feature_id", "token_pos", "char_start", "char_end"):
        assert stored[column].to_pylist() == expected["activation"][column].to_pylist(), column
    assert stored["value"].to_pylist() == pytest.approx(expected["activation"]["value"].to_pylist(), abs=1e-4)
    read = ws.database.arrow("SELECT content_id, n_tokens, n_truncated FROM content_read ORDER BY content_id")
    assert read.to_pydict() == expected["content_read"].drop_columns("l0").to_pydict()

    assert job.result is not None
    assert job.result["health"]["n_tokens"] == sum(expected["content_read"]["n_tokens"].to_pylist())
    assert job.result["health"]["truncated_texts"] == 1
    measured = measured_health(ws, tiny_spec.space_id)
    assert measured is not None and measured.pop("suspects") == job.result["health"].pop("suspects") == []
    calibration = measured.pop("calibration")
    assert calibration == job.result["health"].pop("calibration") and calibration["n_tokens"] > 0
    assert measured == pytest.approx(job.result["health"])
    assert start_extraction(ws, tiny_spec.space_id) is None, "nothing is read twice"


def test_texts_that_arrive_during_a_reading_are_read_by_a_follow_up_job(
    ws_with_space: Workspace, tiny_spec: SpaceSpec
) -> None:
    ws = ws_with_space
    add_dataset(ws, "seed", _rows(["one text"]))
    first = start_extraction(ws, tiny_spec.space_id)
    add_dataset(ws, "anchor", _rows(["one text", "and another"]))
    assert first is not None
    owner.wait(ws, first, timeout=200)
    second = owner.jobs(ws)[0]
    assert second.job_id != first
    assert second.spec["after"] == first
    assert owner.wait(ws, second.job_id, timeout=200).state == "completed"
    assert ws.database.one("SELECT count(*) FROM content_read") == (2,)
    totals = dict(ws.database.rows("SELECT dataset_id, n_unread FROM profile_total"))
    assert totals == {"seed": 0, "anchor": 0}


def test_after_a_reading_the_features_are_described(ws_with_space: Workspace, tiny_spec: SpaceSpec) -> None:
    ws = ws_with_space
    add_dataset(ws, "anchor")
    job_id = start_extraction(ws, tiny_spec.space_id)
    assert job_id is not None
    owner.wait(ws, job_id, timeout=200)
    described = owner.jobs(ws)[0]
    assert (described.kind, described.active) == ("describe", True)
    assert owner.wait(ws, described.job_id, timeout=200).state == "completed"


def test_a_changed_sae_fails_the_job_with_a_sentence_and_the_job_can_be_resumed(
    ws_with_space: Workspace, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fac_core.feature_space.extractor._loaded", {})
    ws = ws_with_space
    add_dataset(ws, "seed", _rows(["one text"]))
    config = Path(tiny_spec.sae) / "cfg.json"
    original = config.read_bytes()
    try:
        config.write_bytes(original + b" ")
        job_id = start_extraction(ws, tiny_spec.space_id)
        assert job_id is not None
        job = owner.wait(ws, job_id, timeout=200)
    finally:
        config.write_bytes(original)
    assert job.state == "failed"
    assert "has changed since the space was made" in job.message
    owner.resume(ws, job_id)
    assert owner.wait(ws, job_id, timeout=200).state == "completed"


def test_a_cache_gives_back_exactly_what_was_read_and_nothing_else(
    filled_ws: Workspace, tiny_spec: SpaceSpec, tmp_path: Path
) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    tables = ("content_read", "activation", "activation_by_feature", "profile", "profile_total")
    before = {table: sorted(ws.database.rows(f"SELECT * FROM {table}")) for table in tables}
    export_cache(ws, space_id, tmp_path / "cache")
    files = {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()}
    assert import_cache(ws, space_id, tmp_path / "cache") == 0

    with ws.database.transaction() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")
    add_dataset(ws, "holdout", _rows(["a text that is not cached"]))
    assert import_cache(ws, space_id, tmp_path / "cache") == len(LABELLED_TEXTS)
    assert sorted(ws.database.rows("SELECT * FROM activation")) == before["activation"]
    assert sorted(ws.database.rows("SELECT * FROM activation_by_feature")) == before["activation_by_feature"]
    assert sorted(ws.database.rows("SELECT * FROM content_read")) == before["content_read"]
    assert sorted(ws.database.rows("SELECT * FROM profile")) == before["profile"]
    assert dict(ws.database.rows("SELECT dataset_id, n_unread FROM profile_total"))["holdout"] == 1
    export_cache(ws, space_id, tmp_path / "again")
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == files


def test_a_cache_of_another_space_or_a_damaged_one_is_refused(
    filled_ws: Workspace, tiny_spec: SpaceSpec, tmp_path: Path
) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    with pytest.raises(InputError, match="no activation cache"):
        import_cache(ws, space_id, tmp_path)
    export_cache(ws, space_id, tmp_path)
    (tmp_path / "activations.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"activations\.parquet .* damaged"):
        import_cache(ws, space_id, tmp_path)
    (tmp_path / "cache.json").write_text(json.dumps({"space_id": "0" * 16}))
    with pytest.raises(InputError, match="another feature space"):
        import_cache(ws, space_id, tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("contents", lambda table: pa.concat_tables([table, table.slice(0, 1)]), "a text occurs twice"),
        ("activations", lambda table: pa.concat_tables([table, table.slice(0, 1)]), "a feature of a text occurs twice"),
        (
            "activations",
            lambda table: first(table, "feature_id", 64),
            "has features 0 to 64, and the space has 0 to 63",
        ),
        ("activations", lambda table: first(table, "feature_id", -1), "has features -1 to 63"),
        ("activations", lambda table: first(table, "value", 0.0), "not above 0"),
        ("activations", lambda table: first(table, "value", float("inf")), "not above 0"),
        ("contents", lambda table: first(table, "n_tokens", None), "empty cells"),
    ],
)
def test_a_cache_with_rows_that_no_reading_gives_is_refused_whole(
    filled_ws: Workspace,
    tiny_spec: SpaceSpec,
    tmp_path: Path,
    name: str,
    change: Callable[[pa.Table], pa.Table],
    sentence: str,
) -> None:
    ws, path = filled_ws, tmp_path / f"{name}.parquet"
    export_cache(ws, tiny_spec.space_id, tmp_path)
    parquet.write_table(change(parquet.read_table(path)), path)
    with ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM content_read; DELETE FROM activation")
    with pytest.raises(InputError, match=sentence):
        import_cache(ws, tiny_spec.space_id, tmp_path)
    assert ws.database.one("SELECT count(*) FROM content_read") == (0,)


def first(table: pa.Table, column: str, value: object) -> pa.Table:
    """The table with another value in a column's first row."""
    place = table.column_names.index(column)
    values = [value, *table[column].to_pylist()[1:]]
    return table.set_column(place, column, pa.array(values, table.schema.field(column).type))


def test_a_token_far_into_a_long_text_goes_through_a_cache(
    filled_ws: Workspace, tiny_spec: SpaceSpec, tmp_path: Path
) -> None:
    ws, space_id = filled_ws, tiny_spec.space_id
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE activation SET token_pos = 70000 WHERE content_id = 1")
    before = sorted(ws.database.rows("SELECT * FROM activation"))
    export_cache(ws, space_id, tmp_path)
    with ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM content_read; DELETE FROM activation")
    import_cache(ws, space_id, tmp_path)
    assert sorted(ws.database.rows("SELECT * FROM activation")) == before


@pytest.mark.parametrize("after", [0, 1])
def test_an_export_that_is_cut_off_leaves_the_old_cache_or_none(
    filled_ws: Workspace, tiny_spec: SpaceSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    ws, space_id, folder = filled_ws, tiny_spec.space_id, tmp_path / "cache"
    export_cache(ws, space_id, folder)
    old = {path.name: path.read_bytes() for path in folder.iterdir()}
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE activation SET value = value + 1")
    real, written = parquet.write_table, []

    def full(table: pa.Table, path: Path, **options: object) -> None:
        real(table, path, **options)
        written.append(path)
        if len(written) > after:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", full)
    with pytest.raises(InputError, match="No space left on device"):
        export_cache(ws, space_id, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == old

    monkeypatch.setattr(parquet, "write_table", real)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fac_core.feature_space.cache.write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        export_cache(ws, space_id, folder)
    with pytest.raises(InputError, match="no activation cache"):
        import_cache(ws, space_id, folder)


def test_profiles_follow_samples_that_need_no_reading(filled_ws: Workspace, tiny_spec: SpaceSpec) -> None:
    ws = filled_ws
    add_dataset(ws, "holdout", _rows(LABELLED_TEXTS[:3]))
    assert start_extraction(ws, tiny_spec.space_id) is None
    assert ws.database.one("SELECT n_samples, n_unread FROM profile_total WHERE dataset_id = 'holdout'") == (3, 0)
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE dataset SET deleted_at = created_at WHERE dataset_id = 'holdout'")
        cursor.execute("UPDATE meta SET value = '9' WHERE key = 'data_version'")
    refresh_profiles(ws, tiny_spec.space_id)
    assert ws.database.one("SELECT count(*) FROM profile WHERE dataset_id = 'holdout'") == (0,)


def test_the_health_card_says_when_an_sae_does_not_fit() -> None:
    card = {"fvu": 0.2, "l0": 16.0}
    good = health_card(card, {"fvu": 0.29, "l0": 9.0, "n_tokens": 900})
    assert (good.state, good.n_tokens) == ("good", 900)
    for measured in (
        {"fvu": 0.31, "l0": 16.0},
        {"fvu": 0.2, "l0": 7.9},
        {"fvu": 0.2, "l0": 32.1},
        {"fvu": None, "l0": 16},
    ):
        judged = health_card(card, {**measured, "n_tokens": 900})
        assert judged.state == "suspect", measured
        assert judged.sentence.startswith("The SAE may not fit")
        assert health_card(card, {**measured, "n_tokens": 60}).state == "unsure", "a few tokens say nothing"
