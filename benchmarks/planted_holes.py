"""Does the gap list find a hole that was put there? One table over δ, made with the product's own verbs.

For each topic of the toxicity demo a seed is drawn from the anchor (half of it), without the topic, several times.
With --texts any labelled texts take the demo's place; a topic is one combination of the values of the --topic columns
with at least --at-least rows, and rows without one are left out.

Reported, averaged over topics and draws:

* topic gaps: of the top 20 gap families that stand out from chance, the share whose anchor activations come mainly
  (> half) from that topic and more than five times its base rate; `of all` is the same share over the top 20 of the
  whole list. Only gaps with power are listed (expected firings in the seed >= 3). A topic without gaps counts as 0.
* base: the same share over all families of the anchor, i.e. what a blind choice would give.
* rise: how much FAC over the features with power rises when ten of the topic's texts are added, and when ten random
  other anchor texts are added (mean of three draws), and their ratio; `ratio, clear` counts only features whose gap
  stands out from chance.

    python benchmarks/planted_holes.py [--deltas 0 1 2 3 4] [--draws 3] [--json FILE]
    python benchmarks/planted_holes.py --texts FILE.jsonl.gz --topic source category --at-least 15
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fac_core.coverage.chance import chance, stands_out
from fac_core.coverage.gaps import gaps
from fac_core.coverage.states import gap_states

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

DEMO = Path(__file__).resolve().parents[1] / "data" / "demo" / "toxicity"
TOP = 20
ADDED = 10
RANDOM_DRAWS = 3


def main() -> None:
    """Print the table; with --json also write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deltas", type=float, nargs="+", default=[0, 1, 2, 2.5, 3, 3.5, 4, 5])
    parser.add_argument("--draws", type=int, default=3, help="seeds drawn for each topic")
    parser.add_argument("--mode", default="", help="relevance mode: which features count (default: the product's)")
    parser.add_argument("--texts", type=Path, help="labelled texts (JSONL, .gz too) instead of the toxicity demo")
    parser.add_argument("--task", default="toxicity", help="task of --texts")
    parser.add_argument("--topic", nargs="+", default=["topic"], help="columns of --texts that make a topic")
    parser.add_argument("--at-least", type=int, default=15, help="rows a topic of --texts must have")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FAC_HOME"] = folder
        trial = _labelled(options.texts, options.task, options.topic, options.at_least) if options.texts else _demo()
        if options.mode:
            trial.ws.set_setting("relevance_mode", options.mode)
        n_topics = len({row["topic"] for row in trial.rows})
        print(f"{n_topics} topics, {len(trial.rows)} texts, {options.draws} seeds a topic")
        table = measure(trial, options.deltas, options.draws)
    heads = (
        "δ",
        "topic gaps",
        "of all",
        "base",
        "stand out",
        "gaps",
        "FAC",
        "rise topic",
        "rise other",
        "ratio",
        "ratio, clear",
    )
    print("".join(f"{head:>12}" for head in heads))
    for row in table:
        print(f"{row['delta']:12g}" + "".join(f"{value:12.4f}" for value in list(row.values())[1:]))
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


class Trial(NamedTuple):
    """A project whose anchor is read and described, without other sets."""

    ws: Workspace
    space_id: str
    rows: list[dict[str, Any]]
    """The anchor's rows as they were imported, each with its ``topic``."""


def _demo() -> Trial:
    """The toxicity demo, its anchor only."""
    from fac_core.demo import open_demo
    from fac_core.feature_space.spaces import spaces
    from fac_core.jobs import kinds
    from fac_core.samples.datasets import delete_dataset, list_datasets

    kinds.FOLLOW_UPS.pop("describe", None)  # nothing scores beside what is measured
    ws = open_demo("toxicity")
    for dataset in list_datasets(ws):
        if dataset.role != "anchor":
            delete_dataset(ws, dataset.dataset_id)
    rows = [json.loads(line) for line in (DEMO / "anchor.jsonl").read_text(encoding="utf-8").splitlines()]
    return Trial(ws, spaces(ws)[0].space_id, rows)


def _labelled(path: Path, task: str, columns: list[str], at_least: int) -> Trial:
    """A new project with the texts that belong to a topic of at least so many rows as its anchor, read now."""
    from fac_core import workspace
    from fac_core.cli.waiting import settle
    from fac_core.feature_space.extraction import start_extraction
    from fac_core.feature_space.spaces import ensure_embedded
    from fac_core.samples.importing import import_dataset

    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    rows = [
        {**row, "topic": " · ".join(str(row[column]) for column in columns)}
        for row in rows
        if all(row.get(column) for column in columns)
    ]
    n = Counter(row["topic"] for row in rows)
    rows = [row for row in rows if n[row["topic"]] >= at_least]
    ws = workspace.create("Planted holes", task)
    anchor = ws.root / "anchor.jsonl"
    anchor.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_dataset(ws, anchor, anchor.name, "anchor")
    space_id = ensure_embedded(ws)
    start_extraction(ws, space_id)
    settle(ws)
    return Trial(ws, space_id, rows)


def _topics_by_content(ws: Workspace, rows: list[dict[str, Any]]) -> dict[int, str]:
    """Topic of each anchor content."""
    from fac_core.content import content_hash

    ids = dict(ws.database.rows("SELECT content_hash, content_id FROM content"))
    return {ids[content_hash(row["text"])]: row["topic"] for row in rows}


@contextmanager
def _dataset(ws: Workspace, space_id: str, rows: list[dict[str, Any]]) -> Iterator[None]:
    """The project with these rows as a further seed set; their texts were read with the anchor."""
    from fac_core.feature_space.extraction import refresh_profiles
    from fac_core.samples.datasets import delete_dataset
    from fac_core.samples.importing import import_dataset

    path = ws.root / "seed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = import_dataset(ws, path, path.name, "seed")
    refresh_profiles(ws, space_id)
    try:
        yield
    finally:
        delete_dataset(ws, report.dataset_id)


class Powered(NamedTuple):
    """Features with power: three firings or more are to be expected in the seed."""

    missing: Any
    """Features that are gaps."""
    clear: Any
    """Those of them whose gap stands out from chance."""
    n: int
    """All features with power, covered or missing."""


def _powered(ws: Workspace, space_id: str, delta: float) -> Powered:
    found = gap_states(ws, space_id, delta)
    covered = (found.facts.state == "covered") & (found.facts.counts.expected_in_seed >= 3)
    missing = np.flatnonzero(found.facts.state == "missing")
    clear = np.flatnonzero(stands_out(chance(ws, space_id, found)))
    return Powered(missing, clear, int(covered.sum()) + len(missing))


def measure(trial: Trial, deltas: list[float], draws: int) -> list[dict[str, Any]]:
    """One row for each δ, averaged over topics."""
    from fac_core.coverage.measure import coverage
    from fac_core.store.features import firing_values

    ws, space_id, rows = trial
    topics = sorted({row["topic"] for row in rows})
    topic_of = _topics_by_content(ws, rows)
    sums: dict[float, Counter[str]] = {delta: Counter() for delta in deltas}
    n_base = dict.fromkeys(deltas, 0)
    for topic, draw in itertools.product(topics, range(draws)):
        rng = random.Random(f"{topic} {draw}")
        inside = [row for row in rows if row["topic"] == topic]
        others = [row for row in rows if row["topic"] != topic]
        rng.shuffle(others)
        seed, rest = others[: len(rows) // 2], others[len(rows) // 2 :]
        base_rate = len(inside) / len(rows)

        def of_topic(members: list[int], delta: float, topic: str = topic, base_rate: float = base_rate) -> bool:
            fire = [firing_values(ws.database, space_id, feature, delta) for feature in members]
            contents = {content for table in fire for content in table.column("content_id").to_pylist()}
            fired = [topic_of[c] for c in contents if c in topic_of]
            share = fired.count(topic) / max(1, len(fired))
            return share > 0.5 and share > 5 * base_rate

        with _dataset(ws, space_id, seed):
            before = {delta: coverage(ws, space_id, delta).fac for delta in deltas}
            for delta in deltas:
                everything = gaps(ws, space_id, delta, states=("missing",))
                found = everything[:TOP]
                clear = [gap for gap in everything if gap.stands_out][:TOP]
                for name, listed in (("clear", clear), ("all", found)):
                    sums[delta][name] += sum(of_topic(gap.members, delta) for gap in listed) / max(1, len(listed))
                sums[delta]["n_clear"] += len(clear)
                sums[delta]["n_gaps"] += len(everything)
                sums[delta]["fac"] += before[delta]
                families = gaps(ws, space_id, delta, states=("missing", "covered"))
                powered = [gap for gap in families if gap.expected_seed >= 3]
                sample = rng.sample(powered, min(60, len(powered)))
                sums[delta]["base"] += sum(of_topic(gap.members, delta) for gap in sample)
                n_base[delta] += len(sample)
            powered = {delta: _powered(ws, space_id, delta) for delta in deltas}

            def rise(
                added: list[dict[str, Any]], name: str, weight: float, powered: dict[float, Powered] = powered
            ) -> None:
                with _dataset(ws, space_id, added):
                    for delta in deltas:
                        shown = gap_states(ws, space_id, delta).facts.counts.current > 0
                        per_feature = weight / max(1, powered[delta].n)
                        sums[delta][f"rise_{name}"] += per_feature * int(shown[powered[delta].missing].sum())
                        sums[delta][f"clear_{name}"] += per_feature * int(shown[powered[delta].clear].sum())

            rise(rng.sample(inside, min(ADDED, len(inside))), "topic", 1)
            for _ in range(RANDOM_DRAWS):
                rise(rng.sample(rest, ADDED), "other", 1 / RANDOM_DRAWS)
    n = len(topics) * draws
    return [
        {
            "delta": delta,
            "topic_share": total["clear"] / n,
            "topic_share_of_all": total["all"] / n,
            "base": total["base"] / max(1, n_base[delta]),
            "n_clear": total["n_clear"] / n,
            "n_gaps": total["n_gaps"] / n,
            "fac": total["fac"] / n,
            "rise_topic": total["rise_topic"] / n,
            "rise_other": total["rise_other"] / n,
            "ratio": total["rise_topic"] / max(1e-12, total["rise_other"]),
            "ratio_clear": total["clear_topic"] / max(1e-12, total["clear_other"]),
        }
        for delta, total in sums.items()
    ]


if __name__ == "__main__":
    main()
