"""A person at the browser: waits until the page is calm, looks, clicks, types. Nothing here knows how a page is made.

Every request is recorded, so that a test can say that nothing but the app itself was asked for anything.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("", "seed_set", "features", "coverage", "synthesis", "review", "evaluation", "export", "settings")
"""Addresses of all pages; the first is Home."""
CALM_S = 180
_ARGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]


_READ = """top => {
  const read = node => {
    if (node.nodeType === Node.TEXT_NODE) return node.textContent;
    if (["STYLE", "SCRIPT"].includes(node.nodeName)) return "";
    const text = [...(node.shadowRoot || node).childNodes].map(read).join("");
    const inline = node.nodeType === Node.ELEMENT_NODE && getComputedStyle(node).display.startsWith("inline");
    return inline ? text : text + "\\n";
  };
  return read(top);
}"""


def chromium() -> str | None:
    """An installed Chromium."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """The real app on a free port, its projects in `home`; yields its address."""
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    log = home.parent / "app.log"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    env = {**os.environ, "FAC_HOME": str(home), "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as out:
        app = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", app, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(app.pid, signal.SIGTERM)
        try:
            app.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(app.pid, signal.SIGKILL)
            app.wait(20)


def _wait_for(address: str, app: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if app.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the app did not start:\n" + log.read_text(errors="replace")[-3000:])


@contextmanager
def browsing() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium(), args=_ARGS)
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """One browser window on the app."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.address = address
        context = browser.new_context(viewport={"width": 1280, "height": 1000}, **options)
        self.page: Page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.requests: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))

    def visit(self, path: str = "") -> None:
        """Open a page by its address."""
        self.page.goto(f"{self.address}/{path}")
        self.calm()

    def reload(self) -> None:
        """Press the browser's reload."""
        self.page.reload()
        self.calm()

    def calm(self, seconds: float = CALM_S) -> None:
        """Wait until the app has drawn what it has to draw; no page may show an exception."""
        until = time.monotonic() + seconds
        still = 0
        while still < 3:
            assert time.monotonic() < until, "the page did not come to rest"
            self.page.wait_for_timeout(200)
            resting = self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').count()
            waiting = self.page.locator('[data-testid="stSkeleton"], [data-testid="stSpinner"]').count()
            still = still + 1 if resting and not waiting else 0
        self.no_exception()

    def no_exception(self) -> None:
        """No exception box, and no error of ours in a page's text."""
        box = self.page.locator('[data-testid="stException"]')
        assert box.count() == 0, box.first.inner_text()

    @property
    def text(self) -> str:
        """Everything that can be read on the page, in widgets with a DOM of their own too; canvases excepted."""
        lines = str(self.page.locator('[data-testid="stAppViewContainer"]').evaluate(_READ)).splitlines()
        return "\n".join(line.strip() for line in lines if line.strip())

    def sees(self, words: str, seconds: float = 60) -> None:
        """The words come on screen; an answer may take its time on a busy machine."""
        until = time.monotonic() + seconds
        while words not in self.text:
            assert time.monotonic() < until, f"{words!r} is not on the page:\n{self.text}"
            self.page.wait_for_timeout(300)
        self.calm()

    @property
    def title(self) -> str:
        """The page's heading."""
        return self.page.locator("h1").first.inner_text()

    def button(self, name: str) -> Locator:
        """A button by the beginning of its words."""
        return self.page.get_by_role("button").filter(has_text=name).first

    def press(self, name: str) -> None:
        """Click a button and wait."""
        button = self.button(name)
        button.scroll_into_view_if_needed()
        button.click()
        self.calm()

    def key(self, key: str) -> None:
        """Press a key with nothing focused and wait."""
        self.page.locator("h1").first.click()
        self.page.keyboard.press(key)
        self.calm()

    def tab(self, name: str) -> None:
        """Open a tab."""
        self.page.get_by_role("tab", name=name).click()
        self.calm()

    def tick_rows(self, table: Locator, rows: range) -> None:
        """Tick rows of a table by their boxes in its first column."""
        table.scroll_into_view_if_needed()
        self.page.wait_for_timeout(500)
        for row in rows:
            table.click(position={"x": 16, "y": 36 + 35 * row + 17})
            self.page.wait_for_timeout(250)
        self.calm()

    def metric(self, label: str) -> str:
        """Value of a figure by its label."""
        found = self.page.locator('[data-testid="stMetric"]').filter(has_text=label).first
        return found.locator('[data-testid="stMetricValue"]').inner_text()

    def wait_for_jobs(self, seconds: float = 540) -> None:
        """Wait until a job has begun and none runs any more."""
        running = self.page.locator('[data-testid="stSidebar"] [data-testid="stProgress"]')
        running.first.wait_for()
        until = time.monotonic() + seconds
        quiet = 0
        while quiet < 5:  # one job may start the next
            assert time.monotonic() < until, f"the job did not end:\n{self.text}"
            self.page.wait_for_timeout(600)
            quiet = 0 if running.count() else quiet + 1
        self.calm()

    def asked_elsewhere(self) -> list[str]:
        """Requests to anything but the app."""
        own = urlsplit(self.address).netloc
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme in {"http", "https", "ws"} and urlsplit(url).netloc != own
        ]
