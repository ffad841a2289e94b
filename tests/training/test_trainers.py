"""Every kind of dictionary learns, resumes exactly, revives what is dead, and is read back as it was trained."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fac_core.feature_space.sae_formats import load_sae
from fac_core.feature_space.training.export import export_saelens
from fac_core.feature_space.training.loop import CHECKPOINT, read_curve, train
from fac_core.feature_space.training.recipe import Recipe, make_recipe
from tests.tiny import dense
from tests.training.test_topk_trainer import residuals

KINDS = {
    "topk": {"kind": "topk", "k_start": 6},
    "tied": {"kind": "topk", "tied": True, "k_start": 6},
    "batchtopk": {"kind": "batchtopk", "k_start": 6},
    "jumprelu": {"kind": "jumprelu"},
}


def recipe(kind: str, **training: object) -> Recipe:
    entries = {"samples": 640, "batch": 32, "warmup": 2, "checkpoint_steps": 5, "lr": 5e-3, **training}
    return make_recipe(
        {
            "space": {"block": 1},
            "sae": {"d_sae": 40, "k": 4, **KINDS[kind]},
            "training": entries,
            "corpus": {"source": []},
        }
    )


def parts(found: object) -> list[torch.Tensor]:
    return [part for part in found if part is not None]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", [{}, {"optimizer": "adamw", "weight_decay": 0.01}], ids=["adam", "adamw"])
def test_a_run_that_was_stopped_anywhere_ends_with_the_same_dictionary(
    kind: str, optimizer: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = train(recipe(kind, **optimizer), residuals(), tmp_path / "whole")
    for stop in (3, 11):  # between two checkpoints
        asked = itertools.count()
        part = train(recipe(kind, **optimizer), residuals(), tmp_path, cancelled=lambda: next(asked) >= stop)  # noqa: B023
        assert int(load_file(tmp_path / CHECKPOINT)["step"]) == part.trainer.step, "the cancel point is kept"
    assert part.trainer.step == 14
    done = train(recipe(kind, **optimizer), residuals(), tmp_path)
    assert done.trainer.step == whole.trainer.step == 20
    for one, other in zip(parts(done.trainer.finish()), parts(whole.trainer.finish()), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    assert read_curve(tmp_path)[-1] == done.curve[-1] and done.curve[-1].step == 20


def test_a_run_that_is_stopped_before_its_first_step_leaves_nothing(tmp_path: Path) -> None:
    train(recipe("topk"), residuals(), tmp_path, cancelled=lambda: True)
    assert not list(tmp_path.iterdir()) and read_curve(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_explains_more_and_more_and_comes_near_its_k(kind: str, tmp_path: Path) -> None:
    points = train(recipe(kind, samples=25_600, lr=1e-2), residuals(), tmp_path).curve
    assert np.mean([point.fvu for point in points[-5:]]) < 0.7 * points[0].fvu
    assert 2 <= np.mean([point.l0 for point in points[-5:]]) <= 8
    assert all(0 <= point.dead_share <= 1 for point in points)


@pytest.mark.parametrize("kind", ["batchtopk", "jumprelu"])
def test_a_dictionary_with_thresholds_is_read_by_this_reader_and_by_sae_lens_as_it_was_trained(
    kind: str, tmp_path: Path
) -> None:
    from sae_lens import SAE

    done = train(recipe(kind, samples=6400), residuals(), tmp_path)
    found = done.trainer.finish()
    torch.testing.assert_close(found.w_dec.norm(dim=1), torch.ones(40))
    export_saelens(
        tmp_path / "sae", found, scale=done.scale, k=4, metadata={"hook_name": "model.layers.0"}, dtype="float32"
    )
    x = torch.from_numpy(residuals()[0].astype(np.float32))
    ours = load_sae(tmp_path / "sae").sae
    codes = ours.encode(x)
    theirs = SAE.load_from_disk(str(tmp_path / "sae"))
    with torch.no_grad():
        torch.testing.assert_close(dense(codes, 40), theirs.encode(x), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.decode(codes, x), theirs.decode(theirs.encode(x)), atol=1e-3, rtol=1e-3)
        module = done.trainer.module  # type: ignore[attr-defined]
        if kind == "jumprelu":  # in training its decoder has any norm, so values differ by it and what fires does not
            assert torch.equal(dense(codes, 40) > 0, module.encode(x * done.scale) > 0)
        trained = module(x * done.scale) / done.scale
    gap = (ours.decode(codes, x) - trained).norm() / (x - x.mean(0)).norm()
    assert gap < (1e-4 if kind == "jumprelu" else 0.35), "of a batch, the threshold is an estimate"
    assert 0 < float((codes.values > 0).sum()) / len(x) < 12


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "jumprelu"])
def test_dead_features_are_pulled_towards_what_is_not_explained_unless_the_recipe_says_no(kind: str) -> None:
    from fac_core.feature_space.training.trainer import start_trainer

    x = torch.from_numpy(np.concatenate(residuals()).astype(np.float32))[:64]
    moved = {}
    for weight in (0.0, 1.0):
        made = recipe(kind, aux_weight=weight, dead_after=10, lr=1e-3, warmup=0)
        trainer = start_trainer(made.sae, made.training, x)
        bias = trainer.b_enc if kind == "topk" else trainer.module.b_enc  # type: ignore[attr-defined]
        with torch.no_grad():
            if kind == "jumprelu":
                bias[:10] = -50.0
            else:
                bias[10:] = 50.0  # the others are always larger
        trainer.silent[:10] = 1000  # type: ignore[attr-defined]
        before = bias[:10].detach().clone()
        trainer.train_step(x)
        moved[weight] = float((bias[:10].detach() - before).abs().sum())
    assert moved[1.0] > moved[0.0] == 0.0
