"""What is stored can be read again at any time, and what that changes is said in numbers.

A demo opens on activations that came with it; reading again puts what the model gives on this machine in their place,
shard by shard, while the stored rows of every other text stay in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fac_core.errors import InputError
from fac_core.feature_space.engines import Engine
from fac_core.feature_space.extraction import KIND, job_spec
from fac_core.feature_space.spaces import space
from fac_core.jobs import owner
from fac_core.jobs.stored import StoredRows
from fac_core.store import contents as store
from fac_core.store.jobs import active_jobs, completed_results
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


class Difference(NamedTuple):
    """What reading some texts again changed; two of them add up."""

    n_texts: int = 0
    """Texts that were read again."""
    n_changed: int = 0
    """Of these, texts in which another set of features fires than before."""
    largest: float = 0.0
    """Largest difference of a value, over the features that fired in a text before and after."""

    def plus(self, other: Difference) -> Difference:
        """Both together."""
        return Difference(
            self.n_texts + other.n_texts, self.n_changed + other.n_changed, max(self.largest, other.largest)
        )

    @property
    def is_none(self) -> bool:
        """Whether everything is exactly as it was."""
        return not self.n_changed and not self.largest

    @property
    def sentence(self) -> str:
        """The same for people."""
        texts = f"{self.n_texts:,} text{'s were' if self.n_texts != 1 else ' was'} read again"
        changed = (
            f"another set of features fires in {self.n_changed:,} of them"
            if self.n_changed
            else ("the same features fire in all of them")
        )
        by = f" by more than {self.largest:.2g}" if self.largest else ""
        return f"{texts}: {changed}, and no value differs{by}."


def start_rereading(
    ws: Workspace,
    space_id: str,
    shard_size: int | None = None,
    engine: Engine = Engine(),  # noqa: B008 - it cannot be changed
) -> str | None:
    """Read every text that was read in a space again, in a job that replaces what is stored of it.

    Returns the job's id, the id of such a job that already runs, or None if nothing was read yet.

    Raises:
        InputError: the project does not know the space, texts are being read for the first time, or the engine cannot
            work here.
    """
    engine.check()
    chosen = space(ws, space_id)
    for row in active_jobs(ws.database):
        if row.kind == KIND and row.spec["space_id"] == space_id:
            if row.spec.get("again"):
                return row.job_id
            raise InputError("Texts are being read in this space; read them again when that has ended.")
    ids = store.read_ids(ws.database, space_id)
    if not len(ids):
        return None
    spec = job_spec(chosen, shard_size) | {"after": None, "again": True} | engine.in_spec
    noun = "text" if len(ids) == 1 else "texts"
    inputs = {
        "input": store.contents(ws.database, ids),
        "before": store.values(ws.database, space_id, ids),
    }
    return owner.start(ws, KIND, f"Read {len(ids):,} {noun} again", spec, inputs)


def n_read(ws: Workspace, space_id: str) -> int:
    """Texts that `start_rereading` would read."""
    return store.count_read(ws.database, space_id)


def last_rereading(ws: Workspace, space_id: str) -> Difference | None:
    """What the last reading again in a space changed; None if there was none."""
    for spec, result in reversed(completed_results(ws.database, KIND)):
        if spec["space_id"] == space_id and spec.get("again"):
            return Difference(**result["again"])
    return None


class Before:
    """What was stored when the job began: (content_id, feature_id, value), by content and feature."""

    def __init__(self, values: StoredRows) -> None:
        self._values = values

    def difference(self, content_ids: list[int], activation: pa.Table) -> Difference:
        """What reading some texts again changed; `content_ids` ascend, and `activation` holds what was read in them."""
        stored = self._values.between("content_id", content_ids[0], content_ids[-1])
        old, new = _keys(stored), _keys(activation)
        _, at_old, at_new = np.intersect1d(old, new, assume_unique=True, return_indices=True)
        apart = np.abs(stored["value"].to_numpy()[at_old] - activation["value"].to_numpy()[at_new])
        changed = np.unique(np.setxor1d(old, new, assume_unique=True) >> 32)
        return Difference(len(content_ids), len(changed), float(apart.max(initial=0.0)))


def _keys(table: pa.Table) -> NDArray[np.int64]:
    """One number for each (content, feature)."""
    content, feature = (table[name].to_numpy().astype(np.int64) for name in ("content_id", "feature_id"))
    keys: NDArray[np.int64] = (content << 32) | feature
    return keys
