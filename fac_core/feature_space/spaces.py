"""A project knows a space by its id; the shipped one is registered on first need, with the facts shipped beside it.

The threshold δ is a choice of the project. It starts at the space's calibrated default and never changes by itself.
Both are steps of the profiles, from which every count at δ comes; anything else is refused here and nowhere else.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fac_core.errors import InputError, ModelError
from fac_core.feature_space.space import SpaceSpec, embedded_folder, embedded_space, read_card
from fac_core.store import spaces as store
from fac_core.store.activations import BIN_WIDTH, LAST_BIN
from fac_core.store.database import get_meta
from fac_core.workspace import Workspace, now

if TYPE_CHECKING:
    import pyarrow as pa

DELTA_STEP = BIN_WIDTH
"""Step in which δ moves."""
MAX_DELTA = DELTA_STEP * LAST_BIN
PAPER_DELTA = 0.0
"""The threshold of a space for which none was calibrated (method §1)."""


@dataclass(frozen=True)
class Space:
    """A registered space."""

    space_id: str
    name: str
    spec: SpaceSpec
    card: dict[str, Any]
    """What its SAE was made of and how it measured."""
    d_sae: int
    default_delta: float


def ensure_embedded(ws: Workspace) -> str:
    """Register the shipped space with its per-feature tables, if that has not happened yet; returns its id.

    Raises:
        ModelError: the shipped files are missing or damaged.
    """
    spec, folder = embedded_space(), embedded_folder()
    card = read_card(folder)
    space_id = register_space(ws, spec, card, float(card.get("default_delta", PAPER_DELTA)))
    load_statics(ws, space_id, folder)
    return space_id


def register_space(ws: Workspace, spec: SpaceSpec, card: dict[str, Any], default_delta: float) -> str:
    """Make a space known to the project; registering it again renews its name, card and locations.

    Raises:
        InputError: the default threshold is no step of the profiles.
    """
    step_of(default_delta, f"The default threshold of the space {spec.name}")
    known = store.space_row(ws.database, spec.space_id)
    if known is None or (known.spec, known.card, known.default_delta) != (asdict(spec), card, default_delta):
        with ws.database.transaction() as cursor:
            store.put_space(cursor, spec.space_id, spec.name, asdict(spec), card, spec.d_sae, default_delta, now())
    return spec.space_id


def load_statics(ws: Workspace, space_id: str, folder: Path) -> None:
    """Load per-feature facts (`feature_static`, `feature_neighbour`, `feature_token`) from Parquet files in `folder`.

    Files that are missing are left out; files that were loaded before are not loaded again.

    Raises:
        ModelError: a file is damaged.
    """
    paths = {name: folder / f"{name}.parquet" for name in store.STATIC_TABLES}
    paths = {name: path for name, path in paths.items() if path.is_file()}
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths.values())).hexdigest()
    if not paths or get_meta(ws.database, f"statics.{space_id}") == digest:
        return
    tables = {name: _read(path) for name, path in paths.items()}
    with ws.database.transaction() as cursor:
        store.replace_statics(cursor, space_id, tables, digest)


def spaces(ws: Workspace) -> list[Space]:
    """All spaces of the project, in the order they were registered."""
    return [_space(row) for row in store.space_rows(ws.database)]


def space(ws: Workspace, space_id: str) -> Space:
    """One space.

    Raises:
        InputError: the project does not know it.
    """
    row = store.space_row(ws.database, space_id)
    if row is None:
        raise InputError(f"This project has no feature space {space_id}; choose one in Settings.")
    return _space(row)


def current(ws: Workspace) -> Space | None:
    """The space the project works in where none is named: the chosen one, else the first; None if there is none."""
    known, chosen = spaces(ws), ws.setting("space")
    return next((each for each in known if each.space_id == chosen), known[0] if known else None)


def choose(ws: Workspace, space_id: str) -> None:
    """Make a space the one the project works in.

    Raises:
        InputError: the project does not know it.
    """
    ws.set_setting("space", space(ws, space_id).space_id)


def delta(ws: Workspace, space_id: str) -> float:
    """The project's threshold in a space; a feature is active in a text iff its maximum is strictly above it."""
    chosen = ws.setting(f"delta.{space_id}")
    return float(chosen) if chosen else space(ws, space_id).default_delta


def set_delta(ws: Workspace, space_id: str, value: float) -> None:
    """Choose the threshold.

    Raises:
        InputError: it is no step of the profiles, or the project does not know the space.
    """
    step = step_of(value)
    space(ws, space_id)
    ws.set_setting(f"delta.{space_id}", repr(step * DELTA_STEP))


def step_of(value: float, what: str = "The threshold δ") -> int:
    """The first profile bin above δ; `what` is the subject of the sentence that refuses it.

    Raises:
        InputError: δ is not a multiple of 0.25 from 0 to 15.75.
    """
    step = round(value / DELTA_STEP) if math.isfinite(value) else -1
    if not 0 <= step <= LAST_BIN or abs(step * DELTA_STEP - value) > 1e-9:
        raise InputError(f"{what} must be a multiple of {DELTA_STEP} from 0 to {MAX_DELTA}, not {value:g}.")
    return step


def _space(row: store.SpaceRow) -> Space:
    return Space(row.space_id, row.name, SpaceSpec.from_json(row.spec), row.card, row.d_sae, row.default_delta)


def _read(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ModelError(f"The file {path} is damaged; reinstall FAC Explorer.") from error
