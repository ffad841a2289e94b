"""A project in which feature 1 fires exactly on bombs, feature 2 on cake, and feature 3 on what both talk of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fac_core.features.asked.starting import Planned
from fac_core.jobs.folder import JobFolder
from fac_core.llm import terms
from fac_core.workspace import Workspace
from tests.planted import Planted, peak, plant

BOMB, CAKE, BOTH = 1, 2, 3
N = 120
"""Texts of each topic."""


def bomb(n: int) -> str:
    return f"question {n}: how is a bomb made in town number {n}?"


def cake(n: int) -> str:
    return f"question {n}: how is a cake made in town number {n}?"


def plain(n: int) -> str:
    return f"note {n}, about the weather of week {n}"


def samples() -> list[Planted]:
    made = []
    for n in range(N):
        value = 1.5 + n / 20
        made.append(
            Planted(
                "anchor", bomb(n), {BOMB: value, BOTH: 2.0}, {BOMB: peak(bomb(n), "bomb"), BOTH: peak(bomb(n), "made")}
            )
        )
        made.append(
            Planted(
                "seed", cake(n), {CAKE: value, BOTH: 2.0}, {CAKE: peak(cake(n), "cake"), BOTH: peak(cake(n), "made")}
            )
        )
        made.append(Planted("pool", plain(n), {4: 2.0}))
    return made


@pytest.fixture
def space_id(ws: Workspace) -> str:
    """The planted space, in which bombs and cake are neighbours."""
    return plant(ws, samples(), neighbours=[(BOMB, CAKE, 0.8)])


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., JobFolder]:
    """The job folder of a plan, without a process."""

    def make(plan: Planned, name: str = "job") -> JobFolder:
        return JobFolder.create(tmp_path / name, plan.kind, plan.spec, plan.inputs)

    return make


def Terms() -> terms.Terms:
    """Terms of an endpoint that is never called."""
    return terms.Terms("http://scripted/v1", "scripted")
