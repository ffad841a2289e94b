"""No document explains and scores, whatever is asked; firing documents are of every strength, silent ones do not fire."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fac_core.content import form_hash
from fac_core.features.asked.documents import N_MIDDLE, N_TOP, Documents
from fac_core.features.asked.spans import CLOSE, OPEN
from fac_core.features.split import EXPLAIN, SCORE, side_of
from fac_core.samples.duplicates import near_duplicates
from fac_core.workspace import Workspace
from tests.features.asked.conftest import BOMB, BOTH, CAKE, N, bomb
from tests.planted import Planted, peak, plant


def sides(ws: Workspace) -> dict[int, str]:
    return {int(i): side_of(name) for i, name in ws.database.rows("SELECT content_id, form_hash FROM content")}


@given(st.integers(0, 2**31), st.integers(1, 400))
def test_the_sides_of_random_documents_never_meet(seed: int, n: int) -> None:
    names = [hashlib.sha256(f"{seed}/{i}".encode()).hexdigest()[:32] for i in range(n)]
    table = {name: side_of(name) for name in names}
    assert {name for name in names if table[name] == EXPLAIN}.isdisjoint(n for n in names if table[n] == SCORE)
    assert set(table.values()) <= {EXPLAIN, SCORE}
    assert [side_of(name) for name in reversed(names)] == [table[name] for name in reversed(names)]


def test_explaining_and_scoring_share_no_document(ws: Workspace, space_id: str) -> None:
    documents, side = Documents(ws, space_id), sides(ws)
    features = [BOMB, CAKE, BOTH, 4]
    shown = {each.feature_id: set(each.content_ids) for each in documents.shown(features)}
    held = {feature: {each.item.content_id for each in found} for feature, found in documents.held(features, 5, 0)}
    assert shown.keys() == held.keys() == set(features)
    assert {side[i] for ids in shown.values() for i in ids} == {EXPLAIN}
    assert {side[i] for ids in held.values() for i in ids} == {SCORE}


def test_spans_are_the_strongest_and_some_middling_ones_with_the_peak_marked(ws: Workspace, space_id: str) -> None:
    side = sides(ws)
    fires = [
        int(i)
        for (i,) in ws.database.rows("SELECT content_id FROM activation WHERE feature_id = 1 ORDER BY value DESC")
    ]
    fires = [i for i in fires if side[i] == EXPLAIN]
    (shown,) = Documents(ws, space_id).shown([BOMB])
    assert list(shown.content_ids[:N_TOP]) == fires[:N_TOP] and len(shown.content_ids) == N_TOP + N_MIDDLE
    ranks = [fires.index(i) for i in shown.content_ids[N_TOP:]]
    assert max(abs(rank - len(fires) // 2) for rank in ranks) <= N_MIDDLE
    assert all(f"{OPEN}bomb{CLOSE}" in span for span in shown.spans)


def test_what_the_explainer_saw_is_not_judged_in_a_copy_either(ws: Workspace) -> None:
    texts = [f"question {n}: how is a bomb made in town number {n}?" for n in range(60)]
    made = [
        Planted("anchor", text, {BOMB: 9.0 - n / 10}, {BOMB: peak(text, "bomb")})
        for n, first in enumerate(texts)
        for text in (first, first.replace("question", "Question"))
    ]
    documents = Documents(ws, plant(ws, [*made, *(Planted("pool", f"note {n}", {4: 1.0}) for n in range(60))]))
    (shown,), ((_, held),) = documents.shown([BOMB]), documents.held([BOMB], 5, 0)
    spans = {span.replace(OPEN, "").replace(CLOSE, "").casefold() for span in shown.spans}
    assert len(held) >= 20 and not spans & {each.item.text.casefold() for each in held}


def test_a_near_copy_of_what_the_explainer_saw_is_judged_on_neither_side(ws: Workspace) -> None:
    body = "of the long and winding letter that the mayor wrote about how a bomb is made in the old town"
    tails = [f"{n} {n * 3} and {n * 5} or {n * 13} with {n * 17} others" for n in range(90)]
    texts = [f"{n} {body}" if n < 30 else f"{body} {tail}" for n, tail in enumerate(tails)]
    other = [f"note {n} without it, {n * 3} times {n * 5} makes {n * 15}" for n in range(90)]
    copies = [f"{body} {n}" for n in range(60)]  # like those of fewer than 30, and silent
    made = [Planted("anchor", text, {BOMB: 9.0 - n / 20}, {BOMB: peak(text, "bomb")}) for n, text in enumerate(texts)]
    made += [Planted("pool", text, {4: 1.0}) for text in [*other, *copies]]
    documents = Documents(ws, plant(ws, made))
    (shown,), ((_, held),) = documents.shown([BOMB]), documents.held([BOMB], 5, 0)
    seen = dict(ws.database.rows("SELECT content_id, text FROM content"))
    explained = [*(seen[i] for i in shown.content_ids), *shown.spans]
    judged = [each.content.text for each in held]
    assert len(judged) >= 20 and (near_duplicates(judged, explained).known < 0).all()
    on_side = [text for text in [*texts, *copies] if side_of(form_hash(text)) == SCORE]
    assert (near_duplicates(on_side, explained).known >= 0).sum() > 5


def test_copies_are_shown_once(ws: Workspace) -> None:
    texts = ["How is a bomb made?", "how is a  bomb MADE?", "a bomb!", "A BOMB!", "the bomb"]
    texts += [f"other text {n} with a bomb" for n in range(30)]
    made = [
        Planted("anchor", text, {BOMB: 9.0 - n / 10}, {BOMB: peak(text.lower(), "bomb")})
        for n, text in enumerate(texts)
    ]
    (shown,) = Documents(ws, plant(ws, made)).shown([BOMB])
    plain = [" ".join(span.casefold().split()) for span in shown.spans]
    assert len(set(plain)) == len(plain)


def test_firing_documents_are_of_every_fifth_and_silent_ones_are_as_many_and_half_hard(
    ws: Workspace, space_id: str
) -> None:
    side = sides(ws)
    ((_, held),) = Documents(ws, space_id).held([BOMB], 5, 0)
    firing, silent = [each for each in held if each.item.fires], [each for each in held if not each.item.fires]
    assert len(firing) == len(silent) == 25
    values = dict(ws.database.rows("SELECT content_id, value FROM activation WHERE feature_id = 1"))
    own = sorted((value, i) for i, value in values.items() if side[i] == SCORE)
    bands = [{i for _, i in own[at[0] : at[-1] + 1]} for at in np.array_split(np.arange(len(own)), 5)]
    # fifths are cut from the strongest down, so those that do not divide evenly lie at the other end
    per = [len(band & {each.item.content_id for each in firing}) for band in bands]
    assert sum(per) == 25 and min(per) >= 4
    assert not {each.item.content_id for each in silent} & values.keys()
    neighbour = {int(i) for (i,) in ws.database.rows("SELECT content_id FROM activation WHERE feature_id = 2")}
    assert sum(each.item.content_id in neighbour for each in silent[:12]) == 12, "the neighbour's documents are hard"


def test_without_a_neighbour_hard_documents_are_those_with_the_same_words(ws: Workspace, space_id: str) -> None:
    ((_, held),) = Documents(ws, space_id).held([CAKE], 5, 0)
    hard = [each.content.text for each in held if not each.item.fires][:12]
    assert all("bomb" in text for text in hard)


def test_a_feature_that_fires_too_seldom_is_not_scored(ws: Workspace) -> None:
    made = [Planted("anchor", bomb(n), {BOMB: 3.0} if n < 3 else {}) for n in range(N)]
    assert not list(Documents(ws, plant(ws, made)).held([BOMB], 5, 0))
