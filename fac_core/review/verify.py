"""A folder passes only if every byte of it is as it was exported: nothing changed, nothing missing, nothing added."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from fac_core.errors import InputError
from fac_core.review.export import MANIFEST, SUMS
from fac_core.review.formats import n_rows

_SUM_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._-]*)\n")


@dataclass(frozen=True)
class Verification:
    """Whether a folder is the export it says it is."""

    folder: Path
    n_files: int
    problems: list[str]
    """One sentence each."""

    @property
    def ok(self) -> bool:
        """No problem was found."""
        return not self.problems


def verify(folder: Path) -> Verification:
    """Check an exported folder against its digests.

    Raises:
        InputError: there is no such folder, or it is no export.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    if SUMS not in present and MANIFEST not in present:
        raise InputError(f"{folder} is no export of FAC Explorer: it has neither {SUMS} nor {MANIFEST}.")
    problems: list[str] = []
    expected = _expected(present.get(SUMS), problems)
    for name, digest in expected.items():
        problems += _check(present.get(name), name, digest)
    for name in sorted(present.keys() - expected.keys() - {SUMS}):
        problems.append(f"{name!r} was added; it is not part of the export.")
    if not problems:
        problems += _check_manifest(folder, expected)
    return Verification(folder, len(expected) + 1, problems)


def _expected(path: Path | None, problems: list[str]) -> dict[str, str]:
    """Digests by file name."""
    if path is None or path.is_symlink() or not path.is_file():
        problems.append(f"{SUMS} is missing, so nothing can be checked.")
        return {}
    text = path.read_bytes().decode("utf-8", "replace")
    lines = _SUM_LINE.findall(text)
    if "".join(f"{digest}  {name}\n" for digest, name in lines) != text or not lines:
        problems.append(f"{SUMS} was changed.")
    found = {name: digest for digest, name in lines}
    if MANIFEST not in found:
        problems.append(f"{SUMS} does not name {MANIFEST}.")
    return found


def _check(path: Path | None, name: str, digest: str) -> list[str]:
    if path is None:
        return [f"{name} is missing."]
    if path.is_symlink() or not path.is_file():
        return [f"{name} is no plain file."]
    with path.open("rb") as handle:
        same = hashlib.file_digest(handle, "sha256").hexdigest() == digest
    return [] if same else [f"{name} was changed."]


def _check_manifest(folder: Path, expected: dict[str, str]) -> list[str]:
    """What a manifest says again: names, digests and rows; they differ if somebody wrote new sums for other files."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        named = {str(file["name"]): str(file["sha256"]) for file in manifest["files"]}
        rows = {str(file["name"]): int(file["rows"]) for file in manifest["files"] if "rows" in file}
        exported = int(manifest["counts"]["exported"])
    except (ValueError, KeyError, TypeError):
        return [f"{MANIFEST} cannot be read."]
    problems = [f"{name!r} is missing, though {MANIFEST} lists it." for name in sorted(named.keys() - expected.keys())]
    problems += [
        f"{name} is not the file that {MANIFEST} describes."
        for name in expected
        if name != MANIFEST and named.get(name) != expected[name]
    ]
    if problems:
        return problems
    if sum(rows.values()) != exported:
        problems.append(f"{MANIFEST} lists no data file with the {exported:,} rows that were exported.")
    for name, n in rows.items():
        held = n_rows(folder / name)
        if held != n:
            problems.append(f"{name} holds {'no readable' if held is None else f'{held:,}'} rows, not {n:,}.")
    return problems
