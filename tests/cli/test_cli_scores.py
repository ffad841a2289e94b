"""`fac score`, `trust` and `names`: explanations are scored from a terminal, and what follows from scores is set."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fac_core.features import encoder
from fac_core.features.refresh import refresh
from fac_core.workspace import Workspace
from tests.cli.conftest import Ran
from tests.features.test_scoring import ABOUT_FRUIT, corpus
from tests.planted import plant

Fac = Callable[..., Ran]


@pytest.fixture
def fac_here(fac: Fac, ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Fac:
    """`fac` on a project with a feature of fruit."""
    monkeypatch.setattr(encoder, "WHEEL", "no-such-package-at-all")
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    refresh(ws, plant(ws, corpus()), wait=True)
    return lambda *arguments: fac(*arguments, "--project", ws.root.name)


@pytest.mark.usefixtures("jobs_in_process")
def test_explanations_are_scored_one_or_all_and_shown_with_the_feature(fac_here: Fac) -> None:
    assert "n = " in (one := fac_here("score", ABOUT_FRUIT)).out and one.code == 0
    assert "trust: high" in one.out and "1.00 [" in one.out and "tf-idf" in one.out
    found = fac_here("score", "--all", "--json")
    assert found.code == 0 and found.json["badges"]["high"] >= 1
    assert "scored already" in fac_here("score", "--all").err
    shown = fac_here("feature", ABOUT_FRUIT, "--json").json["explained"]
    assert shown["badge"] == "high" and shown["explained"][0]["scores"][0]["protocol"] == "embedding"
    for wrong in ((), (ABOUT_FRUIT, "--all")):
        assert "Say which feature" in fac_here("score", *wrong).err


def test_the_least_trust_is_set_and_shown(fac_here: Fac) -> None:
    assert fac_here("trust", "--json").json == {"least_trust": "any"}
    assert "high" in fac_here("trust", "high").out
    assert fac_here("trust", "--json").json == {"least_trust": "high"}
    assert "no least trust" in fac_here("trust", "utter").err


def test_what_features_are_named_by_is_set_and_shown(fac_here: Fac) -> None:
    assert fac_here("names", "--json").json == {"names_by": "keywords"}
    assert "best" in fac_here("names", "best").out
    assert fac_here("names", "--json").json == {"names_by": "best"}
    assert "cannot be named by" in fac_here("names", "dice").err
