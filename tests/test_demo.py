"""A demo opens whole, whatever happened while it was made, and what a person did in it stays."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fac_core import demo, workspace
from fac_core.demo import demo_folder, demos, open_demo
from fac_core.errors import InputError
from fac_core.feature_space import extraction, spaces
from fac_core.feature_space.space import SpaceSpec, read_card
from fac_core.features import refresh as refresh_module
from fac_core.jobs import owner
from fac_core.samples.datasets import delete_dataset, list_datasets
from fac_core.samples.preview import preview
from fac_core.store.contents import count_unread
from fac_core.tasks import load_task, task_ids
from fac_core.workspace import Workspace
from tests.tiny import labelled_rows

ROLES_OF_PARTS = {"anchor": "anchor", "seed": "seed", "test": "pool"}


def write_demo(folder: Path, title: str = "Tiny", task: str = "toxicity") -> None:
    folder.mkdir(parents=True)
    for part, role in ROLES_OF_PARTS.items():
        lines = [json.dumps(row) for row in labelled_rows(role)]
        (folder / f"{part}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    card = {
        "title": title,
        "task": task,
        "description": "A few texts.",
        "left_out_topics": ["poison", "travel", "tax_crime"],
        "left_out_registers": ["typo"],
    }
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")


@pytest.fixture
def demo_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_spec: SpaceSpec, tiny_sae_folder: Path
) -> Iterator[Path]:
    """One demo without cache, in the tiny space."""
    monkeypatch.setenv("FAC_DEMO_DIR", str(tmp_path / "demo"))
    card = read_card(tiny_sae_folder)
    monkeypatch.setattr(
        spaces, "ensure_embedded", lambda ws: spaces.register_space(ws, tiny_spec, card, card["default_delta"])
    )
    write_demo(tmp_path / "demo" / "tiny")
    yield tmp_path / "demo"
    for info in workspace.list_projects():
        workspace.open_project(info.folder).close()


@pytest.fixture
def cached_demo(demo_dir: Path, filled_ws: Workspace, tiny_spec: SpaceSpec, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo with its activations; no model may be loaded to open it."""
    extraction.export_cache(filled_ws, tiny_spec.space_id, demo_dir / "tiny" / "cache")

    def forbidden(*arguments: Any, **named: Any) -> None:
        raise AssertionError("a job was started, though everything is cached")

    monkeypatch.setattr(owner, "start", forbidden)
    return demo_dir


def state(ws: Workspace) -> dict[str, Any]:
    """All that opening a demo makes."""
    counts = {
        "samples": "SELECT dataset_id <> '', row_number, content_id FROM sample ORDER BY ALL",
        "read": "SELECT content_id, n_tokens FROM content_read ORDER BY ALL",
        "activations": "SELECT content_id, feature_id, value FROM activation ORDER BY ALL",
        "totals": "SELECT n_samples, n_unread FROM profile_total ORDER BY ALL",
        "relevance": "SELECT feature_id, effect, relevant FROM relevance ORDER BY ALL",
        "families": "SELECT feature_id, family_id FROM family ORDER BY ALL",
        "names": "SELECT feature_id, text FROM explanation ORDER BY ALL",
    }
    found: dict[str, Any] = {name: ws.database.rows(sql) for name, sql in counts.items()}
    return found | {"datasets": [(d.name, d.role, d.n_rows, d.deleted) for d in list_datasets(ws)]}


def test_a_demo_opens_with_its_three_sets_read_and_described(cached_demo: Path):
    ws = open_demo("tiny")
    made = state(ws)
    assert made["datasets"] == [
        ("anchor", "anchor", 60, False),
        ("seed", "seed", 12, False),
        ("test", "holdout", 24, False),
    ]
    assert made["activations"] and made["relevance"] and made["families"] and made["names"]
    assert {n_unread for _, n_unread in made["totals"]} == {0}
    assert (ws.task, workspace.project_info(ws.root).demo) == ("toxicity", "tiny")


def test_opening_again_changes_nothing_and_keeps_what_a_person_did(cached_demo: Path):
    ws = open_demo("tiny")
    delete_dataset(ws, list_datasets(ws)[0].dataset_id)
    before = state(ws)
    ws.close()
    assert state(open_demo("tiny")) == before
    assert len(workspace.list_projects()) == 1


@pytest.mark.parametrize(
    ("module", "step", "calls_before"),
    [
        (workspace, "open_project", 0),
        (demo, "import_dataset", 0),
        (demo, "import_dataset", 2),
        (spaces, "ensure_embedded", 0),
        (extraction, "import_cache", 0),
        (extraction, "start_extraction", 0),
        (refresh_module, "refresh", 0),
    ],
)
def test_a_making_that_is_cut_off_anywhere_is_finished_by_the_next_opening(
    cached_demo: Path, monkeypatch: pytest.MonkeyPatch, module: Any, step: str, calls_before: int
):
    real, calls = getattr(module, step), [0]

    def cut_off(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] > calls_before:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, step, cut_off)
        with pytest.raises(KeyboardInterrupt):
            open_demo("tiny")
    finished = state(open_demo("tiny"))
    assert [role for _, role, _, _ in finished["datasets"]] == ["anchor", "seed", "holdout"]
    assert len(finished["samples"]) == 96 and finished["relevance"] and finished["names"]
    assert len(workspace.list_projects()) == 1


def test_a_folder_that_is_no_project_is_no_obstacle(cached_demo: Path):
    folder = workspace.home() / workspace.slug("Demo · Tiny")
    folder.mkdir(parents=True)
    (folder / workspace.PROJECT_FILE).write_text('{"name": "Demo', encoding="utf-8")
    assert open_demo("tiny").name == "Demo · Tiny"


def test_a_persons_own_project_of_that_name_is_left_alone(cached_demo: Path):
    own = workspace.create("Demo · Tiny", "survival")
    ws = open_demo("tiny")
    assert ws.name == "Demo 2 · Tiny" and ws.root != own.root
    assert workspace.project_info(own.root).task == "survival"
    own.close()


def test_sessions_that_ask_at_once_get_one_project(cached_demo: Path):
    opened: list[Workspace] = []
    threads = [threading.Thread(target=lambda: opened.append(open_demo("tiny"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4 and len({ws.root for ws in opened}) == 1
    assert len(state(opened[0])["samples"]) == 96


@pytest.mark.usefixtures("jobs_in_process")
def test_without_a_cache_the_texts_are_read_in_a_job(demo_dir: Path, tiny_spec: SpaceSpec):
    ws = open_demo("tiny")
    for job in owner.jobs(ws):
        assert owner.wait(ws, job.job_id, timeout=60).state == "completed"
    assert count_unread(ws.database, tiny_spec.space_id) == 0


def test_demos_are_listed_with_what_their_seed_leaves_out(demo_dir: Path):
    write_demo(demo_dir / "later", title="Later", task="survival")
    (demo_dir / "broken").mkdir()
    (demo_dir / "broken" / "card.json").write_text("{", encoding="utf-8")
    write_demo(demo_dir / "odd", task="no such task")
    found = demos()
    assert [(info.id, info.title, info.task) for info in found] == [
        ("tiny", "Tiny", "toxicity"),
        ("later", "Later", "survival"),
    ]
    assert found[0].card_text == (
        "A few texts. The seed leaves out on purpose the topics poison, travel and tax crime and the register typo."
    )


@pytest.mark.parametrize("name", ["nothing", "../tiny", "", "tiny/../tiny"])
def test_an_unknown_demo_is_refused(demo_dir: Path, name: str):
    with pytest.raises(InputError, match="no demo"):
        open_demo(name)
    assert workspace.list_projects() == []


def test_there_is_a_shipped_demo_for_each_task():
    assert [info.task for info in demos()] == task_ids()
    assert [info.id for info in demos()] == task_ids()


@pytest.mark.parametrize("task_id", task_ids())
def test_every_shipped_text_is_a_sample_of_its_task_and_none_is_in_two_sets(task_id: str):
    task, seen = load_task(task_id), set()
    card = json.loads((demo_folder() / task_id / "card.json").read_text(encoding="utf-8"))
    for part in demo.PARTS:
        path = demo_folder() / task_id / f"{part}.jsonl"
        shown = preview(path, path.name, task)
        assert shown.warnings == [] and {"topic", "register"} <= set(shown.mapping.meta)
        assert shown.mapping.fields.keys() >= {field.name for field in task.fields if field.required}
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        contents = {task.content(task.tidy(row)) for row in rows}
        assert len(contents) == len(rows) and not contents & seen
        seen |= contents
        if part == "seed":
            assert not {row["topic"] for row in rows} & set(card["left_out_topics"])
            assert not {row["register"] for row in rows} & set(card["left_out_registers"])
