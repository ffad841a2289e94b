"""A desk in a folder of its own, and questions with a small schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fac_core.llm.asking import Question
from fac_core.llm.calls import CALLS, Calls
from fac_core.llm.desk import Desk
from fac_core.llm.endpoint import Endpoint
from fac_core.llm.prices import NO_CAP, Cap, Price
from fac_core.llm.terms import Terms

SCHEMA = {
    "type": "object",
    "properties": {"rating": {"enum": ["Yes", "No"]}, "score": {"type": "integer"}},
    "required": ["rating"],
    "additionalProperties": False,
}
MakeDesk = Callable[..., Desk]


def question(number: int = 0, **changes: Any) -> Question:
    """One of many questions."""
    asked = Question(f"q{number}", "judge", "Judge.", f"Is {number} even?", 50, SCHEMA)
    return asked._replace(**changes)


@pytest.fixture
def make_desk(tmp_path: Path) -> MakeDesk:
    """Opens the desk of a job's folder, as each start of its worker does."""

    def make(
        url: str,
        *,
        job: str = "job",
        price: Price | None = None,
        cap: Cap = NO_CAP,
        at_once: int = 4,
        earlier: tuple[Path, ...] = (),
        anew: bool = False,
        **changes: Any,
    ) -> Desk:
        endpoint = Endpoint(url, "fake")
        path = tmp_path / "jobs" / job / "work" / CALLS
        path.parent.mkdir(parents=True, exist_ok=True)
        terms = Terms(url, "fake", price, cap, at_once, anew=anew)
        return Desk(endpoint, Calls(path, endpoint, price, earlier), terms, **{"timeout_s": 5.0, **changes})

    return make
