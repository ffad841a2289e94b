"""Verification finds one changed byte, one missing file and one file too many."""

from __future__ import annotations

import shutil
from pathlib import Path

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
    import hashlib

    data = folder / "approved.jsonl"
    old = hashlib.sha256(data.read_bytes()).hexdigest()
    data.write_bytes(data.read_bytes() + b"{}\n")
    sums = (folder / "SHA256SUMS").read_text(encoding="utf-8")
    (folder / "SHA256SUMS").write_text(
        sums.replace(old, hashlib.sha256(data.read_bytes()).hexdigest()), encoding="utf-8"
    )
    assert verify(folder).problems == ["approved.jsonl is not the file that manifest.json describes."]


def test_a_folder_that_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        verify(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no export"):
        verify(tmp_path)
