"""Each format's encode and decode are those of its own definition, written out here densely and one step at a time.

The references below know nothing of the reader: they take the tensors as the format stores them and follow the
producer's own forward pass.
"""

from __future__ import annotations

import json
import math
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from fac_core.errors import ModelError
from fac_core.feature_space.sae import Sae
from fac_core.feature_space.sae_formats import format_of, load_sae, sae_digest
from tests.tiny import dense

D_IN, D_SAE, K = 12, 40, 5
Reference = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Residual vectors → (dense activations [tokens, d_sae], reconstruction [tokens, d_in])."""
Case = Callable[[Path], Reference]


def randn(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def residuals(n: int = 300) -> Tensor:
    """Vectors of very different norms, as a residual stream has them."""
    return randn(n, D_IN, seed=9) * torch.linspace(0.2, 6.0, n)[:, None]


def keep_largest(pre: Tensor, k: int = K) -> Tensor:
    """Top-K row by row, then ReLU."""
    kept = torch.zeros_like(pre)
    for row, values in enumerate(pre):
        for feature in sorted(range(len(values)), key=lambda i: -float(values[i]))[:k]:
            kept[row, feature] = max(float(values[feature]), 0.0)
    return kept


# --- SAELens -------------------------------------------------------------------------------------------------------


def saelens(
    architecture: str, *, pre_six: bool = False, renamed: bool = False, norm: str = "none", **config: Any
) -> Case:
    def write(folder: Path) -> Reference:
        w_enc, w_dec = randn(D_IN, D_SAE, seed=1), randn(D_SAE, D_IN, seed=2)
        b_enc, b_dec = randn(D_SAE, seed=3), randn(D_IN, seed=4)
        threshold, r_mag = randn(D_SAE, seed=5).abs() + 0.5, randn(D_SAE, seed=6, scale=0.3)
        b_gate, b_mag = randn(D_SAE, seed=7), randn(D_SAE, seed=8)
        tensors = {"W_enc": w_enc, "W_dec": w_dec, "b_dec": b_dec}
        if architecture == "gated":
            tensors |= {"b_gate": b_gate, "b_mag": b_mag, "r_mag": r_mag}
        else:
            tensors["b_enc"] = b_enc
        if architecture == "jumprelu":
            tensors["threshold"] = threshold
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "sae_weights.safetensors")
        (folder / "cfg.json").write_text(json.dumps(_saelens_config(architecture, pre_six, renamed, norm, config)))
        shift = config.get("apply_b_dec_to_input", True)
        rescale = config.get("rescale_acts_by_decoder_norm", False)

        def reference(x: Tensor) -> tuple[Tensor, Tensor]:
            undo: Callable[[Tensor], Tensor] = lambda out: out  # noqa: E731
            if norm == "constant_norm_rescale":
                factor = math.sqrt(D_IN) / x.norm(dim=-1, keepdim=True)
                x, undo = x * factor, lambda out: out / factor
            elif norm == "layer_norm":
                mean = x.mean(-1, keepdim=True)
                centred = x - mean
                std = centred.std(-1, keepdim=True)
                x, undo = centred / (std + 1e-5), lambda out: out * std + mean
            inner = x - b_dec if shift else x
            product = inner @ w_enc
            if architecture == "gated":
                acts = ((product + b_gate) > 0) * torch.relu(inner @ (w_enc * r_mag.exp()) + b_mag)
                return acts, undo(acts @ w_dec + b_dec)
            pre = product + b_enc
            if architecture == "topk":
                norms = w_dec.norm(dim=1) if rescale else torch.ones(D_SAE)
                acts = keep_largest(pre * norms)
                return acts, undo((acts / norms) @ w_dec + b_dec)
            acts = torch.relu(pre) * (pre > threshold) if architecture == "jumprelu" else torch.relu(pre)
            return acts, undo(acts @ w_dec + b_dec)

        return reference

    return write


def _saelens_config(
    architecture: str, pre_six: bool, renamed: bool, norm: str, config: dict[str, Any]
) -> dict[str, Any]:
    if not pre_six:
        metadata = {"sae_lens_version": "6.54.12", "model_name": "tiny", "hook_name": "blocks.1.hook_resid_post"}
        found = {"architecture": architecture, "normalize_activations": norm, "metadata": metadata, **config}
        return found | ({"k": K} if architecture == "topk" else {})
    hook, function = ("hook_point", "activation_fn_str") if renamed else ("hook_name", "activation_fn")
    found = {hook: "blocks.1.hook_resid_post", "model_name": "tiny", "normalize_activations": None, **config}
    if architecture == "topk":  # such files call themselves standard and name the function
        return found | {function: "topk", "activation_fn_kwargs": {"k": K}, "architecture": "standard"}
    return found | ({} if architecture == "standard" else {"architecture": architecture})


# --- the other formats ---------------------------------------------------------------------------------------------


def gemma_scope(folder: Path) -> Reference:
    w_enc, w_dec = randn(D_IN, D_SAE, seed=1), randn(D_SAE, D_IN, seed=2)
    b_enc, b_dec, threshold = randn(D_SAE, seed=3), randn(D_IN, seed=4), randn(D_SAE, seed=5).abs() + 0.5
    arrays = {"W_enc": w_enc, "W_dec": w_dec, "b_enc": b_enc, "b_dec": b_dec, "threshold": threshold}
    np.savez(folder / "params.npz", **{name: tensor.numpy() for name, tensor in arrays.items()})

    def reference(x: Tensor) -> tuple[Tensor, Tensor]:
        pre = x @ w_enc + b_enc
        acts = (pre > threshold) * torch.relu(pre)
        return acts, acts @ w_dec + b_dec

    return reference


def llama_scope(act_fn: str, *, decoder_norm: bool = False, threshold: float = 1.5) -> Case:
    def write(folder: Path) -> Reference:
        encoder, decoder = randn(D_SAE, D_IN, seed=1), randn(D_IN, D_SAE, seed=2)
        b_enc, b_dec = randn(D_SAE, seed=3), randn(D_IN, seed=4)
        (folder / "checkpoints").mkdir()
        tensors = {
            "encoder.weight": encoder,
            "encoder.bias": b_enc,
            "decoder.weight": decoder,
            "decoder.bias": b_dec,
        }
        save_file(tensors, folder / "checkpoints" / "final.safetensors")
        average = 7.0
        config = {
            "act_fn": act_fn,
            "jump_relu_threshold": threshold,
            "top_k": K,
            "d_model": D_IN,
            "d_sae": D_SAE,
            "norm_activation": "dataset-wise",
            "dataset_average_activation_norm": {"in": average, "out": average},
            "hook_point_in": "blocks.1.hook_resid_post",
            "hook_point_out": "blocks.1.hook_resid_post",
            "use_decoder_bias": True,
            "sparsity_include_decoder_norm": decoder_norm,
        }
        (folder / "hyperparams.json").write_text(json.dumps(config))
        scale = math.sqrt(D_IN) / average

        def reference(x: Tensor) -> tuple[Tensor, Tensor]:
            # in training units: the input scaled to its average norm, the output scaled back
            pre = (x * scale) @ encoder.T + b_enc
            norms = decoder.norm(dim=0) if decoder_norm else torch.ones(D_SAE)
            score = pre * norms / scale  # in the model's own units, in which the threshold is given
            if act_fn == "topk" and threshold == 0:
                acts = keep_largest(score)
            elif act_fn == "relu":
                acts = torch.relu(score)
            else:
                acts = score * (score > threshold)
            back = ((acts * scale / norms) @ decoder.T + b_dec) / scale
            return acts, back

        return reference

    return write


def sparsify(folder: Path) -> Reference:
    encoder, w_dec = randn(D_SAE, D_IN, seed=1), randn(D_SAE, D_IN, seed=2)
    w_dec /= w_dec.norm(dim=1, keepdim=True)
    b_enc, b_dec = randn(D_SAE, seed=3), randn(D_IN, seed=4)
    tensors = {"encoder.weight": encoder, "encoder.bias": b_enc, "W_dec": w_dec, "b_dec": b_dec}
    save_file(tensors, folder / "sae.safetensors")
    config = {"expansion_factor": 4, "normalize_decoder": True, "num_latents": D_SAE, "k": K, "d_in": D_IN}
    (folder / "cfg.json").write_text(json.dumps(config))

    def reference(x: Tensor) -> tuple[Tensor, Tensor]:
        acts = keep_largest(torch.relu((x - b_dec) @ encoder.T + b_enc))
        return acts, acts @ w_dec + b_dec

    return reference


def dictionary_learning(dict_class: str) -> Case:
    def write(folder: Path) -> Reference:
        w_enc, w_dec = randn(D_IN, D_SAE, seed=1), randn(D_SAE, D_IN, seed=2)
        b_enc, b_dec = randn(D_SAE, seed=3), randn(D_IN, seed=4)
        threshold = torch.tensor(0.8) if "BatchTopK" in dict_class else randn(D_SAE, seed=5).abs() + 0.5
        r_mag, gate, mag = randn(D_SAE, seed=6, scale=0.3), randn(D_SAE, seed=7), randn(D_SAE, seed=8)
        linear = {"encoder.weight": w_enc.T.contiguous(), "decoder.weight": w_dec.T.contiguous()}
        matrices = {"W_enc": w_enc, "W_dec": w_dec, "b_enc": b_enc, "b_dec": b_dec}
        state: dict[str, Tensor] = {
            "AutoEncoder": linear | {"encoder.bias": b_enc, "bias": b_dec},
            "GatedAutoEncoder": linear | {"r_mag": r_mag, "gate_bias": gate, "mag_bias": mag, "decoder_bias": b_dec},
            "AutoEncoderTopK": linear
            | {"encoder.bias": b_enc, "b_dec": b_dec, "k": torch.tensor(K), "threshold": torch.tensor(-1.0)},
            "BatchTopKSAE": linear | {"encoder.bias": b_enc, "b_dec": b_dec, "threshold": threshold},
            "MatryoshkaBatchTopKSAE": matrices | {"threshold": threshold},
            "JumpReluAutoEncoder": matrices | {"threshold": threshold},
        }[dict_class]
        torch.save(state, folder / "ae.pt")
        trainer = {"dict_class": dict_class, "k": K, "layer": 1, "lm_name": "tiny"}
        (folder / "config.json").write_text(json.dumps({"trainer": trainer}))

        def reference(x: Tensor) -> tuple[Tensor, Tensor]:
            if dict_class == "JumpReluAutoEncoder":
                pre = x @ w_enc + b_enc
                acts = torch.relu(pre * (pre > threshold))
                return acts, acts @ w_dec + b_dec
            product = (x - b_dec) @ w_enc
            if dict_class == "GatedAutoEncoder":
                acts = ((product + gate) > 0) * torch.relu(product * r_mag.exp() + mag)
            elif dict_class == "AutoEncoderTopK":
                acts = keep_largest(torch.relu(product + b_enc))
            else:
                acts = torch.relu(product + b_enc)
                if dict_class != "AutoEncoder":
                    acts = acts * (acts > threshold)
            return acts, acts @ w_dec + b_dec

        return reference

    return write


def fac_paper(folder: Path) -> Reference:
    w_enc, b_enc, b_dec = randn(D_IN, D_SAE, seed=1), randn(D_SAE, seed=3), randn(D_IN, seed=4)
    weight = {"W_enc": w_enc, "b_enc": b_enc, "b_dec": b_dec, "mask": torch.ones(D_SAE)}
    config = {"d_inp": D_IN, "d_hide": D_SAE, "topK": K}
    torch.save({"config": config, "weight": weight}, folder / "sae_llama_l16_h65536.pth")

    def reference(x: Tensor) -> tuple[Tensor, Tensor]:
        acts = keep_largest((x - b_dec) @ w_enc + b_enc)
        return acts, acts @ w_enc.T + b_dec

    return reference


CASES: dict[str, tuple[str, Case]] = {
    "topk": ("saelens", saelens("topk")),
    "topk, bias not on the input": ("saelens", saelens("topk", apply_b_dec_to_input=False)),
    "topk, rescaled by decoder norm": ("saelens", saelens("topk", rescale_acts_by_decoder_norm=True)),
    "topk, layer norm": ("saelens", saelens("topk", norm="layer_norm")),
    "topk, before version 6": ("saelens", saelens("topk", pre_six=True)),
    "topk, before version 6, older names": ("saelens", saelens("topk", pre_six=True, renamed=True)),
    "standard": ("saelens", saelens("standard")),
    "standard, constant norm": ("saelens", saelens("standard", norm="constant_norm_rescale")),
    "standard, before version 6": ("saelens", saelens("standard", pre_six=True)),
    "jumprelu": ("saelens", saelens("jumprelu")),
    "jumprelu, bias not on the input, layer norm": (
        "saelens",
        saelens("jumprelu", apply_b_dec_to_input=False, norm="layer_norm"),
    ),
    "gated": ("saelens", saelens("gated")),
    "gated, bias not on the input": ("saelens", saelens("gated", apply_b_dec_to_input=False)),
    "gated, before version 6": ("saelens", saelens("gated", pre_six=True)),
    "gemma scope": ("gemma_scope", gemma_scope),
    "llama scope, jumprelu": ("llama_scope", llama_scope("jumprelu")),
    "llama scope, topk with a threshold": ("llama_scope", llama_scope("topk", decoder_norm=True)),
    "llama scope, topk": ("llama_scope", llama_scope("topk", threshold=0.0)),
    "llama scope, relu": ("llama_scope", llama_scope("relu", decoder_norm=True)),
    "sparsify": ("sparsify", sparsify),
    "the paper's": ("fac_paper", fac_paper),
} | {
    f"dictionary_learning, {name}": ("dictionary_learning", dictionary_learning(name))
    for name in (
        "AutoEncoder",
        "GatedAutoEncoder",
        "AutoEncoderTopK",
        "BatchTopKSAE",
        "MatryoshkaBatchTopKSAE",
        "JumpReluAutoEncoder",
    )
}


@pytest.mark.parametrize("name", CASES)
def test_p5_p6_p7_codes_and_reconstruction_are_those_of_the_formats_definition(name: str, tmp_path: Path) -> None:
    expected_format, write = CASES[name]
    reference = write(tmp_path)
    loaded = load_sae(tmp_path, d_model=D_IN)
    x = residuals()
    codes = loaded.sae.encode(x)
    acts, back = reference(x)
    assert loaded.format == expected_format
    assert 0 < int((acts > 0).sum()) < acts.numel()
    assert torch.equal(dense(codes, D_SAE) > 0, acts > 0)
    torch.testing.assert_close(dense(codes, D_SAE), acts, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(loaded.sae.decode(codes, x), back, atol=2e-4, rtol=1e-4)


def test_p7_the_codes_of_a_token_depend_on_no_other_token(tmp_path: Path) -> None:
    dictionary_learning("BatchTopKSAE")(tmp_path)
    sae = load_sae(tmp_path).sae
    x = residuals()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(dense(sae.encode(x[order]), D_SAE), dense(sae.encode(x), D_SAE)[order])
    torch.testing.assert_close(dense(sae.encode(x[:1]), D_SAE), dense(sae.encode(x), D_SAE)[:1])


@pytest.mark.parametrize("name", ["topk", "gated", "jumprelu"])
def test_encoding_in_pieces_equals_encoding_at_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CASES[name][1](tmp_path)
    sae = load_sae(tmp_path).sae
    x = residuals(50)
    whole = sae.encode(x)
    monkeypatch.setattr("fac_core.feature_space.sae.PRE_ELEMENTS", 7 * D_SAE)
    pieces = sae.encode(x)
    torch.testing.assert_close(dense(pieces, D_SAE), dense(whole, D_SAE))
    assert torch.equal(pieces.offsets, whole.offsets)
    torch.testing.assert_close(sae.decode(pieces, x), sae.decode(whole, x))


def test_nothing_active_decodes_to_the_bias(tmp_path: Path) -> None:
    gemma_scope(tmp_path)
    sae = load_sae(tmp_path).sae
    never = Sae(sae.w_enc, sae.b_enc - 1e4, sae.w_dec, sae.b_dec, sae.activation)
    x = residuals(4)
    codes = never.encode(x)
    assert codes.offsets.tolist() == [0, 0, 0, 0, 0]
    torch.testing.assert_close(never.decode(codes, x), sae.b_dec.expand(4, D_IN))


def test_only_a_topk_sae_can_be_read_without_its_topk(tmp_path: Path) -> None:
    gemma_scope(tmp_path)
    with pytest.raises(ModelError, match="Only a Top-K SAE"):
        load_sae(tmp_path).sae.without_topk()


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("sprung"),))


@pytest.mark.parametrize("name", ["the paper's", "dictionary_learning, AutoEncoder"])
def test_a_pickle_in_a_checkpoint_is_never_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    CASES[name][1](tmp_path)
    (checkpoint,) = [path for path in tmp_path.iterdir() if path.suffix in {".pt", ".pth"}]
    for write in (lambda: torch.save({"config": Trap(), "weight": {}}, checkpoint), lambda: _pickle(checkpoint)):
        write()
        with pytest.raises(ModelError, match="could run code and is refused"):
            load_sae(tmp_path)
    assert not (tmp_path / "sprung").exists()


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"config": Trap()}))


def test_a_folder_of_no_format_or_of_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No SAE format fits"):
        format_of(tmp_path)
    gemma_scope(tmp_path)
    sparsify(tmp_path)
    with pytest.raises(ModelError, match="looks like sparsify and Gemma Scope at once"):
        format_of(tmp_path)
    with pytest.raises(ModelError, match="There is no SAE at"):
        format_of(tmp_path / "nowhere")
    assert format_of(tmp_path / "params.npz").name == "gemma_scope"


def test_p21_the_digest_follows_every_file_that_is_read_and_no_other(tmp_path: Path) -> None:
    CASES["topk"][1](tmp_path)
    before = sae_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("read by nobody")
    assert sae_digest(tmp_path) == before
    (tmp_path / "cfg.json").write_text((tmp_path / "cfg.json").read_text() + " ")
    assert sae_digest(tmp_path) != before


def edit(name: str, path: str, **changes: Any) -> Case:
    """A case whose configuration was changed; a change under ``trainer`` for dictionary_learning."""

    def write(folder: Path) -> Reference:
        reference = CASES[name][1](folder)
        found = json.loads((folder / path).read_text())
        found.get("trainer", found).update(changes)
        (folder / path).write_text(json.dumps(found))
        return reference

    return write


LLAMA, HYPER = "llama scope, jumprelu", "hyperparams.json"
REFUSED: dict[str, tuple[Case, str]] = {
    "a transcoder of sparsify": (edit("sparsify", "cfg.json", transcode=True), "is a transcoder"),
    "a skip connection": (edit("sparsify", "cfg.json", skip_connection=True), "has a skip connection"),
    "signed codes": (edit("sparsify", "cfg.json", signed=True), "has signed codes"),
    "another activation of sparsify": (edit("sparsify", "cfg.json", activation="groupmax"), "'groupmax'"),
    "a k that is no number": (edit("sparsify", "cfg.json", k=None), "has k = None"),
    "a k beyond the features": (edit("sparsify", "cfg.json", k=D_SAE + 1), f"from 1 to {D_SAE}"),
    "a transcoder of Llama Scope": (edit(LLAMA, HYPER, hook_point_out="blocks.1.hook_mlp_out"), "is a transcoder"),
    "a gated linear encoder": (edit(LLAMA, HYPER, use_glu_encoder=True), "gated linear encoder"),
    "a scale token by token": (edit(LLAMA, HYPER, norm_activation="token-wise"), "normalised token-wise"),
    "a scale without its number": (edit(LLAMA, HYPER, dataset_average_activation_norm=None), "can be applied"),
    "another activation of Llama Scope": (edit(LLAMA, HYPER, act_fn="tanh"), "'tanh'"),
    "another class": (edit("dictionary_learning, AutoEncoder", "config.json", dict_class="CrossCoder"), "'CrossCoder'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_have_to_be_guessed_is_refused_with_a_sentence(what: str, tmp_path: Path) -> None:
    write, words = REFUSED[what]
    write(tmp_path)
    with pytest.raises(ModelError, match=words) as refused:
        load_sae(tmp_path)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize(
    "name", ["topk", "gemma scope", LLAMA, "sparsify", "the paper's", "dictionary_learning, AutoEncoder"]
)
def test_a_truncated_or_foreign_file_is_a_sentence(name: str, tmp_path: Path) -> None:
    CASES[name][1](tmp_path)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        whole = path.read_bytes()
        for damaged in (whole[: len(whole) // 2], b"", b"\x80\x04K\x01."):
            path.write_bytes(damaged)
            with pytest.raises(ModelError):
                load_sae(tmp_path)
        path.write_bytes(whole)
    load_sae(tmp_path)


def test_p22_saes_that_differ_only_in_the_middle_of_a_file_have_different_digests(
    tiny_sae_folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(tiny_sae_folder, tmp_path / "copy"))
    weights = bytearray((copy / "sae_weights.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (copy / "sae_weights.safetensors").write_bytes(weights)
    assert sae_digest(copy) != sae_digest(tiny_sae_folder) and len(sae_digest(copy)) == 64


def test_tensors_of_a_square_sae_are_told_apart(tmp_path: Path) -> None:
    w = torch.eye(6)
    config = {"architecture": "topk", "k": 2, "metadata": {"sae_lens_version": "6.0.0"}}
    (tmp_path / "cfg.json").write_text(json.dumps(config))
    for wrong in ("b_enc", "b_dec"):
        tensors = {"W_enc": w, "W_dec": w.clone(), "b_enc": torch.zeros(6), "b_dec": torch.zeros(6)}
        save_file({**tensors, wrong: torch.zeros(5)}, tmp_path / "sae_weights.safetensors")
        with pytest.raises(ModelError, match="do not fit each other"):
            load_sae(tmp_path)
