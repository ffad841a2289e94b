"""Nothing a person brought is destroyed: a deleted dataset counts nowhere and can be restored as it was.

No way leads to one file counting twice in one role, neither import, nor restoring, nor a change of role.

A dataset's role says what it is for: `seed` is the set under work, `anchor` what it should cover, `pool` where real
samples are looked for, `holdout` what must stay unseen, `synthetic` what was made.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError
from fac_core.samples.mapping import Mapping
from fac_core.store import datasets as store
from fac_core.store.datasets import ROLES
from fac_core.store.held import profile_only
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "ROLES",
    "Dataset",
    "Sample",
    "SamplePage",
    "check_role",
    "counts_only",
    "delete_dataset",
    "list_datasets",
    "refuse_again",
    "restore_dataset",
    "sample",
    "sample_page",
    "set_role",
]

COUNTED_ROLES = ("pool", "anchor")
"""Roles in which counts are enough."""


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
    n_kept: int | None = None
    """Of a profile-only dataset, the texts that are kept: its top examples; None where all are."""

    @property
    def kept_in_words(self) -> str:
        """That only examples are kept, for people; empty where all texts are."""
        if self.n_kept is None:
            return ""
        return (
            f"Of {self.n_rows:,} texts the counts are kept, and {self.n_kept:,} that activate a feature most; what "
            "needs each text, such as the heatmap, does not see the others."
        )

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
    kept = profile_only(ws.database)
    return [
        Dataset(**{**vars(row), "mapping": Mapping(**row.mapping)}, n_kept=kept.get(row.dataset_id))
        for row in store.dataset_rows(ws.database)
    ]


def counts_only(ws: Workspace, roles: Collection[str] = COUNTED_ROLES) -> str:
    """Which sets in these roles cannot show each of their texts, as a sentence; empty if all can."""
    found = [
        f"{each.role} set “{each.name}” ({each.n_kept:,} of {each.n_rows:,} texts)"
        for each in list_datasets(ws)
        if each.n_kept is not None and not each.deleted and each.role in roles
    ]
    return f"Only counts and top examples are kept of the {' and the '.join(found)}." if found else ""


def set_role(ws: Workspace, dataset_id: str, role: str) -> None:
    """Give a dataset another role.

    Raises:
        InputError: unknown dataset or role, the dataset of approved samples, its file is there in this role, or a role
            that needs each text for a dataset of which only examples are kept.
    """
    check_role(role)
    with ws.database.transaction() as cursor:
        row = _changeable(ws, dataset_id)
        if role not in COUNTED_ROLES and dataset_id in profile_only(ws.database):
            raise InputError(
                f"Of {row.name} only counts and top examples are kept, so it can be {' or '.join(COUNTED_ROLES)}; "
                f"import the file to make it a {role} set."
            )
        if row.role != role:
            if row.deleted_at is None:
                refuse_again(cursor, row.source, row.sha256, role, row.mapping)
            store.set_role(cursor, dataset_id, role)


def delete_dataset(ws: Workspace, dataset_id: str) -> None:
    """Take a dataset out of everything; `restore_dataset` brings it back.

    Raises:
        InputError: unknown dataset, or the dataset of approved samples.
    """
    with ws.database.transaction() as cursor:
        if _changeable(ws, dataset_id).deleted_at is None:
            store.mark_deleted(cursor, dataset_id, now())


def restore_dataset(ws: Workspace, dataset_id: str) -> None:
    """Bring a deleted dataset back.

    Raises:
        InputError: unknown dataset, or its file came in again in its role meanwhile.
    """
    with ws.database.transaction() as cursor:
        row = _changeable(ws, dataset_id)
        if row.deleted_at is not None:
            refuse_again(cursor, row.source, row.sha256, row.role, row.mapping)
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


def refuse_again(
    cursor: duckdb.DuckDBPyConnection, source: str, sha256: str, role: str, mapping: dict[str, Any]
) -> None:
    """Refuse what would count a file twice in one role, inside the transaction that is about to.

    Raises:
        InputError: a dataset of the same file and mapping has this role.
    """
    if (name := store.same_import(cursor, sha256, role, mapping)) is not None:
        raise InputError(
            f"{source} is in this project already, as the {role} set “{name}”; to count this one instead, take that "
            "one out."
        )


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
