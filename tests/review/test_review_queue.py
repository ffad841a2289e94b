"""The queue asks first what matters most, and a card tells what hangs on it."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.coverage.measure import coverage
from fac_core.errors import InputError
from fac_core.features.facts import load_facts
from fac_core.review.decisions import decide
from fac_core.review.effect import by_marginal_coverage
from fac_core.review.queue import card, counts, next_item, queue
from fac_core.workspace import Workspace
from tests.review.making import DELTA, add_candidate

covers = st.dictionaries(st.sampled_from("abcde"), st.sets(st.integers(0, 6)), max_size=5)


@given(covers=covers)
def test_each_place_in_the_queue_adds_as_much_as_any_other_choice_would(covers: dict[str, set[int]]) -> None:
    order = by_marginal_coverage(covers, dict.fromkeys(covers, 0.0))
    assert sorted(order) == sorted(covers)
    done: set[int] = set()
    for place, key in enumerate(order):
        best = max(len(covers[other] - done) for other in order[place:])
        assert len(covers[key] - done) == best
        done |= covers[key]


@given(covers=covers)
def test_the_order_does_not_depend_on_the_order_of_the_input(covers: dict[str, set[int]]) -> None:
    tie = dict.fromkeys(covers, 0.0)
    orders = {tuple(by_marginal_coverage(dict(items), tie)) for items in list(permutations(covers.items()))[:6]}
    assert len(orders) == 1


def test_the_queue_starts_with_the_candidate_that_covers_most(reviewed_ws: Workspace, space_id: str) -> None:
    items = queue(reviewed_ws, space_id)
    assert items[0].n_new == max(item.n_new for item in items) > 0
    assert len(items) == counts(reviewed_ws).pending == 24


def test_what_was_decided_leaves_the_queue_and_what_was_skipped_goes_last(
    reviewed_ws: Workspace, space_id: str
) -> None:
    first, second, *_ = queue(reviewed_ws, space_id)
    decide(reviewed_ws, first.candidate_id, "ann", "approve", revision=0)
    decide(reviewed_ws, second.candidate_id, "ann", "skip", revision=0)
    after = queue(reviewed_ws, space_id)
    assert first.candidate_id not in {item.candidate_id for item in after}
    assert (after[-1].candidate_id, after[-1].state) == (second.candidate_id, "skipped")
    found = counts(reviewed_ws, space_id)
    assert (found.pending, found.approved, found.rejected, found.skipped, found.waiting) == (22, 1, 0, 1, 23)


def test_only_the_best_hits_of_a_feature_are_asked_about(reviewed_ws: Workspace, space_id: str) -> None:
    text = card(reviewed_ws, "c00").text
    add_candidate(reviewed_ws, "fourth", text, 0, rank=4)
    add_candidate(reviewed_ws, "unranked", text, 0, rank=None)
    add_candidate(reviewed_ws, "miss", text, 0, outcome="no_activation")
    assert {"fourth", "unranked", "miss"}.isdisjoint(item.candidate_id for item in queue(reviewed_ws, space_id))


def test_cards_follow_the_queue_and_begin_again_at_its_end(reviewed_ws: Workspace, space_id: str) -> None:
    ids = [item.candidate_id for item in queue(reviewed_ws, space_id)]
    shown = [next_item(reviewed_ws, space_id, "ann", after) for after in (None, ids[0], ids[-1], "gone")]
    assert [found.candidate_id for found in shown if found] == [ids[0], ids[1], ids[0], ids[0]]


def test_an_empty_queue_has_no_next_card(ws_with_space: Workspace, space_id: str) -> None:
    assert queue(ws_with_space, space_id) == []
    assert next_item(ws_with_space, space_id, "ann") is None


def test_a_card_counts_against_the_same_features_as_fac(reviewed_ws: Workspace, space_id: str) -> None:
    facts = load_facts(reviewed_ws, space_id, DELTA)
    shown = card(reviewed_ws, "c05")
    firing = {
        int(row[0])
        for row in reviewed_ws.database.rows(
            "SELECT feature_id FROM activation WHERE content_id = ? AND value > ?", [shown.candidate.content_id, DELTA]
        )
    }
    open_now = {int(i) for i in (facts.in_anchor & (facts.counts.current == 0)).nonzero()[0]}
    assert {feature for feature, _ in shown.newly_covers} == firing & open_now
    assert shown.fac_now == shown.fac_if_rejected == coverage(reviewed_ws, space_id, DELTA).fac_after


def test_a_card_shows_where_its_feature_peaks_and_what_is_near(reviewed_ws: Workspace) -> None:
    shown = card(reviewed_ws, "c00")
    assert shown.spans[0].feature_id == shown.target_feature
    assert 0 <= shown.spans[0].start < shown.spans[0].end <= len(shown.text)
    assert shown.margin == pytest.approx(shown.value - DELTA)
    assert shown.percentile is None or 0 <= shown.percentile <= 1
    assert shown.nearest_seed is not None and 0 < shown.nearest_seed.similarity <= 1
    assert shown.nearest_accepted is None
    decide(reviewed_ws, "c01", "ann", "approve", revision=0)
    near = card(reviewed_ws, "c00").nearest_accepted
    assert near is not None and near.text == card(reviewed_ws, "c01").text


def test_the_percentile_counts_anchor_samples_that_the_feature_fires_in(reviewed_ws: Workspace, space_id: str) -> None:
    shown = card(reviewed_ws, "c03")
    values = [
        float(row[0])
        for row in reviewed_ws.database.rows(
            "SELECT a.value FROM activation a JOIN sample s USING (content_id) "
            "WHERE s.dataset_id = 'anchor' AND a.feature_id = ?",
            [shown.target_feature],
        )
    ]
    expected = sum(value < shown.value for value in values) / len(values) if values else None
    assert shown.percentile == expected


def test_an_unknown_candidate_has_no_card(reviewed_ws: Workspace) -> None:
    with pytest.raises(InputError, match="no candidate"):
        card(reviewed_ws, "'; DROP TABLE candidate; --")
