"""What a run will take is said before it starts, from the very requests that its worker will make.

The pair of step 2 is measured on what step 1 brings; until then the strongest and the weakest text of the anchor stand
in for it. A run asks anew, so replies to earlier runs save nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fac_core.feature_space.spaces import space
from fac_core.llm.estimate import Estimate, estimate
from fac_core.store import synthesis as store
from fac_core.synthesis.hosted import HostedGenerator, question_of
from fac_core.synthesis.pair import Pair
from fac_core.synthesis.plan import STEPS, Plan, RunSettings
from fac_core.synthesis.runs import found_for, make_targets, terms_of, wanted_of
from fac_core.synthesis.targets import Target
from fac_core.synthesis.writing import requests_of
from fac_core.tasks import load_task

if TYPE_CHECKING:
    from fac_core.llm.asking import Question
    from fac_core.llm.terms import Terms
    from fac_core.workspace import Workspace

SECONDS_PER_SAMPLE = {"local": 0.8, "openai": 0.6}
"""Until a run of this project has been timed: measured on two cores, and a guess for an endpoint."""


class Foreseen(NamedTuple):
    """What a run would take."""

    n_features: int
    """That are written for."""
    n_found: int
    """That real samples of the pool close; nothing is written for them."""
    n_samples: int
    seconds: float
    asking: Estimate | None
    """What is asked of an endpoint; None where the local model writes."""

    @property
    def sentence(self) -> str:
        """All of it for people."""
        took = f"about {self.seconds:.0f} s" if self.seconds < 90 else f"about {self.seconds / 60:.0f} min"
        if not self.n_features:
            return "Real samples of the pool close all of these features; nothing is written."
        said = f"{self.n_samples} samples for {_features(self.n_features)}, {took}"
        said += " on this machine, no cost." if self.asking is None else f". {self.asking.sentence}"
        if self.n_found:
            said += f" Real samples of the pool close {_features(self.n_found)}; nothing is written for those."
        return said


def foresee(
    ws: Workspace, space_id: str, delta: float, settings: RunSettings, feature_ids: Sequence[int] | None = None
) -> Foreseen:
    """What `start_run` with the same arguments would take; nothing is asked, noted or stored.

    Raises:
        InputError: as for `start_run`.
    """
    wanted = wanted_of(ws, space_id, delta, settings, feature_ids)
    terms = terms_of(ws, settings)
    found, aimed = found_for(ws, space_id, delta, settings, wanted)
    left = [feature for feature in aimed if feature not in found.closed]
    n_samples = len(left) * settings.per_feature
    asking = None
    if terms is not None:
        asking = estimate(ws, terms, _questions(ws, space_id, delta, settings, terms, left), afresh=True)
    seconds = n_samples * _seconds_per_sample(ws, settings.generator)
    return Foreseen(len(left), len(wanted) - len(left), n_samples, seconds, asking)


def _questions(
    ws: Workspace, space_id: str, delta: float, settings: RunSettings, terms: Terms, feature_ids: Sequence[int]
) -> list[Question]:
    task = load_task(ws.task)
    targets = make_targets(ws, task, space_id, delta, feature_ids, settings.seed)
    plan = Plan("", space(ws, space_id).spec, task, delta, settings, targets, terms, [], [])
    return [
        question_of(request)
        for target in targets
        for step in STEPS
        for request in requests_of(plan, HostedGenerator.style, target, step, _stand_in(target) if step > 1 else None)
    ]


def _stand_in(target: Target) -> Pair | None:
    if not target.examples:
        return None
    return Pair(target.examples[0].fields, target.examples[-1].fields, from_corpus=True)


def _seconds_per_sample(ws: Workspace, generator: str) -> float:
    """As timed in this project's last runs with that generator, else what is usual."""
    timed = [
        (result["seconds"], result["written_now"])
        for result in store.finished_results(ws.database)
        if result.get("generator") == generator and result.get("written_now")
    ]
    written = sum(n for _, n in timed)
    return sum(seconds for seconds, _ in timed) / written if written else SECONDS_PER_SAMPLE[generator]


def _features(n: int) -> str:
    return f"{n} feature{'s' * (n != 1)}"
