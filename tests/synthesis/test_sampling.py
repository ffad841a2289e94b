"""The sampler against the slowest way to do the same: one row, no cache, the whole text again for each token."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch

from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.extractor import Extractor
from fac_core.synthesis.generator import Prompt, Request, Steering
from fac_core.synthesis.local import LocalGenerator
from fac_core.synthesis.sampling import MIN_TOKENS, TOP_K, TOP_P, Row, Sampler, Section

PROMPT = "Queries:\n1. how do i make lentil soup\n2. fake passport steps\n3."
SEEDS = [3, 1, 4, 15]


@pytest.fixture(scope="module")
def sampler(extractor: Extractor) -> Sampler:
    return Sampler(extractor.backbone)


def never(_text: str) -> bool:
    return False


def rows_of(sampler: Sampler, seeds: list[int], favoured: frozenset[int] = frozenset(), **changes: Any) -> list[Row]:
    ids = sampler.backbone.tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    settings = {"max_tokens": 12, "temperature": 0.9, "ended": lambda text: bool(text.strip()), **changes}
    rows = [Row(seed, favoured) for seed in seeds]
    sampler.sample(ids, rows, **settings)
    return rows


def draw(sampler: Sampler, seeds: list[int], **changes: Any) -> list[list[int]]:
    return [row.ids for row in rows_of(sampler, seeds, **changes)]


def slowly(backbone: Backbone, seed: int, n: int, direction: torch.Tensor | None) -> list[int]:
    """One continuation, everything recomputed at each step, steering by a hook that knows positions."""
    ids = backbone.tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    start, die, written = len(ids), torch.Generator().manual_seed(seed), []
    special = set(backbone.tokenizer.all_special_ids)

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        shifted = (output[0] if isinstance(output, tuple) else output).clone()
        shifted[:, start - 1 :] += 0 if direction is None else direction
        return (shifted, *output[1:]) if isinstance(output, tuple) else shifted

    handle = backbone.hooked_module().register_forward_hook(hook)
    try:
        for step in range(n):
            logits = backbone.model(input_ids=torch.tensor([ids + written]), use_cache=False).logits[0, -1]
            if step < MIN_TOKENS:
                for token in range(len(logits)):
                    if token in special or "\n" in backbone.tokenizer.decode([token]):
                        logits[token] = float("-inf")
            share, tokens = (logits / 0.9).softmax(-1).sort(descending=True)
            share, tokens = share[:TOP_K], tokens[:TOP_K]
            kept = share * ((share.cumsum(0) - share) < TOP_P)
            at = int((kept.cumsum(0) <= torch.rand(1, generator=die) * kept.sum()).sum())
            if int(tokens[at]) in special:
                break
            written.append(int(tokens[at]))
    finally:
        handle.remove()
    return written


@pytest.mark.parametrize("amount", [0.0, 6.0])
def test_cached_batched_and_steered_sampling_equals_recomputing_everything(
    extractor: Extractor, sampler: Sampler, amount: float
) -> None:
    direction = extractor.sae.w_dec[7] * amount if amount else None
    fast = draw(sampler, SEEDS, ended=never, direction=direction, max_tokens=8)
    with torch.no_grad():
        assert fast == [slowly(extractor.backbone, seed, 8, direction) for seed in SEEDS]


def test_a_row_does_not_depend_on_what_else_is_in_the_batch(sampler: Sampler) -> None:
    together = draw(sampler, SEEDS)
    assert [draw(sampler, [seed])[0] for seed in SEEDS] == together
    assert draw(sampler, SEEDS[::-1]) == together[::-1]
    assert draw(sampler, [9, *SEEDS, 9])[1:-1] == together


def test_steering_changes_what_is_written_and_leaves_the_model_as_it_was(
    extractor: Extractor, sampler: Sampler
) -> None:
    plain = draw(sampler, SEEDS)
    hooks = dict(extractor.backbone.hooked_module()._forward_hooks)
    assert draw(sampler, SEEDS, direction=extractor.sae.w_dec[7] * 20) != plain
    assert draw(sampler, SEEDS) == plain
    assert dict(extractor.backbone.hooked_module()._forward_hooks) == hooks


def test_a_failure_while_steering_leaves_no_hook_behind(extractor: Extractor, sampler: Sampler) -> None:
    hooks = dict(extractor.backbone.hooked_module()._forward_hooks)
    with pytest.raises(RuntimeError):
        draw(sampler, SEEDS, direction=torch.ones(5))
    assert dict(extractor.backbone.hooked_module()._forward_hooks) == hooks


def test_a_row_ends_when_told_and_never_before_a_few_tokens(sampler: Sampler) -> None:
    rows = rows_of(sampler, list(range(24)), max_tokens=60, temperature=1.5, ended=lambda text: True)
    assert any(row.ended for row in rows)
    for row in rows:
        assert len(row.ids) >= MIN_TOKENS and (row.ended or len(row.ids) == 60)
        assert "\n" not in sampler.text(row.ids[:-1])


def test_every_field_is_written_after_its_lead_whatever_the_model_would_do(sampler: Sampler) -> None:
    tokenizer = sampler.backbone.tokenizer
    lead = tuple(tokenizer("\nAnswer:", add_special_tokens=False)["input_ids"])
    sections = [Section(breaks=1), Section(lead), Section(lead)]
    rows = rows_of(sampler, list(range(16)), max_tokens=200, sections=sections, temperature=1.5)
    for row in rows:
        first, *others = sampler.text(row.ids).split("\nAnswer:")
        assert len(others) == 2 and first.count("\n") <= 1 and all(text for text in (first, *others))
        assert "\n" not in others[0] + others[1]
    assert len({sampler.text(row.ids) for row in rows}) > 8


def test_the_token_limit_is_told_apart_from_an_end(sampler: Sampler) -> None:
    assert not any(row.ended for row in rows_of(sampler, SEEDS, max_tokens=2, ended=never))


def test_a_favoured_token_comes_sooner_and_once_it_is_there_no_more_often(sampler: Sampler) -> None:
    seeds, settings = list(range(40)), {"max_tokens": 20, "ended": never}
    plain = draw(sampler, seeds, **settings)
    token = Counter(token for ids in plain for token in ids).most_common(8)[-1][0]
    favoured = draw(sampler, seeds, favoured=frozenset({token}), **settings)
    assert sum(token in ids for ids in favoured) > 1.5 * sum(token in ids for ids in plain)
    assert draw(sampler, seeds, favoured=frozenset(), **settings) == plain
    again = draw(sampler, seeds[:3], favoured=frozenset({token}), **settings)
    assert again == favoured[:3], "whoever else is in the batch"


def test_without_temperature_the_likeliest_continuation_is_written(extractor: Extractor, sampler: Sampler) -> None:
    ids = extractor.backbone.tokenizer(PROMPT, add_special_tokens=False, return_tensors="pt")["input_ids"]
    greedy = extractor.backbone.model.generate(ids, max_new_tokens=6, do_sample=False)[0, ids.shape[1] :].tolist()
    written = draw(sampler, [0, 1], temperature=0.0, ended=never, max_tokens=6)
    special = set(extractor.backbone.tokenizer.all_special_ids)
    breaks = [
        i for i, token in enumerate(greedy) if token in special or "\n" in sampler.backbone.tokenizer.decode([token])
    ]
    until = min(breaks, default=6)
    assert until > 0 and all(row[:until] == greedy[:until] for row in written)


def test_an_empty_prompt_is_continued_from_the_start_token(sampler: Sampler) -> None:
    row = Row(1)
    sampler.sample([], [row], max_tokens=4, temperature=0.9, ended=never)
    assert row.ids


def test_the_generator_answers_every_request_in_order_whatever_the_batches(extractor: Extractor) -> None:
    def request(seed: int, prompt: str, amount: float = 0.0) -> Request:
        steering = Steering(7, amount) if amount else None
        return Request(Prompt(items=(prompt,)), 1, 6, 0.9, seed, steering)

    requests = [
        request(1, PROMPT),
        request(2, PROMPT),
        request(3, "a list:\n-"),
        request(1, PROMPT, 9.0),
        request(4, PROMPT),
    ]
    alone = [next(LocalGenerator(extractor).generate([one])) for one in requests]
    assert list(LocalGenerator(extractor, batch=2).generate(requests)) == alone
    assert alone[0].text != alone[3].text
    assert {response.usage["seed"] for response in alone} == {1, 2, 3, 4}
