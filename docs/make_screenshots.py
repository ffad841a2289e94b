"""Screenshots of every page of the toxicity demo, light and dark, 1280 px wide, into docs/screens.

    python docs/make_screenshots.py        (needs Chromium; uses a project of its own in a temporary folder)

With FAC_SCREENSHOT_HOME set, the projects in that folder are shown as they are.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.e2e.driver import PAGES, Person, browsing, serving  # noqa: E402

OUT = ROOT / "docs" / "screens"
VIEWS = {"coverage-map": "coverage?view=Map", "coverage-list": "coverage?view=List"}
"""Further views of a page, by the name of their picture."""


def main() -> None:
    """Start the app, walk the pages in both themes."""
    home = Path(os.environ.get("FAC_SCREENSHOT_HOME") or Path(tempfile.mkdtemp()) / "home")
    OUT.mkdir(exist_ok=True)
    with serving(home) as address, browsing() as browser:
        for theme in ("light", "dark"):
            person = Person(browser, address, color_scheme=theme)
            for name, path in {**{page or "home": page for page in PAGES}, **VIEWS}.items():
                person.visit(path)
                person.page.wait_for_timeout(1500)  # charts are drawn after the page has come to rest
                person.page.screenshot(path=str(OUT / f"{name}-{theme}.png"))


if __name__ == "__main__":
    main()
