"""Only what was approved and is like nothing held out leaves the project, once; every row says where it comes from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from fac_core.features.trust import UNSCORED, NameScore, name_scores
from fac_core.review.candidates import approved
from fac_core.review.repeats import like_holdout
from fac_core.store.exports import content_hashes
from fac_core.store.features import names_of
from fac_core.tasks import Task, load_task

if TYPE_CHECKING:
    from fac_core.workspace import Workspace

PROVENANCE = {
    "run_id": str,
    "candidate_id": str,
    "origin": str,
    "generator": str,
    "feature_id": int,
    "feature_name": str,
    "name_trust": str,
    "name_score": float,
    "name_score_low": float,
    "name_score_high": float,
    "name_score_n_firing": int,
    "name_score_n_silent": int,
    "name_score_protocol": str,
    "name_score_judge": str,
    "value": float,
    "delta": float,
    "space_id": str,
    "content_hash": str,
    "prompt_sha256": str,
    "edited": bool,
    "reviewer": str,
    "decided_at": str,
}
"""What each row says about its origin, with types, in the order of the columns.

`name_trust` and `name_score…` say how far the feature's name was borne out by held-out documents when it was exported;
empty, or null, where the name has no score.
"""


class Rows(NamedTuple):
    """The rows of an export."""

    rows: list[dict[str, Any]]
    """id, the task's fields, label (where the task has one), provenance; by id."""
    columns: list[str]
    """Keys of a row, in order."""
    run_ids: list[str]
    left_out: dict[str, int]
    """Approved candidates that do not leave, by reason."""


def rows_of(ws: Workspace, space_id: str) -> Rows:
    """The approved samples of a space as they are exported."""
    task = load_task(ws.task)
    found = approved(ws, space_id)
    ids = [candidate.content_id for candidate in found if candidate.content_id is not None]
    features = sorted({candidate.feature_id for candidate in found})
    names, scores = names_of(ws.database, space_id, features), name_scores(ws, space_id, features)
    with ws.database.cursor() as cursor:
        hashes = content_hashes(cursor, ids)
    columns = columns_of(task)
    rows: list[dict[str, Any]] = []
    left_out = {"in_holdout": 0, "repeated": 0, "not_read": 0}
    written: set[int] = set()
    for candidate in found:
        made, decision = candidate.made, candidate.standing.decision
        if candidate.content_id is None or decision is None:
            left_out["not_read"] += 1
            continue
        if like_holdout(ws, candidate.text):
            left_out["in_holdout"] += 1
            continue
        if candidate.content_id in written:
            left_out["repeated"] += 1
            continue
        written.add(candidate.content_id)
        provenance = {
            "run_id": made.run_id,
            "candidate_id": made.candidate_id,
            "origin": made.origin,
            "generator": made.generator,
            "feature_id": candidate.feature_id,
            "feature_name": names.get(candidate.feature_id, ""),
            **_worth(scores.get(candidate.feature_id)),
            "value": round(candidate.value, 4),
            "delta": made.delta,
            "space_id": space_id,
            "content_hash": hashes[candidate.content_id],
            "prompt_sha256": hashlib.sha256(made.prompt.encode()).hexdigest(),
            "edited": candidate.standing.edit is not None,
            "reviewer": decision.reviewer,
            "decided_at": decision.created_at.isoformat(timespec="seconds") + "Z",
        }
        own = {"id": made.candidate_id, **candidate.fields, "label": candidate.label, "provenance": provenance}
        rows.append({column: own.get(column) for column in columns})
    return Rows(rows, columns, sorted({row["provenance"]["run_id"] for row in rows}), left_out)


def _worth(known: NameScore | None) -> dict[str, Any]:
    """What is said of a name's score."""
    score = None if known is None else known.score
    told = {name: getattr(score, name, None) for name in ("n_firing", "n_silent", "protocol", "judge")}
    bounds = {name: getattr(score, name, None) for name in ("value", "low", "high")}
    value, low, high = (None if bound is None else round(bound, 4) for bound in bounds.values())
    return {
        "name_trust": UNSCORED if known is None else known.badge,
        "name_score": value,
        "name_score_low": low,
        "name_score_high": high,
        **{f"name_score_{name}": each for name, each in told.items()},
    }


def columns_of(task: Task) -> list[str]:
    """Columns of an export of the task."""
    label = ["label"] if task.labels is not None else []
    return ["id", *(field.name for field in task.fields), *label, "provenance"]
