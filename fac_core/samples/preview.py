"""What a preview shows is what an import will do: both use the same reader, mapping and parser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fac_core.samples import mapping as mappings
from fac_core.samples.mapping import Mapping
from fac_core.samples.parsing import ParsedSample, QuarantinedRow, RowParser
from fac_core.samples.source import Source
from fac_core.samples.tables import Table, open_table
from fac_core.tasks import Task

__all__ = ["Mapping", "Preview", "preview", "preview_source"]

SHOWN_ROWS = 5
LONG_TEXT = 20_000
"""Characters beyond which a text is surely longer than what is read of it."""


@dataclass(frozen=True)
class Preview:
    """A file before it is imported."""

    format: str
    columns: list[str]
    mapping: Mapping
    rows: list[dict[str, str]]
    """The first good rows: field → value, and ``label``."""
    n_rows: int
    """All rows, bad ones included."""
    warnings: list[str]
    """Sentences."""


def preview(path: Path, filename: str, task: Task, mapping: Mapping | None = None) -> Preview:
    """How a file would be imported; without `mapping`, with a guessed one.

    Raises:
        InputError: the file is missing, empty, damaged or of no known format.
    """
    return preview_source(Source.of(path, filename), task, mapping)


def preview_source(source: Source, task: Task, mapping: Mapping | None = None) -> Preview:
    """The same for pasted text, see `fac_core.samples.importing.pasted`."""
    with open_table(source) as table:
        used = mapping or mappings.guess(task, table.columns, table.head)
        missing = mappings.missing_fields(task, used)
        if missing:
            warnings = [f"Choose a column for {' and '.join(missing)}."]
            return Preview(table.format, table.columns, used, [], sum(1 for _ in table.rows), warnings)
        counts, rows = _count(table, RowParser(task, used), task)
    return Preview(table.format, table.columns, used, rows, counts.n_rows, counts.warnings(task))


@dataclass
class Counts:
    """What is worth a warning, counted while rows pass by."""

    n_rows: int = 0
    n_bad: int = 0
    n_long: int = 0
    n_unlabelled: int = 0
    n_unknown_label: int = 0
    first_bad: QuarantinedRow | None = None
    unknown_label: str = ""

    def add(self, parsed: ParsedSample | QuarantinedRow, task: Task) -> None:
        """Count one row."""
        self.n_rows += 1
        if isinstance(parsed, QuarantinedRow):
            self.n_bad += 1
            self.first_bad = self.first_bad or parsed
            return
        self.n_long += len(parsed.content.text) > LONG_TEXT
        if task.labels is not None and parsed.label is None:
            self.n_unlabelled += 1
        elif task.labels is not None and task.polarity(parsed.label) is None:
            self.n_unknown_label += 1
            self.unknown_label = self.unknown_label or (parsed.label or "")

    def warnings(self, task: Task) -> list[str]:
        """Sentences about what was counted."""
        found = []
        if self.first_bad:
            first = self.first_bad.sentence()
            found.append(f"{self.n_bad:,} of {self.n_rows:,} rows cannot be used; the first is {first}.")
        if self.n_long:
            found.append(
                f"{self.n_long:,} texts are longer than {LONG_TEXT:,} characters; only their beginning is read."
            )
        good = self.n_rows - self.n_bad
        if self.n_unlabelled and task.relevance == "label":
            every = self.n_unlabelled == good
            which = "No row has a" if every else f"{self.n_unlabelled:,} of {good:,} rows have no"
            found.append(f"{which} label{'; relevance needs labels' if every else ''}.")
        if self.n_unknown_label and task.labels is not None:
            known = " or ".join(task.label_words)
            found.append(
                f"{self.n_unknown_label:,} labels, such as {self.unknown_label[:40]!r}, say neither {known}; "
                "they are kept, but not used for relevance."
            )
        return found


def _count(table: Table, parser: RowParser, task: Task) -> tuple[Counts, list[dict[str, str]]]:
    counts = Counts()
    rows: list[dict[str, str]] = []
    parsed: Iterable[ParsedSample | QuarantinedRow] = map(parser.parse, table.rows)
    for row in parsed:
        counts.add(row, task)
        if isinstance(row, ParsedSample) and len(rows) < SHOWN_ROWS:
            rows.append({**row.fields, **({"label": row.label} if row.label is not None else {})})
    return counts, rows
