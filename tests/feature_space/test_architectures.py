"""Every architecture is read as its own full forward pass would give it: any batch, any length, prefix read once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from fac_core.errors import ModelError
from fac_core.feature_space.backbone import Backbone, model_shape
from tests.tiny import ODD_TEXTS

N_BLOCKS, WIDTH, BLOCK = 4, 32, 3
_SIZES: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": N_BLOCKS,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}
_GROUPED = {**_SIZES, "num_key_value_heads": 2, "head_dim": 8}
WINDOW = 24
"""Of sliding attention: shorter than most of the texts with their prefix."""

ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**_GROUPED)),
    "mistral, sliding window": lambda: hf.MistralForCausalLM(hf.MistralConfig(**_GROUPED, sliding_window=WINDOW)),
    "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**_GROUPED)),
    "qwen3": lambda: hf.Qwen3ForCausalLM(hf.Qwen3Config(**_GROUPED)),
    "gemma2": lambda: hf.Gemma2ForCausalLM(hf.Gemma2Config(**_GROUPED, sliding_window=WINDOW)),
    "gemma3": lambda: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(**_GROUPED, sliding_window=WINDOW)),
    "gpt2": lambda: hf.GPT2LMHeadModel(
        hf.GPT2Config(n_embd=WIDTH, n_layer=N_BLOCKS, n_head=4, n_positions=512, initializer_range=0.3)
    ),
    "gpt_neox": lambda: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**_SIZES)),
    "opt": lambda: hf.OPTForCausalLM(
        hf.OPTConfig(
            hidden_size=WIDTH,
            ffn_dim=64,
            num_hidden_layers=N_BLOCKS,
            num_attention_heads=4,
            max_position_embeddings=512,
            word_embed_proj_dim=WIDTH,
            init_std=0.3,
        )
    ),
    "phi": lambda: hf.PhiForCausalLM(hf.PhiConfig(**_SIZES)),
    "phi3": lambda: hf.Phi3ForCausalLM(hf.Phi3Config(**_SIZES, num_key_value_heads=2, pad_token_id=0)),
}
ENCODERS: dict[str, Callable[[], Any]] = {
    "bert": lambda: hf.BertForMaskedLM(hf.BertConfig(**_SIZES)),
    "roberta": lambda: hf.RobertaForMaskedLM(hf.RobertaConfig(**_SIZES)),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_backbone_folder: Path) -> Callable[[str], Path]:
    """Folders of tiny models, each with the tiny tokenizer; made once."""
    folders: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in folders:
            folder = tmp_path_factory.mktemp(name.partition(",")[0])
            torch.manual_seed(1)
            model = {**ARCHITECTURES, **ENCODERS}[name]()
            model.save_pretrained(folder)
            tokenizer = hf.AutoTokenizer.from_pretrained(tiny_backbone_folder)
            if name in ENCODERS:
                tokenizer = _with_special_ends(tokenizer)
            tokenizer.save_pretrained(folder)
            folders[name] = folder
        return folders[name]

    return make


def _with_special_ends(tokenizer: Any) -> Any:
    """A tokenizer that puts one special token before and one behind a text, as encoders have it, and no template."""
    from tokenizers.processors import TemplateProcessing

    first, last = tokenizer.bos_token, tokenizer.eos_token
    ids = [(first, tokenizer.bos_token_id), (last, tokenizer.eos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{first} $A {last}", special_tokens=ids)
    tokenizer.chat_template = None
    tokenizer.cls_token, tokenizer.sep_token = first, last
    return tokenizer


def slow(backbone: Backbone, ids: list[int]) -> np.ndarray:
    """Output of the block for each token: whole model, one text, no cache; caught by a hook, not an index."""
    kept: list[torch.Tensor] = []

    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        kept.append(output[0] if isinstance(output, tuple) else output)

    handle = backbone.hooked_module().register_forward_hook(hook)
    try:
        with torch.no_grad():
            backbone.model(input_ids=torch.tensor([ids]), use_cache=False)
    finally:
        handle.remove()
    return kept[0][0].float().numpy()


@pytest.mark.parametrize("name", [*ARCHITECTURES, *ENCODERS])
def test_a_mixed_batch_equals_one_full_pass_for_each_text(name: str, made: Callable[[str], Path]) -> None:
    backbone = Backbone.load(made(name), BLOCK)
    batch = [backbone.tokenize(text, 100) for text in ODD_TEXTS]
    fast = backbone.residuals(batch)
    for row, content in zip(fast, batch, strict=True):
        whole = [*(backbone.prefix_ids if content.shares_prefix else []), *content.ids]
        places = content.places or range(len(content.ids))
        start = len(whole) - len(content.ids)
        expected = slow(backbone, whole)[[start + place for place in places]]
        np.testing.assert_allclose(row[: len(content.offsets)], expected, atol=1e-4, rtol=1e-4)
    again = backbone.residuals(batch[:2])  # the prefix's cache was not changed by the batch before
    n_tokens = len(batch[0].offsets)
    np.testing.assert_allclose(again[0, :n_tokens], fast[0, :n_tokens], atol=1e-5)


@pytest.mark.parametrize("name", [*ARCHITECTURES, *ENCODERS])
def test_its_shape_is_known_before_its_weights_are_read(name: str, made: Callable[[str], Path]) -> None:
    shape = model_shape(made(name))
    assert (shape.d_model, shape.n_blocks) == (WIDTH, N_BLOCKS)
    assert Backbone.load(made(name), BLOCK).n_blocks == N_BLOCKS


@pytest.mark.parametrize("name", ["gpt2", "bert", "roberta", "opt"])
def test_p15_the_longest_text_that_a_model_reads_is_read_to_its_last_position(
    name: str, made: Callable[[str], Path]
) -> None:
    backbone = Backbone.load(made(name), BLOCK)
    content = backbone.tokenize("garden " * 700, 10_000)
    assert content.n_truncated > 0
    n_read = len(content.ids) + len(backbone.prefix_ids) * content.shares_prefix
    assert 509 <= n_read <= 512
    assert bool(torch.isfinite(backbone.residuals([content])).all())


def test_the_blocks_of_an_unknown_architecture_are_refused(made: Callable[[str], Path]) -> None:
    backbone = Backbone.load(made("llama"), BLOCK)
    backbone.model = torch.nn.Linear(2, 2)
    with pytest.raises(ModelError, match="blocks of a Linear could not be found"):
        backbone.hooked_module()
