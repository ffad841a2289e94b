"""A person's judgement about a feature outranks test and judge and is never lost; taking it back is a judgement too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fac_core.errors import InputError
from fac_core.feature_space.spaces import space
from fac_core.features.agreement import Agreement, agreement
from fac_core.features.judgement import ALIVE, AUTO, Judgement, choose_mode, chosen_mode, enough_by_label, judge
from fac_core.features.relevance_check import Check
from fac_core.features.trials import EFFECTS
from fac_core.human import one_line
from fac_core.store import relevance as store
from fac_core.store.activations import carry_profiles
from fac_core.store.relevance import OverruleEvent
from fac_core.tasks import load_task
from fac_core.workspace import now

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

__all__ = [
    "OverruleEvent",
    "Overview",
    "Rated",
    "RelevanceTest",
    "Sides",
    "choose_mode",
    "chosen_mode",
    "effect_name",
    "judgements",
    "overrule",
    "overview",
    "sides",
    "tested_features",
]


@dataclass(frozen=True)
class RelevanceTest:
    """What a test says about a feature and the task."""

    method: str
    """`label` or `contrast`."""
    effect: float
    lift: float | None
    p_value: float
    q_value: float
    n_active: int
    relevant: bool
    direction: str
    """`positive`: fires more on the task's side; `negative`: less."""

    @property
    def effect_name(self) -> str:
        """What the effect is called."""
        return EFFECTS[self.method]


@dataclass(frozen=True)
class Rated:
    """What a judge says about a feature and the task's rubric."""

    rating: str
    """yes, probably, maybe or no; relevant is anything but no."""
    reason: str
    model: str
    current: bool
    """Whether it is of the rubric as it stands; one of an older rubric counts no more."""
    from_texts: bool
    """Whether no explanation was at hand, so that the texts alone were judged."""
    created_at: datetime


@dataclass(frozen=True)
class Sides:
    """Everything that is said about one feature's relevance, side by side."""

    tests: list[RelevanceTest]
    ratings: list[Rated]
    """Newest first."""
    overrules: list[OverruleEvent]
    """What people said, newest first."""
    relevant: bool
    """What holds."""
    mode: str
    """What decides where no person did: see `judgement.MODES`."""

    @property
    def person(self) -> bool | None:
        """What a person said last; None leaves it to the others."""
        return self.overrules[0].relevant if self.overrules else None


@dataclass(frozen=True)
class Overview:
    """How relevance stands in a space, and how far it can be trusted."""

    judgement: Judgement
    effect_name: str
    n_tested: int
    n_rated: int
    """Features rated against the rubric as it stands."""
    n_older: int
    """Features whose ratings are all of older rubrics."""
    n_overruled: int
    check: Check | None
    """The test on held-out documents; None where it could not be made."""
    agreement: Agreement | None
    auto: bool
    """Whether the project leaves it to the automatic rule what decides."""

    @property
    def why(self) -> str:
        """Why the automatic rule takes every alive feature, if it does; else empty."""
        if not self.auto or self.judgement.mode != ALIVE:
            return ""
        if not self.n_tested:
            return "No feature could be tested by labels, so every alive feature counts."
        needed = enough_by_label(self.n_tested)
        return (
            f"{self.judgement.n_by_label:,} of {self.n_tested:,} are fewer than the {needed:,} from which on "
            "the labels decide by themselves (one in twenty of those tested, 50 at least), so every alive feature "
            "counts."
        )


def overrule(ws: Workspace, space_id: str, feature_id: int, relevant: bool | None, author: str) -> None:
    """Say that a feature belongs to the task or does not; None gives the question back to the setting.

    Raises:
        InputError: unknown space, no such feature in it, or the author's name cannot be read.
    """
    check_feature(ws, space_id, feature_id)
    author = one_line(author, "Your own name")
    with ws.database.transaction() as cursor:
        store.add_overrule(cursor, space_id, feature_id, relevant, author, now())
        carry_profiles(cursor)


def judgements(ws: Workspace, space_id: str, feature_id: int) -> list[OverruleEvent]:
    """What people said about a feature's relevance, newest first."""
    return store.overrule_events(ws.database, space_id, feature_id)


def tests_of(ws: Workspace, space_id: str, feature_id: int) -> list[RelevanceTest]:
    """What the tests say about a feature; nothing where too few samples activate it."""
    return [RelevanceTest(**row) for row in store.relevance_of(ws.database, space_id, feature_id)]


def tested_features(ws: Workspace, space_id: str) -> list[int]:
    """Features that enough samples activate to be tested by labels."""
    found: list[int] = store.relevance_rows(ws.database, space_id).column("feature_id").to_pylist()
    return found


def sides(ws: Workspace, space_id: str, feature_id: int) -> Sides:
    """Labels, judge and people on one feature.

    Raises:
        InputError: unknown space, or no such feature in it.
    """
    judged = judge(ws, space_id, check_feature(ws, space_id, feature_id))
    version = load_task(ws.task).rubric_version
    ratings = [
        Rated(
            row.rating, row.reason, row.model, row.rubric_version == version, row.explanation_id is None, row.created_at
        )
        for row in store.ratings_of(ws.database, space_id, feature_id)
    ]
    return Sides(
        tests_of(ws, space_id, feature_id),
        ratings,
        judgements(ws, space_id, feature_id),
        bool(judged.relevant[feature_id]),
        judged.mode,
    )


def overview(ws: Workspace, space_id: str) -> Overview:
    """How relevance stands in a space.

    Raises:
        InputError: the project does not know the space.
    """
    version = load_task(ws.task).rubric_version
    found = store.check_of(ws.database, space_id)
    return Overview(
        judge(ws, space_id, space(ws, space_id).d_sae),
        effect_name(ws, space_id),
        store.relevant_by_test(ws.database, space_id)[1],
        len(store.ratings(ws.database, space_id, version)),
        store.count_older(ws.database, space_id, version),
        len(store.overrules(ws.database, space_id)),
        None if found is None else Check(**found),
        agreement(ws, space_id),
        chosen_mode(ws) == AUTO,
    )


def effect_name(ws: Workspace, space_id: str) -> str:
    """What the effect of the tests is called: after the test that was made, else after the task's own."""
    return EFFECTS[store.test_method(ws.database, space_id) or load_task(ws.task).relevance]


def check_feature(ws: Workspace, space_id: str, feature_id: int) -> int:
    """The number of features of the space, if it has this one.

    Raises:
        InputError: unknown space, or no such feature in it.
    """
    d_sae = space(ws, space_id).d_sae
    if not 0 <= feature_id < d_sae:
        raise InputError(f"The space has features 0 to {d_sae - 1}, and no feature {feature_id}.")
    return d_sae
