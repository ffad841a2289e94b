"""Everything derived that ships can be made again from the SAE and the demo texts.

Writes what the embedded SAE's weights say about each feature (`embedded/*.parquet`, with the UMAP layout) and each
demo's activation cache (`demo/<id>/cache`). Run it after `fac train-sae`, or after a demo text changed.

    python data/build.py [--demos-only [ID ...]]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

DATA = Path(__file__).resolve().parent


def main() -> None:
    """Build what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--demos-only", nargs="*", metavar="ID", help="leave the per-feature tables as they are; build only these demos"
    )
    chosen = parser.parse_args().demos_only
    if chosen is None:
        build_statics()
    build_caches(chosen)


def build_statics() -> None:
    """Per-feature tables of the embedded space."""
    from pyarrow import parquet

    from fac_core.feature_space import statics
    from fac_core.feature_space.extractor import load_extractor
    from fac_core.feature_space.space import embedded_space
    from fac_core.features.map_job import umap_layout

    extractor = load_extractor(embedded_space())
    static = statics.feature_static(extractor)
    place = umap_layout(statics.directions(extractor))
    for column, values in (("umap_x", place[:, 0]), ("umap_y", place[:, 1])):
        static = static.set_column(static.schema.get_field_index(column), column, [values])
    tables = {
        "feature_static": static,
        "feature_neighbour": statics.neighbours(extractor),
        "feature_token": statics.boosted_tokens(extractor),
    }
    for name, table in tables.items():
        parquet.write_table(table, DATA / "embedded" / f"{name}.parquet", compression="zstd", compression_level=15)
        print(f"{name}: {table.num_rows} rows")


def build_caches(chosen: list[str] | None = None) -> None:
    """Activations of every text of the chosen demos (default: all), read afresh."""
    from fac_core import demo, workspace
    from fac_core.feature_space.extraction import export_cache, start_extraction
    from fac_core.feature_space.spaces import ensure_embedded
    from fac_core.jobs import owner
    from fac_core.samples.importing import import_dataset

    with tempfile.TemporaryDirectory() as folder:
        os.environ["FAC_HOME"] = folder
        for info in demo.demos():
            if chosen and info.id not in chosen:
                continue
            ws = workspace.create(info.id, info.task)
            for part, role in demo.PARTS.items():
                import_dataset(ws, DATA / "demo" / info.id / f"{part}.jsonl", f"{part}.jsonl", role, part)
            space_id = ensure_embedded(ws)
            job_id = start_extraction(ws, space_id)
            if job_id:
                job = owner.wait(ws, job_id)
                print(f"{info.id}: {job.state} {job.result}")
            export_cache(ws, space_id, DATA / "demo" / info.id / "cache")
            ws.close()


if __name__ == "__main__":
    main()
