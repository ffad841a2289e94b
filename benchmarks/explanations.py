"""How well offline explanations do on documents they were not made from, against explanations of other features.

For every feature of a demo that fires in at least 5 held-out documents: AUROC of its keywords, and of the keywords of
another feature drawn at random, on the very same documents. An honest score puts the second at chance.

    python benchmarks/explanations.py [demo]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Values = NDArray[np.float64]
MIN_FIRING = 5


def measured(demo: str, most: int | None = None) -> tuple[Values, Values]:
    """AUROCs of a demo's keywords and of shuffled ones, feature by feature; of `most` random features at most.

    The demo's project must be in the home folder, or is made there.
    """
    from fac_core.demo import open_demo
    from fac_core.feature_space.spaces import delta, spaces
    from fac_core.features.held_out import MAX_DOCUMENTS, HeldOut, tables
    from fac_core.features.split import SCORE, hashes
    from fac_core.jobs import kinds
    from fac_core.store import feature_samples as samples
    from fac_core.store.explanations import current_explanations

    kinds.FOLLOW_UPS.pop("describe", None)  # nothing scores beside what is measured
    ws = open_demo(demo)
    space_id = spaces(ws)[0].space_id
    rows = current_explanations(ws.database, space_id).to_pylist()
    rng = np.random.default_rng(0)
    if most is not None and len(rows) > most:
        rows = [rows[place] for place in rng.choice(len(rows), most, replace=False)]
    given = tables(ws, space_id)
    n_held = samples.described_contents(ws.database, space_id, MAX_DOCUMENTS, hashes(SCORE)).num_rows
    left_out = n_held - given.held_out.num_rows
    print(f"{left_out:,} of {n_held:,} held-out documents are near duplicates of explaining ones and left out")
    begin = time.perf_counter()
    bench = HeldOut(given, delta(ws, space_id))
    scored = bench.score([(row["feature_id"], row["text"]) for row in rows])
    took = time.perf_counter() - begin
    kept = [place for place, each in enumerate(scored) if each.result and each.result.n_firing >= MIN_FIRING]
    print(f"{demo}, judged by {bench.encoder.name}: {len(rows):,} names, {len(rows) / took:,.0f} a second")
    print(f"{len(kept):,} of them fire in at least {MIN_FIRING} held-out documents and are compared")
    others = np.roll(rng.permutation(kept), 1)
    order = np.argsort(np.roll(others, -1))
    shuffled = bench.score(
        [(rows[place]["feature_id"], rows[other]["text"]) for place, other in zip(kept, others[order], strict=True)]
    )
    own = np.array([scored[place].result.value for place in kept])  # type: ignore[union-attr]
    return own, np.array([each.result.value for each in shuffled if each.result])


def main() -> None:
    """Print the two distributions."""
    with tempfile.TemporaryDirectory() as home:
        import os

        os.environ["FAC_HOME"] = home
        found = measured(sys.argv[1] if len(sys.argv) > 1 else "toxicity")
    print(f"{'AUROC':12}{'n':>8}{'quartile':>10}{'median':>8}{'quartile':>10}{'mean':>7}{'> .7':>7}")
    for name, values in zip(("keywords", "shuffled"), found, strict=True):
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        share = (values > 0.7).mean()
        print(f"{name:12}{len(values):8,}{low:10.3f}{middle:8.3f}{high:10.3f}{values.mean():7.3f}{share:7.1%}")


if __name__ == "__main__":
    main()
