"""A manifest says how a data set came about and holds no secret and no place on anybody's disk."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import fac_core
from fac_core.coverage.measure import coverage
from fac_core.feature_space.spaces import delta as delta_of
from fac_core.feature_space.spaces import space
from fac_core.review.candidates import candidates
from fac_core.review.rows import Rows
from fac_core.store import exports as store
from fac_core.store.synthesis import run_rows
from fac_core.synthesis.standing import REJECTED, STATES
from fac_core.tasks import load_task

if TYPE_CHECKING:
    from datetime import datetime

    from fac_core.workspace import Workspace

VERSION = 1
_PLACES = {"backbone", "sae"}  # where model and SAE lie; their digests say what they are
_SECRET = ("key", "token", "secret", "password", "header", "authorization")
_MARKS = set("\\`*_{}[]<>()#+-.!|$~:&\"'")


def manifest_of(ws: Workspace, space_id: str, rows: Rows, export_id: str, at: datetime, guarded: int) -> dict[str, Any]:
    """Everything about an export but its files."""
    chosen, delta = space(ws, space_id), delta_of(ws, space_id)
    measured = coverage(ws, space_id, delta)
    found = candidates(ws, space_id)
    states = Counter(candidate.state for candidate in found)
    reasons = Counter(
        candidate.standing.decision.reason
        for candidate in found
        if candidate.state == REJECTED and candidate.standing.decision
    )
    with ws.database.cursor() as cursor:
        datasets = store.dataset_rows(cursor)
    runs = [run for run_id in rows.run_ids for run in run_rows(ws.database, run_id)]
    return {
        "manifest_version": VERSION,
        "export_id": export_id,
        "created_at": at.isoformat(timespec="seconds") + "Z",
        "project": ws.name.encode("utf-8", "backslashreplace").decode(),  # older names can hold half a surrogate pair
        "task": ws.task,
        "space": {key: value for key, value in asdict(chosen.spec).items() if key not in _PLACES}
        | {"space_id": space_id},
        "coverage": {
            "delta": delta,
            "fac_before": round(measured.fac, 6),
            "fac_before_interval": [round(measured.low, 6), round(measured.high, 6)],
            "fac_after": round(measured.fac_after, 6),
            "n_anchor_features": measured.n_anchor,
            "n_covered_before": measured.n_covered,
            "n_covered_after": measured.n_after,
            "missing_hit_rate": measured.missing_hit_rate,
            "relevance_mode": measured.relevance_mode,
        },
        "counts": {
            "exported": len(rows.rows),
            "left_out": rows.left_out,
            **{state: states[state] for state in STATES},
            "rejected_by_reason": dict(sorted((str(reason), n) for reason, n in reasons.items())),
            "guarded_cells": guarded,
        },
        "datasets": [row._asdict() for row in datasets],
        "runs": [
            {
                "run_id": run.run_id,
                "generator": run.generator,
                "delta": run.delta,
                "settings": without_secrets(run.settings),
                "created_at": run.created_at.isoformat(timespec="seconds") + "Z",
            }
            for run in runs
        ],
        "versions": {"fac-explorer": fac_core.__version__, "python": platform.python_version()},
    }


def without_secrets(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a run without anything that could be a credential; of an address only its host is kept."""
    kept: dict[str, Any] = {}
    for key, value in settings.items():
        if key.casefold() != "max_tokens" and any(word in key.casefold() for word in _SECRET):
            continue
        if isinstance(value, dict):
            kept[key] = without_secrets(value)
        elif isinstance(value, str) and "://" in value:
            kept[key] = urlsplit(value).hostname or ""
        else:
            kept[key] = value
    return kept


def card_of(manifest: dict[str, Any], data_file: str) -> str:
    """The data set's card: front matter for data hubs, then what a reader must know, names as plain text."""
    task = load_task(manifest["task"])
    datasets = [f"{plain(each['name'])} ({each['role']})" for each in manifest["datasets"]]
    noun = task.sample_word if manifest["counts"]["exported"] == 1 else task.sample_words
    counts, measured, place = manifest["counts"], manifest["coverage"], manifest["space"]
    lines = [
        "---",
        "tags:",
        "- synthetic",
        "- feature-activation-coverage",
        "size_categories:",
        "- n<1K" if counts["exported"] < 1000 else "- 1K<n<10K" if counts["exported"] < 10_000 else "- 10K<n<100K",
        "configs:",
        "- config_name: default",
        f"  data_files: {data_file}",
        "---",
        "",
        f"# {plain(manifest['project'])}: approved samples",
        "",
        f"{counts['exported']} {noun} for the task *{task.title}*, each made or found for a feature that "
        "the seed set did not cover, checked to activate it, and approved by a person.",
        "",
        f"- FAC {measured['fac_before']:.3f} before, {measured['fac_after']:.3f} after "
        f"(δ = {measured['delta']:g}, {measured['n_anchor_features']} features in the anchor)",
        f"- feature space `{place['space_id']}`: block {place['block']} of {place['n_blocks']}, "
        f"{place['d_sae']} features, k = {place['k']}",
        f"- review: {counts['approved']} approved, {counts['rejected']} rejected, "
        f"{counts['pending'] + counts['skipped']} left open",
        f"- data sets: {', '.join(datasets)}",
        "",
        "Each row's `provenance` names its run, feature (and how far its name is borne out), activation, threshold, "
        "generator, reviewer and time. "
        "`manifest.json` holds the figures, `SHA256SUMS` the digests; `fac verify FOLDER` or `sha256sum -c SHA256SUMS` "
        "checks them.",
    ]
    if data_file.endswith(".csv") and counts["guarded_cells"]:
        lines += [
            "",
            f"{counts['guarded_cells']} cells that a spreadsheet could run as a formula, or that looked like a guarded "
            "one, got an apostrophe in front. To get the text, take one apostrophe off each cell that begins with "
            "apostrophes followed, after any white space or invisible characters, by `=`, `+`, `-` or `@` (also "
            "full-width) or by a tab or line end; the other formats hold the text as it is.",
        ]
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Any text as one line of Markdown that shows exactly that text."""
    return "".join(f"\\{char}" if char in _MARKS else char for char in " ".join(text.split()) if char.isprintable())
