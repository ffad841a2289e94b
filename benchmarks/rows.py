"""Which rows of features tell topics apart: themes (what fires in the same texts) or decoder clusters (directions).

For each demo, in its own project:

* AMI: adjusted mutual information between a feature's row and the topic whose anchor texts it fires on most often, over
  the features of F(P) that fire at least five times. Row labels dealt out at random give 0.
* spread: standard deviation between rows of the share of F(P) that the seed covers, beside the mean of the same with
  row labels dealt out at random (200 times), and by how many standard deviations of those it lies above.

Printed: one line a demo and kind of rows, and with --names what each row is called.

    nice python benchmarks/rows.py [--demos toxicity ...] [--column topic] [--names] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fac_core.coverage.grouped import load_grouped
from fac_core.coverage.grouping import ANCHOR
from fac_core.demo import demos, open_demo
from fac_core.feature_space import spaces
from fac_core.features.facts import Facts, load_facts
from fac_core.features.rows import ROWS_BY, load_rows
from fac_core.workspace import Workspace

MIN_FIRINGS = 5
SHUFFLES = 200


@dataclass(frozen=True)
class Told:
    """How well one kind of rows tells apart what it should."""

    demo: str
    rows: str
    n_rows: int
    n_features: int
    ami: float
    ami_shuffled: float
    spread: float
    spread_shuffled: float
    above: float


def main() -> None:
    """Print the table; with --json also write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demos", nargs="*", default=[info.id for info in demos()], metavar="ID")
    parser.add_argument("--column", default="topic", help="column of the samples that says their topic")
    parser.add_argument("--names", action="store_true", help="print what the rows are called")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    found: list[Told] = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["FAC_HOME"] = home
        for demo in asked.demos:
            ws = open_demo(demo)
            found += [told(ws, demo, by, asked.column, asked.names) for by in ROWS_BY]
            ws.close()
    print("demo         rows      n  features   AMI  shuffled  spread  shuffled  above")
    for one in found:
        print(
            f"{one.demo:12} {one.rows:8} {one.n_rows:2} {one.n_features:9,} {one.ami:5.3f} {one.ami_shuffled:9.3f} "
            f"{one.spread:7.3f} {one.spread_shuffled:9.3f} {one.above:4.1f} sd"
        )
    if asked.json:
        asked.json.write_text(json.dumps([asdict(one) for one in found], indent=1))


def told(ws: Workspace, demo: str, by: str, column: str, names: bool) -> Told:
    """Measure one kind of rows in one project."""
    space = spaces.current(ws)
    if space is None:
        raise SystemExit(f"The demo {demo} has no feature space.")
    delta = spaces.delta(ws, space.space_id)
    facts = load_facts(ws, space.space_id, delta)
    rows = load_rows(ws, space.space_id, facts, by)
    if names:
        print(*(f"{demo} {by}: {name}" for name in rows.names.values()), sep="\n")
    topic, keep = topics(ws, space.space_id, facts, delta, column)
    ami, ami_shuffled = mutual(topic, rows.row[keep])
    inside = rows.row[facts.in_anchor]
    spread, shuffled = between(inside, facts.counts.seed[facts.in_anchor] > 0)
    return Told(
        demo,
        by,
        len(np.unique(inside)),
        len(keep),
        ami,
        ami_shuffled,
        spread,
        float(shuffled.mean()),
        float((spread - shuffled.mean()) / shuffled.std()),
    )


def topics(ws: Workspace, space_id: str, facts: Facts, delta: float, column: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """(topic that shows a feature at the highest rate, feature) of the features of F(P) that fire often enough."""
    counted = load_grouped(ws, space_id, facts.d_sae, column)
    fired = counted.above(spaces.step_of(delta), facts.d_sae)[ANCHOR]
    keep = np.flatnonzero(facts.in_anchor & (fired.sum(axis=1) >= MIN_FIRINGS))
    return (fired[keep] / np.maximum(1, counted.grouping.sizes[ANCHOR])).argmax(axis=1), keep


def mutual(topic: NDArray[Any], row: NDArray[Any]) -> tuple[float, float]:
    """Adjusted mutual information, and the mean of ten with row labels dealt out at random."""
    from sklearn.metrics import adjusted_mutual_info_score as ami

    draw = np.random.default_rng(0)
    return float(ami(topic, row)), float(np.mean([ami(topic, draw.permutation(row)) for _ in range(10)]))


def between(row: NDArray[Any], covered: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Spread of the covered share between rows, weighted by their size; and the same of shuffled rows."""
    member = np.unique(row, return_inverse=True)[1]

    def spread(labels: NDArray[Any]) -> float:
        size = np.bincount(labels)
        share = np.bincount(labels, covered) / size
        return float(np.sqrt((size * (share - covered.mean()) ** 2).sum() / size.sum()))

    draw = np.random.default_rng(0)
    return spread(member), np.array([spread(draw.permutation(member)) for _ in range(SHUFFLES)])


if __name__ == "__main__":
    main()
