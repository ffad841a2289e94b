"""`fac score`, `trust` and `names`: explanations are scored from a terminal, and what follows from scores is set."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fac_core.content import form_hash
from fac_core.features import encoder
from fac_core.features.refresh import refresh
from fac_core.features.split import EXPLAIN, side_of
from fac_core.workspace import Workspace
from tests.cli.conftest import Ran
from tests.features.test_scoring import ABOUT_FRUIT, corpus
from tests.planted import Planted, plant

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
    row = fac_here("features", "--sort", "score", "--top", 1, "--json").json["rows"][0]
    assert (row["trust"], row["score"]["value"], row["score"]["protocol"]) == ("high", 1.0, "embedding")
    assert row["score"].keys() >= {"low", "high", "n_firing", "n_silent", "judge"}
    listed = fac_here("features", "--sort", "score", "--top", 1)
    assert f"1.00 [{row['score']['low']:.2f}, 1.00] {row['score']['n_firing']}+{row['score']['n_silent']}" in listed.out
    shown = fac_here("feature", ABOUT_FRUIT, "--json").json["explained"]
    assert shown["badge"] == "high" and shown["explained"][0]["scores"][0]["protocol"] == "embedding"
    for wrong in ((), (ABOUT_FRUIT, "--all")):
        assert "Say which feature" in fac_here("score", *wrong).err


@pytest.mark.usefixtures("jobs_in_process")
def test_what_no_held_out_document_could_be_judged_by_is_no_name_with_a_score(
    fac: Fac, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "WHEEL", "no-such-package-at-all")
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    rows = [
        Planted("anchor", f"text {n}", {0: 2.0} if side_of(form_hash(f"text {n}")) == EXPLAIN else {})
        for n in range(30)
    ]
    refresh(ws, plant(ws, rows), wait=True)
    found = fac("score", "--all", "--project", ws.root.name)
    assert found.code == 0 and "0 names with a score" in found.out and "unscored" in found.out


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
