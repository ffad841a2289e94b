"""A pool that is read where it lies counts like one that was imported, and its strongest texts can be found."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from fac_core import workspace
from fac_core.content import normalise
from fac_core.coverage.gaps import gaps
from fac_core.coverage.heatmap import group_columns, heatmap
from fac_core.coverage.measure import coverage
from fac_core.coverage.richness import richness
from fac_core.coverage.sweep import sweep
from fac_core.errors import InputError
from fac_core.feature_space.extraction import n_unread, refresh_profiles, start_extraction
from fac_core.feature_space.pool import start_pool
from fac_core.feature_space.rereading import n_read
from fac_core.feature_space.space import SpaceSpec, read_card
from fac_core.feature_space.spaces import register_space
from fac_core.features.detail import feature_detail
from fac_core.features.examples import TOP, examples
from fac_core.features.probe import probe
from fac_core.features.refresh import refresh
from fac_core.jobs import kinds, owner
from fac_core.jobs.folder import JobFolder
from fac_core.samples.datasets import delete_dataset, list_datasets, restore_dataset, set_role
from fac_core.samples.importing import import_dataset
from fac_core.synthesis.find import find_in_pool
from fac_core.workspace import Workspace
from tests.tiny import ODD_TEXTS, labelled_rows

DELTA = 1.0
ROWS: list[dict[str, Any]] = [
    {"text": f"{row['text']} {ending}", "label": row["label"]}
    for ending in ("now",)
    for role in ("anchor", "pool")
    for row in labelled_rows(role)
] + [{"text": text, "label": "benign"} for text in [*ODD_TEXTS, ODD_TEXTS[1], "  " + ODD_TEXTS[3]]]
BAD = {"text": None, "label": "benign"}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, jobs_in_process: None) -> None:
    monkeypatch.setattr(kinds, "FOLLOW_UPS", {})


@pytest.fixture
def project(tmp_path: Path, tiny_spec: SpaceSpec) -> Iterator[Any]:
    """Makes projects with a seed and an anchor."""
    made: list[Workspace] = []

    def make(name: str) -> Workspace:
        ws = workspace.create(name, "toxicity", root=tmp_path / "projects")
        card = read_card(Path(tiny_spec.sae))
        register_space(ws, tiny_spec, card, card["default_delta"])
        for role in ("seed", "anchor"):
            import_dataset(ws, _jsonl(tmp_path / f"{role}.jsonl", labelled_rows(role)), f"{role}.jsonl", role)
        made.append(ws)
        return ws

    yield make
    for ws in made:
        ws.close()


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _parquet(folder: Path, rows: list[dict[str, Any]], cut: int, group: int) -> Path:
    folder.mkdir()
    for number, begin in enumerate(range(0, len(rows), cut)):
        parquet.write_table(
            pa.Table.from_pylist(rows[begin : begin + cut]), folder / f"{number}.parquet", row_group_size=group
        )
    return folder


def _read_pool(ws: Workspace, url: Path | str, spec: SpaceSpec, **options: Any) -> str:
    job_id = start_pool(ws, spec.space_id, str(url), **options)
    job = owner.wait(ws, job_id, timeout=100)
    assert (job.state, job.message) == ("completed", "")
    return str(job.spec["dataset"]["dataset_id"])


def _read_texts(ws: Workspace, spec: SpaceSpec) -> None:
    if job_id := start_extraction(ws, spec.space_id):
        assert owner.wait(ws, job_id, timeout=100).state == "completed"
    refresh_profiles(ws, spec.space_id)


def _profile(ws: Workspace, dataset_id: str) -> tuple[list[Any], Any]:
    rows = ws.database.rows("SELECT feature_id, bin, n FROM profile WHERE dataset_id = ? ORDER BY ALL", [dataset_id])
    total = ws.database.one("SELECT n_samples, n_unread FROM profile_total WHERE dataset_id = ?", [dataset_id])
    return rows, total


def _imported(ws: Workspace, tmp_path: Path, role: str = "pool") -> str:
    return import_dataset(ws, _jsonl(tmp_path / "pool.jsonl", [*ROWS, BAD]), "pool.jsonl", role).dataset_id


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("parquet", {"part_rows": 17}),
        ("parquet", {"part_rows": 1000, "n_examples": 2}),
        ("jsonl", {"part_bytes": 900}),
        ("gz", {}),
    ],
    ids=["parquet", "parquet-one-part", "jsonl", "gz"],
)
def test_however_a_pool_is_cut_its_profile_is_that_of_the_same_texts_imported(
    project: Any, tmp_path: Path, tiny_spec: SpaceSpec, kind: str, options: dict[str, Any]
) -> None:
    near, far = project("Imported"), project("In place")
    ours = _imported(near, tmp_path)
    rows = [*ROWS[:5], BAD, *ROWS[5:]]
    if kind == "parquet":
        url: Path = _parquet(tmp_path / "pool", rows, cut=31, group=9)
    elif kind == "jsonl":
        url = _jsonl(tmp_path / "big.jsonl", rows)
    else:
        url = tmp_path / "big.jsonl.gz"
        url.write_bytes(gzip.compress(_jsonl(tmp_path / "plain", rows).read_bytes()))
    theirs = _read_pool(far, url, tiny_spec, **options)
    for ws in (near, far):
        _read_texts(ws, tiny_spec)
    assert _profile(far, theirs) == _profile(near, ours)
    assert _profile(far, theirs)[1] == (len(ROWS), 0)

    n = options.get("n_examples", 20)
    best = (
        "SELECT feature_id, content_hash, round(value, 3), char_start, char_end FROM activation JOIN content "
        "USING (content_id) JOIN (SELECT DISTINCT content_id FROM sample WHERE dataset_id = ?) USING (content_id) "
        "QUALIFY row_number() OVER (PARTITION BY feature_id ORDER BY value DESC, content_hash) <= ? ORDER BY ALL"
    )
    assert far.database.rows(best, [theirs, n]) == near.database.rows(best, [ours, n])
    held = far.database.rows(
        "SELECT s.row_number, c.text FROM sample s JOIN content c USING (content_id) WHERE dataset_id = ?", [theirs]
    )
    assert held and all(normalise(rows[number - 1]["text"]) == text for number, text in held)
    dataset = next(each for each in list_datasets(far) if each.dataset_id == theirs)
    assert (dataset.n_rows, dataset.n_quarantined, dataset.n_kept) == (len(ROWS), 1, len(held))
    assert far.database.rows("SELECT row_number, field FROM quarantine WHERE dataset_id = ?", [theirs]) == [(6, "text")]
    assert n_unread(far, tiny_spec.space_id) == 0
    different = {normalise(row["text"]) for row in ROWS}
    assert n_read(far, tiny_spec.space_id) == n_read(near, tiny_spec.space_id) - len(different), "not those of the pool"


@pytest.mark.heavy
@pytest.mark.parametrize("role", ["pool", "anchor"])
def test_every_coverage_number_is_that_of_the_imported_pool(
    project: Any, tmp_path: Path, tiny_spec: SpaceSpec, role: str
) -> None:
    near, far, space_id = project("Imported"), project("In place"), tiny_spec.space_id
    _imported(near, tmp_path, role)
    theirs = _read_pool(far, _parquet(tmp_path / "pool", ROWS, cut=50, group=50), tiny_spec, n_examples=1)
    set_role(far, theirs, role)
    for ws in (near, far):
        if role == "anchor":
            delete_dataset(ws, next(each.dataset_id for each in list_datasets(ws) if each.source == "anchor.jsonl"))
        ws.set_setting("relevance_mode", "alive")
        _read_texts(ws, tiny_spec)
        refresh(ws, space_id, wait=True)
    mine, other = coverage(far, space_id, DELTA), coverage(near, space_id, DELTA)
    for name in ("n_alive", "n_anchor", "n_covered", "fac", "n_after", "states", "n_open", "n_powered"):
        assert getattr(mine, name) == getattr(other, name), name
    assert mine.n_anchor > mine.n_covered > 0
    assert sweep(far, space_id) == sweep(near, space_id)
    assert richness(far, space_id, DELTA) == richness(near, space_id, DELTA)
    numbers = [
        (g.feature_id, g.n_anchor, g.expected_seed, g.robust, g.state) for g in gaps(near, space_id, DELTA, False)
    ]
    assert sorted(numbers) == sorted(
        (g.feature_id, g.n_anchor, g.expected_seed, g.robust, g.state) for g in gaps(far, space_id, DELTA, False)
    )
    for feature in range(0, 64, 7):
        assert feature_detail(far, space_id, feature, DELTA).histogram == (
            feature_detail(near, space_id, feature, DELTA).histogram
        )
        strongest = [examples(ws, space_id, feature, DELTA)[TOP][:1] for ws in (far, near)]
        assert [each.value for each in strongest[0]] == pytest.approx([each.value for each in strongest[1]], abs=1e-4)
    if role == "anchor":
        assert group_columns(far, space_id) == []
        with pytest.raises(InputError, match="Only counts and top examples are kept of the anchor"):
            heatmap(far, space_id, DELTA, "label")
        shares = {each.feature_id: each.share_below for each in probe(near, space_id, ROWS[0]["text"]).features}
        for each in probe(far, space_id, ROWS[0]["text"]).features:
            assert each.share_below <= shares[each.feature_id] + 1e-9
            assert each.share_below >= 0


def test_what_a_pool_in_place_has_is_found_before_anything_is_written(
    project: Any, tmp_path: Path, tiny_spec: SpaceSpec
) -> None:
    near, far, space_id = project("Imported"), project("In place"), tiny_spec.space_id
    _imported(near, tmp_path)
    _read_pool(far, _parquet(tmp_path / "pool", ROWS, cut=50, group=50), tiny_spec, n_examples=1)
    found = []
    for ws in (near, far):
        _read_texts(ws, tiny_spec)
        wanted = [
            gap.feature_id for gap in gaps(ws, space_id, DELTA, collapse=False, states=("missing", "undersampled"))
        ]
        pooled = [f for f in wanted if feature_detail(ws, space_id, f, DELTA).row.n_anchor]
        assert find_in_pool(ws, space_id, DELTA, pooled) > 0
        closed = "SELECT DISTINCT feature_id FROM candidate c JOIN activation a USING (content_id) WHERE a.value > ?"
        found.append({row[0] for row in ws.database.rows(closed, [DELTA])} & set(pooled))
    assert found[0] == found[1], "the strongest text of each feature is there"


def test_a_killed_reading_of_a_pool_goes_on_where_it_was(
    project: Any, tmp_path: Path, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = project("Killed")
    url = _parquet(tmp_path / "pool", ROWS, cut=20, group=20)
    read, real = [], JobFolder.note_shard

    def note(folder: JobFolder, name: str, *rest: Any) -> None:
        if len(read) == 3:
            raise KeyboardInterrupt
        read.append(name)
        real(folder, name, *rest)

    monkeypatch.setattr(JobFolder, "note_shard", note)
    with pytest.raises(KeyboardInterrupt):
        start_pool(ws, tiny_spec.space_id, str(url), part_rows=20)
    job_id = owner.jobs(ws)[0].job_id
    assert start_pool(ws, tiny_spec.space_id, str(url), part_rows=20) == job_id, "it is at it"
    (ws.jobs / job_id / "pid.json").write_text('{"pid": 0, "create_time": 0}')  # the worker was this process
    assert owner.wait(ws, job_id, timeout=20).state == "interrupted"
    monkeypatch.setattr(
        JobFolder, "note_shard", lambda folder, name, *rest: (read.append(name), real(folder, name, *rest))
    )
    owner.resume(ws, job_id)
    job = owner.wait(ws, job_id, timeout=100)
    assert (job.state, job.message) == ("completed", "")
    assert len(read) == len(set(read)), "no part twice"
    whole = project("Whole")
    assert _profile(ws, job.spec["dataset"]["dataset_id"]) == _profile(whole, _read_pool(whole, url, tiny_spec))
    assert not list((ws.jobs / job_id).rglob("*.parquet")), "nothing large is left"


def test_a_pool_can_be_taken_out_and_back_but_not_read_twice_or_made_a_seed(
    project: Any, tmp_path: Path, tiny_spec: SpaceSpec
) -> None:
    ws, url = project("Rules"), _parquet(tmp_path / "pool", ROWS, cut=50, group=50)
    dataset_id = _read_pool(ws, url, tiny_spec, name="Big")
    before = _profile(ws, dataset_id)
    with pytest.raises(InputError, match="was read in this space before, as “Big”"):
        start_pool(ws, tiny_spec.space_id, str(url))
    with pytest.raises(InputError, match="only counts and top examples are kept, so it can be pool or anchor"):
        set_role(ws, dataset_id, "seed")
    delete_dataset(ws, dataset_id)
    assert _profile(ws, dataset_id) == ([], None)
    restore_dataset(ws, dataset_id)
    assert _profile(ws, dataset_id) == before


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: folder / "absent", "There is no file or folder"),
        (lambda folder: folder, "There is no Parquet or JSONL file"),
        (lambda folder: "nosuch://bucket/pool", "cannot be opened"),
        (lambda folder: _bytes(folder / "a.parquet", b"PAR1 not really"), "is no readable Parquet file"),
        (lambda folder: _bytes(folder / "a.jsonl", b'{"other": 1}\n'), "No column"),
        (lambda folder: _bytes(folder / "a.jsonl", b""), "are empty"),
    ],
    ids=["absent", "nothing", "protocol", "damaged", "columns", "empty"],
)
def test_a_pool_that_cannot_be_read_is_refused_with_a_sentence(
    project: Any, tmp_path: Path, tiny_spec: SpaceSpec, make: Any, sentence: str
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    ws = project("Refused")
    with pytest.raises(InputError, match=sentence):
        start_pool(ws, tiny_spec.space_id, str(make(folder)))
    assert owner.jobs(ws) == []


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
