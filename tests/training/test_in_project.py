"""An SAE of a project: texts in, space out; what is held out is never read; stopped, it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fac_core.coverage.across import across_spaces
from fac_core.coverage.measure import coverage
from fac_core.errors import InputError, ModelError
from fac_core.feature_space import comparing_job, spaces
from fac_core.feature_space.comparing import side_of_folder, side_of_space
from fac_core.feature_space.extraction import start_extraction
from fac_core.feature_space.health import health
from fac_core.feature_space.training import in_project, job, loop
from fac_core.feature_space.training.in_project import latest_run, start_training, trained, use_as_space
from fac_core.jobs import owner
from fac_core.jobs.folder import JobFolder
from fac_core.workspace import Workspace
from tests.tiny import add_dataset, labelled_rows

pytestmark = pytest.mark.usefixtures("jobs_in_process")
SAE = {"d_sae": 64, "k": 4}
TRAINING = {"samples": 3200, "batch": 64, "warmup": 2, "dead_after": 500, "checkpoint_steps": 20, "lr": 1e-2}


def entries(backbone: Path, block: int | None = 3, **sae: Any) -> dict[str, Any]:
    return {"space": {"backbone": str(backbone), "block": block}, "sae": {**SAE, **sae}, "training": TRAINING}


def train(ws: Workspace, backbone: Path, name: str = "mine", **sae: Any) -> str:
    job_id = start_training(ws, name, entries(backbone, **sae), ["anchor", "seed", "pool"])
    assert owner.wait(ws, job_id).state == "completed", owner.get(ws, job_id).message
    return job_id


def settle(ws: Workspace) -> None:
    while active := [each for each in owner.poll(ws) if each.active]:
        assert owner.wait(ws, active[0].job_id, timeout=200).state == "completed"


def test_an_sae_trained_on_the_project_becomes_a_second_space_whose_coverage_stands_beside_the_first(
    filled_ws: Workspace, tiny_backbone_folder: Path
) -> None:
    ws, first = filled_ws, spaces.spaces(filled_ws)[0].space_id
    job_id = train(ws, tiny_backbone_folder)
    (sae,) = trained(ws)
    assert (sae.name, sae.folder, sae.card["block"]) == ("mine", ws.saes / "mine", 3)
    assert 0 < sae.card["fvu"] < 1 and sae.card["l0"] <= 4 and sae.card["heldout_tokens"] > 0
    assert sae.curve == in_project.curve_of(ws, owner.get(ws, job_id)) and sae.curve[-1].step == 50
    kept = [path.name for path in (ws.jobs / job_id / "work").rglob("*") if path.is_file()]
    assert sorted(kept) == ["curve.json", "identity.json"], "activations of a finished run are not kept"

    second = use_as_space(ws, "mine")
    assert use_as_space(ws, "mine") == second != first
    assert spaces.space(ws, second).spec.hook_in_words().startswith("output of block 3")
    start_extraction(ws, second)
    settle(ws)
    card = health(ws, second)
    assert card is not None and card.state == "good", card
    here, there = across_spaces(ws)
    assert (here.space_id, there.space_id) == (first, second) and there.n_unread == 0
    for found in (here, there):
        alone = coverage(ws, found.space_id, found.delta)
        assert (found.fac, found.n_alive, found.n_missing) == (alone.fac, alone.n_alive, alone.states["missing"])


@pytest.mark.parametrize("kind", ["batchtopk", "jumprelu"])
def test_a_dictionary_with_thresholds_becomes_a_space_as_well(
    filled_ws: Workspace, tiny_backbone_folder: Path, kind: str
) -> None:
    train(filled_ws, tiny_backbone_folder, kind=kind)
    space = spaces.space(filled_ws, use_as_space(filled_ws, "mine"))
    assert (space.spec.k, space.card["kind"], space.card["trained_k"]) == (0, kind, 4)


def test_what_is_held_out_is_left_out_wherever_it_occurs(filled_ws: Workspace, tiny_backbone_folder: Path) -> None:
    add_dataset(filled_ws, "holdout", labelled_rows("anchor"))
    with pytest.raises(InputError, match="none that is held out"):
        start_training(filled_ws, "mine", entries(tiny_backbone_folder), ["holdout", "seed"])
    job_id = start_training(filled_ws, "mine", entries(tiny_backbone_folder), ["anchor"])
    ended = owner.wait(filled_ws, job_id)
    assert ended.state == "failed" and "No text of the corpus" in ended.message


def test_a_training_that_is_cancelled_goes_on_from_there_and_ends_as_one_that_was_not(
    filled_ws: Workspace, tiny_backbone_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(filled_ws, tiny_backbone_folder, "whole")
    asked = JobFolder.cancelled
    n_asked = 0

    def at_the_fifteenth(folder: JobFolder) -> bool:
        nonlocal n_asked
        n_asked += 1
        if n_asked == 15:
            (folder.root / "cancel").touch()
        return asked(folder)

    monkeypatch.setattr(JobFolder, "cancelled", at_the_fifteenth)
    job_id = start_training(filled_ws, "part", entries(tiny_backbone_folder), ["anchor", "seed", "pool"])
    assert owner.wait(filled_ws, job_id).state == "cancelled"
    assert [sae.name for sae in trained(filled_ws)] == ["whole"]
    assert (filled_ws.jobs / job_id / "work" / loop.CHECKPOINT).is_file()
    assert 0 < n_asked < 20
    owner.resume(filled_ws, job_id)
    assert owner.wait(filled_ws, job_id).state == "completed"
    part, whole = trained(filled_ws)
    alike = ("fvu", "l0", "alive_share", "steps", "heldout_tokens")
    assert [part.card[key] for key in alike] == [whole.card[key] for key in alike]
    latest = latest_run(filled_ws)
    assert latest is not None and latest.job_id == job_id


def test_what_cannot_be_trained_is_refused_before_a_job_starts(
    filled_ws: Workspace, tiny_backbone_folder: Path, tmp_path: Path
) -> None:
    good, ids = entries(tiny_backbone_folder), ["anchor"]
    for name, wrong, chosen, sentence in (
        (" ", good, ids, "needs a name"),
        ("x", good, [], "at least one dataset"),
        ("x", good, ["nothing"], "at least one dataset"),
        ("x", entries(tiny_backbone_folder, k=65), ids, "k and k_start can be at most d_sae"),
    ):
        with pytest.raises(InputError, match=sentence):
            start_training(filled_ws, name, wrong, chosen)
    with pytest.raises(ModelError, match="has blocks 1 to 4"):
        start_training(filled_ws, "x", entries(tiny_backbone_folder, block=9), ids)
    with pytest.raises(ModelError, match="no model folder"):
        start_training(filled_ws, "x", entries(tmp_path / "no where"), ids)
    assert owner.jobs(filled_ws) == [] and not filled_ws.saes.exists()
    train(filled_ws, tiny_backbone_folder, "Mine ")
    with pytest.raises(InputError, match="an SAE called mine in this project already"):
        start_training(filled_ws, "mine", good, ids)
    with pytest.raises(InputError, match="No SAE called"):
        use_as_space(filled_ws, "../mine")


def test_a_name_never_becomes_a_path_and_a_folder_without_a_card_is_no_sae(
    filled_ws: Workspace, tiny_backbone_folder: Path
) -> None:
    train(filled_ws, tiny_backbone_folder, "../../etc/<b>x")
    assert [path.name for path in filled_ws.saes.iterdir()] == ["etc-b-x"]
    (filled_ws.saes / "half").mkdir()
    (filled_ws.saes / "bad").mkdir()
    (filled_ws.saes / "bad" / job.CARD).write_text("[", encoding="utf-8")
    assert [sae.name for sae in trained(filled_ws)] == ["etc-b-x"]


def test_the_block_is_half_the_depth_where_none_is_named(filled_ws: Workspace, tiny_backbone_folder: Path) -> None:
    start_training(filled_ws, "mine", entries(tiny_backbone_folder, block=None), ["anchor"])
    owner.poll(filled_ws)
    (sae,) = trained(filled_ws)
    assert sae.recipe.space.block == 2
    assert json.loads((sae.folder / job.RECIPE).read_text(encoding="utf-8"))["space"]["block"] == 2


def test_two_saes_are_compared_in_a_job_whose_figures_stay(filled_ws: Workspace, tiny_backbone_folder: Path) -> None:
    train(filled_ws, tiny_backbone_folder)
    space = spaces.spaces(filled_ws)[0]
    a, b = side_of_space(space.spec, space.name), side_of_folder(filled_ws.saes / "mine")
    assert comparing_job.last_comparison(filled_ws, a, b) is None
    with pytest.raises(InputError, match="two different"):
        comparing_job.start_comparison(filled_ws, a, a)
    assert owner.wait(filled_ws, comparing_job.start_comparison(filled_ws, a, b)).state == "completed"
    found = comparing_job.last_comparison(filled_ws, a, b)
    assert found is not None and found.n_texts == 90
    assert [side.name for side in found.sides] == ["Tiny", "mine"]
    assert found.sides[0].fvu == pytest.approx(space.card["fvu"], rel=1e-3)
