"""A target carries everything a worker needs to write for its feature, and its own control, from before the start.

The control is another target of the same run (a derangement): whether a candidate fires it is measured by the same
scoring, and no generator is ever told which it is.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fac_core.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

N_EXAMPLES = 12
"""Activating texts that travel with a target; a prompt shows a few of them."""


@dataclass(frozen=True)
class Example:
    """A text of the anchor that activates a feature."""

    fields: dict[str, str]
    text: str
    """Its content: what was read."""
    label: str | None
    value: float
    char_start: int
    char_end: int
    """Place of the token with the maximum in `text`."""


@dataclass(frozen=True)
class Target:
    """A feature that candidates are wanted for."""

    feature_id: int
    name: str
    """What it is called; empty if it has no name."""
    control_id: int | None
    """The target whose firing counts as chance; None if the run has one target only."""
    label: str | None
    """Label of candidates that are written for it."""
    examples: tuple[Example, ...]
    """Strongest first."""

    @property
    def top_value(self) -> float:
        """The feature's highest activation in the anchor; zero if nothing activates it."""
        return self.examples[0].value if self.examples else 0.0


def derangement(feature_ids: Sequence[int], seed: int) -> dict[int, int | None]:
    """Another target for each target, no two the same, drawn at random; None where there is no other.

    A random cycle through all targets: each is followed by one that is not itself.
    """
    order = list(dict.fromkeys(feature_ids))
    if len(order) < 2:
        return dict.fromkeys(order)
    random.Random(seed).shuffle(order)
    return dict(zip(order, order[1:] + order[:1], strict=True))


def majority_label(task: Task, examples: Sequence[Example], delta: float) -> str | None:
    """The label that most texts firing above δ have; of equals, or without any, the task's own."""
    if task.labels is None:
        return None
    counted = Counter(example.label for example in examples if example.label is not None and example.value > delta)
    most = [label for label, n in counted.items() if n == max(counted.values())]
    return most[0] if len(most) == 1 else task.generation.label


def targets_to_tables(targets: Sequence[Target]) -> dict[str, pa.Table]:
    """Targets as input tables of a job."""
    import pyarrow as pa

    schema = pa.schema(
        [("feature_id", pa.int32()), ("name", pa.string()), ("control_id", pa.int32()), ("label", pa.string())]
    )
    rows = [{name: getattr(target, name) for name in schema.names} for target in targets]
    examples = [
        {
            "feature_id": target.feature_id,
            "fields": json.dumps(example.fields, ensure_ascii=False),
            "text": example.text,
            "label": example.label,
            "value": example.value,
            "char_start": example.char_start,
            "char_end": example.char_end,
        }
        for target in targets
        for example in target.examples
    ]
    return {
        "target": pa.Table.from_pylist(rows, schema=schema),
        "example": pa.Table.from_pylist(examples, schema=_example_schema()),
    }


def targets_from_tables(target: pa.Table, example: pa.Table) -> list[Target]:
    """Inverse of `targets_to_tables`."""
    examples: dict[int, list[Example]] = {}
    for row in example.to_pylist():
        fields: dict[str, Any] = json.loads(row.pop("fields"))
        examples.setdefault(row.pop("feature_id"), []).append(Example(fields=fields, **row))
    return [Target(**row, examples=tuple(examples.get(row["feature_id"], ()))) for row in target.to_pylist()]


def _example_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("feature_id", pa.int32()),
            ("fields", pa.string()),
            ("text", pa.string()),
            ("label", pa.string()),
            ("value", pa.float64()),
            ("char_start", pa.int32()),
            ("char_end", pa.int32()),
        ]
    )
