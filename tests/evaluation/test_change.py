"""Before and after of coverage, against coverage itself."""

from __future__ import annotations

import numpy as np
import pytest

from fac_core.coverage.measure import coverage
from fac_core.coverage.sweep import sweep
from fac_core.evaluation.change import change, closed_by_row
from fac_core.evaluation.texts import text_diversity
from fac_core.workspace import Workspace
from tests.planted import Planted, family, keywords, plant, relevant_by_label


@pytest.fixture
def space_id(ws: Workspace) -> str:
    """Features 0-11 fire in the anchor, 0-5 in the seed; two synthetic samples fire 6, 7 and 20 (not in the anchor)."""
    samples = [
        Planted("anchor", f"anchor {i}", {f: 1.0 + 0.5 * (f % 4) for f in (i % 12, (i + 1) % 12)}) for i in range(60)
    ]
    samples += [Planted("seed", f"seed {i}", {i % 6: 2.0 + (i % 3)}) for i in range(36)]
    samples += [
        Planted("synthetic", "added one two three", {6: 3.0, 20: 5.0}),
        Planted("synthetic", "added four", {7: 0.6}),
    ]
    made = plant(ws, samples)
    relevant_by_label(ws, made, range(32))
    ws.set_setting("relevance_mode", "label")
    keywords(ws, made, {6: "six", 7: "seven"})
    return made


def test_before_and_after_are_those_of_coverage(ws: Workspace, space_id: str) -> None:
    for delta in (0.0, 0.5, 1.0, 2.0):
        found, cov = change(ws, space_id, delta), coverage(ws, space_id, delta)
        assert (found.before.n, found.after.n, found.n_anchor) == (cov.n_covered, cov.n_after, cov.n_anchor)
        assert found.before.share == pytest.approx(cov.fac)
        assert found.after.share == pytest.approx(cov.fac_after)
        assert (found.before.low, found.before.high) == (cov.low, cov.high)
        assert found.rise.n == found.after.n - found.before.n


def test_a_feature_outside_the_anchor_closes_nothing(ws: Workspace, space_id: str) -> None:
    found = change(ws, space_id, 0.0)
    assert found.rise.n == 2
    assert found.per_sample == pytest.approx(1.0)


def test_the_interval_of_the_rise_is_narrower_than_either_interval(ws: Workspace, space_id: str) -> None:
    found = change(ws, space_id, 0.0)
    assert found.rise.low <= found.rise.share <= found.rise.high
    assert found.rise.high - found.rise.low < found.before.high - found.before.low


def test_without_anything_added_before_is_after(ws: Workspace) -> None:
    made = plant(ws, [Planted("anchor", "a", {1: 2.0}), Planted("seed", "s", {1: 2.0})])
    found = change(ws, made, 0.0)
    assert found.rise.n == 0
    assert found.per_sample == 0
    assert closed_by_row(ws, made, 0.0) == []
    assert sweep(ws, made, added=True) == sweep(ws, made)


def test_an_empty_project_measures_nothing_and_fails_nowhere(ws: Workspace) -> None:
    made = plant(ws, [Planted("pool", "p", {1: 2.0})])
    assert change(ws, made, 0.0).after.share == 0
    assert sweep(ws, made, added=True) == []


def test_the_sweep_after_agrees_with_coverage_at_every_step(ws: Workspace, space_id: str) -> None:
    points = sweep(ws, space_id, added=True)
    assert len(points) > 4
    for point in points:
        cov = coverage(ws, space_id, point.delta)
        assert point.fac == pytest.approx(cov.fac_after)
        assert point.n_missing == cov.states["missing"]


def test_the_sweep_after_never_lies_below_the_sweep_before(ws: Workspace, space_id: str) -> None:
    before, after = sweep(ws, space_id), sweep(ws, space_id, added=True)
    assert [p.delta for p in before] == [p.delta for p in after]
    assert np.all(np.array([p.fac for p in after]) >= np.array([p.fac for p in before]))
    assert np.all(np.array([p.n_missing for p in after]) <= np.array([p.n_missing for p in before]))


def test_closed_features_are_told_by_family_with_their_names(ws: Workspace, space_id: str) -> None:
    family(ws, space_id, [5, 6])
    found = {row.row_id: row for row in closed_by_row(ws, space_id, 0.0)}
    assert sorted(found) == [5, 7]
    assert (found[5].n_anchor, found[5].n_before, found[5].n_closed, found[5].feature_ids) == (2, 1, 1, [6])
    assert found[7].name == "seven"


def test_diversity_is_of_the_seed_and_of_what_was_added(ws: Workspace, space_id: str) -> None:
    found = text_diversity(ws)
    assert (found.before.n_texts, found.added.n_texts, found.after.n_texts) == (36, 2, 38)
    assert found.added.distinct_1 > found.before.distinct_1
