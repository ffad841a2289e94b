"""The check of the relevant set is itself checked: planted features pass it, noise and shuffled labels do not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fac_core.content import content_hash
from fac_core.features.agreement import compare
from fac_core.features.intervals import auroc, wilson
from fac_core.features.refresh import refresh
from fac_core.features.relevance import overview
from fac_core.features.relevance_check import Check, check, halves, is_held_out
from fac_core.features.trials import CONTRAST, LABEL, trials
from fac_core.workspace import Workspace
from tests.planted import Planted, plant

N = 400
SIGNAL = range(10)


def planted(signal: float, *, pairs: bool) -> tuple[pa.Table, pa.Table]:
    """300 features in N documents; features 0 to 9 fire more often, by `signal`, on the task's side."""
    rng = np.random.default_rng(1)
    positive = rng.random(N) < 0.5
    sides = [positive] if not pairs else [np.ones(N, bool), np.zeros(N, bool)]
    rows: list[tuple[int, int, float]] = []
    for number, side in enumerate(sides):
        rate = np.full((300, N), 0.1)
        rate[: len(SIGNAL)] += signal * side
        feature, place = np.nonzero(rng.random((300, N)) < rate)
        rows += zip(feature, place + number * N, rng.exponential(2, len(feature)), strict=True)
    columns = list(zip(*rows, strict=True))
    activation = pa.table(dict(zip(("feature_id", "content_id", "value"), map(np.array, columns), strict=True)))
    content = np.arange(N)
    hashes = {i: content_hash(f"text {i}") for i in range(2 * N)}
    contrast = [int(i) + N for i in content] if pairs else [None] * N
    items = {
        "content_id": content,
        "contrast_id": pa.array(contrast, pa.int64()),
        "positive": pa.array([None] * N if pairs else positive.tolist(), pa.bool_()),
        "held_out": halves(content.tolist(), contrast, hashes),
    }
    return activation, pa.table(items)


def measured(signal: float, *, pairs: bool) -> Check:
    found = check(*planted(signal, pairs=pairs), CONTRAST if pairs else LABEL)
    assert found is not None and found.n_picked_on + found.n_held_out == N
    return found


@pytest.mark.parametrize("pairs", [False, True], ids=["label", "pairs"])
def test_planted_features_hold_on_documents_that_did_not_pick_them_and_the_control_does_not(pairs: bool) -> None:
    found = measured(0.25, pairs=pairs)
    assert found.method == (CONTRAST if pairs else LABEL) and 8 <= found.n_relevant <= 13
    assert found.precision is not None and found.precision[0] >= 0.8
    assert found.separation is not None and found.low is not None and found.control_high is not None
    assert found.low > found.control_high, "far above every shuffle"
    assert found.control == pytest.approx(0.5, abs=0.06) and found.same_side_shuffled == pytest.approx(0.5, abs=0.15)
    assert found.n_relevant_shuffled < 1


@pytest.mark.parametrize("pairs", [False, True], ids=["label", "pairs"])
def test_where_nothing_goes_with_the_task_next_to_nothing_is_picked(pairs: bool) -> None:
    found = measured(0.0, pairs=pairs)
    assert found.n_relevant <= 2
    if not found.n_relevant:
        assert found.separation is None and found.precision is None and found.control is None


def test_a_label_that_holds_in_one_half_only_is_found_out() -> None:
    activation, items = planted(0.4, pairs=False)
    rng = np.random.default_rng(2)
    held = items.column("held_out").to_numpy(zero_copy_only=False)
    positive = items.column("positive").to_numpy(zero_copy_only=False).astype(bool)
    positive[held] = rng.permutation(positive[held])
    items = items.set_column(2, "positive", pa.array(positive))
    found = check(activation, items, LABEL)
    assert found is not None and found.n_relevant >= 8
    assert found.low is not None and found.low < 0.55 and found.n_confirmed <= 2


def test_halves_follow_from_the_documents_alone_and_pairs_that_share_one_stay_together() -> None:
    hashes = {i: content_hash(f"text {i}") for i in range(200)}
    alone = halves(list(range(100)), [None] * 100, hashes)
    assert alone.tolist() == [is_held_out(hashes[i]) for i in range(100)] and 35 < alone.sum() < 65
    chain = halves([0, 1, 2, 3], [1, 2, 50, 51], hashes)
    assert len(set(chain[:3].tolist())) == 1, "each shares a document with the next"
    assert halves([2, 1, 0], [50, 2, 1], hashes).tolist() == chain[:3].tolist(), "in any order"


def test_a_document_that_occurs_twice_counts_once() -> None:
    activation, items = planted(0.25, pairs=False)
    assert check(activation, pa.concat_tables([items, items]), LABEL) == check(activation, items, LABEL)


def test_halves_of_a_trial_hold_what_the_whole_holds() -> None:
    activation, items = planted(0.2, pairs=True)
    ((_, trial, rows),) = trials(activation, items, CONTRAST)
    keep = np.arange(N) % 3 == 0
    some = trial.take(keep)
    ((_, again, _),) = trials(activation, items.take(np.flatnonzero(keep)), CONTRAST)
    assert rows.tolist() == list(range(N))
    assert [np.asarray(a).tolist() for a in some] == [np.asarray(b).tolist() for b in again]


def test_a_description_holds_its_check_and_a_new_one_replaces_it(ws: Workspace) -> None:
    samples = [
        Planted("anchor", f"text {i}", {1: 2.0} if i % 2 else {2: 2.0}, label="harmful" if i % 2 else "benign")
        for i in range(80)
    ]
    space = plant(ws, samples)
    assert overview(ws, space).check is None
    refresh(ws, space, wait=True)
    found = overview(ws, space)
    assert found.check is not None and found.check.separation == 1.0 and found.effect_name == "AUROC"
    assert found.check.n_relevant == found.judgement.n_by_label == 1 and found.n_tested == 2
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE sample SET label = NULL")
    refresh(ws, space, wait=True, force=True)
    assert overview(ws, space).check is None


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=4, max_size=40))
def test_auroc_is_that_of_mann_and_whitney_and_lies_in_its_interval(cases: list[tuple[int, bool]]) -> None:
    score, positive = np.array([s for s, _ in cases], float), np.array([p for _, p in cases])
    if positive.all() or not positive.any():
        return
    value, low, high = auroc(score, positive)
    u = stats.mannwhitneyu(score[positive], score[~positive]).statistic
    assert value == pytest.approx(u / (positive.sum() * (~positive).sum()))
    assert 0 <= low <= value + 1e-9 and value <= high + 1e-9 <= 1 + 1e-8


def test_equal_scores_of_few_cases_leave_nearly_everything_open() -> None:
    value, low, high = auroc(np.zeros(10), np.arange(10) < 5)
    assert value == 0.5 and low < 0.2 and high > 0.8


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilsons_interval_is_that_of_scipy(k: int, n: int) -> None:
    if k <= n:
        expected = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_kappa_is_agreement_beyond_what_the_margins_give(pairs: list[tuple[bool, bool]]) -> None:
    a, b = np.array([x for x, _ in pairs]), np.array([y for _, y in pairs])
    found = compare(a, b)
    assert found.n == len(pairs) and found.share == pytest.approx((a == b).mean())
    chance = np.mean([(x == b).mean() for x in a])  # one's verdicts against the other's in any order
    if chance == 1:
        assert found.kappa is None
    else:
        assert found.kappa == pytest.approx(((a == b).mean() - chance) / (1 - chance), abs=1e-9)
