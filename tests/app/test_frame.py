"""The frame: one project at a time, errors as sentences, nothing of a text read as markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fac_core import workspace
from fac_core.jobs import owner
from fac_core.workspace import Workspace
from pages.ui import heat, theme
from pages.ui.chrome import job_line
from pages.ui.next_step import Waiting, next_step
from tests.app.conftest import ROOT, App, address

PAGES = ["home", "seed_set", "features", "settings"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_draws_a_project_with_texts(app: App, page: str) -> None:
    at = app(page)
    assert len(at.title) == 1
    assert not at.error


@pytest.mark.parametrize("page", PAGES)
def test_every_page_teaches_in_a_project_without_texts(empty_app: App, page: str) -> None:
    at = empty_app(page)
    assert len(at.title) == 1


def test_a_second_project_is_opened_from_the_sidebar_and_stays_across_pages(app: App, filled_ws: Workspace) -> None:
    workspace.create("Other", "toxicity").close()
    at = app("home", project="test-project")
    assert "texts" not in [caption.value for caption in at.caption]
    at.selectbox(key="_project_pick").select("other").run()
    assert not at.exception
    assert address(at)["project"] == "other"
    at.switch_page("pages/seed_set.py").run()
    assert at.selectbox(key="_project_pick").value == "other"
    at.selectbox(key="_project_pick").select("test-project").run()
    assert address(at)["project"] == "test-project"
    assert "12 seed" in " ".join(text.value for text in at.text)


def test_a_project_that_does_not_exist_in_the_url_leads_to_one_that_does(app: App) -> None:
    at = app("home", project="../../etc", space="nonsense", feature="-1", f_page="NaN")
    assert address(at)["project"] == "test-project"
    assert not at.exception


def test_a_project_of_a_newer_version_is_one_sentence(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.testing.v1 import AppTest

    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
    ws.close()
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not at.exception
    assert any("newer FAC Explorer" in text.value for text in at.text)


def test_the_first_start_opens_the_first_demo_and_the_sidebar_offers_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamlit.testing.v1 import AppTest

    asked: list[str] = []

    def open_demo(demo_id: str) -> Workspace:
        asked.append(demo_id)
        made = {info.demo: info.folder for info in workspace.list_projects()}
        if demo_id in made:
            return workspace.open_project(made[demo_id])
        return workspace.create(f"Demo {demo_id}", "toxicity", demo=demo_id)

    monkeypatch.setenv("FAC_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("fac_core.demo.open_demo", open_demo)
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not at.exception
    assert asked == ["toxicity"]
    assert address(at)["project"] == "demo-toxicity"
    at.selectbox(key="_project_pick").select("demo:preference").run()
    assert not at.exception
    assert asked == ["toxicity", "preference"]
    assert address(at)["project"] == "demo-preference"
    assert at.selectbox(key="_project_pick").value == "demo-preference"


def test_a_new_project_is_made_from_the_dialog(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app()
    new = next(button for button in at.button if button.label == "New project")
    new.click().run()
    assert not at.exception
    assert at.text_input(key="_new_name").value == ""


def test_the_next_step_follows_the_work() -> None:
    def step(**counted: int | bool) -> str:
        return next_step(Waiting(**counted)).label  # type: ignore[arg-type]

    assert step(has_anchor=False) == "Bring in the anchor"
    assert step(n_unread=3) == "Read 3 texts"
    assert step(n_unread=3, is_reading=True, n_pending=1) == "Review 1 sample"
    assert step(n_pending=2, n_open=4) == "Review 2 samples"
    assert step(n_open=4, n_gaps=9) == "Find or make samples for 4 features"
    assert step(n_gaps=9, n_clear=2, n_approved_unexported=5) == "Pick from 9 gaps"
    assert step(n_gaps=9, n_approved_unexported=5) == "Export 5 approved samples"
    assert step(n_approved_unexported=5) == "Export 5 approved samples"
    assert step() == "Look at coverage"


def test_a_job_line_says_how_far_it_is(filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    job_id = owner.start(filled_ws, "extract", "Read 5 texts", {"space_id": "x"})
    assert job_line(owner.get(filled_ws, job_id)).startswith("Read 5 texts")


def test_pieces_of_a_text_joined_are_the_text() -> None:
    text = "a 👩‍👩‍👧‍👦 <b>kill</b> e\u0301 كيف ![](http://x)"
    pieces = heat.text_pieces(text, [(2, 9, 1.0), (5, 12, 2.0), (14, 18, 3.5), (90, 99, 1.0), (20, 20, 4.0)])
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.text for piece in pieces if piece.peak] == []


def test_the_strongest_span_is_the_peak() -> None:
    pieces = heat.text_pieces("keep cash off the books", [(5, 9, 3.4), (18, 23, 1.0)])
    assert [(piece.text, piece.peak) for piece in pieces if piece.value] == [("cash", True), ("books", False)]


def test_a_long_text_is_cut_around_its_peak_and_says_so() -> None:
    text = "x" * 40_000 + "HERE" + "y" * 60_000
    pieces = heat.text_pieces(text, [(40_000, 40_004, 2.0)])
    shown = "".join(piece.text for piece in pieces)
    assert "HERE" in shown
    assert "39,500 characters before" in shown
    assert len(shown) < 2_000


def test_a_veiled_cell_keeps_the_shapes_of_its_words() -> None:
    assert heat.veil_words("Wie geht's, 2 Leute? 🧨 كيف") == "••• ••••'•, • •••••? • •••"


@pytest.mark.parametrize("nasty", ["![](http://x/y.png)", "[a](javascript:b)", ":red[hi]", "$x$", "<b>", "# a", "`c`"])
def test_markdown_of_others_is_escaped_mark_by_mark(nasty: str) -> None:
    assert not re.search(r"(?<!\\)[`*_{}\[\]()#!<>$:]", theme.plain(nasty))


def test_numbers_are_written_for_people() -> None:
    assert theme.number(None) == "–"
    assert theme.number(float("nan")) == "–"
    assert theme.percent(0.125, 1) == "12.5 %"
    assert theme.count(16384) == "16\u202f384"
    assert theme.plural(1, "family", "families") == "1 family"
    assert theme.plural(2, "family", "families") == "2 families"
    assert [theme.duration(s) for s in (None, -1, 4, 130, 9000)] == ["", "", "4 s", "2 min", "2.5 h"]


def test_no_page_lets_html_or_sql_through() -> None:
    sources = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]
    for source in sources:
        text = source.read_text(encoding="utf-8")
        for word in (
            "unsafe_allow_html",
            "st.html(",
            "unsafe_allow_javascript",
            "import duckdb",
            "import torch",
            "innerHTML",
        ):
            assert word not in text, f"{Path(source).name} holds {word}"
        assert not re.search(r"\.execute\(|database\.(rows|one|arrow|dicts)\(", text), source.name
