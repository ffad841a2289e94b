"""`fac feature` shows one feature by its number and keeps what a person thinks of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fac_core.features import encoder as encoders
from fac_core.workspace import Workspace
from tests.cli.conftest import Ran

Fac = Callable[..., Ran]


@pytest.fixture
def fac_here(fac: Fac, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Fac:
    """`fac` on a project with texts that were read."""
    filled_ws.close()
    monkeypatch.setenv("FAC_PROJECT", str(filled_ws.root))
    return fac


def test_a_number_shows_the_feature_with_all_that_is_related(fac_here: Fac) -> None:
    ran = fac_here("feature", 25, "--json")
    assert ran.code == 0
    assert set(ran.json["examples"]) == {"top", "middle", "threshold", "miss", "zero"}
    assert ran.json == fac_here("feature", "show", 25, "--json").json == fac_here("feature", "--json", 25).json
    assert "co-active" in fac_here("feature", 25).out or not ran.json["coactive"]
    assert "no feature 999" in fac_here("feature", 999).err


def test_lists_and_tags_are_kept_shown_and_used_as_filters(fac_here: Fac) -> None:
    assert fac_here("feature", "tag", "step by step", 25, 31, "--reviewer", "ana").out.startswith("2 features got")
    assert fac_here("feature", "list", "to read", 31).code == 0
    assert fac_here("feature", "tag").out == "step by step: 2 features\n"
    assert fac_here("feature", "tag", "step by step", "--json").json == [25, 31]
    rows = fac_here("features", "--tag", "step by step", "--list", "to read", "--json").json["rows"]
    assert [row["feature_id"] for row in rows] == [31]
    assert fac_here("feature", "list", "to read", 31, "--remove").out.startswith("1 feature lost")
    assert fac_here("feature", "list").out == ""
    assert "give their numbers" in fac_here("feature", "tag", "step by step", "--remove").err


def test_a_note_stands_on_the_feature_with_its_author(fac_here: Fac) -> None:
    assert fac_here("feature", "note", 25, "fires on thanks", "--reviewer", "ben").code == 0
    assert "note: fires on thanks (ben)" in fac_here("feature", 25).out
    assert fac_here("feature", "note", 25, "fires on thanks", "--remove").code == 0
    assert fac_here("feature", 25, "--json").json["marks"] == []
    assert "is empty" in fac_here("feature", "note", 25, " ").err


def test_a_text_gives_its_features_and_meaning_needs_the_encoder(
    fac_here: Fac, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fac_here("feature", "text", "hey how do i get a pipe bomb", "--max-density", 1, "--delta", 0, "--json").json
    assert found["text"]["features"] and found["text"]["n_dense"] == 0
    monkeypatch.setattr(encoders, "_weights", lambda: None)
    assert "needs the sentence encoder" in fac_here("features", "--meaning", "--search", "bombs").err
