"""The hand-written gradients are the gradients, and a run is the same whether or not it was interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fac_core.errors import InputError
from fac_core.feature_space.sae_formats import load_sae
from fac_core.feature_space.training.export import export_saelens
from fac_core.feature_space.training.loop import Activations, mean_norm_scale, train
from fac_core.feature_space.training.measure import measure
from fac_core.feature_space.training.recipe import Corpus, Recipe, SaePart, SpacePart, TrainingPart
from fac_core.feature_space.training.topk_trainer import TopKTrainer
from tests.tiny import dense


def recipe(samples: int = 640, **training: float | str) -> Recipe:
    return Recipe(
        space=SpacePart(block=1),
        sae=SaePart(d_sae=40, k=4, k_start=6),
        training=TrainingPart(samples=samples, batch=32, warmup=2, checkpoint_steps=5, **training),
        corpus=Corpus(source=[]),
    )


def residuals(n: int = 500) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    atoms = rng.normal(size=(20, 12))
    codes = rng.random((n, 20)) * (rng.random((n, 20)) < 0.15)
    x = (codes @ atoms + 3).astype(np.float16)
    return [x[:200], x[200:]]


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("some_dead", [False, True], ids=["all-alive", "some-dead"])
def test_hand_written_gradients_equal_autograd(some_dead: bool, tied: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(32, 12)
    sae, training = SaePart(d_sae=40, k=4, tied=tied), TrainingPart(samples=1000, batch=32, dead_after=10)
    trainer = TopKTrainer.start(sae, training, x)
    trainer.b_enc += torch.randn(40) * 0.1
    if some_dead:
        trainer.silent[:20] = 100
    found, _, _, _ = trainer.gradients(x, 4)

    w_enc, b_enc, w_dec, b_dec = (
        p.clone().requires_grad_() for p in (trainer.w_enc, trainer.b_enc, trainer.w_dec, trainer.b_dec)
    )
    if tied:
        w_dec = w_enc
    pre = (x - b_dec) @ w_enc.T + b_enc

    def decode(part: torch.Tensor, rows: torch.Tensor, k: int) -> torch.Tensor:
        values, index = part.topk(k)
        return torch.zeros_like(part).scatter(1, index, values.relu()) @ rows

    out = decode(pre, w_dec, 4) + b_dec
    loss = (out - x).square().mean()
    if some_dead:
        missing = (x - out).detach()
        auxiliary = decode(pre[:, :20], w_dec[:20], 20) - missing
        loss = loss + trainer.training.aux_weight * auxiliary.square().mean()
    loss.backward()
    ours = [found.w_enc + found.w_dec, found.b_enc, found.b_dec] if tied else list(found)
    theirs = [w_enc, b_enc, b_dec] if tied else [w_enc, b_enc, w_dec, b_dec]
    for mine, parameter in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, parameter.grad, atol=1e-6, rtol=1e-5)


def test_a_tied_dictionary_stays_one_matrix_through_training_checkpoint_and_export(tmp_path: Path) -> None:
    tied = recipe(optimizer="adamw", weight_decay=0.01)
    tied = tied.model_copy(update={"sae": SaePart(d_sae=40, k=4, k_start=6, tied=True)})
    train(tied, residuals(), tmp_path, max_steps=7)
    found = train(tied, residuals(), tmp_path).trainer.finish()
    assert found.w_enc is found.w_dec
    assert float(found.w_dec.norm(dim=1).std()) > 1e-3, "rows keep the norm they learn"
    export_saelens(tmp_path / "sae", found, scale=1.0, k=4, metadata={}, dtype="float32")
    sae = load_sae(tmp_path / "sae").sae
    torch.testing.assert_close(sae.w_enc, sae.w_dec)


def test_an_interrupted_run_ends_with_the_same_dictionary(tmp_path: Path) -> None:
    whole = train(recipe(), residuals(), _folder(tmp_path, "whole"))
    part = _folder(tmp_path, "part")
    train(recipe(), residuals(), part, max_steps=7)
    resumed = train(recipe(), residuals(), part)
    assert resumed.trainer.step == whole.trainer.step == 20
    torch.testing.assert_close(resumed.trainer.w_dec, whole.trainer.w_dec, atol=1e-5, rtol=1e-4)


def test_the_curve_and_the_time_of_a_resumed_run_are_of_all_its_steps(tmp_path: Path) -> None:
    whole = train(recipe(samples=960), residuals(), _folder(tmp_path, "whole"))
    part = _folder(tmp_path, "part")
    first = train(recipe(samples=960), residuals(), part, max_steps=15)
    second = train(recipe(samples=960), residuals(), part)
    again = train(recipe(samples=960), residuals(), part)
    assert [point.step for point in whole.curve] == [10, 20, 30]
    assert [point.step for point in second.curve] == [10, 15, 20, 30]
    assert again.curve == second.curve and json.loads((part / "curve.json").read_text())[0]["step"] == 10
    assert second.seconds > first.seconds > 0
    assert again.seconds == pytest.approx(second.seconds, abs=0.5)


def test_training_lowers_the_unexplained_variance_and_keeps_unit_decoder_rows(tmp_path: Path) -> None:
    fvus: list[float] = []
    trainer = train(
        recipe(samples=12_800, lr=5e-3), residuals(), tmp_path, on_step=lambda stats, _total: fvus.append(stats.fvu)
    ).trainer
    assert np.mean(fvus[-20:]) < 0.5 * np.mean(fvus[:5])
    torch.testing.assert_close(trainer.w_dec.norm(dim=1), torch.ones(40))


def test_the_exported_sae_reads_the_unscaled_residual_stream(tmp_path: Path) -> None:
    trainer, scale, _, _ = train(recipe(), residuals(), tmp_path)
    export_saelens(tmp_path / "sae", trainer.finish(), scale=scale, k=4, metadata={}, dtype="float32")
    sae = load_sae(tmp_path / "sae").sae
    x = torch.from_numpy(residuals()[0].astype(np.float32))
    values, features = ((x * scale - trainer.b_dec) @ trainer.w_enc.T + trainer.b_enc).topk(4)
    expected = torch.zeros(len(x), 40).scatter(1, features, values.relu())
    codes = sae.encode(x)
    torch.testing.assert_close(dense(codes, 40), expected, atol=1e-4, rtol=1e-4)
    decoded = (expected @ trainer.w_dec + trainer.b_dec) / scale
    torch.testing.assert_close(sae.decode(codes, x), decoded, atol=1e-3, rtol=1e-3)
    card = measure(tmp_path / "sae", residuals())
    assert 0 < card.fvu < 1.5
    assert card.tokens == 500
    assert card.l0 <= 4


def test_batches_over_shards_are_the_rows_of_one_array_and_each_epoch_shows_every_row_once() -> None:
    shards = residuals()
    whole = np.concatenate(shards).astype(np.float32)
    activations = Activations(shards, batch=100, seed=3)
    index = np.array([450, 3, 199, 200, 201])
    np.testing.assert_array_equal(activations.rows(index), whole[np.sort(index)])
    shown = np.concatenate([activations.step_rows(step) for step in range(5)])
    assert {row.tobytes() for row in shown} == {row.tobytes() for row in whole}
    np.testing.assert_array_equal(activations.step_rows(7), Activations(shards, 100, 3).step_rows(7))


def test_the_scale_brings_the_mean_norm_to_the_root_of_the_width() -> None:
    activations = Activations(residuals(), batch=100, seed=0)
    x = activations.rows(np.arange(500)) * mean_norm_scale(activations)
    assert np.linalg.norm(x, axis=1).mean() == pytest.approx(np.sqrt(12), rel=1e-3)


def test_too_few_activations_are_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fewer than one batch"):
        train(recipe(), [residuals()[0][:10]], tmp_path)


def _folder(root: Path, name: str) -> Path:
    (root / name).mkdir()
    return root / name
