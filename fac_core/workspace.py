"""A project is one folder: its store, its jobs and its exports; nothing of it lies anywhere else.

The folder's name is made by us from the project's name, so a name can hold anything and never becomes a path; where
two names make the same, a number tells the folders apart. A folder gets its name when the project in it is whole.
"""

from __future__ import annotations

import errno
import json
import re
import secrets
import shutil
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fac_core.errors import InputError, StoreError
from fac_core.home import home as home
from fac_core.human import one_line
from fac_core.store.database import Database, data_version, get_meta, set_meta

PROJECT_FILE = "project.json"
TASK_SETTING = "task_file"
"""Copy of the file of a task of a person's own, which lies outside of the project and may be gone from there."""
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def now() -> datetime:
    """Current time in UTC without zone, as the store keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class ProjectInfo:
    """What a list of projects shows without opening their stores."""

    folder: Path
    name: str
    task: str
    demo: str | None
    """Id of the demo it was made from, if any."""


@dataclass(frozen=True)
class Workspace:
    """An open project."""

    root: Path
    name: str
    task: str
    database: Database

    @property
    def jobs(self) -> Path:
        """Folder of job folders."""
        return self.root / "jobs"

    @property
    def exports(self) -> Path:
        """Folder of exported data sets."""
        return self.root / "exports"

    @property
    def saes(self) -> Path:
        """Folder of the SAEs that were trained in this project."""
        return self.root / "saes"

    @property
    def data_version(self) -> int:
        """Counter of changes; what is derived from the store is cached under it."""
        return data_version(self.database)

    def setting(self, key: str, default: str = "") -> str:
        """A setting of the project."""
        return get_meta(self.database, f"setting.{key}", default)

    def set_setting(self, key: str, value: str) -> None:
        """Keep a setting of the project."""
        with self.database.transaction() as cursor:
            set_meta(cursor, f"setting.{key}", value)

    def keep_task(self) -> None:
        """Keep a copy of the file of a task of one's own, as it is now; one that cannot be used leaves the last."""
        from fac_core.tasks import is_custom, load_task
        from fac_core.tasks.custom import text_of

        if not is_custom(self.task):
            return
        try:
            load_task(self.task)
            text = text_of(self.task)
        except InputError:
            return
        if text != self.setting(TASK_SETTING):
            self.set_setting(TASK_SETTING, text)

    def restore_task(self) -> Path:
        """Write the file of the project's task anew from the copy; returns where it lies.

        Raises:
            InputError: the task is there, or the project keeps no copy of it.
            StoreError: the file cannot be written.
        """
        from fac_core.tasks.custom import put_back

        text = self.setting(TASK_SETTING)
        if not text:
            raise InputError(
                f"This project keeps no copy of the task {self.task}; make it anew under that name with: fac task add"
            )
        return put_back(self.task, text)

    def close(self) -> None:
        """Release the store."""
        self.database.close()


def create(name: str, task: str, *, demo: str | None = None, root: Path | None = None) -> Workspace:
    """Make a new project in `root` (default: `home()`).

    Raises:
        InputError: empty or unreadable name, unknown task, or there is a project of this name.
        StoreError: the folder cannot be written.
    """
    from fac_core.tasks import load_task

    load_task(task)
    name, root = one_line(name, "The project's name"), root or home()
    if not name:
        raise InputError("A project needs a name.")
    for info in list_projects(root):
        _refuse_same(name, info)
    building = root / f".new-{secrets.token_hex(8)}"
    try:
        building.mkdir(parents=True)
        content = {"name": name, "task": task, "demo": demo, "created_at": now().isoformat()}
        (building / PROJECT_FILE).write_text(json.dumps(content), encoding="utf-8")
        open_project(building).close()
        folder = _name_folder(building, name)
    except OSError as error:
        raise StoreError(f"A project folder in {root} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return open_project(folder)


def _name_folder(building: Path, name: str) -> Path:
    """Move a finished project to the first folder of its name that is free or empty."""
    folder, number = building.parent / slug(name), 1
    while True:
        try:
            return building.rename(folder)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        try:
            there = project_info(folder)
        except InputError:
            pass  # something else, which is left alone
        else:
            _refuse_same(name, there)
        number += 1
        folder = building.parent / f"{slug(name)}-{number}"


def _refuse_same(name: str, info: ProjectInfo) -> None:
    if unicodedata.normalize("NFKC", name).casefold() == unicodedata.normalize("NFKC", info.name).casefold():
        raise InputError(f"A project {info.name} exists already, in {info.folder}; choose another name.")


def open_project(folder: Path) -> Workspace:
    """Open an existing project.

    Raises:
        InputError: no project there.
        StoreError: locked, newer or damaged store.
    """
    info = project_info(folder)
    ws = Workspace(info.folder, info.name, info.task, Database.open(info.folder / "project.duckdb"))
    ws.keep_task()
    return ws


def project_info(folder: Path) -> ProjectInfo:
    """Name and task of a project folder.

    Raises:
        InputError: no readable project file there.
    """
    try:
        info = json.loads((folder / PROJECT_FILE).read_text(encoding="utf-8"))
        return ProjectInfo(folder.resolve(), str(info["name"]), str(info["task"]), info.get("demo"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"There is no FAC Explorer project in {folder}.") from error


def list_projects(root: Path | None = None) -> list[ProjectInfo]:
    """All projects in `root` (default: `home()`), by folder; one that is still being made is not among them."""
    found = []
    for path in sorted((root or home()).glob(f"[!.]*/{PROJECT_FILE}")):
        try:
            found.append(project_info(path.parent))
        except InputError:
            continue
    return found


def slug(name: str) -> str:
    """A safe folder name for any text."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "project"
