"""The whole loop as a person walks it: import, read, see what is missing, close it, review, export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download

from tests.e2e.driver import PAGES, ROOT, Person, serving

pytestmark = [pytest.mark.e2e, pytest.mark.real_model, pytest.mark.timeout(1800)]

N_POOL, N_BAD, N_PICKED = 40, 3, 10
HEADINGS = ("Home", "Seed set", "Features", "Coverage", "Synthesis", "Review", "Evaluation", "Export", "Settings")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not any((ROOT / "data" / "embedded").glob("*.safetensors")):
        pytest.skip("the embedded feature space is not here")
    with serving(tmp_path_factory.mktemp("golden") / "home") as started:
        yield started


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    """Texts for the pool, worded after every twentieth of the demo's anchor, and three rows that cannot be used."""
    lines = (ROOT / "data" / "demo" / "toxicity" / "anchor.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line) for line in lines[:: len(lines) // N_POOL]][:N_POOL]
    rows = [json.dumps({**row, "text": f"{row['text']} thanks in advance"}) for row in texts]
    bad = ['{"label": "harmful", "topic": "none"}', '{"text": "   ", "label": "benign"}', '{"text": "cut off']
    path = tmp_path / "brought.jsonl"
    path.write_text("\n".join([*rows[:5], bad[0], *rows[5:20], bad[1], *rows[20:], bad[2]]) + "\n", encoding="utf-8")
    return path


def fac(text: str) -> float:
    """The last number of a FAC figure: "0.551" or "0.551 → 0.560"."""
    return float(re.findall(r"\d\.\d+", text)[-1])


def test_from_import_to_export(browser: Browser, address: str, brought: Path, tmp_path: Path) -> None:
    person = Person(browser, address, accept_downloads=True)

    # the demo opens with its coverage on screen
    person.visit()
    assert person.title == "Home"
    person.sees("FAC")

    # bring a file with three bad rows as the pool
    person.visit("seed_set")
    person.page.get_by_text("Bring texts", exact=True).first.click()
    person.calm()
    person.page.locator('input[type="file"]').first.set_input_files(str(brought))
    person.calm()
    person.sees("Which column is what")
    person.page.get_by_text("pool", exact=True).first.click()
    person.sees("Pool: ")
    person.press("Import")
    person.sees(f"{N_BAD} of {N_POOL + N_BAD} rows cannot be used")
    person.sees(f"{N_POOL} samples came in as pool set")

    # read them
    person.press("Read")
    person.wait_for_jobs()
    person.sees("all texts are read")

    # pick ten missing features by hand
    person.visit("coverage?view=List")
    before = fac(person.metric("FAC"))
    table = person.page.locator('[data-testid="stDataFrame"]').first
    person.tick_rows(table, range(N_PICKED))
    person.press(f"Add {N_PICKED} features")
    person.sees(f"{N_PICKED} features added to the work list")

    # find, then make
    person.press(f"Close {N_PICKED} features")
    assert person.title == "Synthesis"
    person.press("Find texts for")
    for label in ("Step 1", "Step 2"):
        person.page.get_by_role("spinbutton", name=label).fill("4")
        person.page.keyboard.press("Enter")
        person.calm()
    person.press("Write samples for")
    person.wait_for_jobs()
    person.sees("Own-hit rate")

    # review with keys: one rejected with a reason, taken back, and then all approved
    person.visit("review")
    waiting = int(re.search(r"(\d+) left", person.text)[1])
    assert waiting
    person.key("x")
    person.key("2")
    person.sees("· 1 rejected")
    person.key("u")
    person.sees("· 0 rejected")
    for left in range(waiting, 0, -1):
        person.sees(f"\n{left} left")
        person.key("a")
    person.sees(f"· {waiting} approved")

    # coverage rose
    person.visit("coverage")
    assert fac(person.metric("FAC")) > before
    person.visit("evaluation")
    person.sees("closed")

    # what is exported loads
    person.visit("export")
    for suffix in ("JSON lines", "CSV"):
        person.page.get_by_text(suffix, exact=False).first.click()
        person.calm()
        person.press("Export")
    person.visit("export?format=jsonl")
    person.press("Export")
    with person.page.expect_download() as caught:
        person.button("approved.jsonl").click()
    done: Download = caught.value
    path = tmp_path / "approved.jsonl"
    done.save_as(path)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == waiting
    assert all(row["text"].strip() and row["provenance"]["reviewer"] for row in rows)
    from datasets import load_dataset

    loaded = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == waiting

    assert person.asked_elsewhere() == []


def test_every_page_survives_a_reload(browser: Browser, address: str) -> None:
    person = Person(browser, address)
    for path, heading in zip(PAGES, HEADINGS, strict=True):
        person.visit(path)
        assert person.title == heading
        person.reload()
        assert person.title == heading
    assert person.asked_elsewhere() == []


def test_the_threshold_lives_in_the_address_and_moves_what_is_shown(browser: Browser, address: str) -> None:
    person = Person(browser, address)
    seen = []
    for delta in ("0.5", "4"):
        person.visit(f"coverage?delta={delta}")
        person.sees(f"δ = {delta}")
        seen.append(fac(person.metric("FAC")))
    assert seen[0] > seen[1]
    slider = person.page.get_by_role("slider").first
    slider.focus()
    person.page.keyboard.press("ArrowRight")
    person.calm()
    person.sees("δ = 4.25")
    person.reload()
    person.sees("δ = 4.25")
    person.visit("coverage")
    person.sees("δ = 4.25")
    person.visit("features")
    person.page.go_back()
    person.calm()
    person.sees("δ = 4.25")
