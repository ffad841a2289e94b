"""A cache of activations is keyed by space and content, never by ids of a project, and one of another space is refused.

Two Parquet files and a note: ``contents.parquet`` (content_hash, n_tokens, n_truncated, l0), ``activations.parquet``
(content_hash, feature_id, value, token_pos, char_start, char_end) and ``cache.json`` (space_id). Values stay float32:
what comes out of a cache is bit for bit what was read. The note comes last and goes first, so a folder with a note
never holds files of two exports.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fac_core.errors import InputError
from fac_core.feature_space.spaces import space
from fac_core.jobs.journal import write_whole
from fac_core.store import activations as store
from fac_core.store.database import bump_data_version
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

NOTE, CONTENTS, ACTIVATIONS = "cache.json", "contents.parquet", "activations.parquet"
_COLUMNS = {
    CONTENTS: {"content_hash": "string", "n_tokens": "int32", "n_truncated": "int32", "l0": "double"},
    ACTIVATIONS: {
        "content_hash": "string",
        "feature_id": "int32",
        "value": "float",
        "token_pos": "int32",
        "char_start": "int32",
        "char_end": "int32",
    },
}


def export_cache(ws: Workspace, space_id: str, folder: Path) -> None:
    """Write everything the project has read in a space to `folder`, made if absent; the same rows give the same files.

    Raises:
        InputError: the project does not know the space, or the folder cannot be written.
    """
    from pyarrow import parquet

    space(ws, space_id)
    tables = {
        CONTENTS: store.cached_contents(ws.database, space_id),
        ACTIVATIONS: store.cached_activations(ws.database, space_id),
    }
    aside = {name: folder / f".{name}.{os.getpid()}" for name in tables}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            parquet.write_table(
                _cast(table, name), aside[name], compression="zstd", compression_level=15, use_dictionary=True
            )
        (folder / NOTE).unlink(missing_ok=True)
        for name, path in aside.items():
            path.replace(folder / name)
        write_whole(folder / NOTE, json.dumps({"space_id": space_id, "n_texts": tables[CONTENTS].num_rows}) + "\n")
    except OSError as error:
        raise InputError(f"The cache cannot be written to {folder}: {error.strerror or error}.") from error
    finally:
        for path in aside.values():
            path.unlink(missing_ok=True)


def import_cache(ws: Workspace, space_id: str, folder: Path) -> int:
    """Take over cached activations for the project's contents that are unread in this space; returns how many.

    Raises:
        InputError: no readable cache in `folder`, one of another space, rows that no reading gives, or the project does
            not know the space.
    """
    d_sae = space(ws, space_id).d_sae
    try:
        found = json.loads((folder / NOTE).read_text(encoding="utf-8"))["space_id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"There is no activation cache in {folder}.") from error
    if found != space_id:
        raise InputError(f"The cache in {folder} belongs to another feature space ({found}, not {space_id}).")
    contents, activations = (_read(folder, name) for name in (CONTENTS, ACTIVATIONS))
    if fault := _fault(contents, activations, d_sae):
        raise InputError(f"The activation cache in {folder} is damaged: {fault}.")
    with ws.database.transaction() as cursor:
        stored = store.insert_cached(cursor, space_id, contents, activations)
        if stored:
            bump_data_version(cursor)
            store.rebuild_by_feature(cursor, space_id)
            store.rebuild_profiles(cursor, space_id)
    return stored


def _read(folder: Path, name: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return _cast(parquet.read_table(folder / name, columns=list(_COLUMNS[name])), name)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise InputError(f"The file {name} of the activation cache in {folder} is missing or damaged.") from error


def _fault(contents: pa.Table, activations: pa.Table, d_sae: int) -> str:
    """What no reading in a space of `d_sae` features gives; empty if there is nothing."""
    import pyarrow.compute as pc

    for name, table in ((CONTENTS, contents), (ACTIVATIONS, activations)):
        if any(column.null_count for column in table.columns):
            return f"{name} has empty cells"
    if pc.count_distinct(contents["content_hash"]).as_py() < contents.num_rows:
        return f"a text occurs twice in {CONTENTS}"
    keys = ["content_hash", "feature_id"]
    if activations.group_by(keys).aggregate([]).num_rows < activations.num_rows:
        return f"a feature of a text occurs twice in {ACTIVATIONS}"
    if not activations.num_rows:
        return ""
    features = pc.min_max(activations["feature_id"]).as_py()
    if features["min"] < 0 or features["max"] >= d_sae:
        return f"{ACTIVATIONS} has features {features['min']} to {features['max']}, and the space has 0 to {d_sae - 1}"
    values = activations["value"]
    if not pc.all(pc.and_(pc.greater(values, 0), pc.is_finite(values))).as_py():
        return f"{ACTIVATIONS} has a value that is not above 0"
    return ""


def _cast(table: pa.Table, name: str) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema([(column, pa.type_for_alias(kind)) for column, kind in _COLUMNS[name].items()])
    return table.select(schema.names).cast(schema)
