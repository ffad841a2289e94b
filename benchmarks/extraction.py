"""How fast texts are read: the paper's way, ours, and the limit of the hardware, as ratios in one run.

* paper: one text at a time, the whole model with ``output_hidden_states``, SAELens' dense encode, maximum over the
  content tokens;
* ours: `Extractor.read_all`, as every job reads;
* limit: the blocks up to the hook and the SAE's matrix product on as many tokens, in full batches without padding,
  template, Top-K, pooling or positions.

Every row says by how much ours and the paper's way differ at most where a feature fires in both, and how many of the
(text, feature) pairs fire in one of them only: two pre-activations at the edge of a token's Top-K can be so close that
the order of additions decides between them. The order of the three is drawn
anew in each round, and each figure is the best of its rounds, so load from elsewhere hurts no one in particular.

    python benchmarks/extraction.py [--rounds 3] [--texts 200] [--shape 1b] [--shape 8b] [--bulk 4096]

Short texts are user queries of the toxicity demo, long ones several of them joined to about 400 tokens. Where bfloat16
is chosen by measurement on this machine, both are read in it too; on a GPU where there is one (``FAC_DEVICE``). With
--shape also a Llama of that shape with random weights and a random Top-K SAE, in the dtype that is chosen: its numbers
mean nothing, its speed is that of a real one. With --bulk each of these also reads so many texts of about 120 tokens,
as a long job does, from characters to activations.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.devices import AUTO, chosen_dtype
from fac_core.feature_space.embedded import backbone_folder
from fac_core.feature_space.extractor import Extractor, default_device, load_extractor
from fac_core.feature_space.sae import Sae, TopK
from fac_core.feature_space.space import embedded_space
from fac_core.feature_space.tokens import ContentTokens, Tokens

DEMO = Path(__file__).resolve().parents[1] / "data" / "demo" / "toxicity" / "anchor.jsonl"
LONG_TOKENS, BULK_TOKENS = 400, 110
LARGE_TEXTS = {"cpu": 24, "cuda": 400}
"""Texts that a random model reads."""
MARK = "§"


class Shape(NamedTuple):
    """A Llama and the SAE that reads it."""

    n_blocks: int
    block: int
    """Whose output is read, counted from 1."""
    width: int
    inner: int
    """Width of the MLP."""
    n_heads: int
    n_key_value_heads: int
    d_sae: int
    k: int


SHAPES = {
    "1b": Shape(22, 11, 2048, 5632, 32, 4, 16384, 32),  # TinyLlama 1.1 B
    "8b": Shape(32, 16, 4096, 14336, 32, 8, 131072, 50),  # Llama-3.1-8B as Llama Scope reads it
}


class Case(NamedTuple):
    """Texts to be read in a space, in all three ways."""

    name: str
    extractor: Extractor
    reference: Any
    """The SAE as SAELens loads it."""
    texts: list[str]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument(
        "--shape", action="append", choices=SHAPES, default=[], help="also a random model of this shape"
    )
    parser.add_argument("--bulk", type=int, default=0, help="texts that a random model reads at length")
    options = parser.parse_args()
    device = default_device()
    threads = torch.get_num_threads()
    print(f"{machine(device)}; torch {torch.__version__}, {threads} threads, best of {options.rounds} rounds")
    heads = ("case", "texts", "tokens", "paper s", "ours s", "limit s", "ours/paper", "ours/limit", "tok/s", "max diff")
    print("".join(f"{head:>12}" for head in heads) + f"{'in one only':>16}", flush=True)
    for make in cases(options.texts, options.shape, device):
        row(make(), options.rounds)
    for name in options.shape if options.bulk else []:
        bulk(random_llama(name, device, lambda extractor: joined(extractor, queries(), options.bulk, BULK_TOKENS)))


def machine(device: str) -> str:
    """What computes."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")
    return f"{named}, {os.cpu_count()} cores"


def row(case: Case, rounds: int) -> None:
    """Measure one case and print its row."""
    ways = {"paper": paper, "ours": ours, "limit": limit}
    warm = case._replace(texts=case.texts[:4])
    for way in ways.values():
        way(warm)
    best = dict.fromkeys(ways, float("inf"))
    found: dict[str, Any] = {}
    for number in range(rounds):
        for name in random.Random(number).sample(list(ways), len(ways)):
            began = time.perf_counter()
            found[name] = ways[name](case)
            best[name] = min(best[name], time.perf_counter() - began)
    n_tokens = sum(len(case.extractor.backbone.tokenize(text, 512).ids) for text in case.texts)
    theirs, own = np.stack(found["paper"]), np.stack(found["ours"])
    both, either = (theirs > 0) & (own > 0), (theirs > 0) | (own > 0)
    difference = float(np.abs(theirs - own)[both].max())
    one_only = f"{int(either.sum() - both.sum())} of {int(either.sum()):,}"
    print(
        f"{case.name:>12}{len(case.texts):12}{n_tokens:12}{best['paper']:12.2f}{best['ours']:12.2f}{best['limit']:12.2f}"
        f"{best['paper'] / best['ours']:11.1f}x{best['limit'] / best['ours']:12.2f}{n_tokens / best['ours']:12.0f}"
        f"{difference:12.1e}{one_only:>16}",
        flush=True,
    )


def bulk(case: Case) -> None:
    """Print how fast many texts are read, and the most memory of the device that took."""
    case.extractor.read_all(case.texts[:256])
    began = time.perf_counter()
    n_tokens = sum(read.n_tokens for read in case.extractor.read_all(case.texts))
    seconds = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0
    print(
        f"{case.name}: {len(case.texts):,} texts, {n_tokens:,} tokens in {seconds:.1f} s, {n_tokens / seconds:,.0f} "
        f"tokens/s, at most {peak:.1f} GiB of the GPU",
        flush=True,
    )


# --- the three ways ---


def paper(case: Case) -> list[np.ndarray]:
    """Maximum over content tokens, [d_sae] a text, one text at a time."""
    extractor, tokenizer = case.extractor, case.extractor.backbone.tokenizer
    rendered = tokenizer.apply_chat_template([{"role": "user", "content": MARK}], tokenize=False)
    before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in rendered.split(MARK))
    found = []
    for text in case.texts:
        content = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"][:512]
        with torch.no_grad():
            ids = torch.tensor([before + content + after], device=extractor.backbone.device)
            states = extractor.backbone.model(input_ids=ids, output_hidden_states=True).hidden_states
            codes = case.reference.encode(states[extractor.spec.block][0].float())
        found.append(codes[len(before) : len(before) + len(content)].max(dim=0).values.cpu().numpy())
    return found


def ours(case: Case) -> list[np.ndarray]:
    """The same by the extractor."""
    read = case.extractor.read_all(case.texts)
    found = []
    for text in read:
        dense = np.zeros(case.extractor.sae.d_sae, np.float32)
        dense[text.features] = text.values
        found.append(dense)
    return found


def limit(case: Case) -> None:
    """As many tokens through blocks and matrix product, nothing else."""
    extractor = case.extractor
    backbone, sae = extractor.backbone, extractor.sae
    ids = [token for text in case.texts for token in backbone.tokenize(text, 512).ids]
    length = max(1, round(len(ids) / len(case.texts)))
    size = max(1, extractor.token_budget // length)
    whole = [ids[at : at + length] for at in range(0, len(ids) - length + 1, length)]
    for at in range(0, len(whole), size):
        bare = [ContentTokens(row, [], 0, shares_prefix=False) for row in whole[at : at + size]]
        x = backbone.residuals(bare).float()
        pre = torch.addmm(sae.b_enc, x.reshape(-1, x.shape[-1]), sae.w_enc.T)
    float(pre[0, 0])  # a device that computes ahead has finished


# --- the cases ---


def cases(n_texts: int, shapes: list[str], device: str) -> list[Callable[[], Case]]:
    """What is measured; models are made when their turn comes."""
    every = queries()
    short = random.Random(0).sample(every, min(n_texts, len(every)))

    def embedded(name: str, texts: Callable[[Extractor], list[str]], dtype: str = "float32") -> Case:
        spec = replace(embedded_space(), dtype=dtype)
        extractor = load_extractor(spec, device)
        return Case(name, extractor, sae_lens(Path(spec.sae), device), texts(extractor))

    def long(extractor: Extractor) -> list[str]:
        return joined(extractor, every, max(1, n_texts // 10))

    found: list[Callable[[], Case]] = [lambda: embedded("short", lambda _: short), lambda: embedded("long", long)]
    if (fastest := chosen_dtype(AUTO, device)) != "float32":
        found += [
            lambda: embedded("short, bf16", lambda _: short, fastest),
            lambda: embedded("long, bf16", long, fastest),
        ]
    n = LARGE_TEXTS[device.split(":")[0]]
    for name in shapes:
        found += [
            partial(random_llama, name, device, lambda _: every[:n]),
            partial(random_llama, name, device, lambda extractor: joined(extractor, every, n // 10)),
        ]
    return found


def queries() -> list[str]:
    """User queries of the toxicity demo."""
    return [json.loads(line)["text"] for line in DEMO.read_text(encoding="utf-8").splitlines()]


def joined(extractor: Extractor, some: list[str], n: int, n_tokens: int = LONG_TOKENS) -> list[str]:
    """Texts of about so many tokens."""
    rng, found = random.Random(1), []
    while len(found) < n:
        text = ""
        while len(extractor.backbone.tokenize(text, 4096).ids) < n_tokens:
            text += rng.choice(some) + " "
        found.append(text)
    return found


def random_llama(name: str, device: str, texts: Callable[[Extractor], list[str]]) -> Case:
    """A Llama of a shape with random weights and a random Top-K SAE, made where they compute."""
    from sae_lens import TopKSAE, TopKSAEConfig
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    shape, dtype = SHAPES[name], chosen_dtype(AUTO, device)
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(backbone_folder())
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.n_blocks,
        num_attention_heads=shape.n_heads,
        num_key_value_heads=shape.n_key_value_heads,
        dtype=getattr(torch, dtype),
    )
    with torch.device(device):
        model = LlamaForCausalLM._from_config(config, dtype=getattr(torch, dtype)).eval().requires_grad_(False)
        w_enc = torch.randn(shape.d_sae, shape.width) / shape.width**0.5
        sae = Sae(w_enc, torch.zeros(shape.d_sae), w_enc, torch.zeros(shape.width), TopK(shape.k))
        reference = TopKSAE(TopKSAEConfig(d_in=shape.width, d_sae=shape.d_sae, k=shape.k, device=device))
    reference.W_enc.data, reference.W_dec.data = w_enc.T, w_enc
    spec = replace(embedded_space(), dtype=dtype, block=shape.block, d_sae=shape.d_sae, k=shape.k)
    extractor = Extractor(spec, Backbone(model, tokenizer, shape.block, Tokens(tokenizer), device), sae)
    return Case(f"{name} shape", extractor, reference, texts(extractor))


def sae_lens(folder: Path, device: str) -> Any:
    """The SAE as SAELens reads it."""
    from sae_lens import SAE

    return SAE.load_from_disk(str(folder), device=device, dtype="float32")


if __name__ == "__main__":
    main()
