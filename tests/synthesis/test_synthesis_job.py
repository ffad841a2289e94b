"""A generation run from plan to stored candidates: counted, scored, placed; killed and repeated without a trace."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from fac_core.feature_space.extractor import Extractor
from fac_core.jobs import owner
from fac_core.jobs.folder import JobFolder
from fac_core.store import synthesis as store
from fac_core.synthesis import synthesis_job
from fac_core.synthesis.plan import Plan, RunSettings
from fac_core.synthesis.results import run_summary, run_table
from fac_core.synthesis.runs import runs, start_run
from fac_core.workspace import Workspace
from tests.synthesis.conftest import DELTA, RUN, Scripted
from tests.tiny import labelled_rows

MakeJob = Callable[..., JobFolder]
POOL_TEXTS = [f" {row['text']}\n" for row in labelled_rows("pool")]
FRESH = [f" {first} {second}\n" for first in ("tell me about", "who sells") for second in ("a pie and a bomb", "ricin soup", "toxic roses", "city gas", "a fake hotel map", "deadly bread", "stolen garlic trains")]  # fmt: skip


def work(job: JobFolder, extractor: Extractor, generator: Scripted) -> dict[str, object]:
    return synthesis_job.work(job, Plan.read(job), extractor, generator)


def store_shards(ws: Workspace, job: JobFolder, times: int = 1) -> None:
    for _ in range(times):
        for name, shard in job.shards().items():
            with ws.database.transaction() as cursor:
                synthesis_job.ingest(cursor, job.job_id, job.spec, name, job.shard_tables(shard))
    synthesis_job.finalise(ws, job.job_id, job.spec, {})


def everything(ws: Workspace) -> list[list[tuple[object, ...]]]:
    columns = "candidate_id, text, outcome, target_value, control_hit, assigned_feature, rank, content_id, generation"
    return [
        ws.database.rows(f"SELECT {columns} FROM candidate ORDER BY ALL"),
        ws.database.rows("SELECT * FROM content ORDER BY ALL"),
        ws.database.rows("SELECT * FROM content_read ORDER BY ALL"),
        ws.database.rows("SELECT * FROM activation ORDER BY ALL"),
    ]


def test_a_candidate_s_values_are_those_the_extractor_gives_its_text(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    job = make_job(gap_ids[:3])
    result = work(job, extractor, Scripted(FRESH))
    store_shards(filled_ws, job)
    assert result["n"] == 3 * 7 and result["written_now"] == 21
    rows = filled_ws.database.dicts(
        "SELECT c.*, t.text AS content FROM candidate c JOIN content t USING (content_id) ORDER BY candidate_id"
    )
    assert rows
    for row in rows:
        read = extractor.read_one(row["content"])
        values = dict(zip(read.features.tolist(), read.values.tolist(), strict=True))
        assert row["target_value"] == pytest.approx(values.get(row["target_feature"], 0.0), abs=1e-4)
        stored = filled_ws.database.rows(
            "SELECT feature_id, value FROM activation WHERE content_id = ? ORDER BY 1", [row["content_id"]]
        )
        assert [feature for feature, _ in stored] == read.features.tolist()
        assert json.loads(row["fields"]) == {"text": row["content"]} and row["text"] == row["content"]
        hits = {feature for feature, value in values.items() if value > DELTA} & set(gap_ids[:3])
        assert (row["assigned_feature"] in hits) if row["outcome"] == "hit" else row["assigned_feature"] is None
        if row["target_feature"] in hits:
            assert row["outcome"] == "hit"


def test_every_sample_asked_for_has_one_row_and_one_outcome(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    seed_text = labelled_rows("seed")[0]["text"]
    texts = [f" {seed_text}\n", " I'm sorry, but I can't help with that.\n", " ok\n", *FRESH[:2], FRESH[0], FRESH[3]]
    job = make_job(gap_ids[:1])
    work(job, extractor, Scripted(texts))
    store_shards(filled_ws, job)
    outcomes = filled_ws.database.rows("SELECT outcome FROM candidate ORDER BY step, attempt")
    told = [row[0] if row[0] not in {"hit", "no_activation"} else "scored" for row in outcomes]
    assert told == ["duplicate", "refusal", "unparsable", "scored", "scored", "duplicate", "scored"]
    unscored = filled_ws.database.rows(
        "SELECT target_value, control_hit, content_id, rank FROM candidate WHERE outcome IN ('duplicate', 'refusal', 'unparsable')"
    )
    assert set(unscored) == {(None, None, None, None)}


def test_texts_of_the_anchor_that_were_shown_never_come_back_as_new(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    job = make_job(gap_ids[:1])
    (target,) = Plan.read(job).targets
    assert target.examples and target.examples[0].value == max(example.value for example in target.examples)
    work(job, extractor, Scripted([f" {target.examples[0].text.upper()}!\n"]))
    store_shards(filled_ws, job)
    assert filled_ws.database.rows("SELECT DISTINCT outcome FROM candidate") == [("duplicate",)]


def test_reading_a_shard_twice_changes_nothing(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    job = make_job(gap_ids[:2])
    work(job, extractor, Scripted(FRESH))
    store_shards(filled_ws, job)
    once = everything(filled_ws)
    store_shards(filled_ws, job, times=2)
    assert everything(filled_ws) == once


@pytest.mark.parametrize("stop_after", [1, 4, 9, 13])
def test_a_run_killed_in_the_middle_goes_on_as_if_nothing_had_happened(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob, stop_after: int
) -> None:
    def die() -> None:
        if len(broken.requests) == stop_after:
            raise KeyboardInterrupt

    whole = make_job(gap_ids[:2], run_id="whole")
    work(whole, extractor, Scripted([" same text as always here\n", *POOL_TEXTS]))
    torn = make_job(gap_ids[:2], run_id="torn")
    broken = Scripted([" same text as always here\n", *POOL_TEXTS], after_each=die)
    with pytest.raises(KeyboardInterrupt):
        work(torn, extractor, broken)
    kept = list(torn.shards())
    # the script goes on where the first unfinished shard begins, as a generator with fixed seeds would
    again = Scripted([" same text as always here\n", *POOL_TEXTS])
    again.requests.extend(broken.requests[: sum([3, 4, 3, 4][: len(kept)])])
    result = work(torn, extractor, again)
    assert list(torn.shards())[: len(kept)] == kept and len(torn.shards()) == 4
    assert result["n"] == 14
    for name, shard in whole.shards().items():
        expected, found = whole.shard_tables(shard), torn.shard_tables(torn.shards()[name])
        columns = ["target_feature", "step", "attempt", "text", "outcome", "target_value"]
        assert found["candidate"].select(columns).equals(expected["candidate"].select(columns))
        assert found["activation"].equals(expected["activation"])


def test_a_cancelled_run_keeps_its_finished_steps(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    job = make_job(gap_ids[:2])

    def cancel() -> None:
        (job.root / "cancel").touch()

    assert work(job, extractor, Scripted(FRESH, after_each=cancel)) == {}
    assert job.observed_cancel and len(job.shards()) == 1


@pytest.mark.usefixtures("jobs_in_process")
def test_candidates_of_a_run_that_was_cancelled_serve_the_targets_it_did_not_get_to(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = [extractor.read_one(text.strip()) for text in FRESH]
    fired = {int(f) for read in reads for f, v in zip(read.features, read.values, strict=True) if v > DELTA}
    stranger = next(feature for feature in gap_ids if feature in fired)
    own = next(feature for feature in gap_ids if feature not in fired)

    def write(job: JobFolder) -> dict[str, object]:
        return work(job, extractor, Scripted(FRESH, after_each=(job.root / "cancel").touch))

    monkeypatch.setattr(synthesis_job, "run", write)
    settings = RunSettings(n_step1=len(FRESH), n_step2=0, use_pool=False)
    run_id = start_run(filled_ws, extractor.spec.space_id, DELTA, settings, [own, stranger])
    job = owner.wait(filled_ws, str(runs(filled_ws)[0].job_id), timeout=200)
    assert job.state == "cancelled"
    assert [row.attempts for row in run_table(filled_ws, run_id)] == [len(FRESH), 0]
    assert run_table(filled_ws, run_id)[1].closed
    served = filled_ws.database.rows("SELECT DISTINCT assigned_feature FROM candidate WHERE outcome = 'hit'")
    assert served == [(stranger,)]
    assert "outcomes" not in (job.result or {})


def test_step_2_is_conditioned_on_the_best_sample_of_step_1(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    job = make_job(gap_ids[:1])
    generator = Scripted(FRESH)
    work(job, extractor, generator)
    first = job.shard_tables(job.shards()[f"f{gap_ids[0]}-s1"])["candidate"].to_pylist()
    best = max(first, key=lambda row: row["target_value"])
    shown = generator.requests[3].prompt.items
    assert generator.requests[0].prompt != generator.requests[3].prompt
    assert (best["text"] in shown) == (best["target_value"] > DELTA)
    assert len({request.seed for request in generator.requests}) == len(generator.requests)


def test_steering_pushes_along_the_target_s_own_direction_only(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    job = make_job(gap_ids[:2], steering=0.5)
    generator = Scripted(FRESH)
    work(job, extractor, generator)
    targets = {target.feature_id: target for target in Plan.read(job).targets}
    for request, feature in zip(generator.requests, [gap_ids[0]] * 7 + [gap_ids[1]] * 7, strict=True):
        assert request.steering is not None and request.steering.feature_id == feature
        assert request.steering.amount == pytest.approx(0.5 * targets[feature].top_value)


def test_the_control_is_blind_and_its_rate_stands_beside_the_own_hit_rate(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    features = gap_ids[:3]
    job = make_job(features)
    generator = Scripted(POOL_TEXTS)
    work(job, extractor, generator)
    store_shards(filled_ws, job)
    plan = Plan.read(job)
    controls = {target.feature_id: target.control_id for target in plan.targets}
    assert set(controls.values()) == set(features) and all(a != b for a, b in controls.items())
    summary = run_summary(filled_ws, RUN)
    own = control = 0
    for target, text in filled_ws.database.rows(
        "SELECT target_feature, t.text FROM candidate JOIN content t USING (content_id)"
    ):
        read = extractor.read_one(text)
        active = {f for f, v in zip(read.features.tolist(), read.values.tolist(), strict=True) if v > DELTA}
        own += target in active
        control += controls[target] in active
    assert (summary.own_hit_rate, summary.shuffled_hit_rate) == (own / 21, control / 21)
    assert sum(summary.outcomes.values()) == summary.n_candidates == 21


def test_a_run_with_one_target_has_no_baseline(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    job = make_job(gap_ids[:1])
    work(job, extractor, Scripted(FRESH))
    store_shards(filled_ws, job)
    assert run_summary(filled_ws, RUN).shuffled_hit_rate is None


def test_the_table_says_what_closed_and_why_the_rest_stayed_open(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    job = make_job(gap_ids[:3])
    generator = Scripted([*FRESH[:7], *[" I'm sorry, but I can't help with that.\n"] * 7, *POOL_TEXTS[:7]])
    work(job, extractor, generator)
    store_shards(filled_ws, job)
    table = run_table(filled_ws, RUN)
    assert [row.feature_id for row in table] == gap_ids[:3] and [row.attempts for row in table] == [7, 7, 7]
    firing = {
        feature
        for (content,) in filled_ws.database.rows("SELECT text FROM candidate WHERE outcome = 'hit'")
        for feature, value in zip(*(part.tolist() for part in extractor.read_one(content)[:2]), strict=True)
        if value > DELTA
    }
    for row in table:
        assert row.closed == (row.feature_id in firing) == (row.best_value > DELTA)
        assert sum(row.outcomes.values()) == 7
    summary = run_summary(filled_ws, RUN)
    why = dict(summary.open)
    assert summary.n_closed + len(why) == summary.n_targets == 3
    if gap_ids[1] in why:
        assert "most often: refusal" in why[gap_ids[1]]


def test_a_decision_is_not_moved_to_another_feature_later(
    filled_ws: Workspace, extractor: Extractor, gap_ids: list[int], make_job: MakeJob
) -> None:
    job = make_job(gap_ids[:3])
    work(job, extractor, Scripted(POOL_TEXTS))
    store_shards(filled_ws, job)
    placed = filled_ws.database.rows("SELECT candidate_id, assigned_feature FROM candidate WHERE rank IS NOT NULL")
    candidate_id, feature = placed[0]
    with filled_ws.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO decision (event_id, candidate_id, reviewer, revision, action, created_at) "
            "VALUES (1, ?, 'me', 1, 'approve', now()::TIMESTAMP)",
            [candidate_id],
        )
        store.set_places(cursor, RUN, _no_places())
    kept = filled_ws.database.rows("SELECT candidate_id, assigned_feature FROM candidate WHERE rank IS NOT NULL")
    assert kept == [(candidate_id, feature)]


def _no_places() -> object:
    import pyarrow as pa

    types = {"candidate_id": pa.string(), "feature_id": pa.int32(), "rank": pa.int32()}
    return pa.table({name: pa.array([], kind) for name, kind in types.items()})
