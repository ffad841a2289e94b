"""Screenshots of every page of the toxicity demo, light and dark, 1280 px wide, into docs/screens.

python docs/make_screenshots.py        (needs Chromium; uses a project of its own in a temporary folder)
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "screens"
PAGES = ["", "seed_set", "features", "coverage", "synthesis", "review", "evaluation", "export", "settings"]
ARGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]
ARGS += ["--disable-component-update", "--enable-unsafe-swiftshader"]


def main() -> None:
    """Start the app, walk the pages in both themes."""
    home = os.environ.get("FAC_SCREENSHOT_HOME") or tempfile.mkdtemp()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "FAC_HOME": home})
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/_stcore/health")
        OUT.mkdir(exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
            for theme in ("light", "dark"):
                page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=theme)
                for name in PAGES:
                    page.goto(f"{address}/{name}")
                    _settle(page)
                    page.screenshot(path=str(OUT / f"{name or 'home'}-{theme}.png"))
                page.close()
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _wait(address: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(address, timeout=1)
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("The app did not start.")


def _settle(page: Page) -> None:
    page.wait_for_selector("h1", timeout=120_000)
    page.wait_for_function(
        "!document.querySelector('[data-testid=stStatusWidget]') && !document.querySelector('[data-stale=true]')",
        timeout=60_000,
    )
    page.wait_for_timeout(2500)


if __name__ == "__main__":
    main()
