"""Text of others stays text: no page makes an element of it and no page asks anybody for anything because of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.canary import Canary, canary
from tests.e2e.driver import PAGES, Person, serving
from tests.e2e.hostile import make_hostile_project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

VIEWS = [
    *PAGES,
    "coverage?view=Map",
    "coverage?view=List&collapse=false",
    "coverage?view=Richness",
    "features?feature=12",
    "features?f_view=map",
    "features?f_view=samples&s_search=pool",
    "features?f_view=explanations",
    "features?f_view=relevance",
]


@pytest.fixture(scope="module")
def bird() -> Iterator[Canary]:
    with canary() as opened:
        yield opened


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, bird: Canary) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("hostile") / "home"
    make_hostile_project(home, bird)
    with serving(home) as started:
        yield started


def check(person: Person, bird: Canary) -> None:
    """Nothing was made of the texts."""
    page = person.page
    assert page.locator("[data-canary]").count() == 0
    assert page.locator(f'[src*="{bird.address}"], [href*="{bird.address}"]').count() == 0
    assert page.locator("#root script:not([src])").count() == 0
    assert bird.asked == []
    assert person.asked_elsewhere() == []


def test_no_page_reads_hostile_text_as_anything_but_text(browser: Browser, address: str, bird: Canary) -> None:
    person = Person(browser, address)
    for view in VIEWS:
        person.visit(view)
        check(person, bird)
        assert person.title, view


def test_hostile_text_is_shown_as_it_was_written(browser: Browser, address: str, bird: Canary) -> None:
    person = Person(browser, address)
    person.visit("review")
    person.sees("=HYPERLINK" if "=HYPERLINK" in person.text else bird.address)
    person.visit("features?feature=12")
    person.sees(bird.address)
    check(person, bird)


def test_hostile_text_survives_being_decided_and_exported(browser: Browser, address: str, bird: Canary) -> None:
    person = Person(browser, address)
    person.visit("review")
    for key in ("a", "x"):
        person.key(key)
        check(person, bird)
    person.key("1")
    person.key("u")
    check(person, bird)
    person.visit("export")
    person.press("Export")
    person.sees("Digests of")
    check(person, bird)


def test_a_click_on_the_heatmap_opens_its_cell(browser: Browser, address: str, bird: Canary) -> None:
    person = Person(browser, address)
    person.visit("coverage?by=topic")
    point = person.page.locator(".js-plotly-plot .scatterlayer path.point").last
    point.scroll_into_view_if_needed()
    spot = point.bounding_box()
    assert spot is not None
    x, y = spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2
    person.page.mouse.move(x - 4, y)
    person.page.wait_for_timeout(300)
    person.page.mouse.move(x, y)
    person.page.wait_for_timeout(500)
    person.page.mouse.click(x, y)
    person.calm()
    person.sees("to the work list")
    assert "missing" in person.text
    check(person, bird)
