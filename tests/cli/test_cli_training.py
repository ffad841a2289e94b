"""From the terminal: an SAE is trained on a project's texts, becomes a space, and two of each are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fac_core.feature_space.space import SpaceSpec
from fac_core.workspace import Workspace
from tests.cli.conftest import Ran

Fac = Callable[..., Ran]
SMALL = ("--d-sae", 64, "--k", 4, "--batch", 64, "--samples", 1280)


@pytest.fixture
def fac_here(fac: Fac, filled_ws: Workspace, jobs_in_process: None, monkeypatch: pytest.MonkeyPatch) -> Fac:
    """`fac` in a project with texts read in the tiny space; jobs run in this process."""
    monkeypatch.setenv("FAC_PROJECT", str(filled_ws.root))
    filled_ws.close()
    return fac


def test_an_sae_is_trained_on_the_project_used_as_a_space_and_compared(
    fac_here: Fac, filled_ws: Workspace, tiny_spec: SpaceSpec, tiny_backbone_folder: Path, tmp_path: Path
) -> None:
    at = ("--model", tiny_backbone_folder, "--block", 3)
    ran = fac_here("train-sae", "--name", "Mine", *at, "--preset", "paper", "--kind", "jumprelu", *SMALL)
    assert "wrong entry at sae: only a dictionary of kind topk can be tied" in ran.err
    ran = fac_here("train-sae", "--name", "Mine", *at, "--kind", "batchtopk", *SMALL, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["card"]["kind"] == "batchtopk" and Path(ran.json["out"]) == filled_ws.root / "saes" / "mine"
    ran = fac_here("train-sae", "--name", "two", *at, *SMALL, "--dataset", "seed", "--dataset", "pool", "--tokens", 900)
    assert ran.code == 0 and "of features alive on held-out texts" in ran.out
    assert [each["name"] for each in fac_here("sae", "list", "--json").json] == ["mine", "two"]

    second = fac_here("sae", "use", "mine", "--json").json["space_id"]
    assert fac_here("extract", "--space", second).code == 0
    both = fac_here("space", "compare", "--json").json
    assert [each["space_id"] for each in both] == [tiny_spec.space_id, second]
    for each in both:
        alone = fac_here("coverage", "--space", each["space_id"], "--json").json["coverage"]
        assert (each["fac"], each["n_alive"]) == (alone["fac"], alone["n_alive"])
    assert "missing" in fac_here("space", "compare").out.splitlines()[0]

    found = fac_here("sae", "compare", "Tiny", "two", "--json").json
    assert [side["name"] for side in found["sides"]] == ["Tiny", "two"] and found["n_texts"] == 90
    (tmp_path / "texts.txt").write_text("a pipe bomb\n\nlentil soup\n", encoding="utf-8")
    folders = [filled_ws.root / "saes" / name for name in ("mine", "two")]
    ran = fac_here("sae", "compare", *folders, "--texts", tmp_path / "texts.txt")
    assert ran.code == 0 and "2 texts; shared" in ran.out and "two" in ran.out


def test_what_is_not_there_or_does_not_go_together_is_one_line(fac_here: Fac, tmp_path: Path) -> None:
    for arguments, said in (
        (("train-sae",), "Name a recipe with --recipe"),
        (("train-sae", "--name", "x", "--out", tmp_path), "belong to --recipe"),
        (("train-sae", "--recipe", tmp_path / "r.toml"), "needs --data"),
        (("train-sae", "--name", "x", "--dataset", "nope"), "no dataset 'nope'"),
        (("train-sae", "--name", "x", "--preset", "nope"), "no preset 'nope'"),
        (("sae", "use", "nope"), "No SAE called 'nope'"),
        (("sae", "compare", "Tiny", "nope"), "no feature space, SAE or folder 'nope'"),
    ):
        ran = fac_here(*arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1) and said in ran.err
    assert "No SAE was trained" in fac_here("sae", "list").out
