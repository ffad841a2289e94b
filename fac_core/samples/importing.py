"""An import is all or nothing: each row of the file becomes a sample or a quarantined row, in one transaction.

Duplicates are counted and reported, never removed: what a set holds twice is the curator's to decide.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.content import Content
from fac_core.errors import InputError
from fac_core.samples import mapping as mappings
from fac_core.samples.comparing import compare
from fac_core.samples.datasets import check_role, refuse_again
from fac_core.samples.mapping import Mapping
from fac_core.samples.parsing import ParsedSample, QuarantinedRow, RowParser
from fac_core.samples.preview import Counts
from fac_core.samples.source import Source, plain_words
from fac_core.samples.tables import open_table
from fac_core.store import datasets as store
from fac_core.tasks import Task, load_task
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ImportReport", "QuarantinedRow", "import_dataset", "import_texts", "pasted", "quarantine_jsonl"]

SHOWN_QUARANTINE = 100
_MAX_NAME = 120


@dataclass(frozen=True)
class ImportReport:
    """What an import brought."""

    dataset_id: str
    name: str
    role: str
    n_rows: int
    """Samples stored."""
    n_quarantined: int
    n_exact_duplicates: int
    """Samples whose text came earlier in the file."""
    n_near_duplicates: int
    """Samples that are no exact duplicate but resemble one earlier in the file."""
    quarantine: list[QuarantinedRow]
    """The first bad rows."""
    warnings: list[str]
    """Sentences."""


def import_dataset(
    ws: Workspace, path: Path, filename: str, role: str, name: str | None = None, mapping: Mapping | None = None
) -> ImportReport:
    """Bring a file into the project; without `mapping`, with a guessed one.

    Raises:
        InputError: the file or the mapping cannot be used, no row is good, or the file is here already in this role.
        StoreError: the disk is full.
    """
    return import_source(ws, Source.of(path, filename), role, name, mapping)


def import_texts(ws: Workspace, text: str, role: str, name: str) -> ImportReport:
    """Bring pasted text into the project: one text a line, or JSON lines.

    Raises:
        InputError: as for `import_dataset`.
    """
    return import_source(ws, pasted(text), role, name, None)


def pasted(text: str) -> Source:
    """Pasted text as something to preview or import."""
    lines = [line.strip() for line in text.splitlines() if line.strip()][:20]
    is_json = bool(lines) and all(line.startswith("{") and line.endswith("}") for line in lines)
    return Source("pasted.jsonl" if is_json else "pasted.txt", pasted=text.encode("utf-8", "surrogatepass"))


def import_source(ws: Workspace, source: Source, role: str, name: str | None, mapping: Mapping | None) -> ImportReport:
    """The way all samples come in."""
    check_role(role)
    used, good, bad, warnings = _read(source, load_task(ws.task), mapping)
    sha256 = source.sha256()
    with ws.database.cursor() as cursor:
        refuse_again(cursor, source.name, sha256, role, asdict(used))
    texts = _Texts.of(good)
    plain = {name: content.text for name, content in texts.contents.items()}
    found = compare(ws.database, texts.main, plain, role)
    brought = store.DatasetRow(
        dataset_id=new_id(at := now()),
        name=set_name(name, source.name),
        role=role,
        source=source.name,
        sha256=sha256,
        mapping=asdict(used),
        n_rows=len(good),
        n_quarantined=len(bad),
        n_exact_duplicates=found.n_exact,
        n_near_duplicates=found.n_near,
        created_at=at,
        deleted_at=None,
    )
    with ws.database.transaction() as cursor:
        refuse_again(cursor, source.name, sha256, role, asdict(used))
        ids = store.add_contents(cursor, texts.contents)
        store.insert_dataset(cursor, brought, _sample_table(good, texts, ids), _quarantine_table(bad))
    return ImportReport(
        dataset_id=brought.dataset_id,
        name=brought.name,
        role=role,
        n_rows=brought.n_rows,
        n_quarantined=brought.n_quarantined,
        n_exact_duplicates=brought.n_exact_duplicates,
        n_near_duplicates=brought.n_near_duplicates,
        quarantine=bad[:SHOWN_QUARANTINE],
        warnings=warnings + found.warnings,
    )


def quarantine_jsonl(ws: Workspace, dataset_id: str) -> bytes:
    """All bad rows of a dataset as JSON lines: row_number, field, reason, raw."""
    rows = store.quarantine_rows(ws.database, dataset_id)
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


class _Read(NamedTuple):
    mapping: Mapping
    good: list[ParsedSample]
    bad: list[QuarantinedRow]
    warnings: list[str]


def _read(source: Source, task: Task, mapping: Mapping | None) -> _Read:
    with open_table(source) as table:
        used = mapping or mappings.guess(task, table.columns, table.head)
        mappings.check(task, used, table.columns, source.name)
        parser, counts = RowParser(task, used), Counts()
        good: list[ParsedSample] = []
        bad: list[QuarantinedRow] = []
        for row in table.rows:
            parsed = parser.parse(row)
            counts.add(parsed, task)
            if isinstance(parsed, ParsedSample):
                good.append(parsed)
            else:
                bad.append(parsed)
    if not good:
        raise InputError(f"No row of {source.name} can be used; the first is {bad[0].sentence()}.")
    return _Read(used, good, bad, counts.warnings(task))


class _Texts(NamedTuple):
    """Hashes of the samples' contents, and each content once."""

    main: list[str]
    contrast: list[str | None]
    contents: dict[str, Content]

    @classmethod
    def of(cls, samples: list[ParsedSample]) -> _Texts:
        contents: dict[str, Content] = {}

        def keep(content: Content) -> str:
            name = content.digest
            contents.setdefault(name, content)
            return name

        main = [keep(item.content) for item in samples]
        return cls(main, [None if item.contrast is None else keep(item.contrast) for item in samples], contents)


def _sample_table(good: list[ParsedSample], texts: _Texts, ids: dict[str, int]) -> pa.Table:
    return _table(
        {
            "row_number": [item.row_number for item in good],
            "external_id": [item.external_id for item in good],
            "content_id": [ids[name] for name in texts.main],
            "contrast_id": [None if name is None else ids[name] for name in texts.contrast],
            "label": [item.label for item in good],
            "fields": [json.dumps(item.fields, ensure_ascii=False) for item in good],
            "meta": [json.dumps(item.meta, ensure_ascii=False) for item in good],
        }
    )


def _quarantine_table(bad: list[QuarantinedRow]) -> pa.Table:
    return _table({name: [getattr(row, name) for row in bad] for name in ("row_number", "field", "reason", "raw")})


def _table(columns: dict[str, list[Any]]) -> pa.Table:
    """An Arrow table whose column types do not depend on whether there are rows."""
    import pyarrow as pa

    numbers = {"row_number": pa.int32(), "content_id": pa.int64(), "contrast_id": pa.int64()}
    return pa.table({name: pa.array(values, numbers.get(name, pa.string())) for name, values in columns.items()})


def set_name(given: str | None, source: str) -> str:
    """What a dataset is called: as the person says, or after its file."""
    return plain_words(given or "")[:_MAX_NAME] or source.split(".")[0] or source


def new_id(at: datetime) -> str:
    """Id of a dataset that comes at a time."""
    return f"{at:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
