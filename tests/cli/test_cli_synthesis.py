"""A run is said before it starts, and a dry run starts none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fac_core.coverage import worklist
from fac_core.workspace import Workspace
from tests.cli.conftest import Ran
from tests.features.asked.conftest import BOMB, CAKE, samples
from tests.llm.fake_endpoint import closed_url
from tests.planted import plant

Fac = Callable[..., Ran]


@pytest.fixture
def planted(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """The planted space with two features on the work list, in the project that commands mean."""
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    space_id = plant(ws, samples())
    worklist.add(ws, space_id, [BOMB, CAKE], "test")
    ws.close()
    return space_id


@pytest.mark.usefixtures("planted")
def test_a_dry_run_says_calls_tokens_and_price_and_starts_nothing(fac: Fac) -> None:
    at = ("--dry-run", "--no-pool", "--generator", "openai", "--base-url", closed_url(), "--model", "fake")
    dry = fac("synthesise", *at, "--json")
    assert dry.code == 0, dry.err
    told = dry.json["estimate"]
    assert (told["n_features"], told["n_samples"]) == (2, 32)
    assert [each["n_questions"] for each in told["asking"]["purposes"]] == [8]
    said = fac("synthesise", *at).out
    assert "32 samples for 2 features" in said and "about 8 calls" in said and "unpriced" in said
    assert fac("runs", "--json").json == []
    local = fac("synthesise", "--dry-run", "--no-pool")
    assert local.code == 0 and "on this machine, no cost" in local.out
