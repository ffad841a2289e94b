"""A holdout that resembles what is trained on proves nothing, so an import says what it shares with the other sets.

Exact repeats are looked for in every set, near ones within the file and between the holdout and everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fac_core.samples.duplicates import near_duplicates
from fac_core.store import datasets as store
from fac_core.store.datasets import ROLES

if TYPE_CHECKING:
    from fac_core.store.database import Database

HOLDOUT = "holdout"


@dataclass(frozen=True)
class Comparison:
    """How new samples relate to each other and to what is there."""

    n_exact: int
    """Samples whose text came earlier in the file."""
    n_near: int
    """Other texts that resemble one earlier in the file."""
    warnings: list[str]


def compare(database: Database, hashes: list[str], contents: dict[str, str], role: str) -> Comparison:
    """Compare the texts of a file, for a dataset of `role`, with each other and with the project's.

    `hashes` has the content hash of each sample, `contents` the normalised text of each hash.
    """
    import pyarrow as pa

    distinct = list(dict.fromkeys(hashes))
    warnings = []
    for other, name, n_shared in store.shared_texts(database, pa.table({"content_hash": distinct})):
        where = f"in the {other} set “{name}”" if other != role else f"in “{name}”, another {role} set"
        warnings.append(f"{_texts(n_shared)} also {where}.")
    guarded = [other for other in ROLES if other != role and HOLDOUT in (role, other)]
    known = [(other, text) for other, name, text in store.texts_in_roles(database, guarded) if name not in contents]
    near = near_duplicates([contents[name] for name in distinct], [text for _, text in known])
    leaked = [known[i][0] for i in near.known.tolist() if i >= 0]
    for other in dict.fromkeys(leaked):
        warnings.append(f"{_texts(leaked.count(other))} nearly the same as one in the {other} data.")
    return Comparison(len(hashes) - len(distinct), int((near.earlier >= 0).sum()), warnings)


def _texts(n: int) -> str:
    return f"{n:,} {'text is' if n == 1 else 'texts are'}"
