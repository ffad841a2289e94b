"""A project appears whole under a folder name of its own, or not at all."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from fac_core import workspace
from fac_core.errors import FacError, InputError, StoreError
from fac_core.store import database
from fac_core.workspace import PROJECT_FILE


def make(name: str, root: Path) -> Path:
    ws = workspace.create(name, "toxicity", root=root)
    ws.close()
    return ws.root


def test_names_that_make_the_same_folder_name_get_folders_of_their_own(tmp_path: Path):
    names = ["السلامة", "Безопасность", "C++", "C#", "c", "📦", "Größe", "Grosse", "../..", "a/b", "a b"]
    folders = [make(name, tmp_path) for name in names]
    assert len(set(folders)) == len(names) and {folder.parent for folder in folders} == {tmp_path.resolve()}
    assert [folder.name for folder in folders[:5]] == ["project", "project-2", "c", "c-2", "c-3"]
    assert {info.folder: info.name for info in workspace.list_projects(tmp_path)} == dict(
        zip(folders, names, strict=True)
    )
    assert [workspace.open_project(folder).name for folder in folders] == names


@pytest.mark.parametrize("name", ["bad \udcff", "bell \x07", "null \0", "turned \u202e", "escape \x1b[31m"])
def test_a_name_that_cannot_be_read_is_refused(tmp_path: Path, name: str):
    with pytest.raises(InputError, match=r"The project's name holds U\+[0-9A-F]{4}, which cannot be read"):
        make(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "again"), [("Data", " Data "), ("Data", "data"), ("السلامة", "السلامة"), ("café", "cafe\u0301")]
)
def test_a_name_is_given_once(tmp_path: Path, name: str, again: str):
    folder = make("📦", tmp_path), make(name, tmp_path)
    with pytest.raises(InputError, match=f"A project {name} exists already, in .*; choose another name"):
        make(again, tmp_path)
    (folder[0] / PROJECT_FILE).unlink()
    with pytest.raises(InputError, match="exists already"):
        make(again, tmp_path)
    assert len(workspace.list_projects(tmp_path)) == 1


def test_two_clicks_at_once_make_one_project(tmp_path: Path):
    made: list[Path] = []
    refused: list[str] = []

    def click() -> None:
        try:
            made.append(make("Data", tmp_path))
        except FacError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and all("exists already" in sentence for sentence in refused)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_creation_that_fails_leaves_nothing_and_the_name_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for target, name in ((Path, "write_text"), (database, "_migrate"), (Path, "rename")):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, full)
            with pytest.raises(StoreError, match="cannot be written: No space left on device"):
                make("Data", tmp_path)
        assert list(tmp_path.iterdir()) == []
    assert make("Data", tmp_path).name == "data"


def test_a_project_still_being_made_is_not_listed_and_takes_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workspace.shutil, "rmtree", lambda *_, **__: None)
    with monkeypatch.context() as patch:
        patch.setattr(workspace, "_name_folder", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            make("Data", tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert workspace.list_projects(tmp_path) == []
    assert make("Data", tmp_path).name == "data"


@pytest.mark.parametrize("left", ["nothing", "no project", "a file"])
def test_what_lies_there_already_is_no_obstacle_and_left_alone(tmp_path: Path, left: str):
    there = tmp_path / "data"
    if left == "a file":
        there.write_text("mine", encoding="utf-8")
    else:
        there.mkdir()
    if left == "no project":
        (there / PROJECT_FILE).write_text('{"name": "Dat', encoding="utf-8")
    folder = make("Data", tmp_path)
    assert folder.name == ("data" if left == "nothing" else "data-2")
    assert json.loads((folder / PROJECT_FILE).read_text(encoding="utf-8"))["name"] == "Data"
    assert left == "nothing" or there.exists()


def test_a_place_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"A project folder in .*file cannot be written: Not a directory"):
        make("Data", tmp_path / "file")
