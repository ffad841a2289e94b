"""An SAE of a project is trained on chosen datasets, never on what must stay unseen, and lies in the project's folder.

The texts travel with the job as tables, so that its recipe names every input; texts of a holdout set are left out
wherever else they occur. A trained SAE is a folder of ``saes`` with a card, and becomes a feature space when asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError, ModelError
from fac_core.feature_space.adding import add_space
from fac_core.feature_space.backbone import model_shape
from fac_core.feature_space.backbones import folder_of, resolve
from fac_core.feature_space.spaces import spaces
from fac_core.feature_space.training.job import CARD, RECIPE
from fac_core.feature_space.training.loop import read_curve
from fac_core.feature_space.training.recipe import Recipe, make_recipe, merged
from fac_core.feature_space.training.trainer import StepStats
from fac_core.human import one_line
from fac_core.jobs import owner
from fac_core.jobs.owner import Job
from fac_core.samples.datasets import Dataset, list_datasets
from fac_core.store.datasets import dataset_texts
from fac_core.workspace import Workspace, slug

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "train_sae"
HOLDOUT = "holdout"
MAX_LENGTH = 512
"""Content tokens read of a text, as in a space."""
MAX_TOKENS = 200_000
"""Content tokens read in all, unless asked otherwise."""
MOST_TEXTS = 500_000
"""Of each dataset, a random part of a larger one."""
FEW_TEXTS, MUCH_HELD_OUT, LITTLE_HELD_OUT = 10_000, 0.1, 0.03
"""Of few texts a larger share has to be held out for the card's figures to mean something."""


@dataclass(frozen=True)
class TrainedSae:
    """An SAE that was trained in a project."""

    name: str
    folder: Path
    recipe: Recipe
    card: dict[str, Any]
    curve: list[StepStats]


def readable(ws: Workspace) -> list[Dataset]:
    """Datasets an SAE may be trained on: all that count but those that must stay unseen."""
    return [dataset for dataset in list_datasets(ws) if not dataset.deleted and dataset.role != HOLDOUT]


def start_training(
    ws: Workspace,
    name: str,
    entries: dict[str, Any],
    dataset_ids: Sequence[str],
    *,
    max_tokens: int = MAX_TOKENS,
    max_steps: int | None = None,
) -> str:
    """Train an SAE on datasets of the project, in a job; returns the job's id.

    Args:
        ws: the project.
        name: for people; names the SAE's folder.
        entries: the recipe by part, without its corpus: ``space`` (``block`` by default half the model's depth),
            ``sae`` and ``training``.
        dataset_ids: datasets whose texts are read.
        max_tokens: content tokens read in all, shared among the datasets by their length.
        max_steps: stop training early.

    Raises:
        InputError: an entry or a dataset that cannot be, no name, or one that is taken.
        ModelError: there is no such model or block.
    """
    out = _place(ws, name)
    chosen = [dataset for dataset in readable(ws) if dataset.dataset_id in set(dataset_ids)]
    if len(chosen) != len(set(dataset_ids)) or not chosen:
        raise InputError("Choose at least one dataset to train on, and none that is held out or taken out.")
    tables = {_source_name(dataset): dataset_texts(ws.database, [dataset.dataset_id], MOST_TEXTS) for dataset in chosen}
    unseen = [each.dataset_id for each in list_datasets(ws) if each.role == HOLDOUT and not each.deleted]
    corpus = _corpus(tables, max_tokens)
    if unseen:
        corpus["exclude"] = [f"{HOLDOUT}.parquet"]
        tables[HOLDOUT] = dataset_texts(ws.database, unseen, MOST_TEXTS)
    recipe = make_recipe(merged(entries, {"space": _space(entries["space"]), "corpus": corpus}))
    spec = {"recipe": recipe.model_dump(mode="json"), "data": None, "out": str(out), "max_steps": max_steps}
    return owner.start(ws, KIND, f"Train the SAE {out.name}", spec, tables)


def trained(ws: Workspace) -> list[TrainedSae]:
    """SAEs that were trained in the project, by name."""
    found = []
    for path in sorted(ws.saes.glob(f"*/{CARD}")):
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
            recipe = make_recipe(json.loads((path.parent / RECIPE).read_text(encoding="utf-8")))
        except (OSError, ValueError, InputError):
            continue  # not of ours, or damaged since
        found.append(TrainedSae(path.parent.name, path.parent, recipe, card, read_curve(path.parent)))
    return found


def latest_run(ws: Workspace) -> Job | None:
    """The training that was started last; None if there was none."""
    return next((job for job in owner.jobs(ws) if job.kind == KIND), None)


def curve_of(ws: Workspace, job: Job) -> list[StepStats]:
    """The curve of a training as far as it is."""
    return read_curve(ws.jobs / job.job_id / "work")


def space_of(ws: Workspace, sae: TrainedSae) -> str:
    """Id of the space that reads with a trained SAE; empty if there is none."""
    return next((each.space_id for each in spaces(ws) if Path(each.spec.sae) == sae.folder), "")


def use_as_space(ws: Workspace, name: str) -> str:
    """Make a trained SAE a feature space of the project; returns its id.

    Raises:
        InputError: no SAE of this name was trained here.
        ModelError: its model is gone, or a file is damaged.
    """
    sae = next((each for each in trained(ws) if each.name == name), None)
    if sae is None:
        raise InputError(f"No SAE called {name[:60]!r} was trained in this project.")
    space = sae.recipe.space
    return add_space(
        ws,
        space.backbone,
        sae.folder,
        block=space.block,
        revision=space.revision,
        dtype=space.dtype,
        max_length=space.max_length,
    )


def _place(ws: Workspace, name: str) -> Path:
    name = one_line(name, "The SAE's name")
    if not name:
        raise InputError("An SAE needs a name.")
    out = ws.saes / slug(name)
    taken = any(job.spec.get("out") == str(out) for job in owner.active(ws) if job.kind == KIND)
    if taken or out.exists():
        raise InputError(f"There is an SAE called {out.name} in this project already; choose another name.")
    return out


def _source_name(dataset: Dataset) -> str:
    return f"{dataset.role}-{slug(dataset.name)[:40]}-{slug(dataset.dataset_id)[-8:]}"


def _corpus(tables: dict[str, pa.Table], max_tokens: int) -> dict[str, Any]:
    import pyarrow.compute as pc

    # no token is shorter than a byte, so a source of few characters is read whole
    sizes = {name: pc.sum(pc.binary_length(table["text"])).as_py() or 0 for name, table in tables.items()}
    share = min(1.0, max_tokens / max(1, sum(sizes.values())))
    n_texts = sum(table.num_rows for table in tables.values())
    return {
        "heldout": MUCH_HELD_OUT if n_texts < FEW_TEXTS else LITTLE_HELD_OUT,
        "source": [
            {"path": f"{name}.parquet", "fields": ["text"], "tokens": max(0.001, size * share / 1000)}
            for name, size in sizes.items()
        ],
    }


def _space(space: dict[str, Any]) -> dict[str, Any]:
    """The place that is read, with the exact model, a block and a length that the model has."""
    model = resolve(str(space.get("backbone", "embedded")), str(space.get("revision") or "").strip())
    shape = model_shape(folder_of(model.backbone, model.revision, weights=False))
    block = space.get("block") or max(1, shape.n_blocks // 2)
    if not 1 <= block <= shape.n_blocks:
        raise ModelError(f"Block {block} was asked for, but {model.title} has blocks 1 to {shape.n_blocks}.")
    room = MAX_LENGTH if shape.n_positions is None else min(MAX_LENGTH, shape.n_positions - shape.n_prefix)
    exact = {"backbone": model.backbone, "revision": model.revision, "block": block}
    return {"max_length": room, **space, **exact}
