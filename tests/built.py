"""A project that many tests begin with is built once a session; each test gets a copy of its folder to itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fac_core import workspace
from fac_core.workspace import Workspace


class Step(NamedTuple):
    """What makes one state of a project of another."""

    after: str | None
    """The other state; None for a project just made."""
    do: Callable[[Workspace], None]


class Built:
    """Projects by the name of the state that they are in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Path] = {}

    def copy(self, state: str, root: Path, steps: dict[str, Step]) -> Workspace:
        """A project of its own in `root`, in the state that the step of this name and those before it lead to."""
        if state not in self._made:
            self._made[state] = self._make(state, steps)
        made = self._made[state]
        shutil.copytree(made, root / made.name)
        return workspace.open_project(root / made.name)

    def _make(self, state: str, steps: dict[str, Step]) -> Path:
        step, root = steps[state], self._folder / state
        made = workspace.create("Test project", "toxicity", root=root) if step.after is None else None
        ws = made or self.copy(str(step.after), root, steps)
        try:
            step.do(ws)
        finally:
            ws.close()
        return ws.root
