"""A line of the journal is whole and on disk, or it does not count.

Every line ends in a line feed and is fsynced before anything depends on it. A kill can only tear the last line: readers
ignore it, and the next writer cuts it off before it adds its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from fac_core.errors import StoreError

Event = dict[str, Any]


def read_journal(path: Path) -> list[Event]:
    """All whole lines; an absent file has none.

    Raises:
        StoreError: a line other than the last is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    events: list[Event] = []
    whole, _, _torn = content.rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise StoreError(
                f"Line {number} of the journal {path} is damaged; delete the folder {path.parent} and start again."
            ) from error
        if not isinstance(event, dict):
            raise StoreError(f"Line {number} of the journal {path} is not an event; start the job again.")
        events.append(event)
    return events


def append_event(path: Path, event: Event) -> int:
    """Add one line and wait until it is on disk; a torn line before it is cut off first. Returns where it begins."""
    return append_events(path, [event])


def append_events(path: Path, events: Iterable[Event]) -> int:
    """Add lines, together on disk when this returns; a kill meanwhile leaves the first of them. Returns where they
    begin."""
    lines = [json.dumps(event, sort_keys=True, allow_nan=False).encode() + b"\n" for event in events]
    with path.open("a+b") as handle:
        _cut_torn_line(handle)
        start = handle.seek(0, os.SEEK_END)
        handle.write(b"".join(lines))
        handle.flush()
        os.fsync(handle.fileno())
    return start


def _cut_torn_line(handle: BinaryIO) -> None:
    size = handle.seek(0, os.SEEK_END)
    if size == 0:
        return
    handle.seek(size - 1)
    if handle.read(1) != b"\n":
        handle.seek(0)
        handle.truncate(handle.read().rfind(b"\n") + 1)


def fsync_folder(folder: Path) -> None:
    """Wait until a folder's entries (new and renamed files) are on disk; a no-op where folders cannot be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: str) -> None:
    """Replace a file in one step: a reader sees the old content or the new, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(path)
