"""One step for one target: ask, read the replies, sort out what is no sample or no new one. Nothing is scored here.

The same plan asks for the same things: requests are made from plan, target and pair alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fac_core.llm.tokens import TOKENS_PER_BYTE
from fac_core.synthesis.generator import Generator, Request, Response, Steering, Style
from fac_core.synthesis.likeness import Index
from fac_core.synthesis.outcomes import Draft, drafts, without_duplicates
from fac_core.synthesis.pair import Pair, Scored
from fac_core.synthesis.plan import ITEMS_PER_CALL, Plan
from fac_core.synthesis.prompts import (
    SHOWN_IN_CHAT,
    chat_prompt,
    choose_examples,
    continuation_prompt,
    excerpt,
    peak_word,
)
from fac_core.synthesis.scoring import Written
from fac_core.synthesis.targets import Target

if TYPE_CHECKING:
    import pyarrow as pa

FAVOURED = 6
"""Examples whose peak words take turns in being favoured."""


class Writer:
    """Asks a generator and keeps apart what came back."""

    def __init__(self, plan: Plan, generator: Generator) -> None:
        self._plan = plan
        self._generator = generator
        self._known = Index(plan.known_texts)

    def remember(self, content: pa.Table) -> None:
        """Make the texts of a step that was committed before known, so that none is written twice."""
        for text in content["text"].to_pylist():
            self._known.add(text)

    def write(
        self, target: Target, step: int, pair: Pair | None, on_sample: Callable[[int], None] = lambda _: None
    ) -> list[Written]:
        """As many drafts as the plan wants in this step; `on_sample` is told how many are in."""
        shown = Index(example.text for example in target.examples)
        requests = requests_of(self._plan, self._generator.style, target, step, pair)
        written: list[Written] = []
        for request, response in zip(requests, self._generator.generate(requests), strict=True):
            found = drafts(self._plan.task, response, self._generator.style, request.n_items)
            for draft in without_duplicates(self._plan.task, found, self._known, shown):
                written.append(Written(draft, request.prompt.as_text(), _provenance(request, response, draft, pair)))
            on_sample(len(written))
        return written


def requests_of(plan: Plan, style: Style, target: Target, step: int, pair: Pair | None) -> list[Request]:
    """What is asked of a generator of that style for one target in one step."""
    settings, wanted = plan.settings, plan.n_of(step)
    seeds = [plan.seed_of(target.feature_id, step, number) for number in range(wanted)]
    if style == "continuation":
        prompt = continuation_prompt(plan.task, target, pair)
        amount = settings.steering * target.top_value
        steering = Steering(target.feature_id, amount) if amount else None
        words = [peak_word(example) for example in choose_examples(target.examples, FAVOURED)] or [""]
        return [
            Request(prompt, 1, plan.max_tokens, settings.temperature, seed, steering, words[number % len(words)])
            for number, seed in enumerate(seeds)
        ]
    sizes = [min(ITEMS_PER_CALL, wanted - start) for start in range(0, wanted, ITEMS_PER_CALL)]
    each = sample_tokens(plan, target)
    return [
        Request(
            chat_prompt(plan.task, target, n, pair),
            n,
            reply_tokens(plan, n),
            settings.temperature,
            seed,
            likely_tokens=n * each,
        )
        for n, seed in zip(sizes, seeds, strict=False)
    ]


def sample_tokens(plan: Plan, target: Target) -> int:
    """Tokens of one sample in a reply, if it is as long as the texts that are shown; else what a sample may have."""
    shown = [excerpt(plan.task, example) for example in choose_examples(target.examples, SHOWN_IN_CHAT)]
    if not shown:
        return plan.max_tokens
    said = [{name: fields.get(name, "") for name in plan.task.generation.fields} for fields in shown]
    size = len(json.dumps(said, ensure_ascii=False).encode(errors="replace"))
    return max(1, round(size * TOKENS_PER_BYTE / len(shown)))


def reply_tokens(plan: Plan, n_items: int) -> int:
    """Token limit of an endpoint's reply: the samples, their JSON, and room for a model that thinks first."""
    return n_items * (2 * plan.max_tokens + 60) + 600


def scored_samples(candidate: pa.Table) -> list[Scored]:
    """Samples of a step with their target's activation, for the pair."""
    rows = candidate.select(["fields", "target_value"]).to_pylist()
    return [Scored(json.loads(row["fields"]), row["target_value"]) for row in rows if row["target_value"] is not None]


def _provenance(request: Request, response: Response, draft: Draft, pair: Pair | None) -> dict[str, Any]:
    steering = request.steering
    prompt = request.prompt.as_text().encode("utf-8", "surrogatepass")
    return {
        **response.usage,
        "finish": response.finish,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "n_items": request.n_items,
        "steering": 0.0 if steering is None else steering.amount,
        "prompt_sha256": hashlib.sha256(prompt).hexdigest(),
        "pair": None if pair is None else ("corpus" if pair.from_corpus else "step 1"),
        "reason": draft.reason,
    }
