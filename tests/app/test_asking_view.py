"""What asking costs is on the page before and after, and what has no price is called unpriced."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from fac_core.jobs.folder import JobFolder
from fac_core.llm.calls import CALLS
from fac_core.llm.prices import Price, price_of, set_price
from fac_core.llm.terms import Terms, make_asker
from fac_core.workspace import Workspace
from tests.llm.conftest import question
from tests.llm.fake_endpoint import says, serving


def page(root: str) -> None:
    from pathlib import Path

    import streamlit as st

    from fac_core.llm.estimate import estimate
    from fac_core.llm.terms import make_terms
    from fac_core.tasks import load_task
    from fac_core.workspace import open_project
    from pages.ui import asking_view
    from pages.ui.services import Here
    from tests.llm.conftest import question

    ws = open_project(Path(root))
    here = Here(ws, load_task(ws.task), None, 0.0)
    terms = make_terms(ws, base_url="http://127.0.0.1:1/v1", model="fake")
    cap = asking_view.preview(here, estimate(ws, terms, [question(n) for n in range(4)]))
    st.text(f"cap {cap}")
    asking_view.price_form(here, "fake")
    asking_view.ledger(here)


def test_the_preview_offers_the_cap_that_can_be_kept_and_the_ledger_tells_what_it_cost(ws: Workspace) -> None:
    app = AppTest.from_function(page, args=(str(ws.root),), default_timeout=30).run()
    assert not app.exception
    assert [metric.value for metric in app.metric[:2]] + [app.metric[3].value] == ["4", app.metric[1].value, "unpriced"]
    assert app.caption[-1].value == "No endpoint was asked yet."
    app.number_input(key="asking_cap_tokens").set_value(5000).run()
    assert "cap Cap(money=None, tokens=5000" in app.text[-1].value
    app.number_input(key="asking_cap_tokens").set_value(0).run()
    assert "tokens=0" in app.text[-1].value, "nothing at all is a cap, which is refused, and not none"

    app.number_input(key="price_in").set_value(1.0)
    app.number_input(key="price_out").set_value(2.0)
    app.button[0].click().run()
    assert price_of(ws, "fake") == Price(1.0, 2.0) and app.metric[3].value != "unpriced"
    app.number_input(key="asking_cap_money").set_value(0.5).run()
    assert "cap Cap(money=0.5" in app.text[-1].value

    set_price(ws, "fake", None)
    with serving(says('{"rating": "Yes"}')) as fake:
        job = JobFolder.create(ws.jobs / "one", "test", {}, {})
        list(make_asker(job, Terms(fake.url, "fake")).answers([question()]))
    table = app.run().dataframe[0].value
    assert list(table["attempts"]) == [1] and list(table["price"]) == ["unpriced"]
    journal = job.work / CALLS
    with journal.open("ab") as harm:
        harm.write(b"\x00\x00\n")
    app.run()
    assert not app.exception and [str(journal) in text.value for text in app.text].count(True) == 1
    assert list(app.dataframe[0].value["attempts"]) == [1]
