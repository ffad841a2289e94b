"""Nothing a person brought is destroyed: a deleted dataset counts nowhere and can be restored as it was.

A dataset's role says what it is for: `seed` is the set under work, `anchor` what it should cover, `pool` where real
samples are looked for, `holdout` what must stay unseen, `synthetic` what was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fac_core.errors import InputError
from fac_core.samples.mapping import Mapping
from fac_core.store import datasets as store
from fac_core.store.datasets import ROLES
from fac_core.workspace import Workspace, now

__all__ = [
    "ROLES",
    "Dataset",
    "Sample",
    "SamplePage",
    "check_role",
    "delete_dataset",
    "list_datasets",
    "restore_dataset",
    "sample",
    "sample_page",
    "set_role",
]


@dataclass(frozen=True)
class Dataset:
    """A set of samples with a role."""

    dataset_id: str
    name: str
    role: str
    source: str
    sha256: str
    mapping: Mapping
    n_rows: int
    """Samples."""
    n_quarantined: int
    """Bad rows of the file, kept apart."""
    n_exact_duplicates: int
    """Samples whose text came earlier in the file."""
    n_near_duplicates: int
    """Samples that resemble one earlier in the file."""
    created_at: datetime
    deleted_at: datetime | None

    @property
    def deleted(self) -> bool:
        """Whether it counts nowhere until it is restored."""
        return self.deleted_at is not None


@dataclass(frozen=True)
class Sample:
    """One sample as brought."""

    sample_id: int
    content_id: int
    text: str
    """What is read."""
    fields: dict[str, str]
    meta: dict[str, str]
    label: str | None
    dataset: str
    """Name of its dataset."""
    role: str
    row_number: int
    """Where it stood in the file."""
    external_id: str | None


@dataclass(frozen=True)
class SamplePage:
    """A page of samples."""

    rows: list[Sample]
    total: int


def list_datasets(ws: Workspace) -> list[Dataset]:
    """All datasets, deleted ones included, in the order they came."""
    return [Dataset(**{**vars(row), "mapping": Mapping(**row.mapping)}) for row in store.dataset_rows(ws.database)]


def set_role(ws: Workspace, dataset_id: str, role: str) -> None:
    """Give a dataset another role.

    Raises:
        InputError: unknown dataset or role, or the dataset of approved samples.
    """
    check_role(role)
    if _changeable(ws, dataset_id).role != role:
        with ws.database.transaction() as cursor:
            store.set_role(cursor, dataset_id, role)


def delete_dataset(ws: Workspace, dataset_id: str) -> None:
    """Take a dataset out of everything; `restore_dataset` brings it back.

    Raises:
        InputError: unknown dataset, or the dataset of approved samples.
    """
    if _changeable(ws, dataset_id).deleted_at is None:
        with ws.database.transaction() as cursor:
            store.mark_deleted(cursor, dataset_id, now())


def restore_dataset(ws: Workspace, dataset_id: str) -> None:
    """Bring a deleted dataset back.

    Raises:
        InputError: unknown dataset.
    """
    if _changeable(ws, dataset_id).deleted_at is not None:
        with ws.database.transaction() as cursor:
            store.mark_restored(cursor, dataset_id)


def sample(ws: Workspace, sample_id: int) -> Sample:
    """One sample.

    Raises:
        InputError: there is none with this id.
    """
    row = store.sample_row(ws.database, sample_id)
    if row is None:
        raise InputError(f"There is no sample {sample_id} in this project.")
    return _sample(row)


def sample_page(ws: Workspace, dataset_id: str, *, search: str = "", page: int = 1, page_size: int = 50) -> SamplePage:
    """Samples of a dataset whose text holds `search` (any case), in the file's order; pages count from 1."""
    rows, total = store.sample_rows(ws.database, dataset_id, search, page_size, (max(1, page) - 1) * page_size)
    return SamplePage([_sample(row) for row in rows], total)


def check_role(role: str) -> None:
    """Refuse an unknown role.

    Raises:
        InputError: it is none of `ROLES`.
    """
    if role not in ROLES:
        raise InputError(f"There is no role {role[:40]!r}; choose one of {', '.join(ROLES)}.")


def _changeable(ws: Workspace, dataset_id: str) -> store.DatasetRow:
    row = store.dataset_row(ws.database, dataset_id)
    if row is None:
        raise InputError(f"There is no dataset {dataset_id[:60]} in this project.")
    if row.source == store.FROM_REVIEW:
        raise InputError(f"The dataset {row.name} holds what was approved; change it in Review.")
    return row


def _sample(row: store.SampleRow) -> Sample:
    return Sample(
        row.sample_id, row.content_id, row.text, row.fields, row.meta, row.label, row.dataset, row.role,
        row.row_number, row.external_id,
    )  # fmt: skip
