"""Running `fac` inside the test process, as a person at a terminal sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fac_core.cli import main
from tests.review.making import reviewed_ws, space_id  # noqa: F401


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as one JSON document."""
        return json.loads(self.out)


@pytest.fixture
def fac(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run `fac` with the given arguments."""
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.delenv("FAC_PROJECT", raising=False)

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["fac", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return run
