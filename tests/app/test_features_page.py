"""The Features page as an explorer, walked as a curator would: found, opened, kept, and found again by its address."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fac_core.coverage import worklist
from fac_core.errors import InputError
from fac_core.feature_space import spaces
from fac_core.features import encoder as encoders
from fac_core.features.held_out import versions
from fac_core.features.interesting import interesting
from fac_core.features.map import MapData
from fac_core.features.marks import LIST, NOTE, TAG, marks, members
from fac_core.features.naming import rename
from fac_core.features.semantic_search import places
from fac_core.features.table import feature_page
from fac_core.jobs import owner
from fac_core.store import explanations as store
from fac_core.store.explanations import add_explanation
from fac_core.store.features import add_name
from fac_core.store.jobs import end_job, insert_job
from fac_core.workspace import Workspace, now
from pages.ui import feature_filters, heat, map_view
from pages.ui.feature_table import USUAL, painted
from pages.ui.services import Here
from pages.ui.text_view import STRENGTH, ordered
from tests.app.conftest import App, address
from tests.app.reading import drawn, said

HOSTILE = "<img src=x onerror=alert(1)> ![](http://canary/x.png) :red[x]"
HOSTILE_TAG = "<b>x</b> ![](u) :red[x] *y*"
WITH_FEATURE = {"f_task": "all", "feature": "25"}


def write_new(at: AppTest, key: str, value: str) -> None:
    """Write a value that is no option yet into a select box that takes new ones."""
    box = at.selectbox(key=key)
    box.options.append(value)  # AppTest sends nothing else
    box.set_value(value).run()
    assert not at.exception


def space_of(ws: Workspace) -> str:
    return spaces.spaces(ws)[0].space_id


def test_a_feature_is_listed_tagged_and_noted_and_found_again_by_its_list(
    described_app: App, filled_ws: Workspace
) -> None:
    space = space_of(filled_ws)
    at = described_app("features", **WITH_FEATURE)
    write_new(at, "add_list_25", "to read")
    write_new(at, "add_tag_25", HOSTILE_TAG)
    at.text_area(key="add_note_25").set_value(HOSTILE)
    next(button for button in at.form_submit_button if button.label == "Keep the note").click().run()
    assert not at.exception
    assert [(row.kind, row.value) for row in marks(filled_ws, space, 25)] == [
        (LIST, "to read"), (TAG, HOSTILE_TAG), (NOTE, HOSTILE),
    ]  # fmt: skip
    assert HOSTILE not in said(at) and HOSTILE_TAG not in " ".join(button.label for button in at.button)
    at.button(key="feature_close").click().run()
    found = described_app("features", f_task="all", f_list="to read")
    assert "1 of the space's 64 features pass 1 filter" in said(found)
    assert "1 of the space's 64 features pass 2 filters" in said(
        found.selectbox(key="f_tag").set_value(HOSTILE_TAG).run()
    )
    # change → load again: taken off, the list is gone and so is the filter
    at = described_app("features", **WITH_FEATURE)
    next(button for button in at.button if button.label == "to read").click().run()
    assert members(filled_ws, space, LIST, "to read") == []
    assert "All 64 features" in said(described_app("features", f_task="all", f_list="to read"))


def test_everything_a_filter_finds_goes_on_a_list_at_once(described_app: App, filled_ws: Workspace) -> None:
    space = space_of(filled_ws)
    at = described_app("features", f_task="all", f_joined="no family", f_dense="10 %")
    n = int(next(text.value for text in at.text if "filters" in text.value).split(" of ")[0])
    write_new(at, "add_found_list", "rare ones")
    assert len(members(filled_ws, space, LIST, "rare ones")) == n > 0
    assert f"{n} features got the list" in said(at)
    at.button(key="add_found_work").click().run()
    assert len(worklist.in_worklist(filled_ws, space)) == n


@pytest.mark.parametrize("band", ["all", "strongest", "middle", "just above δ", "near miss", "silent"])
def test_each_band_of_examples_is_an_address(described_app: App, band: str) -> None:
    at = described_app("features", **WITH_FEATURE, band=band)
    assert not at.exception and at.segmented_control(key="band").value == band
    cards = drawn(at)
    assert ("Strongest" in cards) == (band in ("all", "strongest"))
    assert ("Silent: some texts" in cards) == (band in ("all", "silent"))


def test_examples_are_narrowed_and_the_narrowing_survives_a_reload(described_app: App) -> None:
    at = described_app("features", **WITH_FEATURE)
    at.selectbox(key="ex_role").set_value("pool").run()
    assert not at.exception and '"anchor"' not in drawn(at)
    again = described_app("features", **WITH_FEATURE, ex_role="pool", band="silent")
    assert again.selectbox(key="ex_role").value == "pool"
    assert '"anchor"' not in drawn(again)
    again.selectbox(key="ex_role").set_value(None).run()
    assert not again.exception


def test_a_row_opens_by_its_address_with_what_it_was_brought_with(described_app: App, filled_ws: Workspace) -> None:
    row = filled_ws.database.one("SELECT sample_id, meta FROM sample WHERE meta <> '{}' LIMIT 1")
    assert row is not None
    at = described_app("features", f_task="all", row=str(row[0]))
    assert not at.exception and address(at)["row"] == str(row[0])
    cards = drawn(at)
    assert all(json.dumps(str(value)) in cards for value in json.loads(row[1]).values())


@pytest.mark.parametrize("nonsense", ["abc", "-1", "9" * 30, "1; DROP TABLE sample", "٣"])
def test_a_row_that_cannot_be_is_no_row(described_app: App, nonsense: str) -> None:
    at = described_app("features", f_task="all", row=nonsense)
    assert not at.exception and "All 64 features" in said(at)


def test_a_row_that_is_gone_is_said_to_be(described_app: App) -> None:
    at = described_app("features", f_task="all", row="99999")
    assert not at.exception and "There is no sample 99999" in said(at)


def test_a_pasted_text_gives_its_features_without_the_dense_ones(described_app: App) -> None:
    at = described_app("features", f_view="by a text")
    at.text_area(key="paste").set_value("hey how do i get a pipe bomb tonight")
    next(button for button in at.form_submit_button if button.label == "Find its features").click().run()
    assert not at.exception
    few = said(at)
    at.select_slider(key="t_dense").set_value("all").run()
    assert not at.exception and "left out" in few and "left out" not in said(at)
    at.segmented_control(key="t_sort").set_value("rarity").run()
    assert not at.exception


def test_samples_are_found_by_words_and_veiled_where_the_task_is_sensitive(described_app: App) -> None:
    at = described_app("features", f_view="samples", s_search="zzzz no such words")
    assert "Nothing found" in said(at)
    at.text_input(key="s_search").set_value("how").run()
    assert not at.exception and "Nothing found" not in said(at)
    assert '"veiled":true' in drawn(at).replace(" ", "")


def test_without_the_sentence_encoder_the_page_says_so_and_finds_by_words(
    described_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "is_installed", lambda: False)
    at = described_app("features", f_task="all", f_search="steps", f_mode="meaning")
    assert not at.exception and "needs the sentence encoder" in said(at) and "pass 1 filter" in said(at)


def test_with_it_features_come_by_meaning_once_they_are_indexed(
    described_app: App, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = encoders.Words()
    monkeypatch.setattr(encoders, "is_installed", lambda: True)
    monkeypatch.setattr(encoders, "sentences", lambda: words)
    at = described_app("features", f_task="all", f_mode="meaning")
    assert "not indexed yet" in said(at)
    at.button(key="index_explanation").click().run()
    at.run()
    assert not at.exception and "not indexed yet" not in said(at)
    at.text_input(key="f_search").set_value("steps").run()
    assert not at.exception and "pass 1 filter" in said(at)
    assert at.selectbox(key="f_sort").disabled, "the likest come first"


def test_words_are_searched_until_meaning_can_be_and_choosing_it_begins_the_index(
    described_app: App, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = encoders.Words()
    monkeypatch.setattr(encoders, "is_installed", lambda: True)
    monkeypatch.setattr(encoders, "sentences", lambda: words)
    monkeypatch.setattr("fac_core.features.semantic_search.AT_ONCE", 0)
    begun: list[str] = []
    start = owner.start
    monkeypatch.setattr(owner, "start", lambda ws, kind, *rest: begun.append(kind) or start(ws, kind, *rest))
    for view, search, mode in (("table", "f_search", "f_mode"), ("samples", "s_search", "s_mode")):
        at = described_app("features", f_task="all", f_view=view, **{search: "how", mode: "meaning"})
        assert not at.exception and "Found by words: meaning cannot be searched here yet" in said(at)
        assert "No feature passes" not in said(at) and "No text" not in said(at) and not begun
    at = described_app("features", f_task="all", f_search="how")
    at.segmented_control(key="f_mode").set_value("meaning").run()
    assert not at.exception and begun == ["index_texts"]
    at.run()
    assert "not indexed yet" not in said(at) and "Found by words" not in said(at)


def test_related_features_of_each_kind_are_an_address(described_app: App) -> None:
    for kind in ("like", "together", "opposite"):
        at = described_app("features", **WITH_FEATURE, near_by=kind)
        assert not at.exception and at.segmented_control(key="near_by").value == kind


def test_the_map_is_drawn_and_offers_what_is_not_computed(described_app: App) -> None:
    at = described_app("features", f_view="map", m_all="true")
    assert not at.exception and at.toggle(key="m_all").value


# --- what was drawn around ---

GRID = MapData(
    np.arange(9), np.repeat([0.0, 1.0, 2.0], 3), np.tile([0.0, 1.0, 2.0], 3), ["covered"] * 9, [""] * 9, "umap"
)


def picked(**selection: Any) -> list[int]:
    return map_view.chosen(selection, GRID).tolist()


def test_a_box_and_a_lasso_choose_what_lies_inside_of_them() -> None:
    assert picked(box=[{"x": [1.5, -1], "y": [-1, 0.5]}]) == [0, 3]
    triangle = {"x": [-0.5, 2.5, -0.5], "y": [-0.5, -0.5, 2.5]}
    assert picked(lasso=[triangle]) == [0, 1, 3]
    assert picked(lasso=[triangle], box=[{"x": [1.9, 2.1], "y": [1.9, 2.1]}]) == [0, 1, 3, 8]
    hollow = {"x": [-1, 3, 3, -1, -1, 0.5, 0.5, 1.5, 1.5, -1], "y": [-1, -1, 3, 3, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5]}
    assert len(picked(lasso=[hollow])) > 0


def test_a_click_chooses_a_point_and_nonsense_chooses_nothing() -> None:
    assert picked(points=[{"customdata": 4}, {"customdata": 99}]) == [4]
    for bad in ({}, {"x": "abc", "y": None}, {"x": [1], "y": [2]}, {"x": [1, float("nan")], "y": [0, 1]}):
        assert picked(lasso=[bad]) == [] and picked(box=[bad]) == []


def test_rarity_puts_first_what_the_anchor_reaches_least() -> None:
    from fac_core.features.text_search import Found

    found = [Found(1, "", "covered", 5.0, "x", 0.1, 0.2), Found(2, "", "covered", 3.0, "x", 0.1, 0.9)]
    assert [each.feature_id for each in ordered(found, "rarity")] == [2, 1]
    assert [each.feature_id for each in ordered(found, STRENGTH)] == [1, 2]


# --- what was kept must not be out of date ---


def test_a_page_of_the_table_is_an_address(described_app: App) -> None:
    at = described_app("features", f_task="all", f_page="2")
    assert "51–64 of 64" in said(at)
    for nonsense in ("999", "0", "²", "x"):
        assert "1–50 of 64" in said(described_app("features", f_task="all", f_page=nonsense))


def test_a_new_name_is_seen_where_the_old_one_was_kept(described_app: App, filled_ws: Workspace) -> None:
    asked = {**WITH_FEATURE, "near_by": "together"}
    at = described_app("features", **asked)
    listed = next(frame.value for frame in at.dataframe if "NPMI" in frame.value.columns)
    other = int(listed["feature"][0].rsplit(" ", 1)[1])
    rename(filled_ws, space_of(filled_ws), other, "zebra crossing", "ana")
    at.run()
    listed = next(frame.value for frame in at.dataframe if "NPMI" in frame.value.columns)
    assert listed["feature"][0] == f"zebra crossing · {other}"


def test_who_named_a_feature_is_whoever_gave_the_name_in_force(described_app: App, filled_ws: Workspace) -> None:
    space = space_of(filled_ws)
    rename(filled_ws, space, 25, "of ana", "ana")
    with filled_ws.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO explanation (event_id, space_id, feature_id, method, author, text, created_at) "
            "VALUES (nextval('event_seq'), ?, 25, 'llm', 'some model', 'of a model', now())",
            [space],
        )
    assert '"  named by ana"' in drawn(described_app("features", **WITH_FEATURE))
    rename(filled_ws, space, 25, "", "ana")
    assert '"  keywords \\u00b7 ' in drawn(described_app("features", **WITH_FEATURE))


def test_another_space_does_not_open_a_feature_or_set_by_the_number_of_the_last(
    described_app: App, filled_ws: Workspace
) -> None:
    first = spaces.spaces(filled_ws)[0]
    other = spaces.register_space(filled_ws, replace(first.spec, max_length=first.spec.max_length - 1), {}, 1.0)
    at = described_app("features", **WITH_FEATURE, f_family="3", f_theme="3", f_cluster="3")
    at.selectbox(key="_space_pick").select(other).run()
    assert not at.exception and address(at)["space"] == other
    assert not {"feature", "f_family", "f_theme", "f_cluster"} & set(address(at))


def test_features_are_found_by_what_a_model_said_of_them_and_by_the_job_that_asked(
    app: App, filled_ws: Workspace, tiny_spec: Any
) -> None:
    verdicts = [(3, "yes"), (5, "cannot tell"), (7, "no"), (7, "probably"), (9, "yes"), (9, "no")]
    with filled_ws.database.transaction() as cursor:
        for feature, verdict in verdicts:
            told = {"method": "llm", "author": "m", "text": "x", "at": now(), "verdict": verdict}
            add_explanation(cursor, tiny_spec.space_id, feature, **told)
        insert_job(cursor, "job-1", "explain", "Explain 2 features", {"features": [5, 9]}, now())
        end_job(cursor, "job-1", "completed", "", now())

    def shown(**address: str) -> set[int]:
        at = app("features", f_task="all", **address)
        return {int(row) for row in at.dataframe[0].value["name"].str.extract(r"feature (\d+)")[0]}

    assert shown(f_said="there is one") == {3, 7, 9} and shown(f_said="it cannot tell") == {5}
    assert shown(f_said="refuted by the verifier") == {9} and shown(f_asked="job-1") == {5, 9}
    assert shown(f_asked="job-1", f_said="there is one") == {9}
    assert "No feature passes" in said(app("features", f_task="all", f_asked="../../etc"))


def test_features_that_are_in_a_list_and_have_a_tag_are_met() -> None:
    here = Here(None, None, None, 0.0)  # type: ignore[arg-type]
    assert feature_filters._among(here, "", range(0, 60, 2), [0, 3, 6]) == (0, 6)
    assert feature_filters._among(here, "", None, [3]) == (3,) and feature_filters._among(here, "", None, None) is None


def test_of_sets_with_one_name_the_one_that_is_chosen_is_looked_at(described_app: App, filled_ws: Workspace) -> None:
    with filled_ws.database.transaction() as cursor:
        cursor.execute("UPDATE dataset SET name = 'train'")
    at = described_app("features", **WITH_FEATURE)
    for dataset in ("seed", "anchor", "pool"):
        at.selectbox(key="ex_set").set_value(dataset).run()
        assert not at.exception and at.selectbox(key="ex_set").value == dataset


def test_what_is_ticked_on_a_page_is_not_ticked_on_the_next(described_app: App) -> None:
    def table(at: AppTest) -> str:
        return str(next(frame.proto.id for frame in at.dataframe if "anchor" in frame.value.columns))

    at = described_app("features", f_task="all", f_sort="id")
    first = table(at)
    assert table(at.run()) == first and table(at.selectbox(key="f_sort").set_value("name").run()) != first
    assert table(described_app("features", f_task="all", f_sort="id", f_page="2")) != first


# --- what the page offers beside ---


def test_a_random_feature_is_opened_and_is_one_that_is_interesting(described_app: App, filled_ws: Workspace) -> None:
    space = space_of(filled_ws)
    at = described_app("features", f_task="all")
    found = interesting(filled_ws, space, spaces.delta(filled_ws, space)).tolist()
    assert found
    at.button(key="f_random").click().run()
    assert not at.exception and int(address(at)["feature"]) in found


@pytest.mark.parametrize(("kind", "refused"), [("list", "The Work List"), ("tag", "x" * 41)])
def test_a_name_that_is_refused_stays_in_its_box_with_the_reason_beside_it(
    described_app: App, filled_ws: Workspace, kind: str, refused: str
) -> None:
    key = f"add_{kind}_25"
    at = described_app("features", **WITH_FEATURE)
    write_new(at, key, refused)
    assert at.selectbox(key=key).value == refused and ("No list can be" in said(at) or "at most 40" in said(at))
    assert marks(filled_ws, space_of(filled_ws), 25) == []
    write_new(at, key, "fine")
    assert at.selectbox(key=key).value is None and "No list can be" not in said(at) and "at most 40" not in said(at)
    assert [row.value for row in marks(filled_ws, space_of(filled_ws), 25)] == ["fine"]


def test_how_many_choices_narrow_the_samples_is_said_from_the_first_look_on(described_app: App) -> None:
    def badge(at: AppTest) -> str:
        labels = [block.proto.popover.label for block in at.get("popover")]
        return next(label for label in labels if label.startswith("Samples"))

    assert badge(described_app("features", **WITH_FEATURE, ex_role="pool")) == "Samples · 1"
    assert badge(described_app("features", **WITH_FEATURE, ex_role="nobody")) == "Samples"
    assert badge(described_app("features", **WITH_FEATURE)) == "Samples"


def test_the_columns_that_were_chosen_are_there_again(described_app: App) -> None:
    def columns(at: AppTest) -> list[str]:
        return list(next(frame for frame in at.dataframe if "mark" in frame.value.columns).proto.column_order)

    at = described_app("features", f_task="all")
    assert columns(at) == ["mark", "name", *USUAL]
    at.button_group(key="f_columns").set_value(["density", "id"]).run()
    assert columns(at) == ["mark", "name", "density", "id"]
    again = described_app("features", f_task="all")
    assert columns(again) == ["mark", "name", "density", "id"]
    again.button_group(key="f_columns").set_value([]).run()
    assert columns(again) == columns(described_app("features", f_task="all")) == ["mark", "name", *USUAL]


def test_a_score_stands_in_its_row_with_interval_and_n_and_is_grey_where_documents_are_too_few(
    described_app: App, filled_ws: Workspace
) -> None:
    space = space_of(filled_ws)
    sure, few = (row.feature_id for row in feature_page(filled_ws, space, 1.0, page_size=2).rows)
    with filled_ws.database.transaction() as cursor:
        for feature in (sure, few):
            add_name(cursor, space, feature, "ana", f"name {feature}", now())
    version = versions(filled_ws, space).encoder
    for feature, n in ((sure, 25), (few, 4)):
        said_first = store.explanations_of(filled_ws.database, space, [feature])[0].explanation_id
        figures = (n, 24, n, 20, 0, 0.9, 0.8, 1.0)
        score = store.Score(0, said_first, feature, store.EMBEDDING, "tf-idf", version, *figures, now())
        with filled_ws.database.transaction() as cursor:
            store.add_score(cursor, space, score)
    at = described_app("features", f_task="all", f_sort="score")
    frame = next(frame for frame in at.dataframe if "score" in frame.value.columns)
    cells = dict(zip(frame.value["name"], frame.value["score"], strict=True))
    assert (cells[f"name {sure}"], cells[f"name {few}"]) == ("● .90 [.80–1.00] 25+24", "· .90 [.80–1.00] 4+24")
    assert frame.value["name"].tolist()[0] == f"name {sure}"
    rows = feature_page(filled_ws, space, 1.0, sort="score", page_size=100).rows
    assert painted(rows, ["mark", "name", "score"]).to_html().count("color: gray") == 1


def test_a_short_text_that_was_pasted_is_an_address_and_a_long_one_is_not(described_app: App) -> None:
    def paste(text: str) -> AppTest:
        at = described_app("features", f_view="by a text")
        at.text_area(key="paste").set_value(text)
        next(button for button in at.form_submit_button if button.label == "Find its features").click().run()
        assert not at.exception
        return at

    text = "how do i get a pipe bomb tonight"
    assert address(paste(text))["text"] == text
    again = described_app("features", f_view="by a text", text=text)
    assert again.text_area(key="paste").value == text and "above δ" in said(again)
    assert "text" not in address(paste("word " * 100))


def test_a_view_that_fails_leaves_the_page_its_head(described_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise InputError("The model is gone.")

    monkeypatch.setattr("pages.ui.text_view.show", fails)
    at = described_app("features", f_view="by a text")
    assert [title.value for title in at.title] == ["Features"] and "The model is gone." in said(at)


def test_the_words_that_were_searched_are_marked_where_they_stand() -> None:
    text = "Poison ivy " + "x" * 3000 + " poisoned"
    assert [text[start:end] for start, end in places(text, "poison  IVY")] == ["Poison", "ivy", "poison"]
    assert places(text, " ") == [] and places("a.c abc", "a.c") == [(0, 3)]
    pieces = heat.word_pieces("x" * 3000 + " poison", [(3001, 3007)])
    assert any(piece.text == "poison" and piece.kind == "found" for piece in pieces), "the cut lies around it"
    assert "".join(piece.text for piece in heat.word_pieces("no such words", [])) == "no such words"
