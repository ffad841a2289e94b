"""Verification finds one changed byte, one missing file and one file too many."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_core.errors import InputError
from fac_core.review.decisions import decide
from fac_core.review.export import export
from fac_core.review.verify import verify
from fac_core.workspace import Workspace

NAMES = ["approved.jsonl", "manifest.json", "README.md", "SHA256SUMS"]


@pytest.fixture
def folder(reviewed_ws: Workspace, space_id: str, tmp_path: Path) -> Path:
    """An export of one sample."""
    decide(reviewed_ws, "c00", "ann", "approve", revision=0)
    return export(reviewed_ws, space_id, folder=tmp_path / "set").folder


def test_an_untouched_export_passes_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    assert verify(folder).ok
    shutil.move(folder, tmp_path / "elsewhere")
    assert verify(tmp_path / "elsewhere").problems == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_one_changed_byte_anywhere_is_found(folder: Path, name: str, place: int, bit: int) -> None:
    before = (folder / name).read_bytes()
    changed = bytearray(before)
    changed[place % len(before)] ^= 1 << bit
    (folder / name).write_bytes(changed)
    try:
        assert not verify(folder).ok
    finally:
        (folder / name).write_bytes(before)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_found_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert any(name in problem and "missing" in problem for problem in verify(folder).problems)


@pytest.mark.parametrize("extra", ["notes.txt", ".hidden", "deep/er.txt", "a\nb"])
def test_an_extra_file_is_found(folder: Path, extra: str) -> None:
    (folder / extra).parent.mkdir(exist_ok=True)
    (folder / extra).write_text("x", encoding="utf-8")
    assert any("was added" in problem for problem in verify(folder).problems)


def test_a_link_in_place_of_a_file_is_found(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "README.md", tmp_path / "README.md")
    (folder / "README.md").symlink_to(tmp_path / "README.md")
    assert verify(folder).problems == ["README.md is no plain file."]


def test_new_sums_for_changed_data_are_found_by_the_manifest(folder: Path) -> None:
    data = folder / "approved.jsonl"
    old = hashlib.sha256(data.read_bytes()).hexdigest()
    data.write_bytes(data.read_bytes() + b"{}\n")
    sums = (folder / "SHA256SUMS").read_text(encoding="utf-8")
    (folder / "SHA256SUMS").write_text(
        sums.replace(old, hashlib.sha256(data.read_bytes()).hexdigest()), encoding="utf-8"
    )
    assert verify(folder).problems == ["approved.jsonl is not the file that manifest.json describes."]


def test_a_file_that_is_gone_from_the_sums_too_is_found_by_the_manifest(folder: Path) -> None:
    _drop(folder, "approved.jsonl")
    assert verify(folder).problems == ["'approved.jsonl' is missing, though manifest.json lists it."]


def test_data_that_is_gone_from_manifest_and_sums_is_found_by_the_count(folder: Path) -> None:
    _drop(folder, "approved.jsonl")
    _rewrite_manifest(folder, lambda file: file["name"] != "approved.jsonl")
    assert verify(folder).problems == ["manifest.json lists no data file with the 1 rows that were exported."]


@pytest.mark.parametrize("format", ["jsonl", "parquet", "csv"])
def test_the_rows_of_the_data_are_counted(reviewed_ws: Workspace, space_id: str, tmp_path: Path, format: str) -> None:
    for candidate_id in ("c00", "c01"):
        decide(reviewed_ws, candidate_id, "ann", "approve", revision=0)
    folder = export(reviewed_ws, space_id, format, tmp_path / "two").folder
    assert verify(folder).ok

    def claims_three(file: dict[str, Any]) -> bool:
        if "rows" in file:
            file["rows"] = 3
        return True

    _rewrite_manifest(folder, claims_three, exported=3)
    assert verify(folder).problems == [f"approved.{format} holds 2 rows, not 3."]


def _drop(folder: Path, name: str) -> None:
    """Remove a file and its line of the sums."""
    (folder / name).unlink()
    sums = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(line for line in sums if name not in line), encoding="utf-8")


def _rewrite_manifest(folder: Path, keep: Callable[[dict[str, Any]], bool], exported: int = 1) -> None:
    """Keep some files of the manifest and write its new digest into the sums."""
    path, sums = folder / "manifest.json", folder / "SHA256SUMS"
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"] = [file for file in manifest["files"] if keep(file)]
    manifest["counts"]["exported"] = exported
    path.write_text(json.dumps(manifest), encoding="utf-8")
    new = hashlib.sha256(path.read_bytes()).hexdigest()
    sums.write_text(sums.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_a_folder_that_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        verify(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no export"):
        verify(tmp_path)
