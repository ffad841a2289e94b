"""A candidate's verdict comes from the extractor that measured the gap, and from nothing that wrote it.

All features are scored, so a candidate can serve a feature it was not written for; the target's value and the control's
come from the same reading.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fac_core.feature_space.extraction import activation_tables
from fac_core.store.synthesis import candidate_schema
from fac_core.synthesis.fluency import fluency
from fac_core.synthesis.likeness import Nearest
from fac_core.synthesis.outcomes import Draft
from fac_core.synthesis.plan import Plan
from fac_core.synthesis.targets import Target

if TYPE_CHECKING:
    import pyarrow as pa

    from fac_core.content import Content
    from fac_core.feature_space.extractor import Extractor, TextActivations

Tables = dict[str, "pa.Table"]


@dataclass(frozen=True)
class Written:
    """A draft and how it came about."""

    draft: Draft
    prompt: str
    provenance: dict[str, Any]


class Scorer:
    """Drafts → the tables of a shard."""

    def __init__(self, plan: Plan, extractor: Extractor) -> None:
        self._plan = plan
        self._extractor = extractor
        samples = [
            (text, sample)
            for text, sample in zip(plan.known_texts, plan.known_samples, strict=True)
            if sample is not None
        ]
        self._samples = [sample for _, sample in samples]
        self._nearest = Nearest([text for text, _ in samples])

    def tables(self, target: Target, step: int, written: Sequence[Written]) -> Tables:
        """Tables candidate, content, content_read and activation of one step.

        `content_id` counts within the shard; the store gives contents their own ids.
        """
        import pyarrow as pa

        plan = self._plan
        contents = {
            number: plan.task.content(one.draft.fields)
            for number, one in enumerate(written)
            if one.draft.failed is None
        }
        read = dict(zip(contents, self._extractor.read_all(list(contents.values())), strict=True))
        texts = [content.text for content in contents.values()]
        likely = dict(zip(contents, fluency(self._extractor.backbone, texts), strict=True))
        rows = [
            {
                "candidate_id": f"{plan.run_id}-{target.feature_id}-{step}-{number}",
                "target_feature": target.feature_id,
                "step": step,
                "attempt": number,
                "origin": plan.settings.generator,
                "text": one.draft.text,
                "fields": json.dumps(one.draft.fields, ensure_ascii=False),
                "label": target.label if one.draft.fields else None,
                "outcome": one.draft.failed or "no_activation",
                "prompt": one.prompt,
                "generation": json.dumps({**one.provenance, "fluency": likely.get(number)}, ensure_ascii=False),
                **self._score(target, contents.get(number), read.get(number)),
            }
            for number, one in enumerate(written)
        ]
        columns: dict[str, tuple[Any, list[Any]]] = {
            "content_id": (pa.int64(), list(contents)),
            "candidate_id": (pa.string(), [rows[number]["candidate_id"] for number in contents]),
            "content_hash": (pa.string(), [content.digest for content in contents.values()]),
            "text": (pa.string(), texts),
            "turns": (pa.string(), [content.stored_turns for content in contents.values()]),
        }
        return {
            "candidate": pa.Table.from_pylist(rows, schema=candidate_schema()),
            "content": pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()}),
            **activation_tables(read.items()),
        }

    def _score(self, target: Target, content: Content | None, read: TextActivations | None) -> dict[str, Any]:
        """What reading adds to a row; nothing for a draft that was not read."""
        if content is None or read is None:
            return {}
        value = value_of(read, target.feature_id)
        control = None if target.control_id is None else value_of(read, target.control_id) > self._plan.delta
        near = self._nearest.find(content.text)
        return {
            "outcome": "hit" if value > self._plan.delta else "no_activation",
            "target_value": value,
            "control_hit": control,
            "nearest_sample_id": None if near is None else self._samples[near[0]],
            "nearest_similarity": None if near is None else near[1],
        }


def value_of(read: TextActivations, feature_id: int) -> float:
    """Activation of a feature in a text; zero if it does not fire."""
    at = int(np.searchsorted(read.features, feature_id))
    return float(read.values[at]) if at < len(read.features) and read.features[at] == feature_id else 0.0
