"""A project is one folder: its store, its jobs and its exports; nothing of it lies anywhere else.

The folder's name is made by us from the project's name, so a name can hold anything and never becomes a path.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fac_core.errors import InputError, StoreError
from fac_core.store.database import Database, data_version, get_meta, set_meta

PROJECT_FILE = "project.json"


def home() -> Path:
    """Folder holding all projects: ``$FAC_HOME``, else the user's data directory."""
    if named := os.environ.get("FAC_HOME"):
        return Path(named)
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "fac-explorer"


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

    def close(self) -> None:
        """Release the store."""
        self.database.close()


def create(name: str, task: str, *, demo: str | None = None, root: Path | None = None) -> Workspace:
    """Make a new project in `root` (default: `home()`).

    Raises:
        InputError: empty name, unknown task, or the folder exists already.
        StoreError: the folder cannot be written.
    """
    from fac_core.tasks import load_task

    load_task(task)
    if not name.strip():
        raise InputError("A project needs a name.")
    folder = (root or home()) / slug(name)
    if folder.exists():
        raise InputError(f"A project in {folder.name} exists already; choose another name.")
    try:
        folder.mkdir(parents=True)
        info = {"name": name.strip(), "task": task, "demo": demo, "created_at": now().isoformat()}
        (folder / PROJECT_FILE).write_text(json.dumps(info), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The project folder {folder} cannot be written: {error.strerror}.") from error
    return open_project(folder)


def open_project(folder: Path) -> Workspace:
    """Open an existing project.

    Raises:
        InputError: no project there.
        StoreError: locked, newer or damaged store.
    """
    info = project_info(folder)
    return Workspace(info.folder, info.name, info.task, Database.open(info.folder / "project.duckdb"))


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
    """All projects in `root` (default: `home()`), by name."""
    found = []
    for path in sorted((root or home()).glob(f"*/{PROJECT_FILE}")):
        try:
            found.append(project_info(path.parent))
        except InputError:
            continue
    return found


def slug(name: str) -> str:
    """A safe folder name for any text."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "project"
