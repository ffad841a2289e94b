"""Relevance from the terminal: what was tested stands first, and a change of the project's setting is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fac_core.feature_space.spaces import spaces
from fac_core.features.refresh import refresh
from fac_core.workspace import Workspace
from tests.cli.conftest import Ran
from tests.features.asked.conftest import samples
from tests.planted import plant

Fac = Callable[..., Ran]


@pytest.fixture
def labelled(filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny project with its features tested by labels, in the project that commands mean."""
    monkeypatch.setenv("FAC_HOME", str(filled_ws.root.parent))
    space_id = spaces(filled_ws)[0].space_id
    refresh(filled_ws, space_id, wait=True)
    filled_ws.close()
    return space_id


@pytest.mark.usefixtures("labelled", "jobs_in_process")
def test_features_that_were_tested_and_fire_are_listed_and_a_new_setting_is_said(fac: Fac) -> None:
    found = fac("relevance", "--json").json
    effects = [row["effect"] for row in found["top"]]
    assert effects and None not in effects and effects == sorted(effects, reverse=True)
    assert all(row["n_anchor"] > 0 for row in found["top"]) and found["setting"] == "auto"
    said = fac("relevance", "--by", "alive")
    assert said.code == 0 and "The project now goes by alive" in said.err and "--by auto" in said.err
    assert "now goes by" not in fac("relevance", "--by", "alive").err
    assert fac("relevance", "--json").json["setting"] == "alive"


def test_without_labels_no_untested_feature_is_listed(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, jobs_in_process: None, fac: Fac
) -> None:
    monkeypatch.setenv("FAC_HOME", str(ws.root.parent))
    plant(ws, samples())
    ws.close()
    found = fac("relevance", "--json").json
    assert found["top"] == [] and found["n_tested"] == 0 and "No feature could be tested" in found["why"]
    assert "could be tested by labels" in fac("relevance").out
