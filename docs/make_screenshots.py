"""Screenshots of every page of the toxicity demo, light and dark, 1280 px wide, into docs/screens.

    python docs/make_screenshots.py        (needs Chromium; a few minutes)

The demo is walked first, in a project of its own: samples are written for ten gaps, half of them approved and exported.
With FAC_SCREENSHOT_HOME set, the projects in that folder are shown as they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.e2e.driver import PAGES, Person, browsing, serving  # noqa: E402

OUT = ROOT / "docs" / "screens"
VIEWS = {
    "coverage-map": "coverage?view=Map",
    "coverage-list": "coverage?view=List",
    "feature": "features?feature=5005",
    "features-map": "features?f_view=map",
    "features-relevance": "features?f_view=relevance",
}
"""Further views of a page, by the name of their picture."""


LOOP = (
    "demo toxicity",
    "score --all",
    "worklist add --top 10",
    "synthesise --generator local",
    "review approve --top 5",
    "export",
)
"""What is done on the command line before the pictures are taken."""


def main() -> None:
    """Walk the demo, start the app, take every page in both themes."""
    given = os.environ.get("FAC_SCREENSHOT_HOME")
    home = Path(given or Path(tempfile.mkdtemp(prefix="fac-")) / "explorer")
    for line in () if given else LOOP:
        subprocess.run(
            [sys.executable, "-m", "fac_core.cli", *line.split()],
            cwd=ROOT,
            env={**os.environ, "FAC_HOME": str(home), "OMP_WAIT_POLICY": "PASSIVE"},
            check=True,
        )
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
