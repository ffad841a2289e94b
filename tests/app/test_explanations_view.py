"""A feature's explanations stand with their scores, findings and misjudged documents, and what others wrote is text."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from fac_core.features import encoder
from fac_core.features.naming import called_by, rename
from fac_core.features.refresh import refresh
from fac_core.features.trust import least_trust
from fac_core.store import explanations as store
from fac_core.store.explanations import FUZZING, Score, ScoreItem
from fac_core.workspace import Workspace, now
from pages.ui import router
from tests.app.reading import drawn, said
from tests.features.test_scoring import ABOUT_FRUIT, corpus
from tests.planted import plant


def script() -> None:
    """The view alone, as a feature's page holds it."""
    import streamlit as st

    from pages.ui import explanations_view, services

    with services.page():
        at = services.here()
        for _, text in services.said():
            st.text(text)
        explanations_view.show(at, int(st.query_params["feature"]))
        explanations_view.least(at)
        explanations_view.standing(at)


@pytest.fixture
def view(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The view of the feature that was built on fruit, under a hostile and wrong name."""
    monkeypatch.setattr(encoder, "WHEEL", "no-such-package-at-all")
    monkeypatch.setattr(router, "need_frame", lambda: None)
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    space = plant(ws, corpus())
    refresh(ws, space, wait=True)
    rename(ws, space, ABOUT_FRUIT, "<b>hammer</b> **chisel** <<pliers>>", "ana")
    at = AppTest.from_function(script, default_timeout=60)
    at.query_params["project"] = ws.root.name
    at.query_params["feature"] = str(ABOUT_FRUIT)
    at.run()
    assert not at.exception, at.exception
    return at


def test_explanations_are_scored_from_the_page_and_their_mistakes_can_be_read(view: AppTest) -> None:
    at = view
    assert "not scored" in drawn(at) and "<b>hammer</b> **chisel**" in drawn(at)
    assert "<b>" not in said(at) and "mark of the examples" in drawn(at)
    for place in range(2):
        at.button(key=f"said_{ABOUT_FRUIT}_{place}_now").click().run()
        assert not at.exception, at.exception
    assert "trust in the name: low" in drawn(at) and "\\u25cf high" in drawn(at) and "by tf-idf" in drawn(at)
    at.toggle[0].set_value(True).run()
    assert not at.exception, at.exception
    assert "Fires: " in said(at) and "Silent, and was taken to fire (" in drawn(at)
    assert "Fires, and was not recognised (" in drawn(at) and "row " in drawn(at)
    before = drawn(at).count("said to")
    next(button for button in at.button if button.label.startswith("Show more")).click().run()
    assert not at.exception and drawn(at).count("said to") > before


def test_opened_documents_are_in_the_address_and_nothing_else_that_it_says(view: AppTest) -> None:
    at = view
    at.button(key=f"said_{ABOUT_FRUIT}_0_now").click().run()
    at.toggle[0].set_value(True).run()
    sent = AppTest.from_function(script, default_timeout=60)
    for name in ("project", "feature", "documents"):
        sent.query_params[name] = at.query_params[name]
    sent.run()
    assert not sent.exception and sent.toggle[0].value and "Fires: " in said(sent)
    sent.toggle[0].set_value(False).run()
    assert not sent.toggle[0].value and "documents" not in sent.query_params
    sent.query_params["documents"] = "x,-1,²,99999999999999999999"
    sent.run()
    assert not sent.exception and not sent.toggle[0].value


def test_a_least_trust_is_chosen_and_everything_is_scored_in_a_job(view: AppTest, ws: Workspace) -> None:
    at = view
    at.segmented_control(key="least_trust").set_value("high").run()
    assert not at.exception and least_trust(ws) == "high"
    at.button(key="score_all").click().run()
    assert not at.exception, at.exception
    assert ws.database.rows("SELECT kind, state FROM job WHERE kind = 'score'")


def test_what_features_are_named_by_is_chosen_and_its_price_is_told(view: AppTest, ws: Workspace) -> None:
    at = view
    at.segmented_control(key="called_by").set_value("best").run()
    assert not at.exception and called_by(ws) == "best"
    assert "a little too good" in said(at)


def test_what_fuzzing_says_is_told_of_marks_and_not_of_silence(view: AppTest, ws: Workspace) -> None:
    (space,) = {row[0] for row in ws.database.rows("SELECT space_id FROM explanation")}
    (said_first,) = store.explanations_of(ws.database, space, [ABOUT_FRUIT])[:1]
    (content,) = ws.database.rows("SELECT min(content_id) FROM content")[0]
    score = Score(
        *(0, said_first.explanation_id, ABOUT_FRUIT, FUZZING, "m", "1", 12, 11, 12, 11, 2, 0.9, 0.8, 1.0), now()
    )
    with ws.database.transaction() as cursor:
        store.add_score(
            cursor,
            space,
            score,
            [
                ScoreItem(content, False, True, 1.0),
                ScoreItem(content, True, None, 0.5),
                ScoreItem(content, True, None, None),
            ],
        )
    at = view.run()
    at.toggle[0].set_value(True).run()
    assert not at.exception, at.exception
    assert "Wrongly marked, and was taken for right (1)" in drawn(at) and "said to be both" in drawn(at)
    assert "Answered both ways (1)" in drawn(at) and "Not answered (1)" in drawn(at)
    assert "Rightly marked: 0.5 of 1 right. Wrongly marked: 0 of 1 right." in said(at)
    assert "likeness" not in drawn(at) and "2 documents unanswered" in drawn(at)


def test_how_many_names_have_a_badge_follows_a_score_made_just_now(view: AppTest) -> None:
    def n_scored() -> int:
        return sum(int(metric.value) for metric in view.metric)

    before = n_scored()
    for place in range(2):
        view.button(key=f"said_{ABOUT_FRUIT}_{place}_now").click().run()
    assert not view.exception and n_scored() == before + 1
