"""A demo is an ordinary project, made once from shipped texts and their shipped activations.

Each step of the making is skipped where it has been done, and the project counts as made only after the last one, so a
making that was interrupted anywhere is finished by the next opening. What a person does in it afterwards stays.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fac_core import workspace
from fac_core.errors import InputError
from fac_core.samples.datasets import list_datasets
from fac_core.samples.importing import import_dataset
from fac_core.tasks import task_ids
from fac_core.workspace import Workspace

PARTS = {"anchor": "anchor", "seed": "seed", "test": "holdout"}
"""File of a demo → role of its samples."""
CACHE = "cache"
_READY = "demo_ready"
_making = threading.Lock()


@dataclass(frozen=True)
class DemoInfo:
    """A demo that can be opened."""

    id: str
    title: str
    task: str
    card_text: str
    """What it holds and what its seed leaves out on purpose, in plain sentences."""


def demo_folder() -> Path:
    """Folder of the shipped demos: ``$FAC_DEMO_DIR``, else ``data/demo``."""
    return Path(os.environ.get("FAC_DEMO_DIR") or Path(__file__).resolve().parents[1] / "data" / "demo")


def demos() -> list[DemoInfo]:
    """All demos whose card can be read, in the order of the tasks."""
    order = {task_id: position for position, task_id in enumerate(task_ids())}
    found = [info for path in demo_folder().glob("*/card.json") if (info := _info(path)) is not None]
    return sorted(found, key=lambda info: (order[info.task], info.id))


def open_demo(demo_id: str) -> Workspace:
    """The project of a demo, made or finished as needed; callers that ask at the same time wait for the first.

    Raises:
        InputError: there is no such demo.
        ModelError: the shipped feature space is missing or damaged.
        StoreError: another process has the project open, or it cannot be written.
    """
    info = next((info for info in demos() if info.id == demo_id), None)
    if info is None:
        raise InputError(f"There is no demo {demo_id[:60]!r} in {demo_folder()}.")
    with _making:
        ws = _existing(info) or _create(info)
        if not ws.setting(_READY):
            _fill(ws, demo_folder() / info.id)
            ws.set_setting(_READY, "yes")
        return ws


def _existing(info: DemoInfo) -> Workspace | None:
    made = next((project for project in workspace.list_projects() if project.demo == info.id), None)
    return None if made is None else workspace.open_project(made.folder)


def _create(info: DemoInfo) -> Workspace:
    name, number = f"Demo · {info.title}", 1
    taken = {project.name for project in workspace.list_projects()}
    while name in taken:
        number += 1
        name = f"Demo {number} · {info.title}"
    return workspace.create(name, info.task, demo=info.id)


def _fill(ws: Workspace, folder: Path) -> None:
    from fac_core.feature_space.extraction import import_cache, start_extraction
    from fac_core.feature_space.spaces import ensure_embedded
    from fac_core.features.refresh import refresh

    there = {dataset.source for dataset in list_datasets(ws)}
    for part, role in PARTS.items():
        filename = f"{part}.jsonl"
        if filename not in there and (folder / filename).is_file():
            import_dataset(ws, folder / filename, filename, role, part)
    space_id = ensure_embedded(ws)
    # without a cache, or with one of another space, the texts are read like any others, in a job
    with suppress(InputError):
        import_cache(ws, space_id, folder / CACHE)
    if start_extraction(ws, space_id) is None:
        refresh(ws, space_id, wait=True)


def _info(path: Path) -> DemoInfo | None:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        info = DemoInfo(path.parent.name, str(card["title"]), str(card["task"]), _card_text(card))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return info if info.task in task_ids() else None


def _card_text(card: dict[str, Any]) -> str:
    sentences = [str(card["description"])]
    left_out = {"topic": card.get("left_out_topics", ()), "register": card.get("left_out_registers", ())}
    holes = [f"the {what}{'s' * (len(names) > 1)} {_listed(names)}" for what, names in left_out.items() if names]
    if holes:
        sentences.append(f"The seed leaves out on purpose {' and '.join(holes)}.")
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    words = [str(name).replace("_", " ") for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
