"""An exported folder is whole or absent: it is written under another name and renamed when its last byte is on disk.

The same approved samples give the same data file, byte by byte, whenever and wherever they are exported.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError, StoreError
from fac_core.review.candidates import approved
from fac_core.review.formats import FORMATS, write
from fac_core.review.manifest import card_of, manifest_of
from fac_core.review.rows import rows_of
from fac_core.store import exports as store
from fac_core.workspace import now

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

MANIFEST, CARD, SUMS = "manifest.json", "README.md", "SHA256SUMS"
_PARTIAL = ".partial-"


@dataclass(frozen=True)
class ExportResult:
    """An exported data set."""

    export_id: str
    folder: Path
    files: list[str]
    """Names of its files, the data first."""
    n_rows: int
    manifest: dict[str, Any]
    created_at: datetime


def export(
    ws: Workspace, space_id: str, format: str = "jsonl", folder: Path | None = None, *, guard: bool = True
) -> ExportResult:
    """Write the approved samples of a space with manifest, card and digests.

    Args:
        format: ``jsonl``, ``parquet`` or ``csv``.
        folder: a folder that does not exist yet or is empty; default: a new one in the project.
        guard: of CSV, whether texts that a spreadsheet would run as a formula get an apostrophe in front.

    Raises:
        InputError: unknown format, nothing approved, or `folder` holds something or is no UTF-8 name.
        StoreError: the folder cannot be written.
    """
    if format not in FORMATS:
        raise InputError(f"There is no export format {format!r}; choose one of {', '.join(FORMATS)}.")
    rows = rows_of(ws, space_id)
    if not rows.rows:
        raise InputError("There is nothing to export yet; approve samples in Review first.")
    at = now()
    export_id = f"{at:%Y%m%d-%H%M%S}-{format}-{secrets.token_hex(2)}"
    target = ws.exports / export_id if folder is None else folder.expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} exists and is not empty; name a new folder.")
    if not _is_utf8(str(target)):
        raise InputError(f"The folder {str(target)!r} has a name that cannot be kept; choose another.")
    data = f"approved.{format}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target.parent))
        try:
            guarded = write(format, work / data, rows.rows, rows.columns, guard=guard)
            manifest = manifest_of(ws, space_id, rows, export_id, at, guarded)
            (work / CARD).write_text(card_of(manifest, data), encoding="utf-8")
            manifest["files"] = [_file(work / name, len(rows.rows) if name == data else None) for name in (data, CARD)]
            text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
            (work / MANIFEST).write_text(text + "\n", encoding="utf-8")
            files = [data, CARD, MANIFEST]
            sums = "".join(f"{_sha256(work / name)}  {name}\n" for name in sorted(files))
            (work / SUMS).write_text(sums, encoding="utf-8")
            for name in [*files, SUMS]:
                _to_disk(work / name)
            work.chmod(0o755)
            work.replace(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"The export to {target} failed ({error.strerror or error}); nothing was left there. "
            "Free some space or choose another folder."
        ) from error
    with ws.database.transaction() as cursor:
        store.put_export(cursor, export_id, _kept(ws, target), manifest, at)
    return ExportResult(export_id, target, [*files, SUMS], len(rows.rows), manifest, at)


def exports(ws: Workspace) -> list[ExportResult]:
    """Exports made so far, newest first; a folder may have been moved or deleted since."""
    with ws.database.cursor() as cursor:
        found = store.export_rows(cursor)
    return [
        ExportResult(
            export_id,
            ws.root / folder,
            [*(file["name"] for file in manifest["files"]), MANIFEST, SUMS],
            int(manifest["counts"]["exported"]),
            manifest,
            at,
        )
        for export_id, folder, manifest, at in found
    ]


def n_unexported(ws: Workspace, space_id: str) -> int:
    """Approved samples of a space that were approved after its last export."""
    last = next((each.created_at for each in exports(ws) if each.manifest["space"]["space_id"] == space_id), None)
    decisions = [found.standing.decision for found in approved(ws, space_id)]
    return sum(last is None or (decision is not None and decision.created_at > last) for decision in decisions)


def _kept(ws: Workspace, folder: Path) -> str:
    """A folder as it is remembered: one in the project by its place there, so that a project can be moved."""
    return str(folder.relative_to(ws.root) if folder.is_relative_to(ws.root) else folder)


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _file(path: Path, n_rows: int | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": path.name, "bytes": path.stat().st_size, "sha256": _sha256(path)}
    return entry if n_rows is None else {**entry, "rows": n_rows}


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
