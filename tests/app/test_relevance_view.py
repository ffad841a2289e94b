"""Relevance side by side, the check of the labels' word, and a task that is made by the form and carried to relevance."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from fac_core import workspace
from fac_core.feature_space.spaces import register_space, spaces
from fac_core.features.judgement import choose_mode, judge
from fac_core.features.refresh import refresh
from fac_core.features.relevance import Overview, overrule, overview, sides
from fac_core.samples.importing import import_dataset
from fac_core.store.activations import insert_activations
from fac_core.store.relevance import add_ratings
from fac_core.synthesis.prompts import chat_prompt
from fac_core.synthesis.targets import Target
from fac_core.tasks import load_task
from fac_core.workspace import Workspace, now
from pages.ui import relevance_view
from tests.app.conftest import App
from tests.app.reading import drawn, said
from tests.planted import SPACE, activation_table, read_table, recount

HOSTILE = "<b>no</b> [link](http://canary) $x$ </div>"
ROOT = Path(__file__).resolve().parents[2]


def script() -> None:
    """The views, without the pages they stand on."""
    import streamlit as st

    from pages.ui import relevance_view, services, task_view

    st.session_state["_framed"] = True
    services.settle()
    here = services.here()
    for _, text in services.said():
        st.text(text)
    if st.query_params.get("view") == "task":
        task_view.show(here)
    else:
        relevance_view.summary(here)
        relevance_view.show(here, 25)


def opened(ws: Workspace, monkeypatch: pytest.MonkeyPatch, view: str) -> AppTest:
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    monkeypatch.chdir(ROOT)
    at = AppTest.from_function(script, default_timeout=60)
    at.query_params["view"] = view
    at.run()
    assert not at.exception, at.exception
    return at


def rating(feature_id: int, rating: str, reason: str, version: str) -> pa.Table:
    columns = {
        "feature_id": pa.array([feature_id], pa.int32()), "rating": [rating], "reason": [reason],
        "rubric_version": [version], "prompt_version": ["judge 1"], "model": ["small"],
        "explanation_id": pa.array([None], pa.int64()), "created_at": pa.array([now()], pa.timestamp("us")),
    }  # fmt: skip
    return pa.table(columns)


@pytest.mark.usefixtures("jobs_in_process")
def test_labels_judge_and_person_stand_side_by_side_and_reasons_stay_text(
    filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    space_id = spaces(filled_ws)[0].space_id
    refresh(filled_ws, space_id, wait=True)
    version = load_task("toxicity").rubric_version
    with filled_ws.database.transaction() as cursor:
        add_ratings(cursor, space_id, rating(25, "no", HOSTILE, "older"))
        add_ratings(cursor, space_id, rating(25, "probably", "states intent", version))
    at = opened(filled_ws, monkeypatch, "relevance")
    text = drawn(at)
    assert "By labels" in text and "judged from its texts alone" in text and "states intent" in text
    assert "of an older rubric, does not count" in text and "<b>no</b>" in text and HOSTILE not in said(at)
    assert {"Picked on one half", "Labels and judge agree", "Cohen's kappa"} <= {metric.label for metric in at.metric}
    at.segmented_control(key="belongs_25").set_value("no").run()
    assert sides(filled_ws, space_id, 25).person is False
    at.segmented_control(key="belongs_25").set_value("open").run()
    assert [event.relevant for event in sides(filled_ws, space_id, 25).overrules] == [None, False]


def test_every_mode_has_words() -> None:
    from fac_core.features.judgement import AUTO, MODES

    assert set(relevance_view.MODE_WORDS) == set(MODES) == {*relevance_view.DECIDES, AUTO}


def fill_in(at: AppTest, **fields: str) -> None:
    for name, value in fields.items():
        element = at.text_area if name == "rubric" else at.text_input
        element(key=f"task_{name}").set_value(value)
    next(button for button in at.form_submit_button if button.label == "Make the task").click().run()
    assert not at.exception, at.exception


def test_a_task_made_by_the_form_takes_a_dataset_to_relevance_and_prompts(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at = opened(ws, monkeypatch, "task")
    fill_in(at, name="Mail spam", about="Tell ads from mail.", rubric="", label="v", positive="Spam, ad")
    assert "needs at least one line" in said(at)
    fill_in(at, rubric="It sells.\nIt hurries the reader.")
    assert "with 2 criteria" in said(at) and at.text_input(key="task_name").value == ""

    mine = workspace.create("Mail", "mail_spam")
    rows = [
        f'{{"body": "mail {i} {"buy now" if i % 2 else "see you"}", "v": "{("SPAM", "ham")[i % 2 == 0]}"}}'
        for i in range(80)
    ]
    (tmp_path / "mail.jsonl").write_text("\n".join(rows))
    import_dataset(mine, tmp_path / "mail.jsonl", "mail.jsonl", "anchor", "mail")
    register_space(mine, SPACE, {}, 1.0)
    contents = mine.database.rows("SELECT content_id, text FROM content")
    active = [(int(i), 1 if "buy" in text else 2, 3.0, 0, len(text)) for i, text in contents]
    with mine.database.transaction() as cursor:
        insert_activations(cursor, SPACE.space_id, read_table([int(i) for i, _ in contents]), activation_table(active))
    recount(mine, SPACE.space_id)
    refresh(mine, SPACE.space_id, wait=True)
    found = overview(mine, SPACE.space_id)
    assert found.judgement.n_by_label == 1 and found.check is not None and found.check.separation == 1.0
    mine.set_setting("relevance_mode", "label")
    assert judge(mine, SPACE.space_id, 32).relevant.nonzero()[0].tolist() == [1]
    prompt = chat_prompt(load_task("mail_spam"), Target(1, "buy now", 2, "spam", ()), 3)
    assert "It hurries the reader." in prompt.system and "Write 3 new texts" in prompt.user
    mine.close()


def test_the_rubric_of_ones_own_task_is_changed_on_the_page(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(ws, monkeypatch, "task")
    fill_in(at, name="mine", about="Something.", rubric="It sells.", label="v", positive="yes")
    before = load_task("mine").rubric_version
    at.text_area(key="task_lines_mine").set_value("It begs.\n\n")
    next(button for button in at.form_submit_button if button.label == "Keep").click().run()
    assert not at.exception and load_task("mine").rubric == ("It begs.",)
    assert load_task("mine").rubric_version != before and load_task("mine").rubric_version in said(at)


def test_without_labels_the_summary_says_why_everything_counts_and_what_to_do_next(
    app: App, filled_ws: Workspace
) -> None:
    at = app("features", f_view="relevance")
    assert "No feature could be tested by labels, so every alive feature counts." in said(at)
    at.button(key="relevance_ask").click().run()
    assert not at.exception and at.segmented_control(key="asked_kind").value == "judge"
    at = app("features", f_view="relevance")
    at.button(key="relevance_choose").click().run()
    assert not at.exception and at.radio(key="settings_mode").value == "auto"


@pytest.mark.parametrize(
    ("n_tested", "n_by_label", "needed"), [(6275, 109, "314"), (400, 49, "50"), (6275, 314, ""), (400, 50, "")]
)
def test_too_few_relevant_features_are_said_with_the_rule(
    filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch, n_tested: int, n_by_label: int, needed: str
) -> None:
    monkeypatch.setattr("fac_core.store.relevance.relevant_by_test", lambda *_: (list(range(n_by_label)), n_tested))
    judged = judge(filled_ws, spaces(filled_ws)[0].space_id, 1000)
    assert (judged.mode == "alive") == bool(needed)
    found = Overview(judged, "AUROC", n_tested, 0, 0, 0, None, None, auto=True)
    assert (f"fewer than the {needed} from which on" in found.why) if needed else not found.why


@pytest.mark.parametrize("mode", ["label", "judge", "both", "either", "alive"])
def test_home_says_what_decided_which_features_are_relevant(
    described_app: App, filled_ws: Workspace, mode: str
) -> None:
    (space,) = spaces(filled_ws)
    for feature in range(space.d_sae):
        overrule(filled_ws, space.space_id, feature, True, "ana")
    choose_mode(filled_ws, mode)
    at = described_app("home")
    assert not at.exception and json.dumps(relevance_view.DECIDES[mode]) in drawn(at)
