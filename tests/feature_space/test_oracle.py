"""The fast extractor gives what the slow, obvious one gives, feature for feature, for every architecture and format.

The slow one renders a conversation with the template itself, runs the whole model on one text at a time, encodes every
position densely and takes the maximum over the tokens whose characters lie in a turn that counts.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fac_core.content import ASSISTANT, SYSTEM, USER, Content, Turn
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.extractor import Extractor
from fac_core.feature_space.space import SpaceSpec
from fac_core.feature_space.templates import FIXED_DATE
from fac_core.tasks import load_task
from tests.feature_space.test_architectures import ARCHITECTURES, BLOCK, ENCODERS, made, slow
from tests.tiny import LABELLED_TEXTS, ODD_TEXTS

__all__ = ["made"]
TOLERANCE = 1e-4
# strings that look like special tokens are characters to us and turns to a template: they have tests of their own; the
# shortest ones also stand in the template itself, where the slow way would look for them
PIECES = [
    text.strip()
    for text in [*ODD_TEXTS[:-1], *LABELLED_TEXTS]
    if len(text) > 9 and "<|" not in text and "{{" not in text
]


def contents(n: int) -> list[Content]:
    """Contents of every format: queries, transcripts, pairs, items with two answers, instructions with material."""
    rng = random.Random(5)

    def some() -> str:
        return " ".join(rng.choice(PIECES) for _ in range(rng.randint(1, 3)))

    def transcript() -> dict[str, str]:
        lines = [f"{rng.choice(['Human', 'Assistant'])}: {some()}" for _ in range(rng.randint(1, 4))]
        return {"prompt": "\n\n".join([f"Human: {some()}", *lines]), "chosen": some()}

    makers: list[Callable[[], Content]] = [
        lambda: load_task("toxicity").content({"text": some()}),
        lambda: load_task("toxicity").content({"text": f"Human: {some()}\n\nAssistant: {some()}\n\nHuman: {some()}"}),
        lambda: load_task("preference").content({"prompt": some(), "chosen": some()}),
        lambda: load_task("preference").content(transcript()),
        lambda: load_task("sycophancy").content(
            {"question": f"{some()}\n (A) {some()}\n (B) {some()}", "positive": rng.choice(["(A)", "(B)"])}
        ),
        lambda: load_task("instruction").content({"instruction": some(), "input": some(), "output": some()}),
        lambda: load_task("instruction").content(
            {"instruction": f"System: {some()}\n\nHuman: {some()}", "output": some()}
        ),
    ]
    return [makers[number % len(makers)]() for number in range(n)]


def obvious(extractor: Extractor, content: Content) -> np.ndarray:
    """Maximum of each feature over the tokens that count, [d_sae]."""
    backbone, sae = extractor.backbone, extractor.sae
    turns = content.turns or (Turn(USER, 0, len(content.text), True),)
    messages: list[dict[str, str]] = []
    for turn in turns:
        if turn.role == SYSTEM:
            continue
        said = content.text[turn.start : turn.end]
        if messages and messages[-1]["role"] == turn.role:
            messages[-1]["content"] += f"\n\n{said}"
        else:
            messages += [{"role": USER, "content": ""}] if not messages and turn.role == ASSISTANT else []
            messages.append({"role": turn.role, "content": said})
    tokenizer = backbone.tokenizer
    if tokenizer.chat_template:
        whole = tokenizer.apply_chat_template(messages, tokenize=False, date_string=FIXED_DATE)
        found = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    else:
        whole = "\n\n".join(message["content"] for message in messages)
        found = tokenizer(whole, return_offsets_mapping=True)
    counts, at = np.zeros(len(whole) + 1, bool), 0
    for turn in turns:
        if turn.role == SYSTEM:
            continue
        said = content.text[turn.start : turn.end]
        at = whole.index(said, at)
        counts[at : at + len(said)] = turn.counts
        at += len(said)
    x = torch.from_numpy(slow(backbone, list(found["input_ids"])))
    pre = (x @ sae.w_enc.T + sae.b_enc).relu()
    kept = pre.topk(sae.k, dim=-1)
    codes = torch.zeros_like(pre).scatter(1, kept.indices, kept.values)
    inside = [bool(counts[a:b].any()) and b > a for a, b in found["offset_mapping"]]
    return codes[torch.tensor(inside)].max(dim=0).values.numpy()


def check(name: str, made: Callable[[str], Path], extractor: Extractor, tiny_spec: SpaceSpec, n: int) -> None:
    backbone = Backbone.load(made(name), BLOCK)
    spec = replace(tiny_spec, max_length=10_000)
    fast = Extractor(spec, backbone, extractor.sae, token_budget=700)
    some = contents(n)
    read = fast.read_all(some)
    edges = 0
    for content, found in zip(some, read, strict=True):
        mine = np.zeros(spec.d_sae, np.float32)
        mine[found.features] = found.values
        expected = obvious(fast, content)
        both = (mine > 0) & (expected > 0)
        np.testing.assert_allclose(mine[both], expected[both], atol=TOLERANCE, rtol=TOLERANCE)
        edges += int(((mine > 0) != (expected > 0)).sum())
    # two pre-activations at the edge of a token's Top-K can be closer than the order of additions decides
    assert edges <= n // 100


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2", "bert"])
def test_it_equals_the_obvious_way_on_texts_of_all_formats(
    name: str, made: Callable[[str], Path], extractor: Extractor, tiny_spec: SpaceSpec
) -> None:
    check(name, made, extractor, tiny_spec, 28)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ARCHITECTURES, *ENCODERS])
def test_it_equals_the_obvious_way_on_500_texts_of_all_formats(
    name: str, made: Callable[[str], Path], extractor: Extractor, tiny_spec: SpaceSpec
) -> None:
    check(name, made, extractor, tiny_spec, 500)


def test_memory_that_runs_out_halves_the_batch_and_changes_nothing(
    extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = contents(30)
    expected = extractor.read_all(some)
    small = Extractor(extractor.spec, extractor.backbone, extractor.sae, token_budget=4096)
    whole = Backbone.residuals

    def little_memory(self: Backbone, batch: Any) -> Any:
        if sum(len(content.ids) for content in batch) > 200 and len(batch) > 1:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried …")
        return whole(self, batch)

    monkeypatch.setattr(Backbone, "residuals", little_memory)
    read = small.read_all(some)
    assert small.token_budget < 4096
    for one, other in zip(read, expected, strict=True):
        assert one.features.tolist() == other.features.tolist()
        np.testing.assert_allclose(one.values, other.values, atol=2e-5)


def test_memory_that_is_too_small_for_one_text_says_so(extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    from fac_core.errors import ModelError

    monkeypatch.setattr(Backbone, "residuals", none)
    with pytest.raises(ModelError, match="not enough memory to read a text of"):
        Extractor(extractor.spec, extractor.backbone, extractor.sae).read_all(["a", "b c"])
