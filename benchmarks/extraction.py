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

    python benchmarks/extraction.py [--rounds 3] [--texts 200] [--large]

Short texts are user queries of the toxicity demo, long ones several of them joined to about 400 tokens. Where bfloat16
is chosen by measurement on this machine, both are read in it too; on a GPU where there is one (``FAC_DEVICE``). With
--large also a random Llama of the shape of a 1.1 B one (22 blocks of width 2,048, read after block 11), at few texts.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.devices import AUTO, chosen_dtype
from fac_core.feature_space.extractor import Extractor, default_device, load_extractor
from fac_core.feature_space.model_files import folder_digest
from fac_core.feature_space.sae_formats import load_sae, sae_digest
from fac_core.feature_space.space import SpaceSpec, embedded_space
from fac_core.feature_space.tokens import ContentTokens

DEMO = Path(__file__).resolve().parents[1] / "data" / "demo" / "toxicity" / "anchor.jsonl"
LONG_TOKENS = 400
LARGE_TEXTS = 24
MARK = "§"


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
    parser.add_argument("--large", action="store_true", help="also a random model of the shape of a 1.1 B Llama")
    options = parser.parse_args()
    device = default_device()
    threads = torch.get_num_threads()
    print(f"{machine(device)}; torch {torch.__version__}, {threads} threads, best of {options.rounds} rounds")
    heads = ("case", "texts", "tokens", "paper s", "ours s", "limit s", "ours/paper", "ours/limit", "tok/s", "max diff")
    print("".join(f"{head:>12}" for head in heads) + f"{'in one only':>16}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for make in cases(options.texts, options.large, Path(folder), device):
            row(make(), options.rounds)


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


def cases(n_texts: int, large: bool, folder: Path, device: str) -> list[Callable[[], Case]]:
    """What is measured; models are made when their turn comes."""
    queries = [json.loads(line)["text"] for line in DEMO.read_text(encoding="utf-8").splitlines()]
    short = random.Random(0).sample(queries, min(n_texts, len(queries)))

    def embedded(name: str, texts: Callable[[Extractor], list[str]], dtype: str = "float32") -> Case:
        spec = replace(embedded_space(), dtype=dtype)
        extractor = load_extractor(spec, device)
        return Case(name, extractor, sae_lens(Path(spec.sae), device), texts(extractor))

    def long(extractor: Extractor) -> list[str]:
        return joined(extractor, queries, max(1, n_texts // 10))

    found: list[Callable[[], Case]] = [lambda: embedded("short", lambda _: short), lambda: embedded("long", long)]
    if (fastest := chosen_dtype(AUTO, device)) != "float32":
        found += [
            lambda: embedded("short, bf16", lambda _: short, fastest),
            lambda: embedded("long, bf16", long, fastest),
        ]
    if large:
        found.append(lambda: random_llama(folder, short[:LARGE_TEXTS], device))
    return found


def joined(extractor: Extractor, queries: list[str], n: int) -> list[str]:
    """Texts of about LONG_TOKENS tokens."""
    rng, found = random.Random(1), []
    while len(found) < n:
        text = ""
        while len(extractor.backbone.tokenize(text, 4096).ids) < LONG_TOKENS:
            text += rng.choice(queries) + " "
        found.append(text)
    return found


def random_llama(folder: Path, texts: list[str], device: str) -> Case:
    """A Llama of the shape of a 1.1 B one with random weights, and a random Top-K SAE of 16,384 features."""
    from safetensors.torch import save_file
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from fac_core.feature_space.embedded import backbone_folder

    torch.manual_seed(0)
    model_folder, sae_folder, block, width, d_sae, k = folder / "model", folder / "sae", 11, 2048, 16384, 32
    tokenizer = AutoTokenizer.from_pretrained(backbone_folder())
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=5632,
        num_hidden_layers=22,
        num_attention_heads=32,
        num_key_value_heads=4,
    )
    LlamaForCausalLM(config).save_pretrained(model_folder)
    tokenizer.save_pretrained(model_folder)
    sae_folder.mkdir()
    encoder = torch.randn(width, d_sae) / width**0.5
    tensors = {
        "W_enc": encoder,
        "W_dec": encoder.T.contiguous(),
        "b_enc": torch.zeros(d_sae),
        "b_dec": torch.zeros(width),
    }
    save_file(tensors, sae_folder / "sae_weights.safetensors")
    metadata = {"sae_lens_version": "6.0.0", "hook_name": f"model.layers.{block - 1}"}
    settings = {"architecture": "topk", "d_in": width, "d_sae": d_sae, "k": k, "dtype": "float32", "metadata": metadata}
    (sae_folder / "cfg.json").write_text(json.dumps({**settings, "device": "cpu"}), encoding="utf-8")
    spec = SpaceSpec(
        name="random",
        backbone=str(model_folder),
        backbone_digest=folder_digest(model_folder),
        block=block,
        n_blocks=22,
        sae=str(sae_folder),
        sae_digest=sae_digest(sae_folder),
        d_sae=d_sae,
        k=k,
    )
    backbone = Backbone.load(model_folder, block, device=device)
    extractor = Extractor(spec, backbone, load_sae(sae_folder, d_model=width, device=device).sae)
    return Case("1.1 B shape", extractor, sae_lens(sae_folder, device), texts)


def sae_lens(folder: Path, device: str) -> Any:
    """The SAE as SAELens reads it."""
    from sae_lens import SAE

    return SAE.load_from_disk(str(folder), device=device, dtype="float32")


if __name__ == "__main__":
    main()
