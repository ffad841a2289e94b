"""A Hub without a network: repositories are folders, and what its client would raise can be made to happen."""

from __future__ import annotations

import fnmatch
import shutil
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import constants, errors
from huggingface_hub.file_download import repo_folder_name

COMMIT = "12ab" * 10
LATER = "34cd" * 10


def answer(status: int) -> httpx2.Response:
    """The Hub's answer."""
    return httpx2.Response(status, request=httpx2.Request("GET", "https://huggingface.co/api/models/owner/tiny"))


class FakeHub:
    """Repositories with a branch `main`; remembers what was asked for."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.folders: dict[str, Path] = {}
        self.main = COMMIT
        self.more_files: list[str] = []
        self.fault: BaseException | None = None
        self.offline = False
        self.gated: bool | str = False
        self.licence = "apache-2.0"
        self.asked: list[tuple[str, str]] = []
        self.fetched: list[str] = []

    def put(self, repository: str, folder: Path) -> None:
        """Make a folder a repository."""
        self.folders[repository] = folder

    def model_info(self, model: str, *, revision: str, files_metadata: bool) -> Any:
        self.asked.append(("info", revision))
        self._fail(model)
        siblings = [SimpleNamespace(rfilename=name, size=size) for name, size in self._files(model).items()]
        weights = [file for file in siblings if file.rfilename == "model.safetensors"]
        return SimpleNamespace(
            sha=self.main if revision == "main" else revision,
            siblings=[*siblings, *(SimpleNamespace(rfilename=name, size=None) for name in self.more_files)],
            card_data=SimpleNamespace(license=self.licence),
            gated=self.gated,
            safetensors=SimpleNamespace(total=weights[0].size // 4) if weights else None,
        )

    def snapshot_download(
        self,
        model: str,
        *,
        revision: str,
        allow_patterns: list[str],
        ignore_patterns: list[str],
        dry_run: bool = False,
    ) -> Any:
        target = self.cache / repo_folder_name(repo_id=model, repo_type="model") / "snapshots" / revision
        if dry_run:
            if self.offline:
                raise errors.DryRunError("offline")
            self._fail(model)
        else:
            self.asked.append(("download", revision))
            if self.offline and target.is_dir():
                return str(target)
            self._fail(model)
        wanted = {
            name: size
            for name, size in self._files(model).items()
            if any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns)
            and not any(fnmatch.fnmatch(name, pattern) for pattern in ignore_patterns)
        }
        if dry_run:
            return [
                SimpleNamespace(filename=name, file_size=size, will_download=not (target / name).exists())
                for name, size in wanted.items()
            ]
        for name in wanted:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if not (target / name).exists():
                self.fetched.append(name)
                shutil.copy(self.folders[model] / name, target / name)
        return str(target)

    def full_disk(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        """Leave so many bytes free on every disk."""
        monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "free")(free))

    def _files(self, model: str) -> dict[str, int]:
        folder = self.folders[model]
        return {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def _fail(self, model: str) -> None:
        if self.offline:
            raise errors.OfflineModeIsEnabled("offline")
        if self.fault:
            raise self.fault
        if model not in self.folders:
            raise errors.RepositoryNotFoundError("404", response=answer(404))


def make_fake_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """A Hub in place of the real one, which keeps what was downloaded in `folder`."""
    fake = FakeHub(folder)
    monkeypatch.setattr(huggingface_hub, "model_info", fake.model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot_download)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return fake
