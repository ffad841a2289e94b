"""The browser is started once; each module serves its own projects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser

from tests.e2e.driver import browsing, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    if chromium() is None:
        pytest.skip("Chromium is not installed")
    with browsing() as opened:
        yield opened
