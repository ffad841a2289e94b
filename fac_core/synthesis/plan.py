"""A run's plan says everything its worker may use, and nothing secret: no key, no path but the space's own.

The same plan, model and seeds give the same requests, so a resumed run asks only for what is still missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from fac_core.errors import InputError
from fac_core.feature_space.space import SpaceSpec
from fac_core.llm.terms import Terms
from fac_core.synthesis.targets import Target, targets_from_tables
from fac_core.tasks import Task, load_task

if TYPE_CHECKING:
    from fac_core.jobs.folder import JobFolder

GENERATORS = ("local", "openai")
ITEMS_PER_CALL = 5
"""Samples asked for in one call of an endpoint: few enough that a lost reply costs little."""
MOST_SAMPLES = 200
STEPS = (1, 2)


@dataclass(frozen=True)
class RunSettings:
    """How a run writes."""

    generator: Literal["local", "openai"] = "local"
    n_step1: int = 6
    """Samples for each feature in step 1, of which the contrastive pair is chosen."""
    n_step2: int = 10
    """Samples for each feature in step 2, given the pair."""
    temperature: float = 0.9
    steering: float = 0.5
    """Decoder direction added while the local model writes, as a share of the feature's top activation; 0 is none."""
    model: str = ""
    """Model of the endpoint; empty takes the project's setting."""
    base_url: str = ""
    max_tokens: int = 40
    """New tokens for one sample at least; a task whose samples are longer gets what it needs."""
    use_pool: bool = True
    """Whether the pool is searched first; features that a real sample closes are not written for."""
    seed: int = 0
    cap_money: float | None = None
    """Endpoint: the most the run may spend, in the currency of the model's price; None is no limit."""
    cap_tokens: int | None = None
    """Endpoint: the most tokens the run may use, in and out together; None is no limit."""

    def check(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            InputError: one of them is out of range.
        """
        if self.generator not in GENERATORS:
            raise InputError(f"There is no generator {self.generator!r}; choose one of {', '.join(GENERATORS)}.")
        ranges = {
            "n_step1": (1, MOST_SAMPLES),
            "n_step2": (0, MOST_SAMPLES),
            "temperature": (0.0, 2.0),
            "steering": (0.0, 4.0),
            "max_tokens": (8, 2048),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"The setting {name} is {getattr(self, name)}; it must lie between {low} and {high}.")

    @property
    def per_feature(self) -> int:
        """Samples written for one feature."""
        return self.n_step1 + self.n_step2


@dataclass(frozen=True)
class Plan:
    """One run, as its worker sees it."""

    run_id: str
    space: SpaceSpec
    task: Task
    delta: float
    settings: RunSettings
    targets: list[Target]
    terms: Terms
    """How an endpoint is asked, if one writes."""
    known_texts: list[str]
    """Texts that are not new any more."""
    known_samples: list[int | None]
    """Sample of each, if it is one."""

    @classmethod
    def read(cls, job: JobFolder) -> Plan:
        """The plan in a job folder."""
        spec = job.spec
        known = job.input("known")
        settings = RunSettings(**spec["settings"])
        return cls(
            run_id=spec["run_id"],
            space=SpaceSpec.from_json(spec["space"]),
            task=load_task(spec["task"]),
            delta=spec["delta"],
            settings=settings,
            targets=targets_from_tables(job.input("target"), job.input("example")),
            terms=Terms.from_spec(spec["llm"]) if spec.get("llm") else Terms(settings.base_url, settings.model),
            known_texts=known["text"].to_pylist(),
            known_samples=known["sample_id"].to_pylist(),
        )

    @property
    def max_tokens(self) -> int:
        """New tokens for one sample."""
        return max(self.settings.max_tokens, self.task.generation.max_tokens)

    def n_of(self, step: int) -> int:
        """Samples for each feature in a step."""
        return self.settings.n_step1 if step == 1 else self.settings.n_step2

    def seed_of(self, *parts: int) -> int:
        """A seed for one request: the same whenever the same thing is asked for."""
        told = ",".join(map(str, (self.settings.seed, self.space.space_id, *parts)))
        return int.from_bytes(hashlib.sha256(told.encode()).digest()[:7])


def job_spec(
    run_id: str, space: SpaceSpec, task: str, delta: float, settings: RunSettings, terms: Terms | None = None
) -> Mapping[str, Any]:
    """What `Plan.read` needs beside the input tables."""
    return {
        "run_id": run_id,
        "space_id": space.space_id,
        "space": asdict(space),
        "task": task,
        "delta": delta,
        "settings": asdict(settings),
        "llm": None if terms is None else terms.as_spec(),
    }
