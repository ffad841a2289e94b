"""Feature spaces from the terminal: a second one is added, read, measured, chosen; one is read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fac_core.feature_space.space import SpaceSpec
from fac_core.workspace import Workspace
from tests.cli.conftest import Ran
from tests.fake_hub import COMMIT, FakeHub, make_fake_hub
from tests.tiny import BLOCK, make_tiny_sae

Fac = Callable[..., Ran]


@pytest.fixture
def fac_here(fac: Fac, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Fac:
    """`fac` in a project with texts read in the tiny space."""
    monkeypatch.setenv("FAC_PROJECT", str(filled_ws.root))
    filled_ws.close()
    return fac


@pytest.fixture
def other_sae(tmp_path: Path, tiny_backbone_folder: Path) -> Path:
    """Another SAE of the tiny model."""
    (tmp_path / "other").mkdir()
    return make_tiny_sae(tmp_path / "other", tiny_backbone_folder, seed=7)


@pytest.mark.usefixtures("jobs_in_process")
def test_a_space_is_added_read_measured_and_chosen(
    fac_here: Fac, tiny_spec: SpaceSpec, tiny_backbone_folder: Path, other_sae: Path
) -> None:
    first = fac_here("coverage", "--json").json
    added = fac_here(
        "space",
        "add",
        tiny_backbone_folder,
        other_sae,
        "--block",
        f"blocks.{BLOCK - 1}.hook_resid_post",
        "--name",
        "Second",
        "--json",
    )
    second = added.json["space_id"]
    assert added.json["name"] == "Second" and second != tiny_spec.space_id
    assert [each["current"] for each in fac_here("space", "--json").json] == [True, False]
    assert fac_here("extract", "--space", "Second").code == 0
    found = fac_here("coverage", "--space", "Second", "--json").json
    assert found["space_id"] == second and found["coverage"]["n_anchor"] > 0
    assert fac_here("coverage", "--json").json == first, "what was read in the first space stays as it was"
    assert "now works in Second" in fac_here("space", "use", "Second").out
    assert fac_here("coverage", "--json").json["space_id"] == second
    assert fac_here("space", "list").out.splitlines()[2].startswith("*")
    assert fac_here("gaps", "--space", tiny_spec.space_id, "--json").json["space_id"] == tiny_spec.space_id


@pytest.mark.usefixtures("jobs_in_process")
def test_everything_is_read_again_and_what_that_changes_is_said(fac_here: Fac) -> None:
    before = fac_here("coverage", "--json").json["coverage"]
    ran = fac_here("extract", "--again")
    assert ran.code == 0 and "90 texts were read again: the same features fire in all of them" in ran.out
    again = fac_here("extract", "--again", "--json").json["again"]
    assert (again["n_texts"], again["n_changed"]) == (90, 0)
    assert fac_here("extract", "--json").json["again"] is None
    assert fac_here("coverage", "--json").json["coverage"]["fac"] == before["fac"]


def test_what_does_not_fit_is_one_line(
    fac_here: Fac, tiny_backbone_folder: Path, tiny_sae_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "wide").mkdir()
    wide = make_tiny_sae(tmp_path / "wide", tiny_backbone_folder, d_in=40)
    for arguments, said in (
        ((tiny_backbone_folder, wide, "--block", BLOCK), "reads vectors of width 40"),
        ((tiny_backbone_folder, tiny_sae_folder, "--block", 9), "has blocks 1 to 4"),
        ((tiny_backbone_folder, tiny_sae_folder, "--block", "hidden_states[3]"), "choose block 2"),
        ((tiny_backbone_folder, tiny_sae_folder, "--block", "the middle"), "The place 'the middle' is not known"),
        ((tmp_path / "nowhere", tiny_sae_folder, "--block", BLOCK), "There is no model folder"),
    ):
        ran = fac_here("space", "add", *arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1) and said in ran.err
    assert "list them with: fac space list" in fac_here("space", "use", "nothing").err
    assert len(fac_here("space", "--json").json) == 1


def test_a_space_that_does_not_fit_is_told_with_its_numbers_until_it_is_accepted(
    fac_here: Fac, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {"fvu": 9.0, "l0": 60.0, "n_tokens": 900, "truncated_texts": 0, "suspects": []}
    monkeypatch.setattr("fac_core.feature_space.health.measured_health", lambda ws, space_id: bad)
    assert fac_here("coverage").out.startswith("Do not trust these numbers. The SAE may not fit")
    assert "no longer marked" in fac_here("space", "accept", "only a trial").out
    assert "Do not trust" not in fac_here("coverage").out


@pytest.fixture
def there(tiny_backbone_folder: Path, other_sae: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """A Hub with the tiny model and another SAE of it."""
    fake = make_fake_hub(tmp_path / "hub", monkeypatch)
    fake.put("owner/tiny", tiny_backbone_folder)
    fake.put("owner/sae", other_sae)
    return fake


def test_presets_are_listed_with_what_they_take(fac: Fac, there: FakeHub) -> None:
    shown = fac("space", "presets").out
    row = next(line for line in shown.splitlines() if line.startswith("gemma-scope-2b-12"))
    assert all(part in row for part in (" 13 ", "16,384", "10.8 GB", "gemma, gated", "cc-by-4.0"))
    assert "smollm2-135m-mlp-15 cannot be used: its SAEs read the output of an MLP" in shown
    listed = {each["id"]: each for each in fac("space", "presets", "--json").json}
    assert listed["paper-qwen"]["block"] == 14 and listed["paper-mistral"]["model_gated"] is None
    assert there.asked == []


def test_nothing_is_downloaded_unless_it_was_agreed_to(
    fac_here: Fac, there: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = fac_here("space", "add", "--preset", "paper-qwen")
    assert ran.code == 1 and "Qwen/Qwen2-7B-Instruct: about 15.2 GB to download, licence apache-2.0" in ran.err
    assert ran.err.endswith("fac: Nothing was downloaded; add --yes to start.\n") and there.asked == []
    assert "Nothing was downloaded" in fac_here("space", "add", "owner/tiny", "owner/sae").err
    assert there.fetched == []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert fac_here("space", "add", "owner/tiny", "owner/sae").err.endswith("fac: Nothing was downloaded.\n")
    assert there.fetched == []
    ran = fac_here("space", "add", "owner/tiny", "owner/sae", "--yes", "--json")
    assert ran.json["revision"] == COMMIT and "sae_weights.safetensors" in there.fetched
    assert fac_here("space", "--json").json[-1]["sae"] == f"owner/sae@{COMMIT}"


def test_a_preset_that_is_not_there_or_does_not_fit_is_one_line(
    fac_here: Fac, there: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no preset 'lama'; there are embedded" in fac_here("space", "add", "--preset", "lama").err
    assert "not both" in fac_here("space", "add", "x", "y", "--preset", "paper-qwen").err
    assert "Name a model and an SAE" in fac_here("space", "add", "embedded").err
    assert (
        "float32, bfloat16, float16, not in 'int8'"
        in fac_here("space", "add", "owner/tiny", "owner/sae", "--dtype", "int8").err
    )
    there.full_disk(monkeypatch, 10_000_000)
    ran = fac_here("space", "add", "--preset", "paper-qwen", "--yes")
    assert ran.code == 1 and "About 16.2 GB have to be downloaded and 10 MB are free" in ran.err
    assert there.asked == [], "the Hub need not be asked for any of it"
