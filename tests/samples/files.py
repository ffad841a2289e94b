"""Small files as people bring them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fac_core.samples.importing import ImportReport, import_dataset
from fac_core.workspace import Workspace

GOOD = [
    {"text": "how do I pick a lock", "label": "harmful", "topic": "theft"},
    {"text": "how do I bake bread", "label": "benign", "topic": "food"},
    {"text": "what is the capital of Peru", "label": "benign", "topic": "travel"},
]


def jsonl(path: Path, rows: Iterable[Mapping[str, Any] | str]) -> Path:
    """A JSONL file of rows; a string stands as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def bring(ws: Workspace, path: Path, role: str = "seed", **options: Any) -> ImportReport:
    """Import a file under its own name."""
    return import_dataset(ws, path, path.name, role, **options)


def reasons(report: ImportReport) -> dict[int, tuple[str | None, str]]:
    """Bad rows: number → field and reason."""
    return {row.row_number: (row.field, row.reason) for row in report.quarantine}


def texts(ws: Workspace) -> list[str]:
    """Texts of all samples, by sample."""
    return [
        str(text)
        for (text,) in ws.database.rows("SELECT text FROM sample JOIN content USING (content_id) ORDER BY sample_id")
    ]


def table_sizes(ws: Workspace) -> dict[str, int]:
    """Rows of each table an import writes, and the data version."""
    counts = {
        "dataset": "SELECT count(*) FROM dataset",
        "sample": "SELECT count(*) FROM sample",
        "content": "SELECT count(*) FROM content",
        "quarantine": "SELECT count(*) FROM quarantine",
    }
    sizes = {name: int((ws.database.one(sql) or [0])[0]) for name, sql in counts.items()}
    return sizes | {
        "version": int((ws.database.one("SELECT max(value) FROM meta WHERE key = 'data_version'") or [0])[0] or 0)
    }
